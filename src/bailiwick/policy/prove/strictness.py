"""How strict the gates of two projects are: which new ones may stand for an old one, and why the others may not.

INVARIANT: `covered` names a gate iff `whys` has nothing to say about it, so a finding always says what is weaker.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from bailiwick.model.decision import Gate
from bailiwick.model.directory import Directory
from bailiwick.model.principal import EntityKind, EntityRef

__all__ = ["Strictness", "strength"]

_MOST_NAMED = 5
"""People that one sentence names."""


def strength(gate: Gate | None) -> object:
    """What of a gate makes a difference."""
    return gate and (
        gate.kind,
        gate.quorum,
        frozenset(gate.approvers),
        gate.phishing_resistant,
        frozenset(gate.escalate_to),
        gate.escalate_after_ms,
        gate.ttl_ms,
    )


class Strictness:
    """Of the gates before and after, each with its directory."""

    def __init__(
        self, before: tuple[Mapping[str, Gate], Directory], after: tuple[Mapping[str, Gate], Directory]
    ) -> None:
        (self._before, self._were), (self._after, self._are) = before, after
        self._covered: dict[str, tuple[str, ...]] = {}

    def covered(self, gate: str) -> tuple[str, ...]:
        """The new gates that are at least as strict as the old one: as many people, and nobody else among them."""
        if gate not in self._covered:
            self._covered[gate] = tuple(name for name in self._after if not any(self._whys(gate, name)))
        return self._covered[gate]

    def weaker(self, before: Iterable[str], after: Iterable[str]) -> tuple[str, ...]:
        """What is weaker where the gates `after` ask in place of `before`: a sentence for each way."""
        asked = tuple(after)
        lost = [gate for gate in before if not set(self.covered(gate)) & set(asked)]
        return tuple(dict.fromkeys(why for gate in lost for name in asked for why in self._whys(gate, name)))

    def _whys(self, old: str, new: str) -> Iterator[str]:
        was, now = self._before[old], self._after[new]
        apart = "" if old == new else f' (gate "{new}", no longer "{old}")'
        if now.kind is not was.kind:
            yield f"the kind of gate was {was.kind.value} and is {now.kind.value}{apart}"
        if now.quorum < was.quorum:
            yield f"it took {was.quorum} people and takes {now.quorum}{apart}"
        if was.phishing_resistant and not now.phishing_resistant:
            yield f"it took an answer that a passkey signed, and does not any more{apart}"
        if _lasts(now) > _lasts(was):
            yield f"requests of it are good for longer than before{apart}"
        people = [user for user in self._are.users if _may_approve(self._are, now, user)]
        others = [user for user in people if not _may_approve(self._were, was, user)]
        if others:
            more = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
            yield f"{', '.join(others[:_MOST_NAMED])}{more} could approve now, and could not before{apart}"
        if _sooner(was, now):
            yield f"people who were asked only after a time are asked earlier{apart}"
        named = (*was.approvers, *was.escalate_to)
        groups = [str(ref) for ref in (*now.approvers, *now.escalate_to) if not _lies_in(self._are, ref, named)]
        if groups:
            yield f"{', '.join(groups)} could approve now, and could not before{apart}"


def _may_approve(directory: Directory, gate: Gate, user: str) -> bool:
    """At once or after a time: whoever waits long enough is asked by the gate too."""
    mine = directory.groups_of(user) | {EntityRef(kind=EntityKind.USER, id=user)}
    return not mine.isdisjoint(gate.approvers + gate.escalate_to)


def _sooner(was: Gate, now: Gate) -> bool:
    """Whether somebody who was asked only after a time is asked earlier now."""
    before = frozenset(was.escalate_to) - frozenset(was.approvers)
    at_once = bool(before & frozenset(now.approvers))
    return at_once or (bool(before & frozenset(now.escalate_to)) and now.escalate_after_ms < was.escalate_after_ms)


def _lasts(gate: Gate) -> float:
    """How long its requests are good for; without a time of its own the project's setting decides, which is compared
    elsewhere."""
    return 0 if gate.ttl_ms is None else gate.ttl_ms


def _lies_in(directory: Directory, ref: EntityRef, above: tuple[EntityRef, ...]) -> bool:
    parents = directory.groups if ref.kind is EntityKind.GROUP else directory.roles
    todo, seen = [ref.id], set[str]()
    while todo:
        name = todo.pop()
        if EntityRef(kind=ref.kind, id=name) in above:
            return True
        if name not in seen and ref.kind is not EntityKind.USER:
            seen.add(name)
            todo += parents.get(name, ())
    return False
