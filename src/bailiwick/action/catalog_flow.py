"""What a tool declares for the flow plane beside the roles of its arguments and its `output`. DESIGN §5 *Flow*.

Which arguments belong together, which words ask for it, who comes to see what it is handed, which store it shares.

Once per tool, never per task. What is left out is the careful thing: payee and amount of a payment belong together by
themselves, the words are those of the tool's effects, an external sink without recipients is seen by everyone, and a
store is the first part of the tool's resource.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bailiwick.action.catalog_output import EVERYONE
from bailiwick.action.catalog_table import Table
from bailiwick.model.nearest import did_you_mean
from bailiwick.model.tool import ArgSpec, Audience, Role

__all__ = ["FLOW_KEYS", "Flows", "audience_declaration", "read_flows"]

FLOW_KEYS = ("together", "asks", "audience", "store")

PARTY = "party"
"""How a catalog says that whoever the object belongs to comes to see it."""

_BOUND = (Role.TARGET, Role.SELECTOR, Role.VALUE, Role.CREDENTIAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flows:
    """The fields of `ToolSpec` that are read here."""

    together: tuple[tuple[str, ...], ...] = ()
    asks: tuple[str, ...] | None = None
    audience: Audience | None = None
    store: str = ""


def read_flows(tool: Table, args: Mapping[str, ArgSpec]) -> Flows:
    """What `tool` declares. Whatever is wrong is noted."""
    judged = {spec.name: spec for arg in args.values() for spec in arg.judged()}
    return Flows(
        together=_together(tool, judged),
        asks=_asks(tool),
        audience=_audience(tool, judged),
        store=tool.string("store") or "",
    )


def audience_declaration(audience: Audience | None) -> object:
    """All of it, for the catalog's digest."""
    if audience is None:
        return None
    known = sorted((value, _sorted(readers)) for value, readers in audience.known.items())
    return [_sorted(audience.readers), audience.argument, known, audience.party]


def _sorted(readers: frozenset[str] | None) -> list[str]:
    return [EVERYONE] if readers is None else sorted(readers)


def _together(tool: Table, args: Mapping[str, ArgSpec]) -> tuple[tuple[str, ...], ...]:
    value = tool.data.get("together")
    if value is None:
        return ()
    groups = value if isinstance(value, list) and all(isinstance(each, list) for each in value) else [value]
    found: list[tuple[str, ...]] = []
    for group in groups:
        if not isinstance(group, list) or not all(isinstance(name, str) for name in group):
            hint = 'write together = ["payee", "amount"], or a list of such lists'
            tool.note("wrong-value", "'together' must be a list of arguments", "together", hint=hint)
            continue
        if len(set(group)) < 2:
            tool.note("bad-group", "arguments that belong together are at least two", "together")
        for name in group:
            _check_bound(tool, name, args)
        found.append(tuple(group))
    return tuple(found)


def _check_bound(tool: Table, name: str, args: Mapping[str, ArgSpec]) -> None:
    if name not in args:
        hint = did_you_mean(name, args)
        tool.note("unknown-argument", f"no argument is called '{name}'", "together", hint=hint)
    elif args[name].role not in _BOUND:
        tool.note(
            "bad-group",
            f"'{name}' is a {args[name].role}, which belongs to nothing",
            "together",
            hint=f"what belongs together is a {', a '.join(_BOUND)}",
        )


def _asks(tool: Table) -> tuple[str, ...] | None:
    asks = tool.strings("asks")
    for index, phrase in enumerate(asks or ()):
        if not any(char.isalpha() for char in phrase):
            tool.note("wrong-value", f"'{phrase}' is no word", "asks", index)
    return asks


def _audience(tool: Table, args: Mapping[str, ArgSpec]) -> Audience | None:
    value = tool.data.get("audience")
    if value is None:
        return None
    if value == PARTY:
        return _own_party(tool)
    if not isinstance(value, dict):
        given, readers = _readers(tool, "audience")
        return Audience(readers=readers) if given else None
    table = tool.table("audience")
    assert table is not None
    table.refuse_unknown_keys(("argument", "known", "otherwise"), "an audience")
    argument = table.string("argument") or ""
    if argument not in args:
        hint = did_you_mean(argument, args) if argument else 'say whose value it depends on: argument = "channel"'
        table.note("unknown-argument", f"no argument is called '{argument}'", "argument", hint=hint)
    known = table.section("known")
    names: Collection[str] = known.data if known is not None else ()
    readers_of = {name: _readers(known, name)[1] for name in names if known is not None}
    return Audience(readers=_readers(table, "otherwise")[1], argument=argument, known=MappingProxyType(readers_of))


def _own_party(tool: Table) -> Audience:
    templates = tool.one_or_more_strings("resource") or ()
    if not templates or not all("{" in each for each in templates):
        hint = 'write the object into the resource, as the tool does that reads it: resource = "messages/{id}"'
        tool.note("bad-audience", "the resource does not say which object's party is meant", "audience", hint=hint)
    return Audience(party=True)


def _readers(table: Table, key: str) -> tuple[bool, frozenset[str] | None]:
    """(whether it says something, the readers; None for everyone, which is also what a wrong value means)."""
    if table.data.get(key, EVERYONE) == EVERYONE:
        return key in table.data, None
    names = table.one_or_more_strings(key)
    for name in names or ():
        kind, found, rest = name.partition("::")
        if not found or kind not in ("User", "Group", "Role") or not rest:
            hint = f'write "Group::staff", "Role::…", "User::…", or "{EVERYONE}"'
            table.note("bad-reader", f"'{name}' names no reader", key, hint=hint)
    return True, None if names is None else frozenset(names)
