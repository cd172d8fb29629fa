"""Why a call would be decided as it is, and the smallest changes that would make it permitted. DESIGN §3 promise 9.

`bailiwick.policy` says which facts decided and which it would rather see; here these become changes of the call, the
session, the directory or the circumstances, and each is decided by `judged`, on the whole way from identity to policy.
Pure: nothing is recorded and nobody is asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bailiwick.guard.decide import Judged
from bailiwick.guard.explaining.preview import Preview, judged
from bailiwick.guard.explaining.whatif_args import Asked, argument_values, from_resource, mapped
from bailiwick.guard.explaining.whatif_around import around
from bailiwick.guard.explaining.whatif_people import Situation, attribute, granted, membership, other_task, principal
from bailiwick.guard.planes import Planes
from bailiwick.model.call import Action, ArgFacts
from bailiwick.model.decision import Decision, Gate, GateKind, Outcome
from bailiwick.model.principal import EntityKind, EntityRef
from bailiwick.model.tool import ArgSpec, Role, ToolSpec
from bailiwick.policy.alternatives import Answer, Change, ChangeKind, Found, Maker, Option, search
from bailiwick.policy.counterfactual import In, OtherThan, Want, wants
from bailiwick.policy.facts import LinkFacts, links_of

__all__ = ["Explanation", "explain_call"]

LONGEST_SHOWN = 120
PLAIN_PURPOSE = "a purpose in plain words"
"""Stands for any task that is no entry of the directory: it narrows nothing."""
_INTERFACES = frozenset({"send", "pay", "fetch", "change", "execute"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """`links` is empty where the call was denied before policy was asked: then the reasons' hints say what to do."""

    decision: Decision
    links: tuple[LinkFacts, ...]
    found: Found


def explain_call(planes: Planes, what: Preview, now_us: int) -> Explanation:
    """The decision on `what`, what decided at each link, and what would have to be otherwise. Pure."""
    situation = Situation(planes=planes, what=what, now_us=now_us)
    first = judged(planes, what, now_us)
    return Explanation(decision=first.decision, links=_links(planes, first), found=search(situation, _look))


def _links(planes: Planes, taken: Judged) -> tuple[LinkFacts, ...]:
    probe = planes.policy.probe(taken.request) if taken.request is not None else None
    verdict = taken.decision.verdict
    return links_of(probe, verdict) if probe is not None and verdict is not None else ()


def _look(situation: Situation) -> Answer[Situation]:
    taken = judged(situation.planes, situation.what, situation.now_us)
    root = EntityRef(kind=EntityKind.USER, id=situation.what.request.user or "")
    return Answer(
        allowed=taken.decision.allowed,
        approvals=tuple(_approval(gate, root) for gate in taken.decision.gates)
        if taken.decision.outcome is Outcome.NEEDS_APPROVAL
        else (),
        options=lambda: _options(situation, taken),
    )


def _approval(gate: Gate, root: EntityRef) -> Change:
    names = " or ".join(f"{ref.kind.value} {ref.id}" for ref in gate.approvers)
    many = f"{gate.quorum} approvals" if gate.quorum > 1 else "an approval"
    confirm = gate.kind is GateKind.CONFIRM
    return Change(
        kind=ChangeKind.APPROVAL,
        what=gate.id,
        before="",
        after=root.id if confirm else f"{gate.quorum} of {names}",
        by=Maker.USER if confirm else Maker.APPROVER,
        text=f"once {root.id or 'the user'} has confirmed it" if confirm else f"after {many} by {names}",
    )


def _options(situation: Situation, taken: Judged) -> Sequence[Option[Situation]]:
    """What could be changed about a denied call, each once."""
    if taken.request is None or taken.action is None or taken.decision.verdict is None:
        found = list(_before_policy(situation, taken.decision))
    else:
        probe = situation.planes.policy.probe(taken.request)
        asked = wants(probe, taken.decision.verdict) if probe is not None else ()
        found = [option for want in asked for option in _for_want(situation, taken, taken.action, want)]
    return list({option.change: option for option in reversed(found)}.values())[::-1]


def _before_policy(situation: Situation, decision: Decision) -> Iterator[Option[Situation]]:
    request = situation.what.request
    spec = situation.planes.catalog.find(situation.what.call.tool)
    match decision.reasons[0].code:
        case "tool-not-granted" | "zone-not-granted" as code if spec is not None:
            for name, task in situation.directory.tasks.items():
                if name != request.task and (task.tools is None or spec.name in task.tools):
                    yield other_task(situation, name)
            yield other_task(situation, PLAIN_PURPOSE)
            if code == "tool-not-granted":
                yield from granted(situation, tool=spec.name)
            else:
                yield from granted(situation, zones=spec.zones)
        case "inactive-user" if request.user is not None:
            yield from attribute(situation, EntityRef(kind=EntityKind.USER, id=request.user), "active", value=True)
        case "inactive-service" if request.service is not None:
            who = EntityRef(kind=EntityKind.SERVICE, id=request.service)
            yield from attribute(situation, who, "active", value=True)
        case "inactive-agent":
            yield from attribute(situation, EntityRef(kind=EntityKind.AGENT, id=request.agent), "active", value=True)
        case _:
            return


def _for_want(situation: Situation, taken: Judged, action: Action, want: Want) -> Iterator[Option[Situation]]:
    match want:
        case Want(entity=None, path=("args", name, *rest)):
            yield from _argument(situation, action, name, tuple(rest), want.value)
        case Want(entity=None, path=(name, *rest)) if name in _INTERFACES:
            for arg, way in mapped(action.tool, name, tuple(rest)):
                yield from _argument(situation, action, arg, way, want.value)
        case Want(entity=None, path=("flow", name)):
            yield from _flow(situation, taken, action, name, want.value)
        case Want(entity=None, path=path):
            yield from around(situation, path, want.value)
        case Want(entity=EntityRef(kind=EntityKind.TASK), path=(), value=EntityRef(id=task)):
            yield other_task(situation, task)
        case Want(entity=EntityRef(kind=EntityKind.RESOURCE) as resource, path=()):
            yield from _resource(situation, action, resource, want.value)
        case Want(entity=EntityRef() as who, path=(), value=In() as wanted):
            yield from membership(situation, who, wanted)
        case Want(entity=EntityRef() as who, path=(), value=EntityRef(id=other)):
            yield from principal(situation, who, other)
        case Want(entity=EntityRef() as who, path=(name,), value=value):
            yield from attribute(situation, who, name, value)
        case _:
            return


def _argument(
    situation: Situation, action: Action, name: str, rest: tuple[str, ...], wanted: object
) -> Iterator[Option[Situation]]:
    spec = action.tool.args.get(name)
    if spec is None:
        return
    given = situation.what.call.args.get(name)
    if wanted == [] and spec.optional and given is not None:
        yield _replaced(situation, spec, None)
    user = situation.directory.users.get(situation.what.request.user or "")
    asked = Asked(
        spec=spec,
        value=given,
        facts=next((each.facts for each in action.arguments if each.name == name), None),
        rest=rest,
        domains=tuple(sorted(situation.planes.organisation.domains)),
        own_mail=user.email if user else "",
    )
    for value in argument_values(asked, wanted):
        if value != given:
            yield _replaced(situation, spec, value)


def _replaced(situation: Situation, spec: ArgSpec, value: object) -> Option[Situation]:
    call = situation.what.call
    before, after = _shown(spec, call.args.get(spec.name)), _shown(spec, value)
    args = {**call.args, spec.name: value}
    changed = {name: each for name, each in args.items() if each is not None}
    return Option(
        change=Change(
            kind=ChangeKind.ARGUMENT,
            what=spec.name,
            before=before,
            after=after,
            by=Maker.AGENT,
            text=f"with {spec.name} = {_short(after)} instead of {_short(before)}" if after else f"without {spec.name}",
        ),
        apply=lambda situation: situation.with_what(replace(situation.what, call=replace(call, args=changed))),
    )


def _shown(spec: ArgSpec, value: object) -> str:
    """INVARIANT: never the text of a content argument."""
    if value is None:
        return ""
    if spec.role is Role.CONTENT:
        return f"a plain text of {len(value)} characters" if isinstance(value, str) else "another content"
    return json.dumps(value, ensure_ascii=False, default=str)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def _resource(situation: Situation, action: Action, resource: EntityRef, wanted: object) -> Iterator[Option[Situation]]:
    made_of = from_resource(action.tool, resource.id)
    if isinstance(wanted, EntityRef):
        target = from_resource(action.tool, wanted.id)
        differing = [name for name in made_of if target.get(name) != made_of[name]]
        if len(differing) == 1:
            yield from _argument(situation, action, differing[0], (), target.get(differing[0]))
    elif isinstance(wanted, OtherThan):
        for name, value in made_of.items():
            yield from _argument(situation, action, name, (), OtherThan(value))


def _flow(
    situation: Situation, taken: Judged, action: Action, name: str, wanted: object
) -> Iterator[Option[Situation]]:
    match name:
        case "unendorsed" | "unendorsed_values" | "by_colleague":
            assert taken.flow is not None
            yield from _said(action, getattr(taken.flow, name))
        case "recipients_external":
            for arg in _recipients(action.tool):
                yield from _argument(situation, action, arg, ("external",), wanted)
        case "recipients_outside_readers":
            for arg in _recipients(action.tool):
                yield from _argument(situation, action, arg, ("inside",), wanted)
            yield from _fresh(situation)
        case "opaque":
            for spec in action.tool.args.values():
                if spec.role is Role.CONTENT:
                    yield from _argument(situation, action, spec.name, ("opaque",), wanted)
        case _:
            yield from _fresh(situation)


def _recipients(tool: ToolSpec) -> list[str]:
    return [name for name, spec in tool.args.items() if spec.recipients]


def _said(action: Action, names: Sequence[str]) -> Iterator[Option[Situation]]:
    """The user names the values that nobody endorses."""
    values = tuple(value for each in action.judged if each.name in names for value in _named(each))
    if not values:
        return
    listed, shown = ", ".join(names), json.dumps(values, ensure_ascii=False)
    yield Option(
        change=Change(
            kind=ChangeKind.PROMPT,
            what=listed,
            before="",
            after=shown,
            by=Maker.USER,
            text=f"if the user named {_short(shown)} ({listed}) in their own words",
        ),
        apply=lambda before: before.with_what(
            # What the user said stands by itself, as a message of its own: a command counts as a whole only.
            replace(before.what, prompts=(*before.what.prompts, *values))
        ),
    )


def _named(argument: ArgFacts) -> tuple[str, ...]:
    if argument.role is Role.CONTENT:
        facts = argument.facts
        addresses = facts.get("addresses", ()) if isinstance(facts, dict) else ()
        return addresses if isinstance(addresses, tuple) else ()
    return argument.values


def _fresh(situation: Situation) -> Iterator[Option[Situation]]:
    """The same call in a session that has read nothing of unknown origin."""
    if situation.what.unknown:
        yield Option(
            change=Change(
                kind=ChangeKind.SESSION,
                what="what the session has read",
                before=f"{len(situation.what.unknown)} text(s) of unknown origin",
                after="nothing of unknown origin",
                by=Maker.USER,
                text="in a session that has read nothing of unknown origin",
            ),
            apply=lambda before: before.with_what(replace(before.what, unknown=())),
        )
