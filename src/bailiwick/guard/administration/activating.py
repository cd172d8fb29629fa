"""A bundle of rules takes over: who may do that, what is recorded, and in which order it happens.

Order: the rules in `administration/` are asked, signatures and sequence are checked, the activation is noted as
pending, its event is written, and the store switches, from which every process reads before its next decision.
INVARIANT: all of it is judged by what holds already, never by the bundle itself; the store holds no bundle as active
that no log says was activated; a pending one is settled by the log (`project.recovery`). DESIGN §5 *Policy engine*,
*State and scale*.

INVARIANT: its author has signed it, and with `bundles.separation` another person as well. A name given on a command
line is a claim, so it counts for neither.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from bailiwick.errors import StoreError
from bailiwick.guard.administration.administering import authorise
from bailiwick.guard.administration.bundles import Activation
from bailiwick.guard.administration.entitled import written
from bailiwick.guard.core import Core
from bailiwick.guard.effects import Append, Flow, Now
from bailiwick.guard.planes import Planes
from bailiwick.guard.ports import Ports
from bailiwick.guard.record import draft
from bailiwick.identity.bundle_signatures import signers
from bailiwick.identity.suspension import person_suspended
from bailiwick.model.administration import AdminAction, admin_resource
from bailiwick.model.bundle import ProjectBundle
from bailiwick.model.decision import Outcome, Plane, Reason
from bailiwick.model.event import EventKind
from bailiwick.model.suspensions import TargetKind
from bailiwick.model.tool import MODEL_TOOL, Durability
from bailiwick.policy.request import AdminRequest

__all__ = ["ActivationOrder", "activate", "check_bundle", "unchangeable", "what_holds"]

MOST_NAMED = 100
_RESOURCE = admin_resource("bundle")


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationOrder:
    """Who wants which bundle to hold. `planes` are what it loads to; `tests` says what became of its tests (`passed`,
    `none`, `skipped`); `os_user` is the account that the order came from."""

    bundle: ProjectBundle
    planes: Planes
    by: str
    tests: str
    os_user: str


@dataclass(frozen=True, slots=True)
class _Note:
    """Note an activation as pending → whether nobody else was faster."""

    tenant: str
    env: str
    activation: Activation
    data: bytes
    after: int

    def do(self, ports: Ports) -> bool:
        here = replace(self.activation, log_id=ports.log_id)
        return ports.bundles.note(self.tenant, self.env, here, self.data, after=self.after)


@dataclass(frozen=True, slots=True)
class _Switch:
    """The pending bundle holds from now on → whether it was pending."""

    tenant: str
    env: str
    sequence: int

    def do(self, ports: Ports) -> bool:
        return ports.bundles.switch(self.tenant, self.env, self.sequence)


def activate(core: Core, order: ActivationOrder) -> Flow[Activation | Reason]:
    """The activation, which holds from the next decision in every process, or why there is none."""
    bundle, settings = order.bundle, core.planes.settings
    refused = yield from authorise(
        core,
        order.by,
        action=AdminAction.ACTIVATE,
        resource=_RESOURCE,
        os_user=order.os_user,
        own=order.by == bundle.author,
    )
    now_us: int = yield Now()
    signed = check_bundle(core.planes, bundle, now_us // 1000)
    if refused is None and isinstance(signed, Reason):
        refused = signed
    refused = refused or unchangeable(core.planes, order.planes) or _loses_suspended(core.planes, order.planes)
    if refused is not None:
        return (yield from _refuse(core, order, refused))
    assert not isinstance(signed, Reason)
    made = Activation(
        sequence=bundle.sequence,
        digest=bundle.digest,
        author=bundle.author,
        signers=signed,
        by=order.by,
        at_ms=now_us // 1000,
        mode=order.planes.settings.mode.value,
        tests=order.tests,
        note=bundle.note,
        event=core.new_id(),
        log_id="",
    )
    after = core.planes.bundle.sequence if core.planes.bundle else 0
    noted: bool = yield _Note(settings.tenant, settings.env, made, bundle.encode(), after)
    if not noted:
        return (yield from _refuse(core, order, _overtaken(bundle)))
    body = {
        **what_holds(replace(order.planes, bundle=made)),
        "author": bundle.author,
        "signers": list(signed),
        "by": order.by,
        "tests": order.tests,
        "os_user": written(order.os_user),
    }
    event = draft(core.planes, None, EventKind.POLICY_ACTIVATED, body, event_id=made.event, now_us=now_us)
    # Where this fails it may have been written all the same: the note stays, and the log settles it when the project is
    # opened next.
    yield Append((event,), Durability.SYNC)
    switched: bool = yield _Switch(settings.tenant, settings.env, bundle.sequence)
    if not switched:
        raise StoreError(
            f"the activation of bundle {bundle.sequence} was taken from the state store while it was under way",
            hint="find out who wrote to it; then activate the bundle anew, under a higher sequence",
        )
    return made


def _loses_suspended(now: Planes, then: Planes) -> Reason | None:
    """Why what is suspended would be gone: under another name it would run again, without another person's leave."""
    for target in sorted(now.suspensions.by_target):
        # What is no longer there today cannot be lost.
        if target.name in _names(now, target.kind) and target.name not in _names(then, target.kind):
            return _reason(
                "bundle-loses-suspended",
                f"{target} is suspended, and the bundle does not know it any more.",
                "Keep it in the bundle, or let another person resume it first.",
            )
    return None


def _names(planes: Planes, kind: TargetKind) -> Collection[str]:
    """What a project's files name of this kind; nothing where they name none (sessions, everything)."""
    directory = planes.directory
    held: Mapping[TargetKind, Collection[str]] = {
        TargetKind.TOOL: (*planes.catalog.tools, *((MODEL_TOOL,) if planes.catalog.models else ())),
        TargetKind.AGENT: directory.agents,
        TargetKind.USER: directory.users,
        TargetKind.SERVICE: directory.services,
    }
    return held.get(kind, ())


def check_bundle(planes: Planes, bundle: ProjectBundle, now_ms: int) -> tuple[str, ...] | Reason:
    """Who signed it, if it may follow what holds in `planes`; else why it may not. Pure."""
    settings, rules = planes.settings, planes.settings.bundles
    if (bundle.tenant, bundle.env) != (settings.tenant, settings.env):
        return _reason(
            "bundle-of-another",
            f"The bundle is for {bundle.tenant}/{bundle.env}, and this is {settings.tenant}/{settings.env}.",
            "Build one from a folder whose bailiwick.toml says so.",
        )
    last = planes.bundle.sequence if planes.bundle else 0
    if bundle.sequence <= last:
        return _reason(
            "bundle-not-newer",
            f"The bundle has sequence {bundle.sequence}, and {last} is active already.",
            "There is no way back to an older bundle: build what it held anew, which gives it the next sequence.",
        )
    signed = signers(bundle, planes.directory)
    if isinstance(signed, Reason):
        return signed
    for name in signed:
        if person_suspended(planes.suspensions, name):
            return _reason(
                "bundle-signer",
                f"{name} signed the bundle, and {name} is suspended.",
                f"It can be activated once {name} was resumed; or let others build and sign one.",
            )
    others = [name for name in signed if name != bundle.author]
    for name in others:
        if refused := _may_not(planes, name, now_ms):
            return refused
    if bundle.author not in signed:
        return _reason(
            "bundle-author",
            f"The bundle says that {bundle.author} wrote it, and {bundle.author} did not sign it.",
            "Its author has to sign it, so that nobody hides behind another name: "
            "bailiwick policy sign FILE --as USER --key KEY",
        )
    if len(signed) < rules.signatures:
        return _reason(
            "bundle-signatures",
            f"{len(signed)} of {rules.signatures} people signed the bundle.",
            "Let others look at it and sign it: bailiwick policy sign FILE --as USER --key KEY",
        )
    if rules.separation and not others:
        return _reason(
            "bundle-author-alone",
            f"{bundle.author} wrote the bundle, and nobody else signed it.",
            "Somebody else whom the administration rules let activate bundles has to sign it as well.",
        )
    return signed


def what_holds(planes: Planes) -> dict[str, object]:
    """The body of `policy.activated` as far as it says which rules hold."""
    body: dict[str, object] = {
        "policy_digest": planes.policy.digest,
        "catalog_digest": planes.catalog.digest,
        "directory_digest": planes.directory.digest,
        "policies": len(planes.policy.policies),
        "mode": planes.settings.mode.value,
    }
    if planes.policy.observed:
        body["observed"] = sorted(planes.policy.observed)[:MOST_NAMED]
    if planes.bundle is not None:
        body |= {"bundle": planes.bundle.digest, "sequence": planes.bundle.sequence}
    return body


def _may_not(planes: Planes, signer: str, now_ms: int) -> Reason | None:
    """Why the signature of somebody who did not write the bundle does not count."""
    engine = planes.administration
    asked = AdminRequest(subject=engine.person(signer), action=AdminAction.ACTIVATE, resource=_RESOURCE, now_ms=now_ms)
    if engine.decide(asked).outcome is Outcome.ALLOW:
        return None
    return _reason(
        "bundle-signer",
        f"{signer} signed the bundle, and the rules in administration/ do not let {signer} activate one.",
        f"Let somebody sign it who may do {AdminAction.ACTIVATE.value}, and build it anew without this signature.",
    )


def unchangeable(before: Planes, after: Planes) -> Reason | None:
    """What running processes cannot take over, since sessions that are open or stored rest on it."""
    fixed: Mapping[str, tuple[object, object]] = {
        "tenant": (before.settings.tenant, after.settings.tenant),
        "env": (before.settings.env, after.settings.env),
        "labels.levels": (before.settings.levels, after.settings.levels),
    }
    for name, (old, new) in fixed.items():
        if old != new:
            return _reason(
                "bundle-fixed-setting",
                f"The bundle changes the setting {name}, on which everything rests that is stored.",
                "Keep it; to change it all the same, start with an empty state folder ([stores] path) and a folder "
                "that says so.",
            )
    return None


def _overtaken(bundle: ProjectBundle) -> Reason:
    return _reason(
        "bundle-overtaken",
        f"Another activation was faster than that of bundle {bundle.sequence}, or is under way.",
        "See `bailiwick policy status`; then build it anew on top of that one.",
    )


def _refuse(core: Core, order: ActivationOrder, reason: Reason) -> Flow[Reason]:
    now_us: int = yield Now()
    body = {
        "by": written(order.by),
        "bundle": order.bundle.digest,
        "sequence": order.bundle.sequence,
        "code": reason.code,
        "message": written(reason.message),
        "os_user": written(order.os_user),
    }
    made = draft(core.planes, None, EventKind.POLICY_REFUSED, body, event_id=core.new_id(), now_us=now_us)
    yield Append((made,), Durability.BUFFERED)
    return reason


def _reason(code: str, message: str, hint: str) -> Reason:
    return Reason(plane=Plane.POLICY, code=code, message=message, hint=hint)
