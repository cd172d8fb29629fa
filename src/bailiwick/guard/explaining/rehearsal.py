"""A call rehearsed: decided without stores as a new session would decide it, also for agents that were delegated to and
sessions that have seen something; and decided again under other rules, without going through the planes anew.

Backs policy tests and, by `preview`, explaining. Identity, catalog, parsing and flow do not depend on the rules,
so a mutant of the rules is put the very request that the rules were put. Pure; nothing is recorded and nobody is asked.
DESIGN §2, §4 *tests*.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bailiwick.action.parse import parse_call
from bailiwick.flow.ledger import ContentOrigin, Ledger, Seen
from bailiwick.guard.colleagues import colleagues_of
from bailiwick.guard.decide import Judged, deny, judge_action, rejudge, understand
from bailiwick.guard.handing.delegation import DelegationRequest, delegation_action, handed_on, in_the_catalogs_words
from bailiwick.guard.looking_up import supposed
from bailiwick.guard.model_sink import supposed_model_call
from bailiwick.guard.opening import OPEN_TOOL, OpenRequest, authority_of
from bailiwick.guard.planes import Planes
from bailiwick.guard.spending import supposed_spending, within_budget
from bailiwick.guard.state import SessionState, subject_of
from bailiwick.model.budget import NO_SHARES
from bailiwick.model.call import Action, Authority, Call
from bailiwick.model.circumstances import NO_FACTS, Circumstances, Evidence, FactReading, Gathered
from bailiwick.model.decision import Decision, Outcome, Reason
from bailiwick.model.lookup import NO_HOSTS
from bailiwick.model.tool import DELEGATE_TOOL, MODEL_TOOL
from bailiwick.policy import Subject

__all__ = ["OtherRules", "Past", "Rehearsal", "Rehearsed", "Step", "rehearse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A call that ran before, and what it returned. It is not judged; the session has seen its result."""

    call: Call
    value: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What is to be decided. The user says `prompts` to the first agent, which hands the work on by `delegations`, one
    after the other; `results` and `unknown` (texts that nobody vouches for) are what the acting agent has seen."""

    request: OpenRequest
    call: Call
    delegations: tuple[DelegationRequest, ...] = ()
    prompts: tuple[str, ...] = ()
    results: tuple[Past, ...] = ()
    unknown: tuple[str, ...] = ()
    facts: Mapping[str, FactReading] = field(default_factory=lambda: NO_FACTS)
    usage: Mapping[str, int] = field(default_factory=lambda: NO_SHARES)
    """How much of each budget had been used before; of one that is not named, nothing."""
    enforced: frozenset[str] = frozenset()
    """Arguments that effectors are bound to; those that the call does not give count for nothing."""
    hosts: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: NO_HOSTS)
    """What hosts resolve to; one that is not named has a public address. Nobody is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherRules:
    """The planes with other rules. Subjects are made once for each authority: that is most of what a decision costs."""

    planes: Planes
    made: dict[tuple[Authority, Evidence], Subject] = field(default_factory=dict)

    def subject(self, authority: Authority, around: Circumstances) -> Subject:
        """On whose behalf a call under `authority` is decided here."""
        key = authority, around.evidence
        if key not in self.made:
            self.made[key] = subject_of(self.planes.policy, authority, around)
        return self.made[key]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One decision: a delegation, or (the last one) the call. `authority` is whose it is; None where a session was not
    even opened. `facts` and `usage` are all that are known: a call is given what the rules of its tool read."""

    judged: Judged
    authority: Authority | None = None
    facts: Mapping[str, FactReading] = field(default_factory=lambda: NO_FACTS)
    usage: Mapping[str, int] = field(default_factory=lambda: NO_SHARES)

    def under(self, rules: OtherRules, approved: frozenset[str] = frozenset()) -> Decision:
        """The same question put to other rules, with some gates approved."""
        asked = self.judged.request
        if asked is None or self.authority is None:
            return self.judged.decision  # refused before any rule was asked
        assert self.judged.action is not None
        read = _read(rules.planes, asked.tool, self.facts)
        spending = supposed_spending(rules.planes, self.authority, self.judged.action, self.usage, asked.now_ms)
        usage = spending.usage(rules.planes.policy.names_read("usage", asked.tool), asked.now_ms)
        around = replace(asked.around, facts=read, usage=usage)
        subject = rules.subject(self.authority, around)
        judged = replace(self.judged, request=replace(asked, subject=subject, around=around))
        return within_budget(rejudge(rules.planes, judged, approved), spending, asked.now_ms).decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """Every step, whether or not the one before it was allowed: other rules may allow it."""

    steps: tuple[Step, ...]

    @property
    def decision(self) -> Decision:
        """What became of it: the first step that was not allowed, or else the call."""
        return first_refused(tuple(step.judged.decision for step in self.steps))

    @property
    def taken(self) -> tuple[Step, ...]:
        """The steps that were really decided on: up to the first one that was not allowed."""
        for number, step in enumerate(self.steps, 1):
            if not step.judged.decision.allowed:
                return self.steps[:number]
        return self.steps

    def under(self, rules: OtherRules) -> Decision:
        """What would become of it under other rules, everything else being the same."""
        decision = None
        for step in self.steps:
            decision = step.under(rules)
            if decision.outcome is not Outcome.ALLOW:
                return decision
        assert decision is not None
        return decision


def first_refused(decisions: tuple[Decision, ...]) -> Decision:
    """The first decision that is not an allow, or else the last one."""
    return next((decision for decision in decisions if not decision.allowed), decisions[-1])


def rehearse(planes: Planes, what: Rehearsal, now_us: int) -> Rehearsed:
    """The decision on `what.call`, with every step to it."""
    now_ms = now_us // 1000
    authority = authority_of(planes, what.request, now_ms)
    if isinstance(authority, Reason):
        return Rehearsed(steps=(Step(judged=Judged(decision=deny(OPEN_TOOL, authority))),))
    around = Circumstances(evidence=what.request.evidence, environment=what.request.environment)
    ledger = planes.ledger(authority.purpose)
    for number, prompt in enumerate(what.prompts):
        seen = Seen(origin=ContentOrigin.PROMPT, source=ContentOrigin.PROMPT.value, value=prompt)
        ledger.ingest(seen, content_id=f"prompt-{number}", event_id="")
    session = _session(authority, around, ledger, now_us)
    steps: list[Step] = []
    for number, request in enumerate(what.delegations):
        step, child = _delegated(planes, session, request, what, now_us)
        steps.append(step)
        if child is None:
            return Rehearsed(steps=tuple(steps))
        inherited = session.ledger.child(request.message, content_id=f"message-{number}", event_id="")
        session = _session(child, around, inherited, now_us)
    _let_see(planes, session, what)
    return Rehearsed(steps=(*steps, _called(planes, session, what, now_us)))


def _session(authority: Authority, around: Circumstances, ledger: Ledger, now_us: int) -> SessionState:
    return SessionState(authority=authority, around=around, ledger=ledger, last_us=now_us)


def _delegated(
    planes: Planes, session: SessionState, request: DelegationRequest, what: Rehearsal, now_us: int
) -> tuple[Step, Authority | None]:
    """The decision on a delegation, and what the other agent may do then; None where identity refuses it."""
    named = in_the_catalogs_words(planes, request)
    if isinstance(named, Reason):
        return Step(judged=Judged(decision=deny(DELEGATE_TOOL, named)), authority=session.authority), None
    request = named
    child = handed_on(planes, session, request, now_us)
    if isinstance(child, Reason):
        return Step(judged=Judged(decision=deny(DELEGATE_TOOL, child)), authority=session.authority), None
    action = delegation_action(planes, session, request)
    return _judged(planes, session, action, what, now_us), child


def _let_see(planes: Planes, session: SessionState, what: Rehearsal) -> None:
    for number, past in enumerate(what.results):
        around = planes.surroundings(supposed(planes, past.call, what.hosts))
        action = parse_call(planes.catalog, past.call, around=around, types=planes.types)
        if isinstance(action, Reason):
            continue  # such a call cannot have run, so nothing was seen
        flow = session.ledger.resolve(action, reads=planes.reads)
        session.ledger.result(
            action.tool,
            action,
            flow,
            past.value,
            content_id=f"result-{number}",
            event_id="",
            naming=planes.naming,
            colleagues=colleagues_of(planes, session),
        )
    for number, text in enumerate(what.unknown):
        seen = Seen(origin=ContentOrigin.UNKNOWN, source=ContentOrigin.UNKNOWN.value, value=text)
        session.ledger.ingest(seen, content_id=f"unknown-{number}", event_id="")


def _called(planes: Planes, session: SessionState, what: Rehearsal, now_us: int) -> Step:
    request = _handover(what.call)
    if request is not None:
        return _delegated(planes, session, request, what, now_us)[0]
    if what.call.tool == MODEL_TOOL:
        model = supposed_model_call(planes, what.call.args)
        meant = Judged(decision=deny(MODEL_TOOL, model)) if isinstance(model, Reason) else model
        return _judged(planes, session, meant, what, now_us)
    action = understand(planes, session, what.call, now_us, supposed(planes, what.call, what.hosts))
    return _judged(planes, session, action, what, now_us)


def _judged(planes: Planes, session: SessionState, action: Action | Judged, what: Rehearsal, now_us: int) -> Step:
    """The decision on an action that was understood, with those of the facts that its rules read."""
    authority, now_ms = session.authority, now_us // 1000
    if isinstance(action, Judged):
        return Step(judged=action, authority=authority)
    tool = action.tool.name
    spending = supposed_spending(planes, authority, action, what.usage, now_ms)
    if spending.refused is not None:
        return Step(judged=Judged(decision=deny(tool, spending.refused), args=action.args), authority=authority)
    gathered = Gathered(
        facts=_read(planes, tool, what.facts),
        usage=spending.usage(planes.policy.names_read("usage", tool), now_ms),
        enforced=what.enforced & {argument.name for argument in action.arguments},
    )
    judged = within_budget(judge_action(planes, session, action, now_us, gathered), spending, now_ms)
    return Step(judged=judged, authority=authority, facts=what.facts, usage=what.usage)


def _read(planes: Planes, tool: str, facts: Mapping[str, FactReading]) -> Mapping[str, FactReading]:
    """Those facts that the rules of `tool` read: in a running session no others are asked for."""
    read = planes.policy.names_read("facts", tool)
    return {name: reading for name, reading in facts.items() if name in read}


def _handover(call: Call) -> DelegationRequest | None:
    """The delegation that a call of `agent.delegate` is; None for any other call."""
    args = call.args
    to, message, ttl_ms = args.get("agent"), args.get("message", ""), args.get("ttl_ms")
    if call.tool != DELEGATE_TOOL or not isinstance(to, str) or not isinstance(message, str):
        return None
    if ttl_ms is not None and type(ttl_ms) is not int:
        return None
    tools, zones = _names(args.get("tools")), _names(args.get("zones"))
    return DelegationRequest(to=to, tools=tools, zones=zones, ttl_ms=ttl_ms, message=message)


def _names(value: object) -> tuple[str, ...] | None:
    return tuple(name for name in value if isinstance(name, str)) if isinstance(value, list | tuple) else None
