"""Requests that ask for much the same: one tool, one session, one chain and task, the same gates.

People see them side by side, with what differs. INVARIANT: a group is a way of showing; an answer is to one request, on
its own card. DESIGN §5 *Action*.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bailiwick.action.approval_card import card_arguments, differing
from bailiwick.action.approvals import Approval
from bailiwick.model.canonical import Json, digest

__all__ = ["Group", "group_of", "grouped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """`differing` are the names of the arguments that are not the same in all members; each member's values of them are
    `differences[its id]`."""

    id: str
    members: tuple[Approval, ...]
    differing: tuple[str, ...]

    @property
    def differences(self) -> Mapping[str, Mapping[str, Json]]:
        shown = {item.id: card_arguments(item.card) for item in self.members}
        return {name: {key: args[key] for key in self.differing if key in args} for name, args in shown.items()}


def group_of(item: Approval) -> str:
    """The id of the group that a request is in."""
    gates = [[gate.id, gate.text] for gate in item.gates]
    links = [[link.kind.value, link.id] for link in item.chain.links]
    whole = digest("bailiwick.group.v1", [item.tenant, item.env, item.session, item.tool, links, item.task, gates])
    return f"grp-{whole.removeprefix('sha256:')[:12]}"


def grouped(items: Iterable[Approval]) -> tuple[Group, ...]:
    """All of them in groups, in the order of the first member of each."""
    members: dict[str, list[Approval]] = {}
    for item in items:
        members.setdefault(group_of(item), []).append(item)
    return tuple(Group(id=name, members=tuple(those), differing=_differing(those)) for name, those in members.items())


def _differing(items: list[Approval]) -> tuple[str, ...]:
    first = card_arguments(items[0].card)
    return tuple(sorted({name for item in items[1:] for name in differing(first, card_arguments(item.card))}))
