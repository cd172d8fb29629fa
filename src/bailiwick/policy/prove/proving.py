"""Proofs of standing properties over all calls that the rules could ever be asked about.

A property of a `link` is proved iff no principal of any kind, alone, is permitted where the condition holds; then no
call is either. A property of a `call` is proved iff no chain is: its root, its acting agent and any agent between are
all permitted, on every resource, and the condition holds for one of them. As everywhere here: a counterexample counts
once Cedar confirmed both the answer and the condition, and whatever has no answer needs review.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bailiwick.errors import ProjectError
from bailiwick.model.principal import EntityKind
from bailiwick.policy.prove.call import AnyCall, Setting
from bailiwick.policy.prove.condition import Condition, read_condition
from bailiwick.policy.prove.encode import Encoder, link_terms, named_resources
from bailiwick.policy.prove.people import Entity, People
from bailiwick.policy.prove.plain import plainest
from bailiwick.policy.prove.properties import Property, Reach
from bailiwick.policy.prove.smt import Found, Model, Question, Smt, Term, Unsupported
from bailiwick.policy.prove.witness import Answer, Case, Level, Side, ask_call, ask_link, case_of

__all__ = ["Proof", "Result", "prove"]


class Result(StrEnum):
    """What became of a property."""

    PROVED = "proved"
    REFUTED = "refuted"
    REVIEW = "needs-review"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The answer for one property. `case` is a call that breaks it, `answer` what Cedar says to it; `whole` whether the
    whole call is allowed, not only one link; `why` says what stands in the way of an answer."""

    property: Property
    result: Result
    case: Case | None = None
    answer: Answer | None = None
    whole: bool = False
    why: str = ""


def prove(side: Side, properties: Sequence[Property], *, timeout_ms: int) -> tuple[Proof, ...]:
    """An answer for each property. Raises ProjectError if a condition cannot be read."""
    read = [read_condition(each, side) for each in properties]
    findings = [finding for each in read if isinstance(each, tuple) for finding in each]
    if findings:
        raise ProjectError(findings)
    return tuple(_prove(side, each, timeout_ms) for each in read if isinstance(each, Condition))


def _prove(side: Side, condition: Condition, timeout_ms: int) -> Proof:
    """The first counterexample that Cedar confirms; else the first gap; else it is proved."""
    gap: Proof | None = None
    for action in side.world.actions.values():
        if action.sentinel:
            continue
        for root in (EntityKind.USER, EntityKind.SERVICE):
            if root is EntityKind.SERVICE and "service" not in action.context.attrs:
                continue
            for proof in _Search(side, condition, action.name, root, timeout_ms=timeout_ms).answers():
                if proof.result is Result.REFUTED:
                    return proof
                gap = gap or proof
    return gap or Proof(property=condition.property, result=Result.PROVED)


class _Search:
    """The search for a counterexample among the calls of one tool, for one kind of root."""

    def __init__(self, side: Side, condition: Condition, tool: str, root: EntityKind, *, timeout_ms: int) -> None:
        self._side = side
        self._condition = condition
        self._rules = side.engine.bundle.policy_set.to_pst().static_policies
        self._gates = frozenset(name for name, info in side.engine.policies.items() if info.gate is not None)
        self._smt = Smt()
        resources = named_resources((*self._rules.values(), condition.tree))
        self._people = People(self._smt, (side.directory,), side.world.attributes, resources)
        setting = Setting(tool=tool, root=root, sides=(side.world,), gates=self._gates)
        self._call = AnyCall(self._smt, self._people, setting)
        self._timeout_ms = timeout_ms

    def answers(self) -> Iterator[Proof]:
        """A proof for each principal and resource for which it is not proved."""
        for principal in (self._call.root, self._call.agent):
            for resource in self._call.resources:
                try:
                    yield from self._of(principal, resource)
                except Unsupported as gap:
                    yield self._review(f"{self._call.setting.tool}, {principal.kind}: {gap} is not translated")

    def _of(self, principal: Entity, resource: Entity) -> Iterator[Proof]:
        smt, call = self._smt, self._call
        reader = self._encoder(principal, resource)
        holds = reader.fires(self._condition.tree)
        if holds is False:
            return
        broken = smt.all((holds, smt.no(smt.any(reader.failures)), self._allowed(principal, resource)))
        if broken is False:
            return
        every = tuple(
            self._allowed(link, each) for link in (call.root, call.actor, call.agent) for each in call.resources
        )
        question = smt.question(timeout_ms=self._timeout_ms)
        question.hold(self._people.axioms())
        question.hold(call.axioms())
        whole_only = self._condition.property.of is Reach.CALL
        terms: tuple[Term, ...] = (broken, *every) if whole_only else (broken,)
        found, model = question.ask(terms)
        if found is Found.UNKNOWN:
            yield self._review(f"{call.setting.tool}, {principal.kind}: the solver gave up")
        if model is None:
            return
        alone = self._people.equal(call.agent, call.actor)
        whole = False
        for chain in ((alone, smt.equal(call.depth, 0)), (smt.no(alone), smt.equal(call.depth, 1))):
            _, better = question.ask((broken, *every, *chain))
            if better is not None:
                whole, model, terms = True, better, (broken, *every, *chain)
                break
        yield self._shown(question, principal, resource, model, terms, whole=whole)

    def _encoder(self, principal: Entity, resource: Entity) -> Encoder:
        return Encoder(self._smt, self._people, self._call, side=0, principal=principal, resource=resource)

    def _allowed(self, principal: Entity, resource: Entity) -> Term:
        return link_terms(self._encoder(principal, resource), self._rules, self._gates).allow

    def _shown(
        self,
        question: Question,
        principal: Entity,
        resource: Entity,
        model: Model,
        terms: Sequence[Term],
        *,
        whole: bool,
    ) -> Proof:
        """The counterexample, once Cedar has confirmed it; else what there is to review."""
        given = self._condition.property
        model = plainest(self._smt, question, self._people, self._call, model, terms)
        try:
            case = case_of(self._people, self._call, link=principal, resource=resource, model=model)
        except Unsupported as gap:
            return self._review(f"an example would need {gap}")
        answer = ask_link(self._side, case, side=0)
        holds = ask_link(self._condition.side, case, side=0)
        whole = whole and ask_call(self._side, case, side=0).level is Level.ALLOWED
        confirmed = answer.level is Level.ALLOWED and holds.level is Level.ALLOWED
        if not confirmed or (given.of is Reach.CALL and not whole):
            why = "the solver found a call that breaks it, and Cedar does not confirm it"
            return Proof(property=given, result=Result.REVIEW, case=case, answer=answer, why=why)
        return Proof(property=given, result=Result.REFUTED, case=case, answer=answer, whole=whole)

    def _review(self, why: str) -> Proof:
        return Proof(property=self._condition.property, result=Result.REVIEW, why=why)
