"""Observe mode relaxes the answer of rules, and nothing else (DESIGN §3 promise 1)."""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cedarpy
import pytest
from cedarpy import pst

from bailiwick import ApprovalPending, Denied, Guard, Outcome
from bailiwick.audit.report import State
from bailiwick.guard.administration.suspending import Order, suspend
from bailiwick.guard.approvals.approving import Answer, answer
from bailiwick.guard.planes import Planes
from bailiwick.model.decision import Reason
from bailiwick.model.event import EventKind
from bailiwick.model.suspensions import Target, TargetKind
from bailiwick.policy import PolicyEngine
from bailiwick.stores.log_verification import verify_folder
from tests.guard.test_promise_1 import CASES as FAIL_CLOSED
from tests.guard.test_promise_1 import Case as Refused
from tests.guard.test_promise_1 import attempt
from tests.worlds import (
    AGENT,
    FILES,
    LOGS,
    MAIL,
    Tool,
    abandon,
    approve,
    call,
    claimed,
    decisions,
    edit,
    events,
    make_world,
    opened,
    with_ports,
)

OBSERVE = '[policies]\nmode = "observe"\n'
OF_RULES = frozenset({"no-permit"})
"""Codes in fail_closed.toml that are the rules' own answer."""


@dataclass(frozen=True, kw_only=True)
class Case:
    name: str
    tool: str
    args: dict[str, Any]
    outcome: str
    code: str
    whole: bool = False
    extra: str = ""
    settings: str = ""
    would: str = ""
    named: list[str] = field(default_factory=list)


CASES = [Case(**case) for case in tomllib.loads((Path(__file__).parent / "data/observe.toml").read_text())["case"]]


def world(folder: Path, *, whole: bool = False, extra: str = "", settings: str = "") -> Path:
    return make_world(
        folder,
        bailiwick_toml=FILES["bailiwick.toml"] + (OBSERVE if whole else "") + settings,
        policies_desk_cedar=f"{FILES['policies/desk.cedar']}\n{extra}",
    )


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_only_observed_is_decided_recorded_and_passes(
    tmp_path: Path, case: Case, use_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    folder = world(tmp_path, whole=case.whole, extra=case.extra, settings=case.settings)
    tool = Tool()
    with opened(folder) as session, caplog.at_level(logging.WARNING, "bailiwick"):
        said = session.check(case.tool, case.args)
        caplog.clear()
        refused: list[type[BaseException]] = []
        try:
            call(session, case.tool, case.args, tool, use_async=use_async)
        except (Denied, ApprovalPending) as error:
            refused = [type(error)]
    assert refused == {"allow": [], "deny": [Denied], "needs_approval": [ApprovalPending]}[case.outcome]
    assert len(tool.runs) == (case.outcome == "allow")
    (event,) = decisions(folder, case.tool)
    reasons: Any = event.body["reasons"]
    assert (said.outcome.value, said.reasons[0].code) == (event.body["outcome"], reasons[0]["code"])
    assert (event.body["outcome"], reasons[0]["code"]) == (case.outcome, case.code)
    observed: Any = event.body.get("observed")
    assert (said.observed is None) is (observed is None)
    if case.would:
        assert (observed["outcome"], sorted(observed["rules"])) == (case.would, case.named)
        assert said.observed is not None
        assert said.observed.word in said.explain()
    else:
        assert observed is None
    loud = [record.getMessage() for record in caplog.records]
    assert any(event.id in text for text in loud) is (case.outcome == "allow" and bool(case.would))
    asked = [each for each in events(folder) if each.kind is EventKind.APPROVAL_REQUESTED]
    assert len(asked) == (case.outcome == "needs_approval")
    assert verify_folder(folder / LOGS).state is State.SOUND


def test_an_approval_counts_for_the_gates_that_are_enforced(tmp_path: Path) -> None:
    extra = '@id("trial") @observe forbid (principal, action == Action::"mail.send", resource);'
    folder, tool = world(tmp_path, extra=extra), Tool()
    with opened(folder) as session:
        with pytest.raises(ApprovalPending) as pending:
            session.call("mail.send", MAIL, run=tool.run)
        assert approve(session, pending.value.approval_id).code == ""
        session.call("mail.send", MAIL, run=tool.run)
    assert len(tool.runs) == 1
    last: Any = decisions(folder, "mail.send")[-1].body
    assert (last["outcome"], last["observed"]["outcome"]) == ("allow", "deny")
    assert last["observed"]["rules"] == ["trial"]


# ── what is never relaxed ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def observing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    folder = world(tmp_path_factory.mktemp("observing"), whole=True)
    with Guard.open(folder) as guard:
        yield guard


@pytest.mark.parametrize("case", FAIL_CLOSED, ids=lambda case: case.name)
def test_promise_1_observe_mode_relaxes_rules_alone(observing: Guard, case: Refused) -> None:
    tool = Tool()
    if case.code in OF_RULES:
        attempt(observing, case, tool, use_async=False)
        assert len(tool.runs) == 1
        return
    with pytest.raises(Denied) as refused:
        attempt(observing, case, tool, use_async=False)
    assert refused.value.decision.reasons[0].code == case.code
    assert refused.value.decision.observed is None
    assert tool.runs == []


@pytest.mark.parametrize("whole", [True, False], ids=["all is observed", "the rule is observed"])
def test_promise_1_rules_that_fail_deny_also_where_they_are_observed(tmp_path: Path, whole: bool) -> None:
    """A forbid that overflows is refused at load, so it is put into a loaded engine by hand."""
    with opened(world(tmp_path, whole=whole)) as session:
        holding = session._engine.ports.holding
        with_ports(session, holding=Fixed(replace(holding.now(), policy=overflowing(holding.now().policy))))
        tool = Tool()
        with pytest.raises(Denied) as refused:
            session.call("fact.read", {"id": "1"}, run=tool.run)
        assert refused.value.decision.reasons[0].code == "policy-error"
        assert tool.runs == []
        with_ports(session, holding=holding)


class Fixed:
    """Planes that never change."""

    def __init__(self, planes: Planes) -> None:
        self.latest = planes

    def now(self) -> Planes:
        return self.latest


def overflowing(engine: PolicyEngine) -> PolicyEngine:
    text = (
        '@id("overflows") @observe forbid (principal, action == Action::"fact.read", resource) '
        "when { context.now * 9223372036854775807 > 0 };"
    )
    (tree,) = cedarpy.policies_to_pst(text).static_policies.values()
    rules = {**engine.bundle.policy_set.to_pst().static_policies, "overflows": replace(tree, id="overflows")}
    some = next(iter(engine.policies.values()))
    infos = {**engine.policies, "overflows": replace(some, id="overflows", annotations={"observe": ""}, gate=None)}
    made = pst.PolicySet(templates={}, static_policies=rules, template_links=())
    return engine.with_rules(replace(engine.bundle, policy_set=cedarpy.PolicySet.from_pst(made), policies=infos))


def test_promise_1_suspensions_stand_in_observe_mode(tmp_path: Path) -> None:
    folder = world(tmp_path, whole=True)
    with opened(folder) as session:
        for target in (Target(TargetKind.TOOL, "page.read"), Target(TargetKind.AGENT, AGENT)):
            order = Order(target=target, by="bob", reason="Look", os_user="0:test")
            engine = session._engine
            told = engine.run(engine.now(lambda core, order=order: suspend(core, order)))  # type: ignore[misc]
            assert not isinstance(told, Reason)
            with pytest.raises(Denied) as refused:
                session.call("page.read", {"id": "9"}, run=Tool().run)
            assert refused.value.decision.reasons[0].code == "suspended"


def test_promise_1_delegation_and_grants_stand_in_observe_mode(tmp_path: Path) -> None:
    with opened(world(tmp_path, whole=True)) as session:
        for to in ("off-bot", "mallory"):
            with pytest.raises(Denied):
                session.delegate(to)
        child = session.delegate("scout", tools=["page.read"])
        child.call("page.read", {"id": "9"}, run=Tool().run)
        with pytest.raises(Denied) as refused:
            child.call("put.safe", {"id": "1"}, run=Tool().run)
        assert refused.value.decision.reasons[0].code == "tool-not-granted"
        with pytest.raises(Denied):
            child.delegate("helper", tools=["put.safe"])


def test_promise_1_a_call_in_doubt_stands_in_observe_mode(tmp_path: Path) -> None:
    with opened(world(tmp_path, whole=True)) as session:
        with pytest.raises(KeyboardInterrupt):
            session.call("mail.send", MAIL, run=Tool(before=_interrupted).run)
        with pytest.raises(Denied) as refused:
            session.call("mail.send", MAIL, run=Tool().run)
        assert refused.value.decision.reasons[0].code == "may-have-run"
        assert refused.value.decision.observed is None


def _interrupted() -> None:
    raise KeyboardInterrupt


def test_promise_1_without_a_record_nothing_runs_in_observe_mode(tmp_path: Path) -> None:
    tool = Tool()
    with Guard.open(world(tmp_path, whole=True)) as guard:
        session = guard.session(user="alice", agent=AGENT, task="Work")
        session.__enter__()
        guard._log.close()
        with pytest.raises(Denied):
            session.call("page.read", {"id": "9"}, run=tool.run)
        abandon(session)
        session.__exit__(None, None, None)
    assert tool.runs == []


def test_promise_1_administration_stands_in_observe_mode(tmp_path: Path) -> None:
    folder = world(tmp_path)
    with opened(folder) as session, pytest.raises(ApprovalPending) as pending:
        session.call("mail.send", MAIL, run=Tool().run)
    edit(folder, "bailiwick.toml", "[permits]", f"{OBSERVE}\n[permits]")
    with Guard.open(folder) as guard:
        for user in ("alice", "eve"):
            given = Answer(approval_id=pending.value.approval_id, by=claimed(user), grant=True)
            assert isinstance(guard.engine.run(answer(guard.engine.core, given)), Reason)


def test_it_is_said_when_a_project_is_opened(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    extra = '@id("trial") @observe forbid (principal, action == Action::"fact.read", resource);'
    for number, folder in enumerate((world(tmp_path / "a", whole=True), world(tmp_path / "b", extra=extra))):
        caplog.clear()
        with Guard.open(folder):
            pass
        (record,) = [record for record in caplog.records if record.name == "bailiwick"]
        assert ("policies.mode is observe" if number == 0 else "trial") in record.getMessage()
        (event,) = [event for event in events(folder) if event.kind is EventKind.POLICY_ACTIVATED]
        assert (event.body["mode"], event.body.get("observed")) == (("observe", None), ("enforce", ["trial"]))[number]
    caplog.clear()
    with Guard.open(world(tmp_path / "c")) as guard:
        assert guard.project.planes.policy.observed == frozenset()
    assert caplog.records == []


def test_observed_is_an_outcome_of_its_own_for_scripts(tmp_path: Path) -> None:
    with opened(world(tmp_path, whole=True)) as session:
        said = session.check("page.read", {"id": "9"})
    assert said.allowed
    assert said.observed is not None
    assert said.observed.outcome is Outcome.DENY
    assert said.observed.told() == "WOULD DENY: Page 9 is closed."


def test_what_was_prepared_for_a_session_is_kept_for_the_enforced_rules_too(tmp_path: Path) -> None:
    extra = '@id("trial") @observe forbid (principal, action == Action::"fact.read", resource);'
    with opened(world(tmp_path, extra=extra)) as session:
        engine = session._engine.ports.holding.now().policy.enforced
        made: list[object] = []
        for number in range(3):
            assert session.check("fact.read", {"id": str(number)}).allowed
            assert session._state is not None
            assert session._state.standpoint is not None
            made.append(engine.adopted(session._state.standpoint.subject))
    assert all(one is made[0] for one in made)


def test_proofs_rest_on_what_is_enforced(tmp_path: Path) -> None:
    extra = '@id("trial") @observe forbid (principal, action == Action::"fact.read", resource);'
    with Guard.open(world(tmp_path, extra=extra)) as guard:
        policy = guard.project.planes.policy
    assert policy.policies.keys() - policy.enforced.policies.keys() == {"trial"}
    assert policy.enforced.enforced is policy.enforced
    assert policy.enforced.digest == policy.digest, "it is what the same files enforce"
