"""What `explain` is told of a call's circumstances, from the command line: evidence, environment, facts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import assert_never

import click

from bailiwick.action.types import is_address, normal_host
from bailiwick.model import shape
from bailiwick.model.budget import Budget
from bailiwick.model.call import Fact
from bailiwick.model.canonical import MAX_INT
from bailiwick.model.circumstances import CLAIMED, Evidence, FactDecl, FactReading, Method
from bailiwick.model.directory import Attribute
from bailiwick.model.duration import duration_ms
from bailiwick.model.nearest import did_you_mean
from bailiwick.model.tool import ToolSpec

__all__ = ["enforced_of", "environment_of", "evidence_of", "facts_of", "hosts_of", "usage_of"]

_EVIDENCE = re.compile(r"oidc(?P<strong>\+strong)?(?:@(?P<age>\w+))?")


def evidence_of(text: str | None, now_ms: int) -> Evidence:
    """`claimed`, `oidc`, `oidc@5m`, `oidc+strong@5m`. Raises BadParameter."""
    if text is None or text == Method.CLAIMED.value:
        return CLAIMED
    found = _EVIDENCE.fullmatch(text)
    age_ms = 0 if found is None or found["age"] is None else duration_ms(found["age"])
    if found is None or age_ms is None:
        raise click.BadParameter('write "claimed", "oidc", "oidc@5m" or "oidc+strong@5m"', param_hint="--evidence")
    return Evidence(method=Method.OIDC, at_ms=now_ms - age_ms, strong=found["strong"] is not None)


def environment_of(given: Sequence[str], declared: Sequence[Attribute]) -> Mapping[str, Fact]:
    """`NAME=VALUE` for attributes of [environment]. Raises BadParameter."""
    shapes = {each.name: each.shape for each in declared}
    found: dict[str, Fact] = {}
    for text in given:
        name, value = _split(text, shapes, "--environment")
        plain = isinstance(shapes[name], shape.String)
        option = f"--environment {name}"
        found[name] = _fact(value if plain else _json(value, shapes[name], option), shapes[name], option)
    return found


def facts_of(given: Sequence[str], declared: Sequence[FactDecl], now_ms: int) -> Mapping[str, FactReading]:
    """`NAME=JSON` for facts of [facts], read just now. Raises BadParameter."""
    shapes = {each.name: each.shape for each in declared}
    found: dict[str, FactReading] = {}
    for text in given:
        name, value = _split(text, shapes, "--fact", "JSON")
        option = f"--fact {name}"
        given_value = _fact(_json(value, shapes[name], option), shapes[name], option)
        found[name] = FactReading(value=given_value, read_ms=now_ms)
    return found


def enforced_of(given: Sequence[str], tool: ToolSpec | None) -> frozenset[str]:
    """Names of arguments of the tool. Raises BadParameter."""
    for name in given:
        if tool is not None and name not in tool.args:
            raise click.BadParameter(
                f"{tool.name} has no argument '{name}'; {did_you_mean(name, tool.args)}", param_hint="--enforced"
            )
    return frozenset(given)


def usage_of(given: Sequence[str], declared: Sequence[Budget]) -> Mapping[str, int]:
    """`NAME=N` for budgets of [budgets]. Raises BadParameter."""
    found: dict[str, int] = {}
    for text in given:
        name, value = _split(text, {each.name: shape.LONG for each in declared}, "--usage", "NUMBER")
        if not (value.isascii() and value.isdigit()) or int(value) > MAX_INT:
            raise click.BadParameter(f"{value!r} is no whole number; write {name}=NUMBER", param_hint=f"--usage {name}")
        found[name] = int(value)
    return found


def hosts_of(given: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """`NAME=ADDRESS`, several times for several addresses; `NAME=` for a host that there is none of. Raises
    BadParameter."""
    found: dict[str, tuple[str, ...]] = {}
    for text in given:
        name, sign, address = text.partition("=")
        if not sign or not name or normal_host(name) != name or (address and not is_address(address)):
            raise click.BadParameter(
                f"{text!r} is not written like api.example.com=192.0.2.1 (in lower case, xn--… for other letters)",
                param_hint="--host",
            )
        found[name] = (*found.get(name, ()), *((address,) if address else ()))
    return found


def _split(text: str, known: Mapping[str, shape.Shape], option: str, form: str = "VALUE") -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise click.BadParameter(f"{text!r} is not written NAME={form}", param_hint=option)
    if name not in known:
        raise click.BadParameter(
            f"'{name}' is not declared in bailiwick.toml; {did_you_mean(name, known)}", param_hint=option
        )
    return name, value


def _json(text: str, wanted: shape.Shape, option: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise click.BadParameter(f"{_say(wanted)}; {text!r} is not JSON", param_hint=option) from None


def _say(wanted: shape.Shape) -> str:
    """What to write for a value of this shape."""
    match wanted:
        case shape.Bool():
            return "say true or false (it is a bool)"
        case shape.Long():
            return "say a whole number such as 3 (it is an int)"
        case shape.String(values) if values:
            return f"say one of {', '.join(json.dumps(each) for each in sorted(values))}, in quotes (it is a string)"
        case shape.String():
            return 'say a text in quotes such as "some text" (it is a string)'
        case shape.StringSet():
            return 'say a list of texts such as ["a", "b"] (it is a set of strings)'
        case shape.Record(fields):
            return f"say a JSON object with {', '.join(each.name for each in fields)} (it is a record)"
        case _ as unreachable:
            assert_never(unreachable)


def _fact(value: object, wanted: shape.Shape, option: str) -> Fact:
    """`value` as a fact of the declared shape."""
    match wanted:
        case shape.Bool() if isinstance(value, bool):
            return value
        case shape.Long() if type(value) is int:
            return value
        case shape.String(values) if isinstance(value, str) and (not values or value in values):
            return value
        case shape.StringSet() if isinstance(value, list) and all(isinstance(each, str) for each in value):
            return tuple(value)
        case shape.Record(fields) if isinstance(value, dict) and set(value) <= {each.name for each in fields}:
            return {each.name: _fact(value[each.name], each.shape, option) for each in fields if each.name in value}
        case shape.Bool() | shape.Long() | shape.String() | shape.StringSet() | shape.Record():
            raise click.BadParameter(f"{_say(wanted)}; {json.dumps(value)} is not", param_hint=option)
        case _ as unreachable:
            assert_never(unreachable)
