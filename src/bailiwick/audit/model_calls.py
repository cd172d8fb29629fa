"""What a model was given, as `model.called` says it: the events that hold its inputs, in order. DESIGN §5 *Audit*.

A thread of a thousand messages is given to the model again with each call, nearly unchanged. So a call names what it
was given as parts of what an earlier call of its session was given (`after`), and what is new. More that is new than
one event should hold goes before, in `model.context` events, which say the same of themselves.

INVARIANT: the parts are found by one rule (`continued`), so equal calls after equal calls are recorded alike, and
`inputs_of` gives back exactly what `continued` was given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bailiwick.errors import StoreError
from bailiwick.model.event import Event, EventKind

__all__ = ["MAX_NEW", "Given", "continued", "inputs_of"]

MAX_NEW = 500
"""New inputs that one event names."""
MAX_PARTS = 50
"""Parts of what was given before that one event names; from there on everything is new."""

_KINDS = frozenset({EventKind.MODEL_CALLED, EventKind.MODEL_CONTEXT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a model was given by the call that `event` records: the events of its inputs, in order (empty: a text of
    bailiwick's own, which no event holds), and the names of the tools that it was offered."""

    event: str
    inputs: tuple[str, ...]
    tools: tuple[str, ...] = ()


def continued(
    before: Given | None, inputs: Sequence[str], new_id: Callable[[], str]
) -> list[tuple[str, dict[str, object]]]:
    """The bodies that say `inputs`, each with the id of its event; the last one is the call's own, the others are
    `model.context`. `before` is what an earlier call was given."""
    parts, rest = _parts(before.inputs, inputs) if before is not None else ([], list(inputs))
    first: dict[str, object] = {}
    if before is not None and parts:
        first = {"after": before.event, "kept": [{"from": start, "to": end} for start, end in parts]}
    told: list[tuple[str, dict[str, object]]] = [(new_id(), {**first, "inputs": rest[:MAX_NEW]})]
    size = len(inputs) - len(rest) + min(len(rest), MAX_NEW)
    for at in range(MAX_NEW, len(rest), MAX_NEW):
        lot, whole = rest[at : at + MAX_NEW], [{"from": 0, "to": size}]
        told.append((new_id(), {"after": told[-1][0], "kept": whole, "inputs": lot}))
        size += len(lot)
    return told


def _parts(before: Sequence[str], inputs: Sequence[str]) -> tuple[list[tuple[int, int]], list[str]]:
    """([start, end) of `before`, in order, that `inputs` begin with; what follows them). An input continues the part
    that is under way if it can, else begins one at its next place in `before`; the first that has none ends it."""
    places: dict[str, list[int]] = {}
    for place, event in enumerate(before):
        places.setdefault(event, []).append(place)
    parts: list[tuple[int, int]] = []
    at = 0
    for number, event in enumerate(inputs):
        if at < len(before) and before[at] == event and parts:
            parts[-1] = (parts[-1][0], at + 1)
        else:
            start = next((place for place in places.get(event, ()) if place >= at), None)
            if start is None or len(parts) == MAX_PARTS:
                return parts, list(inputs[number:])
            parts.append((start, start + 1))
        at = parts[-1][1]
    return parts, []


def inputs_of(find: Callable[[str], Event | None], call: Event) -> tuple[str, ...]:
    """The events that the inputs of a `model.called` lie in, in order. Raises StoreError if an event that it builds on
    is not there or is none that it could build on."""
    chain, seen = [call], {call.id}
    while (after := chain[-1].body.get("after")) is not None:
        earlier = find(str(after))
        if earlier is None or earlier.kind not in _KINDS:
            raise _broken(call, f"event {after}, which it builds on, is not there")
        if earlier.id in seen:
            raise _broken(call, "what it builds on leads back to itself")
        chain.append(earlier)
        seen.add(earlier.id)
    given: list[str] = []
    for event in reversed(chain):
        given = _given(event.body, given, call)
    return tuple(given)


def _given(body: Mapping[str, object], before: Sequence[str], call: Event) -> list[str]:
    kept, inputs = body.get("kept", []), body["inputs"]
    assert isinstance(kept, list)
    assert isinstance(inputs, list)
    given: list[str] = []
    for part in kept:
        start, end = part["from"], part["to"]
        if not start < end <= len(before):
            raise _broken(call, f"it keeps inputs {start} to {end} of {len(before)}")
        given += before[start:end]
    return [*given, *inputs]


def _broken(call: Event, why: str) -> StoreError:
    return StoreError(f"the inputs of model call {call.id} cannot be told: {why}", hint="Run `bailiwick audit verify`.")
