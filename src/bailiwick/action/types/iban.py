"""Account numbers: the type `iban`. ISO 13616, check digits of ISO 7064, formats and national checks by python-stdnum.

One account has one form in facts: capitals without spaces. An IBAN may be written in groups of four and in small
letters; anything else between its characters (other spaces, hyphens, invisible ones) and letters that only look like
Latin ones are refused, since the tool gets what was written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from stdnum import iban
from stdnum.exceptions import ValidationError

from bailiwick.action.types.base import (
    EVERY_ROLE,
    AsksNothing,
    Option,
    Options,
    OptionValue,
    Parsed,
    Surroundings,
    Unparsable,
)
from bailiwick.action.types.plain import kind_of
from bailiwick.model.shape import STRING, Shape
from bailiwick.model.tool import ArgSpec, Role

__all__ = ["IbanType", "normal_iban"]

_WRITTEN = re.compile(r"[A-Za-z]{2}[0-9]{2}(?:[A-Za-z0-9]{11,30}|(?: [A-Za-z0-9]{4}){2,7}(?: [A-Za-z0-9]{1,4})?)")
_COUNTRY = re.compile(r"[A-Z]{2}")


def normal_iban(text: str) -> str:
    """The one form of an account number, empty if it is none."""
    if _WRITTEN.fullmatch(text) is None:
        return ""
    plain = text.replace(" ", "").upper()
    try:
        iban.validate(plain)
    except ValidationError:
        return ""
    return plain


def _countries(value: OptionValue) -> str:
    sound = isinstance(value, tuple) and value and all(_COUNTRY.fullmatch(each) for each in value)
    return "" if sound else "it must be a list of country codes in capitals, such as DE"


@dataclass(frozen=True, slots=True)
class IbanType(AsksNothing):
    """One account number. `countries`: where the account may be (default: anywhere)."""

    name: str = "iban"
    scalar: bool = True
    roles: frozenset[Role] = EVERY_ROLE - {Role.CONTENT, Role.COMMAND}

    @property
    def options(self) -> Mapping[str, Option]:
        return {"countries": Option(kind=tuple, problem=_countries)}

    def shape(self, options: Options, role: Role) -> Shape:  # noqa: ARG002 - the Protocol's signature
        return STRING

    def accepts(self, spec: ArgSpec) -> str:
        countries = spec.options.get("countries")
        where = f" of {', '.join(countries)}" if isinstance(countries, tuple) else ""
        return f"an IBAN{where}, such as DE89370400440532013000"

    def parse(self, value: object, spec: ArgSpec, around: Surroundings) -> Parsed | Unparsable:  # noqa: ARG002
        if type(value) is not str:
            return Unparsable(problem=f"is {kind_of(value)}, not a string")
        account = normal_iban(value)
        if not account:
            return Unparsable(problem=f"is {value!r:.60}, which is no valid IBAN", code="not-an-iban")
        countries = spec.options.get("countries")
        if isinstance(countries, tuple) and account[:2] not in countries:
            return Unparsable(problem=f"is an account in {account[:2]}", code="not-allowed")
        return Parsed(facts=account, values=(account,))
