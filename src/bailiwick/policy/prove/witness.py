"""From a solver's model to a call that can be put to Cedar, and Cedar's answer to it.

INVARIANT: nothing is reported as found that the engine, asked with the real rules, did not confirm. Newcomers are added
to a copy of the directory for that one question.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from types import MappingProxyType

from bailiwick.errors import Where
from bailiwick.model.call import Fact, Facts, Resource
from bailiwick.model.circumstances import Circumstances, Evidence, FactReading, Method, Usage, WorkingHours
from bailiwick.model.decision import FlowFacts, Outcome, Verdict
from bailiwick.model.directory import AgentEntry, Directory, ServiceEntry, UserEntry
from bailiwick.model.label import Label
from bailiwick.model.principal import Chain, EntityKind, EntityRef
from bailiwick.model.tool import INTERFACE_NAMES
from bailiwick.policy.engine import PolicyEngine
from bailiwick.policy.prove.call import AnyCall
from bailiwick.policy.prove.people import Entity, Newcomer, People
from bailiwick.policy.prove.plain import NOON_MS
from bailiwick.policy.prove.smt import Model, Unsupported
from bailiwick.policy.request import PolicyRequest
from bailiwick.policy.world import NO_END, World

__all__ = ["Answer", "Case", "Level", "Side", "ask_call", "ask_link", "case_of"]

_NEW = Where(file="directory.toml")
_LONGEST_CHAIN = 32
_MINUTE_MS = 60_000


class Level(IntEnum):
    """How much may be done, least first."""

    DENIED = 0
    ASKED = 1
    ALLOWED = 2


_LEVELS = {Outcome.DENY: Level.DENIED, Outcome.NEEDS_APPROVAL: Level.ASKED, Outcome.ALLOW: Level.ALLOWED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One concrete call. `link` and `resource` are what was asked about; `contexts` is the call's context as each side
    declares it; `shown` what the rules read of it, by name. `hours` is `context.hours` as each side has it then: empty
    if no rule looks at it."""

    tool: str
    chain: Chain
    link: EntityRef
    resource: EntityRef
    resources: tuple[EntityRef, ...]
    task: str
    purpose: str
    expires_ms: int
    scope: tuple[frozenset[str] | None, frozenset[str]]
    approved: frozenset[str]
    newcomers: tuple[Newcomer, ...]
    contexts: tuple[Mapping[str, object], ...]
    now_ms: int
    hours: tuple[Mapping[str, object], ...]
    shown: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Rules as they stand in one project, and the people there."""

    engine: PolicyEngine
    directory: Directory

    @property
    def world(self) -> World:
        return self.engine.world


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What Cedar said: how much may be done, which rules decided, and which gates ask."""

    level: Level
    policies: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


def case_of(people: People, call: AnyCall, *, link: Entity, resource: Entity, model: Model) -> Case:
    """The call in `model`. Raises Unsupported if it cannot be made."""
    setting = call.setting
    root, actor, agent = (people.ref(each, model) for each in (call.root, call.actor, call.agent))
    now = call.now(model)
    now_ms, hours = _moment(call, NOON_MS if now is None else now, model)
    links = _chain(root, agent, actor, depth=model.of(call.depth))
    contexts = tuple(
        MappingProxyType(dict(call.facts(action.context, model)))
        for action in (setting.action_of(side) for side in range(len(setting.sides)))
        if action is not None
    )
    entities = (call.root, call.actor, call.agent, *(each for each in call.resources if each.kind is EntityKind.AGENT))
    newcomers = {each.ref: each for each in (people.newcomer(one, model) for one in entities) if each is not None}
    for ref in links:
        if ref.id.startswith(_FILLER):
            newcomers[ref] = Newcomer(ref=ref, attrs={}, direct=())
    refs = tuple(call.resource(each, model) for each in call.resources)
    return Case(
        tool=setting.tool,
        chain=Chain(links=links),
        link=people.ref(link, model),
        resource=call.resource(resource, model),
        resources=refs,
        task=people.ref(call.task, model).id,
        purpose=str(model.of(call.purpose)),
        expires_ms=model.of(call.expires),
        scope=call.scope(model),
        approved=frozenset(call.sets.read("approved", model)),
        newcomers=tuple(newcomers.values()),
        contexts=contexts,
        now_ms=now_ms,
        hours=hours,
        shown=MappingProxyType(_shown(call, contexts[-1])),
    )


_FILLER = "other-agent-"


def _chain(root: EntityRef, agent: EntityRef, actor: EntityRef, *, depth: int) -> tuple[EntityRef, ...]:
    """A chain of this depth that ends with `actor` and holds `agent`."""
    if not 0 <= depth < _LONGEST_CHAIN:
        raise Unsupported(f"a chain of depth {depth}")
    middle = [] if agent == actor else [agent]
    fillers = [
        EntityRef(kind=EntityKind.AGENT, id=f"{_FILLER}{number}") for number in range(1, depth + 1 - len(middle))
    ]
    return (root, *fillers, *middle, actor)


def _shown(call: AnyCall, context: Mapping[str, object]) -> dict[str, object]:
    """What rules read, by its path, as the call has it."""
    found: dict[str, object] = {}
    for place in call.places.values():
        value: object = context
        for name in place.path:
            value = value.get(name) if isinstance(value, Mapping) else None
        if value is not None:
            found["context." + ".".join(place.path)] = value
    return dict(sorted(found.items()))


def ask_link(given: Side, case: Case, *, side: int) -> Answer:
    """What Cedar says to the case's link and resource alone."""
    asked = _engine(given, case)
    first = _answer(asked.decide(_request(asked, case, side, case.approved)), case)
    if first.level is Level.ALLOWED or not first.policies or first.errors:
        return first
    if not all(asked.policies[name].gate for name in first.policies):
        return first
    lifted = _answer(asked.decide(_request(asked, case, side, case.approved | set(first.policies))), case)
    if lifted.level is not Level.ALLOWED:
        return first
    return replace(first, level=Level.ASKED, gates=first.policies)


def _answer(verdict: Verdict, case: Case) -> Answer:
    for link in verdict.links:
        if link.link == case.link and link.resource == case.resource:
            level = Level.ALLOWED if link.allowed else Level.DENIED
            return Answer(level=level, policies=link.policies, errors=link.errors)
    return Answer(level=Level.DENIED)


def ask_call(given: Side, case: Case, *, side: int) -> Answer:
    """What the engine says to the whole call: every link of the chain, on every resource."""
    asked = _engine(given, case)
    verdict = asked.decide(_request(asked, case, side, case.approved))
    policies = tuple(dict.fromkeys(name for link in verdict.links for name in link.policies))
    return Answer(level=_LEVELS[verdict.outcome], policies=policies, gates=tuple(gate.id for gate in verdict.gates))


def _engine(given: Side, case: Case) -> PolicyEngine:
    if not case.newcomers:
        return given.engine
    directory = _with(given.directory, case.newcomers)
    return PolicyEngine(given.engine.bundle, world=given.world, directory=directory)


def _request(engine: PolicyEngine, case: Case, side: int, approved: frozenset[str]) -> PolicyRequest:
    context = case.contexts[min(side, len(case.contexts) - 1)]
    now_ms = case.now_ms
    expires = None if case.expires_ms == NO_END else case.expires_ms
    tools, within = case.scope
    subject = engine.subject(
        chain=case.chain, task=case.task, purpose=case.purpose, expires_ms=expires, tools=tools, zones=within
    )
    action = engine.world.actions.get(case.tool)
    zones = tuple(sorted(action.zones or ())) if action else ()
    return PolicyRequest(
        subject=subject,
        tool=case.tool,
        resources=tuple(
            Resource(ref=ref, zones=zones if ref.kind is EntityKind.RESOURCE else ()) for ref in case.resources
        ),
        now_ms=now_ms,
        args=_record(context, "args"),
        interfaces={name: _record(context, name) for name in INTERFACE_NAMES.values() if name in context},
        approved=approved,
        flow=_flow(_record(context, "flow")),
        around=_around(context, now_ms),
    )


def _record(context: Mapping[str, object], name: str) -> Facts:
    value = context.get(name, {})
    assert isinstance(value, Mapping)
    return value


def _moment(call: AnyCall, now_ms: int, model: Model) -> tuple[int, tuple[Mapping[str, object], ...]]:
    """The call's time; where rules look at the hour, the next time from then on that is as the model wants it on every
    side."""
    declared = [side.hours for side in call.setting.sides]
    wanted = [call.hours(hours, model) for hours in declared]
    if not any(wanted):
        return now_ms, ()
    found = now_ms
    for later in range(7 * 24 * 60):
        at = now_ms + later * _MINUTE_MS
        if all(_fits(hours, at, wants) for hours, wants in zip(declared, wanted, strict=True)):
            found = at
            break
    return found, tuple(MappingProxyType(dict(hours.facts(found)) if hours else {}) for hours in declared)


def _fits(hours: WorkingHours | None, at_ms: int, wanted: Mapping[str, int]) -> bool:
    facts = hours.facts(at_ms) if hours and wanted else {}
    return all(facts[name] == value for name, value in wanted.items())


def _around(context: Mapping[str, object], now_ms: int) -> Circumstances:
    evidence = _record(context, "evidence")
    age = evidence.get("age_ms", 0)
    assert isinstance(age, int)
    facts: dict[str, FactReading] = {}
    for name, each in _record(context, "facts").items():
        assert isinstance(each, Mapping)
        old = each["age_ms"]
        assert isinstance(old, int)
        facts[name] = FactReading(value=each["value"], read_ms=now_ms - old)
    return Circumstances(
        evidence=Evidence(
            method=Method(str(evidence.get("method", Method.CLAIMED.value))),
            at_ms=None if age == NO_END else now_ms - age,
            strong=bool(evidence.get("strong")),
        ),
        environment=_record(context, "environment"),
        facts=facts,
        usage={name: _use(each) for name, each in _record(context, "usage").items()},
    )


def _use(each: Fact) -> Usage:
    assert isinstance(each, Mapping)
    used, after = each["used"], each["after"]
    assert isinstance(used, int)
    assert isinstance(after, int)
    return Usage(used=used, after=after)


def _flow(facts: Facts) -> FlowFacts:
    def number(name: str) -> int:
        value = facts.get(name, 0)
        assert isinstance(value, int)
        return value

    def texts(name: str) -> tuple[str, ...]:
        value = facts.get(name, ())
        assert isinstance(value, tuple)
        return value

    return FlowFacts(
        label=Label(sensitivity=number("sensitivity"), categories=frozenset(texts("categories"))),
        session_label=Label(
            sensitivity=number("session_sensitivity"), categories=frozenset(texts("session_categories"))
        ),
        tainted=bool(facts.get("tainted")),
        unendorsed=texts("unendorsed"),
        unendorsed_values=texts("unendorsed_values"),
        by_colleague=texts("by_colleague"),
        unbound=texts("unbound"),
        unasked=bool(facts.get("unasked")),
        repeated=bool(facts.get("repeated")),
        undictated=texts("undictated"),
        misquoted=bool(facts.get("misquoted")),
        recipients_external=bool(facts.get("recipients_external")),
        recipients_outside_readers=bool(facts.get("recipients_outside_readers")),
        recipients_are_readers=bool(facts.get("recipients_are_readers")),
        opaque=bool(facts.get("opaque")),
    )


def _with(directory: Directory, newcomers: Iterable[Newcomer]) -> Directory:
    """`directory` with the newcomers in it. What they are in that it does not know is left out."""
    users, services, agents = dict(directory.users), dict(directory.services), dict(directory.agents)
    for each in newcomers:
        match each.ref.kind:
            case EntityKind.USER:
                users[each.ref.id] = _user(each, directory)
            case EntityKind.SERVICE:
                services[each.ref.id] = _service(each, directory)
            case EntityKind.AGENT:
                agents[each.ref.id] = _agent(each, directory)
            case _:
                raise AssertionError("only users, services and agents join")
    return replace(directory, users=users, services=services, agents=agents)


def _user(given: Newcomer, directory: Directory) -> UserEntry:
    attrs = dict(given.attrs)
    active, level, clearance = attrs.pop("active", True), attrs.pop("level", 0), attrs.pop("clearance", 0)
    return UserEntry(
        id=given.ref.id,
        groups=_direct(given, EntityKind.GROUP, directory.groups),
        roles=_direct(given, EntityKind.ROLE, directory.roles),
        active=bool(active),
        level=_int(level),
        clearance=_int(clearance),
        attributes=_extra(attrs, given.ref.kind, directory),
        where=_NEW,
    )


def _service(given: Newcomer, directory: Directory) -> ServiceEntry:
    attrs = dict(given.attrs)
    owner, purpose = str(attrs.pop("owner", "")), str(attrs.pop("purpose", ""))
    active, clearance = bool(attrs.pop("active", True)), _int(attrs.pop("clearance", 0))
    extra = _extra(attrs, given.ref.kind, directory)
    return ServiceEntry(
        id=given.ref.id, owner=owner, purpose=purpose, active=active, clearance=clearance, attributes=extra, where=_NEW
    )


def _agent(given: Newcomer, directory: Directory) -> AgentEntry:
    attrs = dict(given.attrs)
    owner, active, clearance = str(attrs.pop("owner", "")), bool(attrs.pop("active", True)), attrs.pop("clearance", 0)
    return AgentEntry(
        id=given.ref.id,
        classes=_direct(given, EntityKind.AGENT_CLASS, directory.classes),
        owner=owner,
        active=active,
        clearance=_int(clearance),
        attributes=_extra(attrs, given.ref.kind, directory),
        where=_NEW,
    )


def _direct(given: Newcomer, kind: EntityKind, known: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(ref.id for ref in given.direct if ref.kind is kind and ref.id in known)


def _extra(attrs: Mapping[str, object], kind: EntityKind, directory: Directory) -> dict[str, str | int | bool]:
    """The values of declared attributes; harmless ones for those that no rule asked about."""
    found: dict[str, str | int | bool] = {}
    for attribute in directory.attributes.get(kind, ()):
        value = attrs.get(attribute.name)
        if isinstance(value, str | int):
            found[attribute.name] = value
        elif not attribute.optional:
            found[attribute.name] = _HARMLESS.get(type(attribute.shape).__name__, "")
    return found


_HARMLESS: Mapping[str, str | int | bool] = {"Bool": False, "Long": 0}


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value
