"""Fail closed (DESIGN §3 promise 1): what makes Cedar skip a forbid or fail is denied. Cases: data/hazards.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

import cedarpy
import orjson
import pytest

from bailiwick.model.call import Resource
from bailiwick.model.decision import Outcome, Verdict
from bailiwick.model.principal import Chain, EntityKind
from tests.policy.desk import FACTS, INTERFACES, decide, flow, load, ref, request, subject, unchecked

PERMIT = '@id("all") permit (principal, action, resource);'


@dataclass(frozen=True, kw_only=True)
class Hazard:
    name: str
    tool: str
    error: str
    rules: str = PERMIT
    ask: str | None = None
    control: dict[str, object] | None = None
    args: dict[str, object] | None = None
    interfaces: dict[str, dict[str, object]] | None = None
    now_ms: object = 1_700_000_000_000
    nest: int = 0
    surrogate: bool = False

    def changes(self) -> dict[str, object]:
        args: object = self.args if self.args is not None else FACTS[self.tool]
        if self.nest:
            value: object = "deep"
            for _ in range(self.nest):
                value = {"a": value}
            args = {"id": value}
        if self.surrogate:
            args = {"id": "\ud800"}
        interfaces = INTERFACES.get(self.tool, {}) if self.interfaces is None else self.interfaces
        return {"args": args, "interfaces": interfaces, "now_ms": self.now_ms}


HAZARDS = [Hazard(**case) for case in tomllib.loads((Path(__file__).parent / "data/hazards.toml").read_text())["case"]]


def denied(verdict: Verdict) -> bool:
    return verdict.outcome is Outcome.DENY and any(not link.allowed for link in verdict.links)


@pytest.mark.parametrize("hazard", HAZARDS, ids=lambda hazard: hazard.name)
def test_promise_1_a_hazard_is_denied(hazard: Hazard) -> None:
    engine = unchecked(hazard.rules)
    harmless = {"args": hazard.control} if hazard.control else {}
    assert decide(engine, hazard.tool, **harmless).outcome is Outcome.ALLOW
    asked = hazard.tool if hazard.ask is None else hazard.ask
    verdict = decide(engine, hazard.tool, tool=asked, **hazard.changes())
    assert denied(verdict)
    assert any(hazard.error in error for link in verdict.links for error in link.errors), verdict.links
    assert verdict.reasons[0].code in ("policy-error", "unknown-tool")


@pytest.mark.parametrize("hazard", HAZARDS, ids=lambda hazard: hazard.name)
def test_the_sentence_for_the_model_holds_no_detail(hazard: Hazard) -> None:
    engine = unchecked(hazard.rules)
    for reason in decide(engine, hazard.tool, **hazard.changes()).reasons:
        assert "vera" not in reason.message
        assert "failed to build" not in reason.message + reason.hint


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
    verdict = engine.decide(request(replace(whole, entities=without, handles={}), "kb.search"))
    assert denied(verdict)
    assert "does not exist" in verdict.links[0].errors[0]


@pytest.mark.parametrize(
    ("links", "missing"),
    [
        (("mallory", "support-bot"), 'User::"mallory"'),
        (("alice", "ghost"), 'Agent::"ghost"'),
        (("alice", "support-bot", "ghost"), 'Agent::"ghost"'),
    ],
)
def test_a_link_that_nobody_declared_is_denied_even_without_a_rule_about_it(
    links: tuple[str, ...], missing: str
) -> None:
    verdict = decide(unchecked(PERMIT), "kb.search", *links)
    assert denied(verdict)
    assert verdict.links[0].errors == (f"{missing} is not in the directory",)


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


@pytest.mark.parametrize(
    "given",
    [
        (),
        (Resource(ref=ref(EntityKind.RESOURCE, "kb.search"), zones=("prod",)),),
        (Resource(ref=ref(EntityKind.AGENT, "loner")),),
        (Resource(ref=ref(EntityKind.USER, "alice")),),
        (Resource(ref=ref(EntityKind.ZONE, "kb")),),
        (
            Resource(ref=ref(EntityKind.RESOURCE, "kb.search"), zones=("kb",)),
            Resource(ref=ref(EntityKind.RESOURCE, "kb.search")),
        ),
        (Resource(ref=ref(EntityKind.RESOURCE, "\ud800")),),
    ],
    ids=["none", "undeclared zone", "an agent", "a user", "a zone", "twice, differently", "unencodable"],
)
def test_resources_that_are_not_the_tools_are_denied(given: tuple[Resource, ...]) -> None:
    engine = unchecked(PERMIT)
    assert decide(engine, "kb.search").outcome is Outcome.ALLOW
    verdict = decide(engine, "kb.search", resources=given)
    assert denied(verdict)
    assert verdict.reasons[0].code == "policy-error"


def test_delegation_to_an_agent_that_nobody_declared_is_denied() -> None:
    engine = unchecked(PERMIT)
    assert decide(engine, "agent.delegate").outcome is Outcome.ALLOW
    ghost = (Resource(ref=ref(EntityKind.AGENT, "ghost")),)
    assert denied(decide(engine, "agent.delegate", resources=ghost))


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


def test_a_rule_cedar_names_that_is_not_loaded_denies() -> None:
    engine = unchecked(PERMIT, hidden=frozenset({"all"}))
    verdict = decide(engine, "kb.search")
    assert denied(verdict)
    assert "not loaded" in verdict.links[0].errors[0]
