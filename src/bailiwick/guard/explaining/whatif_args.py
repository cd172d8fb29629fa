"""Another value for an argument: from a fact that a rule would rather see to a concrete value that has that fact.

The way back from facts to values is not unique and need not be right: whatever comes out here is parsed and decided
before anybody hears of it (`bailiwick.policy.alternatives`). Where no value is known that would do, none is tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from bailiwick.action.templates import template_segments
from bailiwick.action.types.money import EXPONENTS
from bailiwick.model.call import Fact
from bailiwick.model.tool import INTERFACE_NAMES, ArgSpec, Role, ToolSpec
from bailiwick.policy.counterfactual import OtherThan

__all__ = ["Asked", "argument_values", "from_resource", "mapped"]

_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_SPECIMEN = "Plain text. "


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An argument as it was given, and what may stand in for it. `facts` is what the parser found in `value`; `rest`
    leads from there to the fact in question; `own_mail` is the user's own address, `domains` the organisation's."""

    spec: ArgSpec
    value: object
    facts: Fact | None
    rest: tuple[str, ...]
    domains: tuple[str, ...] = ()
    own_mail: str = ""


def argument_values(asked: Asked, wanted: object) -> Iterator[object]:
    """Values of the argument whose fact may be `wanted` (a value, or `OtherThan` one), the most natural first."""
    match asked.spec.type:
        case "string" | "enum" if asked.rest == ():
            yield from _words(asked, wanted)
        case "long" if asked.rest == ():
            if isinstance(wanted, OtherThan) and isinstance(asked.value, int):
                yield asked.value + 1
            elif type(wanted) is int:
                yield wanted
        case "string[]" | "enum[]" if asked.rest == ("values",) and isinstance(wanted, list) and wanted:
            yield list(wanted)
        case "bool" | "number" if isinstance(wanted, int):
            yield wanted
        case "money":
            yield from _amounts(asked, wanted)
        case "email" | "email[]":
            for addresses in _addresses(asked, wanted):
                yield list(addresses) if asked.spec.type == "email[]" else addresses[0]
        case "sql":
            yield from _queries(asked, wanted)
        case "string" | "bytes" | "json" if asked.spec.role is Role.CONTENT:
            yield from _contents(asked, wanted)
        case _:
            return


def mapped(tool: ToolSpec, interface: str, names: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The arguments behind a field of an effect's interface, each with the way to the fact that the field is."""
    mapping = next((each for effect, each in tool.interface.items() if INTERFACE_NAMES.get(effect) == interface), {})
    match (interface, *names):
        case ("send", "recipients"):
            yield from ((name, ("addresses",)) for name, spec in tool.args.items() if spec.recipients)
        case ("send", "external"):
            yield from ((name, ("external",)) for name, spec in tool.args.items() if spec.recipients)
        case ("send", "content", fact):
            yield from ((name, (fact,)) for name in _names(mapping.get("content")))
        case ("pay", "amount_minor"):
            yield from ((name, ("minor",)) for name in _names(mapping.get("amount")))
        case ("pay", "currency"):
            yield from ((name, ("currency",)) for name in _names(mapping.get("amount")))
        case (_, field):
            yield from ((name, ()) for name in _names(mapping.get(field)) if name in tool.args)
        case _:
            return


def from_resource(tool: ToolSpec, resource_id: str) -> Mapping[str, str]:
    """The values of the arguments that a resource id was made of, by the first template that gives it."""
    for template in tool.resources:
        segments = template_segments(template)
        names = [text for text, is_name in segments if is_name]
        pattern = "".join("([^/]+)" if is_name else re.escape(text) for text, is_name in segments)
        match = re.fullmatch(pattern, resource_id)
        if match is not None and len(set(names)) == len(names):
            return {name: unquote(value) for name, value in zip(names, match.groups(), strict=True)}
    return {}


def _names(given: object) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given) if isinstance(given, tuple) else ()


def _words(asked: Asked, wanted: object) -> Iterator[str]:
    values = asked.spec.options.get("values")
    if isinstance(wanted, str):
        yield wanted
    elif isinstance(wanted, OtherThan) and isinstance(values, tuple):
        yield from (each for each in values if each not in (asked.value, wanted.value))
    elif isinstance(wanted, OtherThan) and isinstance(asked.value, str):
        text = asked.value
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
        yield from (f"{text}-{more}" if number is None else str(number + more) for more in (1, 2))


def _amounts(asked: Asked, wanted: object) -> Iterator[object]:
    fixed = asked.spec.options.get("currency")
    facts = asked.facts
    if asked.rest != ("minor",) or type(wanted) is not int or wanted < 0 or not isinstance(facts, Mapping):
        return
    currency = str(facts["currency"])
    if asked.spec.options.get("unit") == "minor":
        yield wanted
        return
    digits = EXPONENTS[currency]
    whole = f"{wanted // 10**digits}.{wanted % 10**digits:0{digits}d}" if digits else str(wanted)
    yield whole if isinstance(fixed, str) else f"{whole} {currency}"


def _addresses(asked: Asked, wanted: object) -> Iterator[tuple[str, ...]]:
    given = asked.value if isinstance(asked.value, list | tuple) else [asked.value]
    present = [each for each in given if isinstance(each, str)]
    match asked.rest, wanted:
        case ((("external",) | ("inside",)), False):
            inside = tuple(each for each in present if _domain(each) in asked.domains)
            if inside:
                yield inside
            elif asked.own_mail:
                yield (asked.own_mail,)
        case ("domains",), list(domains):
            kept = tuple(each for each in present if _domain(each) in domains)
            if kept:
                yield kept
            else:
                yield from ((f"name@{domain}",) for domain in domains if isinstance(domain, str))
        case ("addresses",), list(addresses) if addresses:
            yield tuple(str(each) for each in addresses)
        case ("count",), int(count) if 0 < count < len(present):
            yield tuple(present[:count])
        case _:
            return


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower()


def _queries(asked: Asked, wanted: object) -> Iterator[str]:
    """A plain SELECT: of the tables, columns and number of rows that are wanted, else of the tables that are there."""
    facts = asked.facts if isinstance(asked.facts, Mapping) else {}
    tables = wanted if asked.rest == ("tables",) and isinstance(wanted, list) else facts.get("tables")
    columns = wanted if asked.rest == ("columns",) and isinstance(wanted, list) else facts.get("columns")
    named = [each for each in _each(columns) if _TABLE.fullmatch(each)]
    limit = f" LIMIT {wanted}" if asked.rest == ("limit",) and type(wanted) is int and wanted >= 0 else ""
    if asked.spec.options.get("dialect") == "tsql":
        limit = ""
    for table in _each(tables):
        if _TABLE.fullmatch(table):
            chosen = [", ".join(named)] if named else []
            for column in (*chosen, "*") if asked.rest in (("columns",), ("limit",)) else ("*",):
                yield f"SELECT {column} FROM {table}{limit}"  # noqa: S608 - nothing runs it: it is parsed and decided


def _each(value: object) -> Iterator[str]:
    yield from (each for each in (value if isinstance(value, list | tuple) else ()) if isinstance(each, str))


def _contents(asked: Asked, wanted: object) -> Iterator[str]:
    match asked.rest, wanted:
        case ("length",), int(length) if 0 < length < 1_000_000:
            yield (_SPECIMEN * (length // len(_SPECIMEN) + 1))[:length]
        case (("opaque",), False) | (("addresses",), []):
            yield _SPECIMEN.strip()
        case _:
            return
