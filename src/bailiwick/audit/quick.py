"""Events decoded and checked in one go: the closed schema as types that `msgspec` compiles.

What it accepts is a record's exact meaning, because the bytes are encoded again from what was decoded: a field that is
written otherwise than canonical (its order, a space, an escape, `1.0`, a field twice) gives other bytes.

INVARIANT: `decoded` gives an event only if `envelope.read` reads one from the same bytes, of this version, and both say
the same. Where it gives None, `read` decides, and says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from bailiwick.audit.envelope import MAX_EVENT_BYTES
from bailiwick.audit.schema import BODIES, COMMITMENT, ENVELOPE
from bailiwick.audit.shapes import Bool, Choice, Int, Items, Nullable, Rec, Shape, Text
from bailiwick.model.canonical import MAX_INT
from bailiwick.model.event import ENVELOPE_VERSION

__all__ = ["decoded"]


def _typed(shape: Shape) -> Any:
    """The type whose values are those that fit."""
    match shape:
        case Text():
            return str
        case Int():
            return Annotated[int, msgspec.Meta(ge=0, le=MAX_INT)]
        case Bool():
            return bool
        case Choice():
            return Literal[tuple(sorted(map(str, shape.values)))]
        case Nullable():
            return _typed(shape.shape) | None
        case Items():
            return list[_typed(shape.shape)]  # type: ignore[misc]  # made here
        case Rec():
            return _struct({name: _typed(inner) for name, inner in shape.required.items()}, shape.optional)
        case _:
            raise TypeError(f"no type for {shape!r}")


def _struct(required: Mapping[str, Any], optional: Mapping[str, Shape]) -> type[Struct]:
    """Fields in canonical order, so that a value is encoded canonically. An attribute is its field's name, with `_`
    behind a word of Python's."""
    types = {**required, **{name: _typed(shape) | UnsetType for name, shape in optional.items()}}
    fields: list[Any] = []
    for name in sorted(types):
        unset = (UNSET,) if name in optional else ()
        fields.append((_attribute(name), types[name], *unset))
    renamed = {_attribute(name): name for name in types}
    return msgspec.defstruct(
        "Stored", fields, kw_only=True, forbid_unknown_fields=True, gc=False, eq=False, rename=renamed
    )


def _attribute(name: str) -> str:
    return f"{name}_" if name in ("as", "for", "from") else name


def _decoder(kind: str, body: Rec) -> Callable[[bytes], Any]:
    envelope = {name: _typed(shape) for name, shape in ENVELOPE.required.items() if name not in _OWN}
    own = {"body": _typed(body), "commitments": dict[str, str], "kind": Literal[kind], "v": Literal[ENVELOPE_VERSION]}
    return msgspec.json.Decoder(_struct({**envelope, **own}, ENVELOPE.optional)).decode


_OWN = frozenset({"body", "commitments", "kind", "v"})
_DECODERS: Mapping[str, Callable[[bytes], Any]] = {
    kind.value: _decoder(kind.value, body) for kind, body in BODIES.items()
}
_encode = msgspec.json.Encoder(order="deterministic").encode


def decoded(data: bytes, kind: str) -> Any:
    """The event of this kind that these bytes are, its fields as attributes (`UNSET` where an optional one is not
    there); None if they are none, or none that can be told at once."""
    decode = _DECODERS.get(kind)
    if decode is None or len(data) > MAX_EVENT_BYTES:
        return None
    try:
        event = decode(data)
        if _encode(event) != data:
            return None
    except (msgspec.MsgspecError, UnicodeError):
        return None
    if event.commitments:
        for role, commitment in event.commitments.items():
            if not (role.isascii() and commitment.startswith(COMMITMENT)):
                return None
    return event
