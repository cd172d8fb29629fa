"""What counts for one call: what its session has seen, less what was declassified for its recipients, and what it
carries that the model never saw. DESIGN §5 *Flow*.

INVARIANT: only confidentiality is lowered, only for calls all of whose recipients are meant, and only by what exactly
that data brought: everything else that the session has seen counts as before, also where it holds the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bailiwick.flow.confidentiality import Marks, audience
from bailiwick.flow.origins import MAX_ORIGINS, Evidence
from bailiwick.flow.releases import Brought, Data
from bailiwick.model.call import Action, ArgFacts
from bailiwick.model.decision import FlowFacts, Origin
from bailiwick.model.label import EVERYONE, PUBLIC_TRUSTED, Label, Strictness

__all__ = ["Unlowered", "lowered_action", "may_lower", "with_carried", "without"]


def with_carried(facts: FlowFacts, action: Action) -> FlowFacts:
    """The facts of a call that carries what the model never saw. In a session that saw nothing of others the model
    chose by itself what is done and what else stands in the call, so only the arguments that carry something are
    somebody else's; in a tainted session all of them may be, as always."""
    if facts.tainted or not any(each.label.tainted for each in action.carried):
        return facts
    names = frozenset[str]().union(*(each.arguments for each in action.carried))

    def carrying(arguments: Sequence[str]) -> tuple[str, ...]:
        return tuple(name for name in arguments if name.partition(".")[0] in names)

    return replace(
        facts,
        tainted=True,
        unasked=False,
        misquoted=False,
        undictated=carrying(facts.undictated),
        unendorsed=carrying(facts.unendorsed),
        unendorsed_values=carrying(facts.unendorsed_values),
        by_colleague=carrying(facts.by_colleague),
        unbound=carrying(facts.unbound),
    )


def may_lower(action: Action) -> bool:
    """Whether nobody but its recipients comes to see what a call hands on."""
    return bool(action.recipients) and not audience(action)


def without(marks: Marks, contents: Iterable[Brought], lowered: Sequence[Data], strictness: Strictness) -> Marks:
    """The marks of a session without what the `lowered` data brought."""
    whole, strict = PUBLIC_TRUSTED, PUBLIC_TRUSTED
    for each in contents:
        if any(data.covers(each.content, each.source) for data in lowered):
            continue
        whole = whole.join(each.label)
        if strictness.covers(each.strict):
            strict = strict.join(each.strict)
    integrity, sources = marks.whole.integrity, marks.whole.sources
    return replace(
        marks,
        whole=replace(whole, integrity=integrity, sources=sources),
        strict=replace(strict, integrity=marks.strict.integrity, sources=marks.strict.sources),
    )


def lowered_action(action: Action, lowered: Sequence[Data]) -> Action:
    """The call with what it carries counted as public where that was declassified."""
    carried = tuple(
        replace(each, label=_public(each.label))
        if any(data.covers(each.content, each.source) for data in lowered)
        else each
        for each in action.carried
    )
    return replace(action, carried=carried)


def _public(label: Label) -> Label:
    return replace(label, sensitivity=0, categories=frozenset(), readers=EVERYONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlowered:
    """Evidence that says nothing of an argument all of whose origins were declassified."""

    evidence: Evidence
    lowered: Sequence[Data]

    @property
    def complete(self) -> bool:
        return self.evidence.complete

    def origins(self, argument: ArgFacts) -> Sequence[Origin]:
        return self.evidence.origins(argument)

    def label(self, argument: ArgFacts) -> Label | None:
        origins = self.evidence.origins(argument)
        # As many as fit may mean that there are more, of which nothing is known here.
        if origins and len(origins) < MAX_ORIGINS and all(map(self._meant, origins)):
            return None
        return self.evidence.label(argument)

    def opaque(self, argument: ArgFacts) -> bool:
        return self.evidence.opaque(argument)

    def _meant(self, origin: Origin) -> bool:
        return any(data.covers(origin.content, origin.source) for data in self.lowered)
