"""What `explain` is told of a call's circumstances, from the command line: evidence, environment, facts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import assert_never

import click

from bailiwick.model import shape
from bailiwick.model.call import Fact
from bailiwick.model.circumstances import CLAIMED, Evidence, FactDecl, FactReading, Method
from bailiwick.model.directory import Attribute
from bailiwick.model.duration import duration_ms
from bailiwick.model.toml_entries import did_you_mean

__all__ = ["environment_of", "evidence_of", "facts_of"]

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
        found[name] = _fact(value if plain else _json(value, "--environment"), shapes[name], f"--environment {name}")
    return found


def facts_of(given: Sequence[str], declared: Sequence[FactDecl], now_ms: int) -> Mapping[str, FactReading]:
    """`NAME=JSON` for facts of [facts], read just now. Raises BadParameter."""
    shapes = {each.name: each.shape for each in declared}
    found: dict[str, FactReading] = {}
    for text in given:
        name, value = _split(text, shapes, "--fact")
        found[name] = FactReading(value=_fact(_json(value, "--fact"), shapes[name], f"--fact {name}"), read_ms=now_ms)
    return found


def _split(text: str, known: Mapping[str, shape.Shape], option: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise click.BadParameter(f"{text!r} has no '='", param_hint=option)
    if name not in known:
        raise click.BadParameter(
            f"'{name}' is not declared in bailiwick.toml; {did_you_mean(name, known)}", param_hint=option
        )
    return name, value


def _json(text: str, option: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise click.BadParameter(f"not JSON: {text}", param_hint=option) from None


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
            raise click.BadParameter(f"{value!r} is not of the declared type", param_hint=option)
        case _ as unreachable:
            assert_never(unreachable)
