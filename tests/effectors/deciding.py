"""One argument, decided as the guard decides it, for effectors that are tried by themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bailiwick.action.parse import parse_call
from bailiwick.action.types import Surroundings
from bailiwick.guard.effectors import Decided
from bailiwick.model.call import Action, Call
from bailiwick.model.decision import Reason
from bailiwick.model.lookup import Lookup, LookupKind
from tests.action.desk import catalog_of

__all__ = ["decided_request", "decided_sql"]


def _still() -> None:
    """The call is under way."""


def decided_sql(text: str, dialect: str, *, begin: Callable[[], None] = _still, functions: str = "") -> Decided:
    """The argument `sql` of a tool that may do anything."""
    catalog = catalog_of(
        f"""
        [tools."db.query"]
        effects  = ["read", "write", "delete", "execute"]
        change   = {{ count = 1 }}
        args.sql = {{ type = "sql", dialect = "{dialect}", role = "command"{functions} }}
        """
    )
    found = parse_call(catalog, Call(tool="db.query", args={"sql": text}), around=Surroundings())
    assert not isinstance(found, Reason), found
    return _of(found, text, begin)


def decided_request(
    value: object, addresses: Mapping[str, tuple[str, ...]], *, begin: Callable[[], None] = _still, options: str = ""
) -> Decided:
    """The argument of a tool that may send any request or (a string) fetch any URL. Hosts had these addresses."""
    methods = ', methods = ["GET", "HEAD", "OPTIONS", "POST", "DELETE"]'
    kind, more = ("url", "") if isinstance(value, str) else ("http", methods)
    catalog = catalog_of(
        f"""
        [tools."web.request"]
        effects  = ["fetch", "write", "delete"]
        change   = {{ count = 1 }}
        args.request = {{ type = "{kind}"{more}{options} }}
        """
    )
    found = {Lookup(kind=LookupKind.HOST, name=name): given for name, given in addresses.items()}
    call = Call(tool="web.request", args={"request": value})
    action = parse_call(catalog, call, around=Surroundings(found=found))
    assert not isinstance(action, Reason), action
    return _of(action, value, begin)


def _of(action: Action, value: Any, begin: Callable[[], None]) -> Decided:
    (facts,) = action.arguments
    return Decided(spec=action.tool.args[facts.name], value=value, facts=facts, found=action.found, begin=begin)
