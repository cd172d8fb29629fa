"""What rules over an effect read: the record of each effect interface, filled from one call's arguments.

The mapping was checked when the catalog was loaded (`catalog_interfaces`); shapes are those of
`model.tool.INTERFACES`. Where the arguments leave a question open, the answer is the careful one: recipients that are
no mail addresses, or none at all, are external if the tool's sink is; a send without any text argument has content
that nobody has seen, hence opaque. A fetch is private if any of its hosts is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from bailiwick.action.types.url_names import site_of
from bailiwick.model.call import ArgFacts, Fact, Facts
from bailiwick.model.tool import INTERFACE_NAMES, Effect, Sink, ToolSpec

__all__ = ["Recipients", "interface_facts", "recipients_of"]

Recipients = tuple[tuple[str, ...], bool]
"""Addresses, and whether any of them lies outside the organisation."""

MappedTo = str | int | bool | tuple[str, ...]


def recipients_of(tool: ToolSpec, args: Mapping[str, ArgFacts]) -> Recipients:
    """Whom a call reaches by its recipient arguments."""
    named = [name for name, spec in tool.judged().items() if spec.recipients and name in args]
    if not named:
        return (), _open(tool, args)
    addresses: dict[str, None] = {}
    external = False
    for name in named:
        facts = args[name].facts
        addresses.update(dict.fromkeys(args[name].values))
        if isinstance(facts, Mapping) and "external" in facts:
            external = external or bool(facts["external"])
        else:
            external = external or _open(tool, args)
    return tuple(addresses), external or (not addresses and _open(tool, args))


def _open(tool: ToolSpec, args: Mapping[str, ArgFacts]) -> bool:
    """True iff people outside may come to see what the tool is handed: by its audience, or, without one, its sink."""
    declared = tool.audience
    if declared is None:
        return tool.sink is Sink.EXTERNAL
    if declared.party:
        return True
    if declared.argument not in args:
        return declared.readers is None
    return not (values := args[declared.argument].values) or None in declared.of(values)


def interface_facts(tool: ToolSpec, args: Mapping[str, ArgFacts], recipients: Recipients) -> dict[str, Facts]:
    """Context name (`send`, `pay`, `change` …) → the record, for every effect of the tool that has an interface."""
    found: dict[str, Facts] = {}
    for effect, mapping in tool.interface.items():
        name = INTERFACE_NAMES[effect]
        if name not in found:
            found[name] = _record(effect, mapping, args, recipients)
    return found


def _record(
    effect: Effect, mapping: Mapping[str, MappedTo], args: Mapping[str, ArgFacts], recipients: Recipients
) -> Facts:
    match effect:
        case Effect.SEND:
            texts = [args[name] for name in cast(tuple[str, ...], mapping["content"]) if name in args]
            return {
                "recipients": recipients[0],
                "external": recipients[1],
                "content": _content(texts, unseen=not mapping["content"]),
            }
        case Effect.PAY:
            amount = _facts(args, mapping["amount"])
            payee = args[cast(str, mapping["payee"])].values[0]
            return {"payee": payee, "amount_minor": amount["minor"], "currency": amount["currency"]}
        case Effect.FETCH:
            return _fetch(mapping, args)
        case Effect.EXECUTE:
            return _execute(mapping, args)
        case _:
            return {"count": _count(mapping["count"], args), "reversible": _reversible(mapping["reversible"], args)}


def _content(texts: Iterable[ArgFacts], *, unseen: bool) -> Facts:
    length = 0
    opaque = unseen
    addresses: dict[str, None] = {}
    for text in texts:
        facts = cast(Facts, text.facts)
        length += cast(int, facts["length"])
        opaque = opaque or bool(facts["opaque"])
        addresses.update(dict.fromkeys(cast(tuple[str, ...], facts["addresses"])))
    return {"length": length, "opaque": opaque, "addresses": tuple(addresses)}


def _fetch(mapping: Mapping[str, MappedTo], args: Mapping[str, ArgFacts]) -> Facts:
    """Every host that the call names, and the fixed one: private if any of them is."""
    names = cast(tuple[str, ...], mapping.get("urls", ())) or tuple(
        cast(str, mapping[key]) for key in ("url",) if key in mapping
    )
    given = [_facts(args, name) for name in names if name in args]
    hosts = [str(mapping["host"])] if "host" in mapping else []
    for facts in given:
        hosts += [str(facts["host"])] if "host" in facts else cast(tuple[str, ...], facts["hosts"])
    found = tuple(dict.fromkeys(hosts))
    return {
        **({} if "urls" in mapping else {"host": found[0]}),
        "hosts": found,
        "sites": tuple(dict.fromkeys(map(site_of, found))),
        "private": bool(mapping.get("private", False)) or any(bool(facts["private"]) for facts in given),
    }


def _execute(mapping: Mapping[str, MappedTo], args: Mapping[str, ArgFacts]) -> Facts:
    """What every argument that is run may do, and what is declared besides."""
    programs = dict.fromkeys(cast(tuple[str, ...], mapping.get("programs", ())))
    network, writes = bool(mapping.get("network", False)), bool(mapping.get("writes", False))
    for name in cast(tuple[str, ...], mapping.get("command", ())):
        if name not in args:
            continue
        facts = _facts(args, name)
        if "read_only" in facts:  # SQL: what is not a plain read may do anything that the server can
            facts = {"programs": ("sql",), "network": not facts["read_only"], "writes": not facts["read_only"]}
        programs.update(dict.fromkeys(cast(tuple[str, ...], facts["programs"])))
        network, writes = network or bool(facts["network"]), writes or bool(facts["writes"])
    return {"programs": tuple(programs), "network": network, "writes": writes}


def _count(mapped: MappedTo, args: Mapping[str, ArgFacts]) -> Fact:
    if not isinstance(mapped, str):
        return cast(int, mapped)
    facts = args[mapped].facts
    return facts["count"] if isinstance(facts, Mapping) else facts


def _reversible(mapped: MappedTo, args: Mapping[str, ArgFacts]) -> Fact:
    return args[mapped].facts if isinstance(mapped, str) else cast(bool, mapped)


def _facts(args: Mapping[str, ArgFacts], mapped: MappedTo) -> Facts:
    return cast(Facts, args[cast(str, mapped)].facts)
