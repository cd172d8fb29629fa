"""The worlds in which calls are explained, and hands to change them as the people would whom an explanation names."""

from __future__ import annotations

import functools
import json
import re
import shutil
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from bailiwick.guard.explaining.preview import Preview, judged
from bailiwick.guard.opening import OpenRequest
from bailiwick.guard.planes import Planes
from bailiwick.model.call import Call
from bailiwick.model.circumstances import Evidence, FactReading, Method
from bailiwick.model.decision import Decision
from bailiwick.policy.alternatives import Change, ChangeKind
from bailiwick.project.load import load_project
from tests.worlds import FILES, make_world

__all__ = ["NOW_US", "Asking", "asked_by", "decided", "made", "planes_of", "worlds"]

SUPPORT = Path(__file__).parents[2] / "examples/support"
NOW_US = 1_795_860_000_000_000
"""A Saturday in November 2026, 10:00 UTC."""

OFFICE = {
    "bailiwick_toml": FILES["bailiwick.toml"]
    + """
[hours]
days = ["monday", "tuesday", "wednesday", "thursday", "friday"]

[environment]
network = "string?"

[facts.on_call]
type  = "bool"
about = "user"
""",
    "tools_desk_toml": FILES["tools/desk.toml"]
    + """
[tools."bank.transfer"]
effects     = ["pay"]
args.iban   = { type = "string", role = "target" }
args.amount = { type = "money", role = "value", currency = "EUR" }
pay         = { payee = "iban", amount = "amount" }
idempotency = "none"
""",
    "policies_desk_cedar": FILES["policies/desk.cedar"]
    + """
@id("desk-pays") permit (principal, action == Action::"bank.transfer", resource);

@id("fresh-and-strong") @reason("Sign in with a second factor.")
forbid (principal, action == Action::"put.key", resource)
unless { context.evidence.strong && context.evidence.age_ms <= 300000 };

@id("fresh") @reason("Sign in again.")
forbid (principal, action == Action::"put.safe", resource)
unless { context.evidence.age_ms <= 300000 };

@id("office-hours") @reason("Not at night.")
forbid (principal, action == Action::"put.none", resource)
unless { context.hours.working };

@id("office-network") @reason("From the office.")
forbid (principal, action == Action::"db.query", resource)
unless { context.environment has network && context.environment.network == "office" };

@id("on-call") @reason("For whoever is on call.")
forbid (principal, action == Action::"page.read", resource)
unless { context.facts.on_call.value };

@id("ten-at-once") @reason("Ten pages at once.")
forbid (principal, action == Action::"page.read", resource)
when { context.args has limit && context.args.limit > 10 };

@id("seniors") @reason("For seniors.")
forbid (principal is User, action == Action::"fact.read", resource)
when { principal.level < 3 && principal.clearance < 2 };

@id("small-sums") @reason("Up to 100 euros.")
forbid (principal, action in Action::"pay", resource)
when { context.pay.amount_minor > 10000 };

@id("known-payee") @gate("approval") @approvers("Group::leads") @reason("A lead looks at new payees.")
forbid (principal, action in Action::"pay", resource)
when { !["DE1", "DE2"].contains(context.pay.payee) }
unless { context.approved.contains("known-payee") };

@id("own-words") @gate("confirm") @reason("Alice confirms each payment.")
forbid (principal, action in Action::"pay", resource)
unless { context.approved.contains("own-words") };

@id("short-mails") @reason("Short mails.")
forbid (principal, action == Action::"mail.send", resource)
when { context.args.body.length > 40 };
""",
}
"""Files of tests.worlds with rules on the circumstances of a call."""


IN_THE_DIRECTORY = {ChangeKind.MEMBERSHIP, ChangeKind.ATTRIBUTE, ChangeKind.GRANT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """One question for `explain_call`."""

    folder: Path
    what: Preview
    now_us: int = NOW_US


def worlds(folder: Path) -> dict[str, Path]:
    """Name → project folder."""
    support = folder / "support"
    (support / "policies").mkdir(parents=True)
    for path in (SUPPORT / "bailiwick.toml", SUPPORT / "directory.toml"):
        shutil.copy(path, support)
    for name in ("policies", "tools"):
        shutil.copytree(SUPPORT / name, support / name, dirs_exist_ok=True)
    for name in ("desk", "office"):
        (folder / name).mkdir()
    return {
        "support": support,
        "desk": make_world(folder / "desk"),
        "office": make_world(folder / "office", **OFFICE),
    }


def asked_by(folder: Path, case: dict[str, Any]) -> Asking:
    """A case of a data file, as a question."""
    evidence = case.get("evidence", {})
    request = OpenRequest(
        user=case.get("user"),
        service=case.get("service"),
        agent=case["agent"],
        task=case.get("task", "Do some work"),
        conversation="c",
        evidence=Evidence(
            method=Method.OIDC if evidence else Method.CLAIMED,
            at_ms=NOW_US // 1000 - evidence["age_ms"] if evidence else None,
            strong=evidence.get("strong", False),
        ),
        environment=case.get("environment", {}),
    )
    facts = {name: FactReading(value=value, read_ms=NOW_US // 1000) for name, value in case.get("facts", {}).items()}
    what = Preview(
        request=request,
        call=Call(tool=case["tool"], args=case.get("args", {})),
        prompts=tuple(case.get("prompts", ())),
        unknown=tuple(case.get("unknown", ())),
        facts=facts,
    )
    return Asking(folder=folder, what=what)


def decided(asking: Asking) -> Decision:
    """The decision by a project that is loaded from its folder."""
    return judged(planes_of(asking.folder), asking.what, asking.now_us).decision


@functools.cache
def planes_of(folder: Path) -> Planes:
    """The project, loaded once: nothing changes one but `made`, which changes a copy before it is loaded."""
    return load_project(folder).planes


def made(asking: Asking, changes: tuple[Change, ...], copy: Path) -> Asking:
    """The question after people made `changes`, each where such a thing is changed: the directory in its file (of a
    copy of the project), the call and its circumstances in what is asked. Approvals are left to whoever gives them."""
    if any(change.kind in IN_THE_DIRECTORY for change in changes):
        shutil.copytree(asking.folder, copy)
        asking = replace(asking, folder=copy)
    for change in changes:
        asking = _made(asking, change)
    return asking


def _made(asking: Asking, change: Change) -> Asking:
    what, request = asking.what, asking.what.request
    match change.kind:
        case ChangeKind.ARGUMENT:
            args = {**what.call.args, change.what: _value(change.after)}
            call = replace(what.call, args={name: value for name, value in args.items() if value is not None})
            return replace(asking, what=replace(what, call=call))
        case ChangeKind.PROMPT:
            return replace(asking, what=replace(what, prompts=(*what.prompts, *json.loads(change.after))))
        case ChangeKind.SESSION:
            return replace(asking, what=replace(what, unknown=()))
        case ChangeKind.TIME:
            return replace(asking, now_us=round(datetime.fromisoformat(change.after).timestamp()) * 1_000_000)
        case ChangeKind.FACT:
            reading = FactReading(value=json.loads(change.after), read_ms=asking.now_us // 1000)
            facts = {**what.facts, change.what.partition(".")[2]: reading}
            return replace(asking, what=replace(what, facts=facts))
        case ChangeKind.EFFECTOR:
            return replace(asking, what=replace(what, enforced=frozenset(json.loads(change.after))))
        case ChangeKind.EVIDENCE | ChangeKind.ENVIRONMENT | ChangeKind.TASK | ChangeKind.PRINCIPAL:
            return replace(asking, what=replace(what, request=_opened_as(request, change, asking.now_us)))
        case ChangeKind.APPROVAL:
            return asking
        case ChangeKind.MEMBERSHIP | ChangeKind.ATTRIBUTE | ChangeKind.GRANT:
            path = asking.folder / "directory.toml"
            path.write_text(_edited(path.read_text(), change))
            return asking


def _opened_as(request: OpenRequest, change: Change, now_us: int) -> OpenRequest:
    """The request for the session after the change."""
    match change.kind:
        case ChangeKind.EVIDENCE:
            signed = Evidence(method=Method.OIDC, at_ms=now_us // 1000, strong="second factor" in change.after)
            return replace(request, evidence=signed)
        case ChangeKind.ENVIRONMENT:
            around = {**request.environment, change.what.partition(".")[2]: json.loads(change.after)}
            return replace(request, environment=around)
        case ChangeKind.TASK:
            return replace(request, task=change.after)
        case ChangeKind.PRINCIPAL if change.what == "user":
            return replace(request, user=change.after)
        case ChangeKind.PRINCIPAL:
            return replace(request, agent=change.after)
    raise AssertionError(change)


def _value(after: str) -> object:
    """The value of an argument. That of a content argument is not told, only how long it is."""
    hidden = re.fullmatch(r"a plain text of (\d+) characters", after)
    return "x" * int(hidden[1]) if hidden else json.loads(after) if after else None


def _edited(text: str, change: Change) -> str:
    """directory.toml after the change."""
    if found := re.fullmatch(r"(user|agent) (\S+) in (Group|Role|AgentClass) (\S+)", change.what):
        kind, who, above, group = found.groups()
        key = {"Group": "groups", "Role": "roles", "AgentClass": "classes"}[above]
        return _listed(text, f"[{kind}s.{who}]", key, group, there=change.after == "true")
    if found := re.fullmatch(r"(\w+) of (user|agent|service) (\S+)", change.what):
        key, kind, who = found.groups()
        return _set(text, f"[{kind}s.{who}]", key, change.after)
    if found := re.fullmatch(r"(zone )?(\S+) in task (\S+)", change.what):
        return _listed(text, f"[tasks.{found[3]}]", "zones" if found[1] else "tools", found[2], there=True)
    raise AssertionError(change)


def _block(text: str, header: str) -> tuple[int, int]:
    start = text.index(header) + len(header)
    end = text.find("\n[", start)
    return start, end if end >= 0 else len(text)


def _set(text: str, header: str, key: str, value: str) -> str:
    start, end = _block(text, header)
    lines = [line for line in text[start:end].split("\n") if not re.match(rf"{key}\s*=", line)]
    return text[:start] + "\n".join([lines[0], f"{key} = {value}", *lines[1:]]) + text[end:]


def _listed(text: str, header: str, key: str, name: str, *, there: bool) -> str:
    start, end = _block(text, header)
    found = re.search(rf"^{key}\s*=\s*(\[.*\])", text[start:end], re.MULTILINE)
    names = [each for each in (json.loads(found[1]) if found else []) if each != name]
    return _set(text, header, key, json.dumps([*names, name] if there else names))
