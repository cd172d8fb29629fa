"""Does a change of the rules grant anything new? Each answer with a call that shows it, confirmed by Cedar.

What is compared is the least that the engine decides: one link of a chain, one tool, one resource, one context. If no
link gains anything anywhere, no call does, since a call is permitted iff each of its links is. Where a link does gain
something, a call is looked for that gains it as a whole (its other links permitted too); if there is none, the finding
says that it is about the link only.

Three things count as new, each with its own question to the solver: *allowed* where it was denied or needed an
approval, *asked* where it was denied, and *asked with less*: an approval was needed before, and one is now, but no
gate that asks is as strict as one that asked before. What is taken away is reported too, and is never a reason to say
no.

INVARIANT: "nothing new" is said only where the solver proved it for every tool and kind of principal. What is not
translated, what takes too long, and what Cedar does not confirm needs review.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from bailiwick.model.decision import Gate
from bailiwick.model.directory import Directory
from bailiwick.model.principal import EntityKind
from bailiwick.policy.prove.call import AnyCall, Setting
from bailiwick.policy.prove.encode import Encoder, LinkTerms, link_terms, named_resources
from bailiwick.policy.prove.notes import changes
from bailiwick.policy.prove.people import Entity, People
from bailiwick.policy.prove.plain import plainest
from bailiwick.policy.prove.smt import Found, Model, Question, Smt, Term, Unsupported
from bailiwick.policy.prove.strictness import Strictness, strength
from bailiwick.policy.prove.witness import Answer, Case, Level, Side, ask_call, ask_link, case_of
from bailiwick.policy.scope import action_fits
from bailiwick.policy.world import ActionDecl

__all__ = ["Change", "Diff", "Finding", "Kind", "compare"]


class Kind(StrEnum):
    """What a finding is about, the gravest first."""

    ALLOWED = "newly-allowed"
    ASKED = "newly-with-approval"
    WEAKER = "approval-weaker"
    REVIEW = "needs-review"
    TAKEN = "newly-denied"

    @property
    def grants(self) -> bool:
        """Whether somebody has to look at it before the change may pass."""
        return self is not Kind.TAKEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One difference. `case` shows it, `before` and `after` are Cedar's answers to it (None where there is no case);
    `whole` says whether a whole call gains it, not only one link; `why` is a sentence where it needs review,
    `weaker` says in which ways an approval is weaker than it was."""

    kind: Kind
    principal: EntityKind
    tool: str
    case: Case | None = None
    before: Answer | None = None
    after: Answer | None = None
    whole: bool = False
    why: str = ""
    weaker: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something that differs and that rules cannot see; `review`: it may grant something."""

    what: str
    review: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """The answer. `asked` counts the settings that were put to the solver, `same` those in which nothing differs."""

    findings: tuple[Finding, ...]
    changes: tuple[Change, ...]
    asked: int
    same: int

    @property
    def grants_nothing(self) -> bool:
        return not any(each.kind.grants for each in self.findings) and not any(each.review for each in self.changes)


class _Link(NamedTuple):
    """One link and resource of a call, and what each side says to it."""

    principal: Entity
    resource: Entity
    before: LinkTerms
    after: LinkTerms


def compare(old: Side, new: Side, *, timeout_ms: int) -> Diff:
    """Everything that `new` grants and `old` did not."""
    sides = _Sides(old, new)
    findings: list[Finding] = []
    asked = same = 0
    for tool, action in new.world.actions.items():
        if action.sentinel:
            continue
        if sides.unchanged(tool):
            same += 1
            continue
        asked += 1
        for root in _roots(action):
            findings += _Comparison(sides, tool, root, timeout_ms=timeout_ms).findings()
    order = list(Kind)
    findings.sort(key=lambda each: (order.index(each.kind), each.tool, each.principal))
    noted = tuple(Change(what=what, review=review) for what, review in changes(old, new))
    return Diff(findings=_once(findings), changes=noted, asked=asked, same=same)


def _roots(action: ActionDecl) -> Iterator[EntityKind]:
    """Who calls can be made for: services only where the project has any."""
    yield EntityKind.USER
    if "service" in action.context.attrs:
        yield EntityKind.SERVICE


def _once(findings: list[Finding]) -> tuple[Finding, ...]:
    """Without those that show the same of an agent for a user and for a service."""
    seen: dict[object, Finding] = {}
    for each in findings:
        key = (each.kind, each.tool, each.principal, each.why, each.case and each.case.link, each.after, each.before)
        if key not in seen or (each.whole and not seen[key].whole):
            seen[key] = each
    return tuple(seen.values())


class _Sides:
    """Both sides, and what they have in common."""

    def __init__(self, old: Side, new: Side) -> None:
        self.both = (old, new)
        self.rules = tuple(side.engine.bundle.policy_set.to_pst().static_policies for side in self.both)
        self.gates: tuple[dict[str, Gate], ...] = tuple(
            {name: info.gate for name, info in side.engine.policies.items() if info.gate is not None}
            for side in self.both
        )
        self.strictness = Strictness((self.gates[0], old.directory), (self.gates[1], new.directory))
        self.resources = named_resources(rule for rules in self.rules for rule in rules.values())
        self._same_people = _same_people(old.directory, new.directory)

    def unchanged(self, tool: str) -> bool:
        """Whether nothing that a decision on `tool` reads differs: then there is nothing to ask."""
        before, after = (side.world.actions.get(tool) for side in self.both)
        if before is None or before != after or not self._same_people:
            return False
        old, new = (side.world for side in self.both)
        if (old.attributes, old.hours, old.levels) != (new.attributes, new.hours, new.levels):
            return False
        return self._relevant(0, before) == self._relevant(1, before)

    def _relevant(self, side: int, action: ActionDecl) -> frozenset[object]:
        gates = self.gates[side]
        return frozenset(
            (rule.effect, rule.principal, rule.action, rule.resource, rule.clauses, strength(gates.get(name)))
            for name, rule in self.rules[side].items()
            if action_fits(rule.action, action)
        )


def _same_people(old: Directory, new: Directory) -> bool:
    parts = ("users", "services", "agents", "groups", "roles", "classes", "tasks")
    return all(_plain(getattr(old, part)) == _plain(getattr(new, part)) for part in parts)


def _plain(entries: Mapping[str, object]) -> dict[str, object]:
    """Entries without the lines on which they stand."""
    return {name: _fields(each) for name, each in entries.items()}


def _fields(entry: object) -> object:
    slots: tuple[str, ...] = getattr(type(entry), "__slots__", ())
    return tuple((name, getattr(entry, name)) for name in slots if name != "where") or entry


class _Comparison:
    """One tool and kind of root: its terms, and the questions about them."""

    def __init__(self, sides: _Sides, tool: str, root: EntityKind, *, timeout_ms: int) -> None:
        self._sides = sides
        self._tool = tool
        self._smt = Smt()
        worlds = (sides.both[0].world, sides.both[1].world)
        directories = (sides.both[0].directory, sides.both[1].directory)
        self._people = People(self._smt, directories, worlds[1].attributes, sides.resources)
        self._call = AnyCall(self._smt, self._people, Setting(tool=tool, root=root, sides=worlds))
        self._timeout_ms = timeout_ms

    def findings(self) -> Iterator[Finding]:
        call = self._call
        for principal in (call.root, call.agent):
            try:
                yield from self._of(principal)
            except Unsupported as gap:
                yield self._review(principal.kind, f"{gap} is not translated")

    def _of(self, principal: Entity) -> Iterator[Finding]:
        call = self._call
        links = [self._link(principal, resource) for resource in call.resources]
        others = [
            self._link(other, resource)
            for other in (call.root, call.actor, call.agent)
            if other is not principal
            for resource in call.resources
        ]
        question = self._smt.question(timeout_ms=self._timeout_ms)
        question.hold(self._people.axioms())
        question.hold(call.axioms())
        for who in self._whom(principal):
            for kind in (Kind.ALLOWED, Kind.ASKED, Kind.WEAKER):
                yield from self._ask(question, kind, who, links, others)
        yield from self._ask(question, Kind.TAKEN, self._smt.all(()), links, [])

    def _link(self, principal: Entity, resource: Entity) -> _Link:
        before, after = (
            link_terms(
                Encoder(self._smt, self._people, self._call, side=side, principal=principal, resource=resource),
                self._sides.rules[side],
                frozenset(self._sides.gates[side]),
            )
            for side in (0, 1)
        )
        return _Link(principal=principal, resource=resource, before=before, after=after)

    def _whom(self, principal: Entity) -> Iterator[Term]:
        """Apart from each other: everybody of whom the directories say the same, then each of the others, so that a
        change of the directory does not stand in front of a change of the rules."""
        call, smt = self._call, self._smt
        people, mine = self._people, self._people.changed(principal)
        chain = [each for each in (call.root, call.agent, call.actor) if each is not principal]
        # Whoever is new is new as a link of their own, which is where it is said.
        others = smt.all(map(people.everywhere, chain))
        around = smt.any(
            term
            for entity in (*chain, *call.resources)
            for term in people.changed(entity, known=entity in chain).values()
        )
        yield smt.all((others, smt.no(smt.any((around, *mine.values())))))
        yield from (smt.all((others, term)) for term in mine.values())
        if around is not False:
            yield smt.all((others, around, smt.no(smt.any(mine.values()))))

    def _ask(
        self, question: Question, kind: Kind, who: Term, links: list[_Link], others: list[_Link]
    ) -> Iterator[Finding]:
        for link in links:
            terms = (who, self._gains(kind, link))
            found, model = question.ask(terms)
            if found is Found.UNKNOWN and kind.grants:
                yield self._review(link.principal.kind, f'the solver gave up on "{kind.value}"')
            if model is None:
                continue
            whole = False
            if kind is not Kind.TAKEN:
                for chain in self._chains(kind, [*(each for each in links if each is not link), *others]):
                    _, better = question.ask((*terms, *chain))
                    if better is not None:
                        whole, model, terms = True, better, (*terms, *chain)
                        break
            model = plainest(self._smt, question, self._people, self._call, model, terms)
            shown = self._shown(kind, link, model, whole=whole)
            if kind.grants or shown.kind is kind:
                yield shown

    def _chains(self, kind: Kind, rest: list[_Link]) -> Iterator[tuple[Term, ...]]:
        """What makes a whole call of it: its other links may do as much. First a chain with one agent, then with
        two."""
        smt, call = self._smt, self._call
        permitted = tuple(
            link.after.allow if kind is Kind.ALLOWED else smt.any((link.after.allow, link.after.ask)) for link in rest
        )
        alone = self._people.equal(call.agent, call.actor)
        yield (*permitted, alone, smt.equal(call.depth, 0))
        yield (*permitted, smt.no(alone), smt.equal(call.depth, 1))

    def _gains(self, kind: Kind, link: _Link) -> Term:
        """What has to hold of a link for a finding of this kind."""
        smt, before, after = self._smt, link.before, link.after
        match kind:
            case Kind.ALLOWED:
                return smt.all((after.allow, smt.no(before.allow)))
            case Kind.ASKED:
                return smt.all((after.ask, smt.no(before.allow), smt.no(before.ask)))
            case Kind.WEAKER:
                return smt.all((before.ask, after.ask, smt.any(self._lost(before, after))))
            case _:
                less = smt.all((before.allow, smt.no(after.allow)))
                return smt.any((less, smt.all((before.ask, smt.no(after.allow), smt.no(after.ask)))))

    def _lost(self, before: LinkTerms, after: LinkTerms) -> Iterator[Term]:
        """Gates that asked, where none that is as strict asks now."""
        for gate, fires in before.gates.items():
            now = self._smt.any(after.gates.get(name, False) for name in self._sides.strictness.covered(gate))
            yield self._smt.all((fires, self._smt.no(now)))

    def _shown(self, kind: Kind, link: _Link, model: Model, *, whole: bool) -> Finding:
        """The finding, once Cedar has confirmed it; else what there is to review."""
        kind_of = link.principal.kind
        try:
            case = case_of(self._people, self._call, link=link.principal, resource=link.resource, model=model)
        except Unsupported as gap:
            return self._review(kind_of, f"an example would need {gap}")
        old, new = self._sides.both
        before, after = ask_link(old, case, side=0), ask_link(new, case, side=1)
        if not self._confirmed(kind, before, after):
            return Finding(
                kind=Kind.REVIEW,
                principal=kind_of,
                tool=self._tool,
                case=case,
                before=before,
                after=after,
                why=f'the solver found "{kind.value}", and Cedar does not confirm it',
            )
        if whole:
            whole = self._confirmed(kind, ask_call(old, case, side=0), ask_call(new, case, side=1))
        weaker = self._sides.strictness.weaker(before.gates, after.gates) if kind is Kind.WEAKER else ()
        return Finding(
            kind=kind,
            principal=kind_of,
            tool=self._tool,
            case=case,
            before=before,
            after=after,
            whole=whole,
            weaker=weaker,
        )

    def _confirmed(self, kind: Kind, before: Answer, after: Answer) -> bool:
        match kind:
            case Kind.ALLOWED:
                return after.level is Level.ALLOWED and before.level is not Level.ALLOWED
            case Kind.ASKED:
                return after.level is Level.ASKED and before.level is Level.DENIED
            case Kind.WEAKER:
                asks = after.level is before.level is Level.ASKED
                return asks and bool(self._sides.strictness.weaker(before.gates, after.gates))
            case _:
                return after.level < before.level

    def _review(self, principal: EntityKind, why: str) -> Finding:
        return Finding(kind=Kind.REVIEW, principal=principal, tool=self._tool, why=why)
