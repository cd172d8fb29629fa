"""What the requests of one tool need of rules and schema: its *part* of both. DESIGN §3 promise 8, §5 *Policy engine*.

Four fifths of what a Cedar request costs is reading its context, anew for each link. So the calls of a tool are put to
those rules alone whose action scope holds the tool, with those attributes of the context alone that these rules read,
under a schema that declares just these. That changes no answer:

- a scope cannot fail, and a rule whose scope is false neither decides nor errs;
- a rule reads the context by the names of its attributes and in no other way (where it takes a record as a whole, the
  whole record is kept);
- which resource it is, its id says: only where a rule asks what the resource is in is it needed as an entity (so says
  the slice, `slices`: the rules among these whose principal and resource fit too);
- the whole context must fit the whole schema, as Cedar has it. `Part.fits` asks that; a context that does not fit is
  put to Cedar uncut, which refuses it in its own words.

INVARIANT: a rule of a part reads no attribute that the part's context lacks. (Where one did, Cedar would report an
error, and the call would be denied.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, assert_never

import cedarpy
import orjson

from bailiwick.policy.reads import Path
from bailiwick.policy.schema import render_for
from bailiwick.policy.slices import Index, Stock
from bailiwick.policy.world import ActionDecl, Attr, Bool, Level, Long, Ref, Str, StrSet, Struct, Type, World

__all__ = ["Part", "kept", "misfit", "names_in", "part_of"]

Check = Callable[[object], bool]
"""Whether a value is of a type."""

_LISTS = (list, tuple, frozenset)
_LONGS = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """`stock` holds the tool's rules, `context` is what they read of its context, `schema` declares the tool with it.
    `fits` says whether Cedar would take a value as the whole context."""

    fits: Check
    context: Struct
    stock: Stock
    schema: cedarpy.Schema


def part_of(world: World, rules: Index, action: ActionDecl) -> Part:
    """The part of `action`."""
    stock = rules.stock(action)
    context = _cut(action.context, stock.reads)
    return Part(
        fits=_check(_asked(action.context, context)),
        context=context,
        stock=stock,
        schema=cedarpy.Schema.from_str(render_for(world, action.name, context)),
    )


def misfit(whole: Struct, read: Struct, value: Mapping[str, object]) -> tuple[str, ...]:
    """Where a value that does not fit the whole context (of which rules read `read`) departs from it first."""
    return _departs(_asked(whole, read), value) or ()


def _departs(struct: Struct, value: object) -> tuple[str, ...] | None:
    if not isinstance(value, Mapping):
        return ()
    for name in sorted(struct.attrs.keys() | value.keys()):
        attr = struct.attrs.get(name)
        if attr is None or (name not in value and not attr.optional):
            return (name,)
        if name in value and isinstance(attr.type, Struct):
            if (below := _departs(attr.type, value[name])) is not None:
                return (name, *below)
        elif name in value and not _check(attr.type)(value[name]):
            return (name,)
    return None


def _asked(whole: Struct, read: Struct) -> Struct:
    """The whole context as a request has it. Providers are asked for no fact that no rule reads, and no count is looked
    up, so only the others are there."""
    asked = dict(whole.attrs)
    for section in ("facts", "usage"):
        declared = whole.attrs.get(section)
        if declared is not None and isinstance(declared.type, Struct):
            names = names_in(read, section)
            held = {name: attr for name, attr in declared.type.attrs.items() if name in names}
            asked[section] = Attr(Struct(MappingProxyType(held)))
    return Struct(MappingProxyType(asked))


def names_in(context: Struct, section: str) -> frozenset[str]:
    """The names of one record of a context."""
    found = context.attrs.get(section)
    return frozenset(found.type.attrs) if found is not None and isinstance(found.type, Struct) else frozenset()


def kept(context: Struct, value: Mapping[str, Any]) -> dict[str, object]:
    """What `context` declares of a value that fits the whole."""
    return {
        name: kept(attr.type, value[name]) if isinstance(attr.type, Struct) else value[name]
        for name, attr in context.attrs.items()
        if name in value
    }


def _check(kind: Type) -> Check:
    """Whether Cedar would take a value as a `kind`. Where in doubt it says no: then Cedar is asked.

    `orjson.Fragment` stands for the ids that this room has encoded itself. Strings may hold anything: what cannot be
    encoded is found by encoding it."""
    match kind:
        case Struct(attrs):
            return _check_struct(attrs)
        case Str():
            return lambda value: type(value) is str
        case Bool():
            return lambda value: type(value) is bool
        case Long() | Level():
            return lambda value: type(value) is int and value in _LONGS
        case StrSet():
            return lambda value: isinstance(value, _LISTS) and all(type(item) is str for item in value)
        case Ref():
            return lambda value: type(value) is orjson.Fragment
        case _ as unreachable:
            assert_never(unreachable)


def _check_struct(attrs: Mapping[str, Attr]) -> Check:
    """Whether a value has all of `attrs` but for optional ones, each of its type, and nothing else."""
    checks = tuple((name, _check(attr.type), attr.optional) for name, attr in attrs.items())

    def check(value: object) -> bool:
        if not isinstance(value, Mapping):
            return False
        found = 0
        for name, fits, optional in checks:
            if name in value:
                found += 1
                if not fits(value[name]):
                    return False
            elif not optional:
                return False
        return found == len(value)

    return check


def _cut(struct: Struct, read: frozenset[Path]) -> Struct:
    """`struct` with those attributes that lie on a path of `read`; all below the end of a path is kept."""
    if () in read:
        return struct
    attrs: dict[str, Attr] = {}
    for name, attr in struct.attrs.items():
        below = frozenset(path[1:] for path in read if path[0] == name)
        if below:
            attrs[name] = Attr(_cut(attr.type, below) if isinstance(attr.type, Struct) else attr.type, attr.optional)
    return Struct(MappingProxyType(attrs))
