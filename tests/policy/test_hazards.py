"""Fail closed (DESIGN §3 promise 1): no hazard allows. One file for each in data/hazards/, one runner.

A case enters at a *door*, and is refused there:
- `loader`: `rules` are refused with the finding `refused` (or loaded with the warning `warned`);
- `engine`: `rules` (by default one that permits everything) skip the loader's checks, and the request is denied: it is
  the desk's for `tool`, but for what the case replaces (`ask`, `args`, `interfaces`, `now_ms`, `links`, `resources`,
  `approved`, `nest`, `surrogate`). `error` stands in the error of a link, `denied_by` is the rule that denied;
- `action`: the tool's arguments are refused (with `code`) before any policy;
- `canonical`: the value has no canonical form;
- `cli`: `bailiwick explain --args` refuses to read them, or says that the call is denied.
What stands in `json` is read as a lenient framework would. `nest = N` puts N nested records into the argument, `long` a
text of so many characters, `many` a list of so many addresses.

Every case has a twin that is allowed at the same door (`sound`, `sound_tool`, `control`; else the desk's request as it
is): so the case is refused for what is wrong with it, and this test can fail.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import cedarpy
import orjson
import pytest

from bailiwick.action.parse import parse_call
from bailiwick.errors import CanonicalError, ProjectError
from bailiwick.guard.planes import Planes
from bailiwick.model.call import Action, Call, Resource
from bailiwick.model.canonical import canonical
from bailiwick.model.decision import Outcome, Reason, Verdict
from bailiwick.model.principal import Chain, EntityKind
from bailiwick.policy import PolicyEngine
from bailiwick.policy.build import build_world
from bailiwick.policy.bundle import Bundle
from bailiwick.policy.schema import render
from bailiwick.project.load import load_project
from tests.cli.terminal import Said, terminal
from tests.policy.desk import (
    CATALOG,
    DIRECTORY,
    FACTS,
    INTERFACES,
    VOCABULARY,
    decide,
    flow,
    load,
    ref,
    request,
    subject,
    unchecked,
)

__all__ = ["terminal"]

DATA = Path(__file__).parent / "data"
SUPPORT = Path(__file__).parents[2] / "examples" / "support"
PERMIT = '@id("all") permit (principal, action, resource);'

MANY = 100_000
LONG = {
    "long": "a" * 200,
    "deep": "(" * MANY + "true" + ")" * MANY,
    "and": "true && " * MANY + "true",
    "dots": "context" + ".a" * MANY,
    "sets": "[" * MANY + "1" + "]" * MANY + ".isEmpty()",
    "ifs": "if true then true else " * MANY + "true",
    "index": "context" + '["a"]' * MANY,
    "some": "context" + ".a" * 999,
}


@dataclass(frozen=True, kw_only=True)
class Hazard:
    file: str
    name: str
    door: str
    tool: str = "crm.get_customer"
    # engine
    rules: str = PERMIT
    error: str = ""
    denied_by: str = ""
    asks: bool = False
    ask: str | None = None
    control: dict[str, object] | None = None
    args: dict[str, object] | None = None
    interfaces: dict[str, dict[str, object]] | None = None
    now_ms: object = 1_700_000_000_000
    links: Sequence[str] = ()
    resources: list[dict[str, Any]] | None = None
    approved: Sequence[str] = ()
    hidden: Sequence[str] = ()
    surrogate: bool = False
    surrogate_resource: bool = False
    # loader
    refused: str = ""
    warned: str = ""
    path: str = "policies/desk.cedar"
    # the other doors
    json: str = ""
    code: str = ""
    says: str = ""
    # values that no file should hold, and twins
    nest: int = 0
    long: int = 0
    many: int = 0
    sound: str = ""
    sound_tool: str = ""

    def text(self) -> str:
        """The rules, with what is too long to write."""
        text = self.rules
        for name, long in LONG.items():
            text = text.replace(f"%({name})s", long)
        return text

    def value(self) -> Any:
        """What a lenient framework makes of `json`."""
        if self.nest:
            return {"id": nested(self.nest)}
        if self.long:
            return {"id": "4" * self.long}
        if self.many:
            return {"to": ["bob@northwind.example"] * self.many, "subject": "x", "body": "y"}
        return json.loads(self.json)

    def changes(self) -> dict[str, object]:
        args: object = FACTS[self.tool] if self.args is None else self.args
        if self.nest or self.surrogate:
            args = {"id": "\ud800" if self.surrogate else nested(self.nest)}
        interfaces = INTERFACES.get(self.tool, {}) if self.interfaces is None else self.interfaces
        made: dict[str, object] = {"args": args, "interfaces": interfaces, "now_ms": self.now_ms}
        made["approved"] = frozenset(self.approved)
        if self.surrogate_resource:
            made["resources"] = (Resource(ref=ref(EntityKind.RESOURCE, "\ud800")),)
        elif self.resources is not None:
            made["resources"] = tuple(
                Resource(ref=ref(EntityKind(each["kind"]), each["id"]), zones=tuple(each.get("zones", ())))
                for each in self.resources
            )
        return made


def nested(levels: int) -> object:
    value: object = "deep"
    for _ in range(levels):
        value = {"a": value}
    return value


def read(path: Path) -> list[Hazard]:
    return [Hazard(file=path.stem, **case) for case in tomllib.loads(path.read_text())["case"]]


HAZARDS = [hazard for path in sorted((DATA / "hazards").glob("*.toml")) for hazard in read(path)]


def at(door: str) -> pytest.MarkDecorator:
    """The cases of one door."""
    mine = [hazard for hazard in HAZARDS if hazard.door == door]
    return pytest.mark.parametrize("hazard", mine, ids=lambda hazard: f"{hazard.file}: {hazard.name}")


def denied(verdict: Verdict) -> bool:
    return verdict.outcome is Outcome.DENY and any(not link.allowed for link in verdict.links)


def errors(verdict: Verdict) -> list[str]:
    return [error for link in verdict.links for error in link.errors]


@at("engine")
def test_promise_1_a_hazard_is_denied(hazard: Hazard) -> None:
    engine = unchecked(hazard.rules, hidden=frozenset(hazard.hidden))
    twin = unchecked(hazard.sound or hazard.rules)
    harmless: dict[str, object] = {"args": hazard.control} if hazard.control else {}
    assert decide(twin, hazard.tool, approved=frozenset(hazard.approved), **harmless).outcome is Outcome.ALLOW
    asked = hazard.tool if hazard.ask is None else hazard.ask
    verdict = decide(engine, hazard.tool, *hazard.links, tool=asked, **hazard.changes())
    if hazard.asks:
        assert verdict.outcome is Outcome.NEEDS_APPROVAL
        return
    assert denied(verdict), verdict
    if hazard.error:
        assert any(hazard.error in error for error in errors(verdict)), verdict.links
        assert verdict.reasons[0].code in ("policy-error", "unknown-tool")
    else:
        assert not errors(verdict)
        assert not hazard.denied_by or all(hazard.denied_by in link.policies for link in verdict.links)


@at("engine")
def test_the_sentence_for_the_model_holds_no_detail(hazard: Hazard) -> None:
    engine = unchecked(hazard.rules)
    for reason in decide(engine, hazard.tool, **hazard.changes()).reasons:
        assert "vera" not in reason.message
        assert "failed to build" not in reason.message + reason.hint


@at("loader")
def test_promise_2_a_hazard_is_not_loaded(hazard: Hazard) -> None:
    load(hazard.sound, path=hazard.path)
    if hazard.warned:
        assert hazard.warned in {finding.rule for finding in load(hazard.text()).warnings}
        assert hazard.warned not in {finding.rule for finding in load(hazard.sound).warnings}
        return
    with pytest.raises(ProjectError) as caught:
        load(hazard.text(), path=hazard.path)
    assert hazard.refused in {finding.rule for finding in caught.value.findings}, caught.value.findings


@cache
def planes() -> Planes:
    return load_project(SUPPORT).planes


def parsed(tool: str, args: Any) -> Action | Reason:
    return parse_call(planes().catalog, Call(tool=tool, args=args), around=planes().surroundings())


@at("action")
def test_promise_1_a_hazard_is_refused_before_any_policy(hazard: Hazard) -> None:
    assert isinstance(parsed(hazard.sound_tool or hazard.tool, json.loads(hazard.sound or hazard.json)), Action)
    found = parsed(hazard.tool, hazard.value())
    assert isinstance(found, Reason), found
    assert not hazard.code or found.code == hazard.code


@at("canonical")
def test_promise_1_a_hazard_has_no_canonical_form(hazard: Hazard) -> None:
    assert canonical(json.loads(hazard.sound))
    with pytest.raises(CanonicalError):
        canonical(hazard.value())


def explained(terminal: Callable[..., Said], tool: str, args: str) -> Said:
    who = ("--user", "alice", "--agent", "support-bot", "--task", "Answer ticket 4711")
    return terminal("explain", SUPPORT, *who, "--tool", tool, "--args", args, "--json")


@at("cli")
def test_promise_1_a_hazard_is_not_explained_as_allowed(hazard: Hazard, terminal: Callable[..., Said]) -> None:
    said = explained(terminal, hazard.sound_tool or hazard.tool, hazard.sound or hazard.json)
    assert (said.code, said.json["outcome"]) == (0, "allow")
    args = '{"id": ' + '{"a": ' * hazard.nest + "1" + "}" * hazard.nest + "}" if hazard.nest else hazard.json
    said = explained(terminal, hazard.tool, args)
    if said.code:
        assert (said.code, said.out) == (2, "")
    else:
        assert said.json["outcome"] == "deny"
    assert hazard.says in said.err
    assert "Traceback" not in said.err


ISSUE = {
    "overflow": "overflow",
    "missing entity": "missing_entity",
    "absent attribute": "absent_attribute",
    "containsAll([])": "empty_sets",
    "forged entities": "forged_values",
    "duplicate JSON keys": "duplicate_keys",
    "NaN": "not_a_number",
    "huge": "huge",
    "deeply nested": "deep",
    "policies that fit no tool": "no_fitting_tool",
    "unknown annotations": "annotations",
    "gates without their unless": "gate_without_unless",
}
"""What the suite must cover, and where it does."""

DOORS = ("loader", "engine", "action", "canonical", "cli")


def test_every_hazard_that_must_be_covered_has_a_file() -> None:
    files = {hazard.file for hazard in HAZARDS}
    assert files >= set(ISSUE.values())
    assert {hazard.door for hazard in HAZARDS} == set(DOORS)
    names = [(hazard.file, hazard.name) for hazard in HAZARDS]
    assert len(names) == len(set(names))


# --- what takes more than a request ---


def test_a_string_that_looks_like_an_entity_stays_a_string() -> None:
    text = '{"__entity":{"type":"User","id":"vera"}}'
    engine = unchecked(
        PERMIT + '@id("same") forbid (principal, action == Action::"crm.get_customer", resource) '
        f"when {{ context.args.id == {orjson.dumps(text).decode()} }};"
    )
    verdict = decide(engine, "crm.get_customer", args={"id": text})
    assert verdict.outcome is Outcome.DENY
    assert verdict.links[0].policies == ("same",)


def test_a_missing_task_entity_skips_no_forbid() -> None:
    rules = PERMIT + '@id("late") forbid (principal, action, resource) unless { context.task.expires > context.now };'
    engine = unchecked(rules)
    whole = subject(engine)
    assert engine.decide(request(whole, "kb.search")).outcome is Outcome.ALLOW
    without = tuple(entity for entity in whole.entities if entity["uid"] != {"type": "Task", "id": "t-1"})
    assert len(without) == len(whole.entities) - 1
    verdict = engine.decide(request(replace(whole, entities=without, seats={}), "kb.search"))
    assert denied(verdict)
    assert "does not exist" in verdict.links[0].errors[0]


@pytest.mark.parametrize("links", [("alice", "ghost"), ("alice", "ghost", "support-bot")])
def test_a_link_that_nobody_declared_is_named(links: tuple[str, ...]) -> None:
    verdict = decide(unchecked(PERMIT), "kb.search", *links)
    assert verdict.links[0].errors == ('Agent::"ghost" is not in the directory',)


@pytest.mark.parametrize("task", ["t\ud800", "\udfff"])
def test_an_id_that_cannot_be_encoded_denies(task: str) -> None:
    engine = unchecked(PERMIT)
    chain = Chain(links=subject(engine).links)
    odd = engine.subject(chain=chain, task=task, purpose="p", expires_ms=None)
    assert denied(engine.decide(request(odd, "kb.search")))
    odd = engine.subject(chain=chain, task="t", purpose=task, expires_ms=None)
    assert denied(engine.decide(request(odd, "kb.search")))
    whole = engine.subject(chain=chain, task="a\x00\n\u202e\"'", purpose="p", expires_ms=None)
    assert engine.decide(request(whole, "kb.search")).outcome is Outcome.ALLOW


def test_a_subject_of_another_engine_is_denied() -> None:
    one, other = unchecked(PERMIT), unchecked(PERMIT)
    assert one.decide(request(subject(one), "kb.search")).outcome is Outcome.ALLOW
    assert denied(one.decide(request(subject(other), "kb.search")))


def test_a_forbid_on_a_group_fires_where_a_handle_without_a_schema_would_lose_it() -> None:
    rules = PERMIT + '@id("no-send") forbid (principal, action in Action::"high-impact", resource);'
    engine = unchecked(rules)
    verdict = decide(engine, "mail.send")
    assert [link.policies for link in verdict.links] == [("no-send",), ("no-send",)]
    # What Cedar answers when the entities were parsed without a schema: this is what must never happen.
    bare = cedarpy.Entities.from_json_str(orjson.dumps(list(subject(engine).entities)).decode())
    asked = {"principal": {"type": "User", "id": "alice"}, "action": {"type": "Action", "id": "mail.send"}}
    answer = cedarpy.is_authorized({**asked, "resource": {"type": "Resource", "id": "x"}}, rules, bare)
    assert answer.allowed


def test_an_interface_cannot_overwrite_what_the_engine_says() -> None:
    engine = load((Path(__file__).parent / "data/design.cedar").read_text())
    forged = {
        **INTERFACES["mail.send"],
        "approved": ("external-mail",),
        "flow": {},
        "now": 0,
        "user": "vera",
        "depth": 0,
    }
    verdict = decide(engine, "mail.send", interfaces=forged, flow=flow(recipients_external=True))
    assert verdict.outcome is Outcome.NEEDS_APPROVAL


def test_errors_keep_the_values_of_a_call_out_of_the_record() -> None:
    verdict = decide(unchecked(PERMIT), "crm.get_customer", args={"id": {"__entity": {"type": "User", "id": "vera"}}})
    text = " ".join(error for link in verdict.links for error in link.errors)
    assert "failed to build request" in text
    assert "vera" not in text


def bundle(text: str, **changes: Any) -> PolicyEngine:
    """An engine of a bundle that no loader made."""
    world = build_world(catalog=CATALOG, directory=DIRECTORY, vocabulary=VOCABULARY)
    schema = cedarpy.Schema.from_str(render(world))
    given = {"policy_set": cedarpy.PolicySet.from_str(text), "policies": {}, "schema": schema, "digest": "sha256:x"}
    return PolicyEngine(Bundle(**{**given, "schema_text": "", **changes}), world=world, directory=DIRECTORY)


def test_a_bundle_with_slots_that_nothing_fills_is_no_engine() -> None:
    assert bundle("permit (principal, action, resource);").digest
    with pytest.raises(ValueError, match="templates"):
        bundle("permit (principal == ?principal, action, resource);")


def test_a_bundle_without_a_schema_is_no_engine() -> None:
    """Cedar would take every request as it comes, and skip the forbids that do not fit it."""
    with pytest.raises(TypeError, match="schema"):
        bundle("permit (principal, action, resource);", schema=None)
