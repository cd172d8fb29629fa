"""The policy decision point: one strict wrapper around Cedar. DESIGN §4 *Policies*, §5 *Policy engine*, promises 1-3.

Cedar skips a rule that errors, accepts entities that nobody declared, and answers without a schema. So here a link is
allowed iff Cedar says Allow, *and* reports no error, *and* a schema was applied (handles are always parsed with one),
*and* every id that the request refers to is known, *and* the context was built here. Anything else denies, and so does
every exception that Cedar or the encoder raises. All links are asked about all resources in one batch, with the rules
that they can meet (`slices`) and with what the tool's rules need (`parts`).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import cedarpy
import orjson
from cedarpy import pst

from bailiwick.errors import Finding
from bailiwick.model.circumstances import WorkingHours
from bailiwick.model.decision import Gate, LinkVerdict, Outcome, Reason, Verdict
from bailiwick.model.directory import Directory
from bailiwick.model.obligation import Obligations
from bailiwick.model.principal import Chain, EntityKind, EntityRef
from bailiwick.model.tool import Catalog
from bailiwick.policy import reasons
from bailiwick.policy.administration import build_admin_world
from bailiwick.policy.build import build_world
from bailiwick.policy.bundle import Bundle, PolicyInfo, PolicySource, Vocabulary
from bailiwick.policy.entities import Subject, Uid, adopt, build_person, build_subject, uid
from bailiwick.policy.facts import Probe, as_permits, attributes_of, plain_context
from bailiwick.policy.loader import load_bundle
from bailiwick.policy.obligations import every_obligation, obligations_of, obliging
from bailiwick.policy.observed import observed, without
from bailiwick.policy.parts import Part, kept, names_in, part_of
from bailiwick.policy.question import described, misplaced, plain, seat_of, shortened, targets
from bailiwick.policy.request import AdminRequest, PolicyRequest, context_of
from bailiwick.policy.scope import action_fits, permits_naming
from bailiwick.policy.slices import Slices, index, keys, parents
from bailiwick.policy.world import ActionDecl, World

__all__ = ["PolicyEngine"]

_FAILURES = (ValueError, TypeError, KeyError, RecursionError, OverflowError)
"""What cedarpy and orjson raise on values that they do not take (`UnicodeError`, `JSONEncodeError` are among them)."""


class _Asked(NamedTuple):
    """A request that may be put to Cedar: its entities, its uids, and its context but for the approvals. `pairs` are
    all links with all resources, `uids` the same for Cedar. (A tuple, since one is made for each call.)"""

    pairs: list[tuple[EntityRef, EntityRef]]
    uids: list[tuple[Uid, Uid]]
    action: Uid
    handle: cedarpy.Entities
    rules: cedarpy.PolicySet
    part: Part
    context: dict[str, object]


class PolicyEngine:
    """Rules, schema and directory of one project, ready to decide. Immutable but for caches; threads may share it."""

    @classmethod
    def load(
        cls, sources: Sequence[PolicySource], *, catalog: Catalog, directory: Directory, vocabulary: Vocabulary
    ) -> PolicyEngine:
        """Parse, check and validate `sources`. Raises ProjectError with every finding, each with file and line."""
        world = build_world(catalog=catalog, directory=directory, vocabulary=vocabulary)
        return cls(load_bundle(sources, world=world, directory=directory), world=world, directory=directory)

    @classmethod
    def load_administration(
        cls, sources: Sequence[PolicySource], *, directory: Directory, vocabulary: Vocabulary
    ) -> PolicyEngine:
        """As `load`, for the rules that say which person may do what to bailiwick itself."""
        world = build_admin_world(directory=directory, vocabulary=vocabulary)
        return cls(load_bundle(sources, world=world, directory=directory), world=world, directory=directory)

    def __init__(self, bundle: Bundle, *, world: World, directory: Directory) -> None:
        """From a bundle that is already loaded; `load` is the way to get a checked one.

        Raises ValueError if it holds templates, TypeError if it has no schema: Cedar would go by what is left."""
        if not isinstance(bundle.schema, cedarpy.Schema):
            raise TypeError("a bundle needs its schema")
        self.digest: str = bundle.digest
        self.schema_text: str = bundle.schema_text
        self.policies: Mapping[str, PolicyInfo] = bundle.policies
        self.warnings: tuple[Finding, ...] = bundle.warnings
        self.bundle: Bundle = bundle
        self.world: World = world
        self._policy_set = bundle.policy_set
        self._schema = bundle.schema
        self._world = world
        self._directory = directory
        self._hours = world.hours
        self._token = object()
        self._reasons = reasons.rule_reasons(bundle.policies)
        self._order = {name: index for index, name in enumerate(bundle.policies)}
        self._gates = {name: info.gate for name, info in bundle.policies.items() if info.gate is not None}
        # INVARIANT: sentinels are not in here, so none of them can be requested.
        self._tools = {name: action for name, action in world.actions.items() if not action.sentinel}
        self._actions: dict[str, Uid] = {name: {"type": "Action", "id": name} for name in self._tools}
        self._obliging = obliging(bundle.policies)
        self._rules = bundle.policy_set.to_pst()
        self._index = index(self._rules)
        self._slices = Slices(self._index.size)
        self._parts: dict[str, Part] = {}
        self.observed: frozenset[str] = observed(bundle.policies)
        rest = without(bundle, self.observed) if self.observed else None
        self._enforced = None if rest is None else PolicyEngine(rest, world=world, directory=directory)

    def subject(
        self,
        *,
        chain: Chain,
        task: str,
        purpose: str,
        expires_ms: int | None,
        tools: frozenset[str] | None = None,
        zones: frozenset[str] = frozenset(),
        groups: tuple[str, ...] = (),
    ) -> Subject:
        """The subject of a session: build it once, use it for each of its calls. Never raises on unknown ids: then
        everything that is decided for it is denied. `expires_ms` None: the task has no end; `tools` None: it is not
        limited to any, nor to zones if there are none. `groups` are the user's beside those of their entry."""
        return build_subject(
            self._directory,
            engine=self._token,
            chain=chain,
            task=task,
            purpose=purpose,
            expires_ms=expires_ms,
            tools=tools,
            zones=zones,
            groups=groups,
        )

    def made(self, subject: Subject) -> bool:
        """Whether `subject` is one of this engine's, so that it can decide for it."""
        return subject.engine is self._token

    def person(self, user: str) -> Subject:
        """The subject of somebody who acts by themselves, through no agent: for administration."""
        return build_person(self._directory, engine=self._token, user=user)

    def decide(self, request: PolicyRequest | AdminRequest) -> Verdict:
        """Whether every link of the chain may make this call, on every resource; if only gates deny it, which.

        Denials are values; nothing is raised on a request that cannot be judged."""
        try:
            asked, problems = self._ask(request)
        except _FAILURES as error:
            asked, problems = None, (described(error),)
        if asked is None:
            return self._refused(request, problems)
        approved = request.approved & self._gates.keys()
        links = self._evaluate(asked, approved)
        if all(link.allowed for link in links):
            return self._verdict(Outcome.ALLOW, links, why=reasons.allow_reasons(links, self._reasons))
        gates = self._liftable(links)
        if gates and self._would_help(asked, approved, gates):
            why = reasons.approval_reasons(gates, request.subject.links[0])
            return self._verdict(Outcome.NEEDS_APPROVAL, links, gates=gates, why=why)
        return self._verdict(
            Outcome.DENY, links, why=reasons.deny_reasons(request.tool, links, self._reasons, self._gates)
        )

    def decide_enforced(self, request: PolicyRequest) -> Verdict:
        """As `decide`, by those rules alone that are not only observed."""
        if self._enforced is None or not self.made(request.subject):
            return self.decide(request)
        return self._enforced.decide(replace(request, subject=self._enforced.adopted(request.subject)))

    @property
    def enforced(self) -> PolicyEngine:
        """The rules that are not only observed: all that a proof may rest on."""
        return self._enforced or self

    def adopted(self, subject: Subject) -> Subject:
        """The subject of an engine over the same directory, as one of this engine's."""
        return subject.adopted.get(self._token) or adopt(subject, self._token)

    def _verdict(
        self,
        outcome: Outcome,
        links: tuple[LinkVerdict, ...],
        *,
        why: tuple[Reason, ...],
        gates: tuple[Gate, ...] = (),
    ) -> Verdict:
        due = obligations_of(links, self._obliging)
        digest = self.digest
        return Verdict(outcome=outcome, links=links, gates=gates, reasons=why, policy_digest=digest, obligations=due)

    def naming(self, tool: str) -> frozenset[str]:
        """The permits whose scope names `tool` itself."""
        return permits_naming(self._rules, tool)

    def every_obligation(self, tool: str) -> Obligations:
        """All that any permit which could reach `tool` asks for: where the rules do not decide, which of them would
        have is not known."""
        return every_obligation(self._obliging, self._rules, self._tools.get(tool))

    def _refused(self, request: PolicyRequest | AdminRequest, problems: tuple[str, ...]) -> Verdict:
        nowhere = EntityRef(kind=EntityKind.RESOURCE, id=request.tool)
        targets = tuple(resource.ref for resource in request.resources) or (nowhere,)
        links = tuple(
            LinkVerdict(link=link, resource=target, allowed=False, errors=problems)
            for link in request.subject.links
            for target in targets
        )
        known = request.tool in self._tools
        why = reasons.error_reason() if known else reasons.unknown_tool(request.tool)
        return self._verdict(Outcome.DENY, links, why=(why,))

    def names_read(self, section: str, tool: str) -> frozenset[str]:
        """What rules on `tool` read of `context.facts`, or of `context.usage`; nothing if nobody knows the tool."""
        action = self._tools.get(tool)
        return frozenset() if action is None else names_in(self._part(action).context, section)

    def part(self, tool: str) -> Part | None:
        """What calls of `tool` need of rules and schema; None if nobody knows the tool."""
        return self._part(self._tools[tool]) if tool in self._tools else None

    def _part(self, action: ActionDecl) -> Part:
        part = self._parts.get(action.name)
        if part is None:
            part = self._parts[action.name] = part_of(self._world, self._index, action)
        return part

    def _ask(
        self, request: PolicyRequest | AdminRequest, *, probed: bool = False
    ) -> tuple[_Asked | None, tuple[str, ...]]:
        """The request as Cedar takes it, or why it may not be put to Cedar. `probed`: it will be asked about rules that
        are not in the request's slice."""
        subject = request.subject
        action = self._tools.get(request.tool)
        if action is None:
            return None, (f'"{request.tool}" is not a tool that can be called',)
        if subject.engine is not self._token:
            return None, ("the subject was made by another engine",)
        if subject.problems:
            return None, subject.problems
        if problems := misplaced(request.resources, action):
            return None, problems
        resources = {resource.ref: resource for resource in request.resources}
        added, problems = targets(self._directory, resources, subject)
        if problems:
            return None, problems
        part = self._part(action)
        seat = subject.seats.get(action.name)
        if seat is None:
            seat = subject.seats[action.name] = seat_of(subject, action, part)
        lineage = parents(added)
        met = (key for ref in resources for key in keys((ref.kind.value, ref.id), seat.lineage, lineage))
        cut = self._slices.of(part.stock, rows=seat.rows, resources=met)
        # Adding entities copies the handle, which costs as much as judging a link.
        asks = added and (cut.places or probed)
        handle = seat.handle.with_added_json_str(orjson.dumps(added).decode()) if asks else seat.handle
        uids = [uid(ref) for ref in resources]
        asked = _Asked(
            pairs=[(link, ref) for link in subject.links for ref in resources],
            uids=[(principal, target) for principal in subject.principals for target in uids],
            action=self._actions[action.name],
            handle=handle,
            rules=cut.rules,
            part=part,
            context=context_of(request, self._hours),
        )
        return asked, ()

    def _evaluate(self, asked: _Asked, approved: frozenset[str]) -> tuple[LinkVerdict, ...]:
        try:
            answers = self._answers(asked, approved)
        except _FAILURES as error:
            failed = (described(error),)
            return tuple(
                LinkVerdict(link=link, resource=resource, allowed=False, errors=failed)
                for link, resource in asked.pairs
            )
        return tuple(
            [self._link(link, target, answer) for (link, target), answer in zip(asked.pairs, answers, strict=True)]
        )

    def _answers(self, asked: _Asked, approved: frozenset[str]) -> list[cedarpy.AuthzResult]:
        context = {**asked.context, "approved": sorted(approved)}
        encoded = orjson.dumps(context, default=plain)
        rules, schema = self._policy_set, self._schema
        if asked.part.fits(context):
            rules, schema = asked.rules, asked.part.schema
            encoded = orjson.dumps(kept(asked.part.context, context), default=plain)
        text = encoded.decode()
        requests = [
            {"principal": principal, "action": asked.action, "resource": resource, "context": text}
            for principal, resource in asked.uids
        ]
        answers = cedarpy.is_authorized_batch(requests, rules, asked.handle, schema)
        if len(answers) != len(requests):
            raise ValueError(f"Cedar answered {len(answers)} of {len(requests)} requests")
        return answers

    def _link(self, link: EntityRef, resource: EntityRef, answer: cedarpy.AuthzResult) -> LinkVerdict:
        diagnostics, decision = answer.diagnostics, answer.decision
        errors, names = diagnostics.errors, diagnostics.reasons
        if not self._order.keys() >= set(names):
            errors, names = [*errors, "Cedar named a rule that is not loaded"], []
        elif len(names) > 1:
            names = sorted(names, key=self._order.__getitem__)
        if decision is cedarpy.Decision.NoDecision and not errors:
            errors = ["Cedar reached no decision"]
        if errors and decision is cedarpy.Decision.Allow:
            names = []  # the permits that Cedar would have gone by decided nothing
        return LinkVerdict(
            link=link,
            resource=resource,
            allowed=decision is cedarpy.Decision.Allow and not errors,
            policies=tuple(names),
            errors=tuple(map(shortened, errors)),
        )

    def _liftable(self, links: tuple[LinkVerdict, ...]) -> tuple[Gate, ...]:
        """The gates that deny, if nothing else does; else none."""
        found: dict[str, Gate] = {}
        for link in links:
            if link.allowed:
                continue
            if link.errors or not link.policies:
                return ()
            for name in link.policies:
                gate = self._gates.get(name)
                if gate is None:
                    return ()
                found[name] = gate
        return tuple(found.values())

    def _would_help(self, asked: _Asked, approved: frozenset[str], gates: tuple[Gate, ...]) -> bool:
        """Whether exactly these approvals would make it an allow: nobody is asked in vain."""
        links = self._evaluate(asked, approved | {gate.id for gate in gates})
        return all(link.allowed for link in links)

    def probe(self, request: PolicyRequest) -> Probe | None:
        """What Cedar is given for `request`, to ask it about single conditions; None where it is not asked at all."""
        try:
            asked, _ = self._ask(request, probed=True)
            if asked is None or not asked.part.fits({**asked.context, "approved": ()}):
                return None
            added, _ = targets(self._directory, {each.ref: each for each in request.resources}, request.subject)
            context = orjson.loads(orjson.dumps(asked.context, default=plain))
        except _FAILURES:
            return None

        def ask(conditions: Sequence[pst.Expr]) -> list[frozenset[int]]:
            permits = cedarpy.PolicySet.from_pst(as_permits(conditions))
            question = asked._replace(rules=permits)
            answers = self._answers(question, request.approved & self._gates.keys())
            return [frozenset(map(int, answer.diagnostics.reasons)) for answer in answers]

        action = self._tools[request.tool]
        return Probe(
            rules={
                name: self._rules.static_policies[name]
                for name in self._order
                if action_fits(self._rules.static_policies[name].action, action)
            },
            infos=self.policies,
            pairs=tuple(asked.pairs),
            context=plain_context(context),
            attributes=attributes_of([*request.subject.entities, *added]),
            ask=ask,
        )

    @property
    def actions(self) -> Mapping[str, ActionDecl]:
        """Every tool that can be called, as rules see it."""
        return self._tools

    def with_rules(self, bundle: Bundle) -> PolicyEngine:
        """Other rules over the same project: mutants and probes of policy tests, which nothing is enforced with."""
        return PolicyEngine(bundle, world=self._world, directory=self._directory)

    def load_rule(self, source: PolicySource) -> Bundle:
        """`source` by itself, as it would load in this project. Raises ProjectError where it would be refused."""
        return load_bundle((source,), world=self._world, directory=self._directory, schema=self._schema)

    @property
    def hours(self) -> WorkingHours | None:
        """The project's working hours."""
        return self._hours

    def with_directory(self, directory: Directory) -> PolicyEngine:
        """The same rules over a directory that has the same names: what would be decided if it said otherwise."""
        other = copy.copy(self)
        other._directory, other._token = directory, object()  # noqa: SLF001 - one of its own kind
        if self._enforced is not None:
            other._enforced = self._enforced.with_directory(directory)  # noqa: SLF001
        return other
