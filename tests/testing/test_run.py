"""Running tests of rules: what passes, each way to fail, and that what is rehearsed is what a session would do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bailiwick import Denied, Guard
from bailiwick.guard.explaining.rehearsal import OtherRules
from bailiwick.guard.planes import Planes
from bailiwick.policy.mutants import mutants_of
from tests.testing.desk import PARTS, planes_of, ran
from tests.worlds import FILES, make_world

PARTS_OF_ALICE = PARTS.replace(PARTS[PARTS.index("[principals.eve]") : PARTS.index("[contexts.strange]")], "")
WHO: dict[str, Any] = {"user": "alice", "agent": "desk-bot", "task": "Some work"}
HANDED_ON = '[principals.x]\nuser = "alice"\nagent = "desk-bot"\ntask = "Some work"\ndelegates = ["scout"]\n'
HAND = '[calls.hand]\ntool = "agent.delegate"\nargs = { agent = "%s" }\n'
EVERY = 'principals = ["alice"]\ncalls = ["read", "read-9", "mail", "put"]\n'
ONE_EACH = f'[[matrix]]\nname = "plain"\n{EVERY}%s[[matrix]]\nname = "strange"\ncontext = "strange"\n{EVERY}%s'


@pytest.fixture(scope="module")
def planes(tmp_path_factory: pytest.TempPathFactory) -> Planes:
    return planes_of(tmp_path_factory.mktemp("desk"))


def matrices(plain: str, strange: str = "") -> str:
    return PARTS_OF_ALICE + ONE_EACH % (
        f"[matrix.expect.alice]\n{plain}\n" if plain else "",
        f"[matrix.expect.alice]\n{strange}\n" if strange else "",
    )


RIGHT = matrices('read = "allow"\nmail = "needs_approval"\nput = "allow"', 'read = "allow"\nmail = "needs_approval"')


def test_expectations_that_hold(planes: Planes) -> None:
    results = ran(planes, RIGHT)
    assert len(results) == 8
    assert [one.wrong for one in results] == [()] * 8
    assert [one.seconds for one in results] == [0.5] * 8


def test_an_unlisted_cell_that_is_allowed_fails(planes: Planes) -> None:
    results = ran(planes, RIGHT.replace('put = "allow"\n', ""))
    (failed,) = (one for one in results if not one.passed)
    assert failed.case.title == "plain: alice → put"
    assert failed.wrong == ("expected deny, got allow",)


def case_of(principal: str, call: str, **more: str) -> str:
    lines = [f'principal = "{principal}"', f'call = "{call}"', *(f"{key} = {value}" for key, value in more.items())]
    return "[[case]]\n" + "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("call", "more", "wrong"),
    [
        ("read", {"outcome": '"allow"', "policies": '["support-people", "desk-agents"]'}, None),
        (
            "read",
            {"outcome": '"allow"', "policies": '["desk-agents"]'},
            "expected desk-agents to decide, got ",
        ),
        (
            "read",
            {"outcome": '"allow"', "policies": "[]"},
            "expected no rule to decide, got desk-agents, ",
        ),
        ("read-9", {"outcome": '"deny"', "reason": '"page-9-is-closed"'}, None),
        ("read-9", {"outcome": '"deny"', "reason": '"Page 9 is closed."'}, None),
        ("read-9", {"outcome": '"deny"', "reason": '"Page 9"'}, "expected the reason 'Page 9', got page-9-is-closed"),
        ("read-9", {"outcome": '"allow"'}, "expected allow, got deny"),
        ("mail", {"outcome": '"needs_approval"', "gates": '["external-mail"]'}, None),
        ("mail", {"outcome": '"needs_approval"', "gates": "[]"}, "expected the gates no rule, got external-mail"),
        ("mail", {"outcome": '"deny"'}, "expected deny, got needs_approval"),
        ("read", {"outcome": '"allow"', "links": '{ alice = ["support-people"] }'}, None),
        (
            "read",
            {"outcome": '"allow"', "links": '{ alice = ["desk-agents"] }'},
            "expected desk-agents to decide for alice, got support-people",
        ),
    ],
)
def test_what_a_case_asserts(planes: Planes, call: str, more: dict[str, str], wrong: str | None) -> None:
    unused = {"read", "read-9", "mail", "put"} - {call}
    parts = (
        PARTS_OF_ALICE
        + case_of("alice", call, **more)
        + '[[matrix]]\nname = "rest"\ncontext = "strange"\nprincipals = ["alice"]\n'
    )
    results = ran(planes, parts + f"calls = {sorted(unused)}\n")
    (result,) = (one for one in results if not one.case.group)
    assert result.wrong == () if wrong is None else wrong in result.wrong[0]


def test_what_could_not_be_judged_fails_where_a_denial_is_expected(tmp_path: Path) -> None:
    """The rules read what the context does not give: the call is denied, and not for the reason that a test means."""
    settings = FILES["bailiwick.toml"] + '\n[environment]\nnetwork = "string"\n'
    rule = (
        '\n@id("office-only")\nforbid (principal, action, resource)\nwhen { context.environment.network != "office" };'
    )
    planes = planes_of(tmp_path, bailiwick_toml=settings, policies_desk_cedar=FILES["policies/desk.cedar"] + rule)
    text = PARTS_OF_ALICE.replace('unknown = ["put item-9"]', 'environment = { network = "home" }')
    results = ran(planes, text + ONE_EACH % ("", ""))
    judged = [one for one in results if one.case.group == "strange"]
    assert all(one.passed for one in judged), "denied by office-only"
    unjudged = [one for one in results if one.case.group == "plain"]
    assert all("could not judge" in one.wrong[0] for one in unjudged)
    asked = case_of("alice", "read", outcome='"deny"', reason='"policy-error"')
    results = ran(planes, text + ONE_EACH % ("", "") + asked)
    assert next(one for one in results if not one.case.group).passed


def test_a_call_that_the_catalog_refuses_can_be_what_is_tested(planes: Planes) -> None:
    bad = '[calls.bad]\ntool = "page.read"\nargs = { idd = "1" }\nrefused = "undeclared-argument"\n'
    results = ran(planes, RIGHT + bad + case_of("alice", "bad", outcome='"deny"', reason='"undeclared-argument"'))
    assert all(one.passed for one in results)


def test_a_delegated_chain_is_judged_at_every_link(planes: Planes) -> None:
    chain = '[principals.handed-on]\nuser = "alice"\nagent = "desk-bot"\ntask = "Some work"\ndelegates = %s\n'
    cases = case_of("handed-on", "read", outcome='"allow"', links='{ scout = ["scouts-read"] }')
    results = ran(planes, RIGHT + chain % '["scout"]' + cases)
    assert results[-1].wrong == ()
    narrowed = chain % '[{ agent = "scout", tools = ["fact.read"] }]'
    results = ran(planes, RIGHT + narrowed + cases.replace('"allow"', '"deny"').replace("links", "#"))
    assert results[-1].wrong == ()
    assert results[-1].decision.reasons[0].code == "tool-not-granted"


def test_a_chain_that_may_not_be_made_is_denied_at_the_delegation(tmp_path: Path) -> None:
    rules = '@id("alone")\nforbid (principal, action == Action::"agent.delegate", resource);\n'
    planes = planes_of(tmp_path, policies_desk_cedar=rules + FILES["policies/desk.cedar"])
    results = ran(planes, RIGHT + HANDED_ON + case_of("x", "read", outcome='"deny"', policies='["alone"]'))
    assert results[-1].wrong == ()
    assert results[-1].decision.tool == "agent.delegate"


def test_what_is_rehearsed_is_what_a_session_does(tmp_path: Path) -> None:
    """The same calls, through a real guard with its stores, decide alike, down to the rules at each link."""
    planes = planes_of(tmp_path)
    results = ran(planes, RIGHT)
    with Guard.open(make_world(tmp_path)) as guard:
        for one in results:
            asked = one.case.asked
            with guard.session(**WHO) as session:
                if asked.context.name:
                    session.call("page.read", {"id": "5"}, run=lambda **_: "put item-9")
                real = session.check(asked.call.call.tool, dict(asked.call.call.args))
            assert (real.outcome, _rules(real)) == (one.decision.outcome, _rules(one.decision)), asked.title


def test_a_rehearsed_delegation_is_what_a_session_does(tmp_path: Path) -> None:
    planes = planes_of(tmp_path)
    one = ran(planes, RIGHT + HANDED_ON + case_of("x", "read", outcome='"allow"'))[-1]
    handed = ran(planes, RIGHT + HAND % "scout" + case_of("alice", "hand", outcome='"allow"'))[-1]
    refusal = case_of("alice", "hand", outcome='"deny"', reason='"inactive-agent"')
    refused = ran(planes, RIGHT + HAND % "off-bot" + refusal)[-1]
    with Guard.open(make_world(tmp_path)) as guard, guard.session(**WHO) as session:
        real = session.delegate("scout").check("page.read", {"id": "1"})
        with pytest.raises(Denied) as denied:
            session.delegate("off-bot")
    assert (real.outcome, _rules(real)) == (one.decision.outcome, _rules(one.decision))
    assert (one.passed, handed.passed, refused.passed) == (True, True, True)
    assert denied.value.decision.reasons == refused.decision.reasons


def _rules(decision: Any) -> list[tuple[str, tuple[str, ...]]]:
    return [(link.link.id, link.policies) for link in decision.verdict.links]


def test_facts_and_evidence_are_given_by_the_context(tmp_path: Path) -> None:
    """Also to other rules: those that read no fact are given none, as in a running session."""
    settings = '\n[facts.on_call]\ntype = "bool"\nabout = "user"\ntimeout = "500ms"\nmax_age = "1m"\n'
    rules = (
        '@id("off-call") forbid (principal, action == Action::"page.read", resource)\n'
        "when { !context.facts.on_call.value || context.facts.on_call.age_ms > 30000 };\n"
        '@id("weak") forbid (principal, action == Action::"page.read", resource) unless { context.evidence.strong };\n'
    )
    planes = planes_of(
        tmp_path,
        bailiwick_toml=FILES["bailiwick.toml"] + settings,
        policies_desk_cedar=rules + FILES["policies/desk.cedar"],
    )
    text = PARTS_OF_ALICE[: PARTS_OF_ALICE.index("[contexts.strange]")]
    text += '[calls.read]\ntool = "page.read"\nargs = { id = "1" }\n'
    cells = {
        "on": ("facts = { on_call = true }\nevidence = { strong = true }", "allow", "desk-agents"),
        "off": ("facts = { on_call = false }\nevidence = { strong = true }", "deny", "off-call"),
        "old": (
            'facts = { on_call = { value = true, age = "31s" } }\nevidence = { strong = true }',
            "deny",
            "off-call",
        ),
        "weak": ("facts = { on_call = true }", "deny", "weak"),
    }
    for name, (around, outcome, reason) in cells.items():
        text += f'[contexts.{name}]\n{around}\n[[case]]\nprincipal = "alice"\ncall = "read"\ncontext = "{name}"\n'
        text += f'outcome = "{outcome}"\nreason = "{reason}"\n'
    results = ran(planes, text)
    assert [one.wrong for one in results] == [()] * 4
    gone = next(each for each in mutants_of(planes.policy) if (each.rule, each.tree) == ("off-call", None))
    engine = gone.engine(planes.policy)
    assert engine is not None
    under = OtherRules(planes=replace(planes, policy=engine))
    assert [one.rehearsed.under(under).outcome for one in results] == ["allow", "allow", "allow", "deny"]


def test_what_hosts_resolve_to_is_given_by_the_context(tmp_path: Path) -> None:
    tool = '[tools."web.get"]\neffects = ["fetch"]\nargs.url = { type = "url", role = "target" }\n'
    rules = (
        '@id("web") permit (principal, action == Action::"web.get", resource);\n'
        '@id("inside") forbid (principal, action in Action::"fetch", resource) when { context.fetch.private };\n'
    )
    planes = planes_of(
        tmp_path,
        tools_desk_toml=FILES["tools/desk.toml"] + tool,
        policies_desk_cedar=FILES["policies/desk.cedar"] + rules,
    )
    text = PARTS_OF_ALICE[: PARTS_OF_ALICE.index("[contexts.strange]")]
    text += '[calls.get]\ntool = "web.get"\nargs = { url = "https://api.shop.example/" }\n'
    cells = {
        "not-named": ('hosts = { "other.example" = ["10.0.0.1"] }', "allow", "web"),
        "public": ('hosts = { "api.shop.example" = ["1.1.1.1"] }', "allow", "web"),
        "private": ('hosts = { "api.shop.example" = ["1.1.1.1", "10.0.0.1"] }', "deny", "inside"),
        "nothing": ('hosts = { "api.shop.example" = [] }', "deny", "unresolvable-host"),
    }
    for name, (around, outcome, reason) in cells.items():
        text += f'[contexts.{name}]\n{around}\n[[case]]\nprincipal = "alice"\ncall = "get"\ncontext = "{name}"\n'
        text += f'outcome = "{outcome}"\nreason = "{reason}"\n'
    assert [one.wrong for one in ran(planes, text)] == [()] * 4
