"""A type of argument of one's own: order numbers such as `NW-004711`. See docs/types.md."""

import re

from bailiwick.types import LONG, ArgType, Field, Options, Parsed, Record, String, Unparsable

_ORDER = re.compile(r"(NW|SE)-([0-9]{6})")


class OrderId(ArgType):
    name = "order_id"
    takes = "an order number such as NW-004711"
    facts = Record((Field("region", String(("NW", "SE"))), Field("number", LONG)))

    def read(self, value: object, _: Options) -> Parsed | Unparsable:
        found = _ORDER.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            return Unparsable(problem="is no order number", code="not-an-order")
        return Parsed(facts={"region": found[1], "number": int(found[2])}, values=(found[0],))
