"""Sessions that rest on something signed: a sign-in, a plan, a delegation to another process. Real keys, a real issuer
behind HTTP, real processes on one state."""

from __future__ import annotations

import asyncio
import functools
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bailiwick import Denied, Guard, Session
from bailiwick.audit.report import State
from bailiwick.errors import UsageError
from bailiwick.guard.administration.revoking import Revocation, revoke
from bailiwick.guard.decide import judge
from bailiwick.guard.state import SessionState
from bailiwick.identity.keys import PrivateKey
from bailiwick.identity.plan import Plan, sign_plan
from bailiwick.identity.proof import prove
from bailiwick.model.call import Call
from bailiwick.model.circumstances import Evidence
from bailiwick.model.event import EventKind
from bailiwick.model.suspensions import Target, TargetKind
from bailiwick.stores.log_verification import verify_folder
from tests.guard.switches import resumed, suspended
from tests.identity.issuer import PATH, Issuer, serving
from tests.worlds import FILES, LOGS, Clock, Tool, call, decisions, edit, events, make_world, opened, with_ports

HELPER = PrivateKey(b"h" * 32)
ALICE = PrivateKey(b"a" * 32)
BOB = PrivateKey(b"b" * 32)


def world(folder: Path, *, toml: str = "", rules: str = "") -> Path:
    make_world(
        folder,
        bailiwick_toml=FILES["bailiwick.toml"] + toml,
        policies_desk_cedar=FILES["policies/desk.cedar"] + rules,
    )
    edit(folder, "directory.toml", "[agents.helper]\n", f'[agents.helper]\nkeys = ["{HELPER.public}"]\n')
    edit(folder, "directory.toml", "[users.alice]\n", f'[users.alice]\nkeys = ["{ALICE.public}"]\n')
    edit(folder, "directory.toml", "[users.bob]\n", f'[users.bob]\nkeys = ["{BOB.public}"]\n')
    return folder


def codes(denied: pytest.ExceptionInfo[Denied]) -> list[str]:
    return [reason.code for reason in denied.value.decision.reasons]


# ── delegation to another process ──────────────────────────────────────────────────────────────────────────────────

IN_ANOTHER_PROCESS = """
import json, sys
from bailiwick import Denied, Guard
from bailiwick.identity.keys import PrivateKey
folder, token = sys.argv[1], sys.argv[2]
told = {}
with Guard.open(folder) as guard, guard.session(delegation=token, key=PrivateKey(b"h" * 32)) as session:
    told["chain"], told["label"] = session.chain, session.label.sensitivity
    told["tainted"] = session.check("page.read", {"id": "1"}).flow.tainted
    told["read"] = session.call("page.read", {"id": "1"}, run=lambda id, limit=None: "page one")
    for tool in ("fact.read", "put.safe"):
        told[tool] = session.check(tool, {"id": "1"}).reasons[0].code
print(json.dumps(told))
"""


def in_another_process(folder: Path, token: str) -> dict[str, Any]:
    ran = subprocess.run(
        [sys.executable, "-c", IN_ANOTHER_PROCESS, str(folder), token], capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    told: dict[str, Any] = json.loads(ran.stdout)
    return told


def test_a_sub_agent_in_another_process_acts_and_its_decisions_join_the_trace(tmp_path: Path) -> None:
    folder = world(tmp_path)
    with opened(folder) as session:
        session.call("page.read", {"id": "5"}, run=Tool("what a stranger wrote").run)
        handed = session.delegate_token("helper", tools=["page.read", "put.safe"])
        parent = session.id
        told = in_another_process(folder, handed.token)
    assert told["chain"] == ['User::"alice"', 'Agent::"desk-bot"', 'Agent::"helper"']
    assert told["read"] == "page one"
    # It starts with what its delegator had seen, and holds no more than it was given.
    assert (told["tainted"], told["label"]) == (True, 1)
    assert told["fact.read"] == "tool-not-granted"
    granted = [event for event in events(folder) if event.kind is EventKind.DELEGATION_GRANTED]
    assert [event.id for event in granted] == [handed.id]
    assert granted[0].session == parent
    (read,) = (event for event in decisions(folder, "page.read") if event.session == granted[0].body["child_session"])
    assert read.log != granted[0].log
    opening = [event for event in events(folder) if event.kind is EventKind.SESSION_OPENED and event.parents]
    assert handed.id in [parent for event in opening for parent in event.parents]
    assert verify_folder(folder / LOGS).state is State.SOUND


@contextmanager
def handed_over(folder: Path, **more: Any) -> Iterator[tuple[Guard, Session, str, str]]:
    """→ the guard, the delegator's session, the token and its id."""
    with (
        Guard.open(folder) as guard,
        guard.session(user="alice", agent="desk-bot", task="Work", conversation="c-1") as session,
    ):
        handed = session.delegate_token("helper", **more)
        yield guard, session, handed.token, handed.id


def refused(guard: Guard, **how: Any) -> list[str]:
    with pytest.raises(Denied) as denied, guard.session(**how):
        pass
    return codes(denied)


def test_a_token_without_its_key_opens_nothing(tmp_path: Path) -> None:
    with handed_over(world(tmp_path)) as (guard, _, token, _):
        assert refused(guard, delegation=token, key=PrivateKey(b"x" * 32)) == ["proof-not-by-holder"]
        cut, spoilt = token[:-8], token[:-8] + "AAAAAAAA"
        assert refused(guard, delegation=cut, key=HELPER) == ["bad-token"]
        assert refused(guard, delegation=spoilt, key=HELPER) == ["token-not-trusted"]


def test_each_call_is_proved_anew_and_a_proof_counts_once(tmp_path: Path) -> None:
    proofs: list[str] = []
    again: list[str] = []

    with handed_over(world(tmp_path)) as (guard, _, token, _):

        def prover(digest: str) -> str:
            if again:
                return again[-1]
            nonce = secrets.token_urlsafe(16)
            proofs.append(prove(token, key=HELPER, digest=digest, nonce=nonce, now_ms=time.time_ns() // 1_000_000))
            return proofs[-1]

        with guard.session(delegation=token, key=prover) as child:
            tool = Tool()
            child.call("put.safe", {"id": "1"}, run=tool.run)
            asyncio.run(child.acall("put.safe", {"id": "1"}, run=tool.arun))
            assert len(set(proofs)) == 3  # the opening, and two calls
            again.append(proofs[-1])
            with pytest.raises(Denied) as denied:
                child.call("put.safe", {"id": "1"}, run=tool.run)
            assert codes(denied) == ["proof-replayed"]
            with pytest.raises(Denied) as denied:
                child.call("put.safe", {"id": "2"}, run=tool.run)
            assert codes(denied) == ["proof-of-another-call"]
            assert len(tool.runs) == 2


def test_a_prover_that_fails_denies(tmp_path: Path) -> None:
    with handed_over(world(tmp_path)) as (guard, _, token, _):
        fail: list[bool] = []

        def prover(digest: str) -> str:
            if fail:
                raise OSError("the key box is gone")
            return prove(token, key=HELPER, digest=digest, nonce="n" * 20, now_ms=time.time_ns() // 1_000_000)

        with guard.session(delegation=token, key=prover) as child:
            fail.append(True)
            tool = Tool()
            with pytest.raises(Denied):
                child.call("put.safe", {"id": "1"}, run=tool.run)
            assert tool.runs == []


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
def test_a_revoked_delegation_stops_at_the_next_decision(use_async: bool, tmp_path: Path) -> None:
    with handed_over(world(tmp_path)) as (guard, session, token, handed_id):
        with guard.session(delegation=token, key=HELPER) as child, session.delegate("helper") as local:
            assert child.check("page.read", {"id": "1"}).allowed
            for person, code in (("eve", "not-an-administrator"), ("carol", None), ("carol", "already-revoked")):
                order = Revocation(id=handed_id, by=person, reason="it is over", os_user="0:test")
                told = guard.engine.administer(functools.partial(revoke, order=order))
                assert (told and told.code) == code
            with pytest.raises(Denied) as denied:
                call(child, "page.read", {"id": "1"}, Tool(), use_async=use_async)
            assert codes(denied) == ["revoked"]
            assert local.check("page.read", {"id": "1"}).allowed  # another delegation
        assert refused(guard, delegation=token, key=HELPER) == ["token-revoked"]


def test_a_delegation_that_this_state_does_not_know_opens_nothing(tmp_path: Path) -> None:
    ours, theirs = world(tmp_path / "ours"), world(tmp_path / "theirs")
    with handed_over(theirs) as (_, _, token, _):
        (ours / ".bailiwick").mkdir()
        (ours / ".bailiwick/issuer.pem").write_bytes((theirs / ".bailiwick/issuer.pem").read_bytes())
    with Guard.open(ours) as guard:
        assert refused(guard, delegation=token, key=HELPER) == ["unknown-delegation"]


def test_an_agent_without_a_key_cannot_be_handed_a_token(tmp_path: Path) -> None:
    with opened(world(tmp_path)) as session:
        with pytest.raises(Denied) as denied:
            session.delegate_token("scout")
        assert codes(denied) == ["no-agent-key"]


def test_no_token_takes_a_user_out_of_the_groups_of_the_provider(tmp_path: Path) -> None:
    with signing_in(tmp_path) as (issuer, guard):
        token = signed(issuer, email="alice@acme.example", email_verified=True, groups=["team-leads"])
        with guard.session(user_token=token, agent="desk-bot", task="Work") as session:
            with pytest.raises(Denied) as denied:
                session.delegate_token("helper")
            assert codes(denied) == ["groups-do-not-cross"]
            with pytest.raises(Denied) as denied:
                session.delegate_token("helper", ttl_ms=999)
            assert codes(denied) == ["token-too-short"]


def test_the_delegators_narrowing_reaches_the_other_process(tmp_path: Path) -> None:
    folder = world(tmp_path)
    with opened(folder) as session:
        handed = session.delegate_token("helper")
        session.narrow(tools=["page.read"])
        told = in_another_process(folder, handed.token)
    assert told["put.safe"] == "tool-not-granted"
    assert told["read"] == "page one"


def test_tokens_end(tmp_path: Path) -> None:
    with handed_over(world(tmp_path), ttl_ms=60_000) as (guard, _, token, _):
        clock = Clock(guard.engine.ports.clock())
        with_ports(guard, clock=clock)
        with guard.session(delegation=token, key=HELPER) as child:
            clock.forward(ms=61_000)
            assert not child.check("page.read", {"id": "1"}).allowed


def test_a_token_that_is_used_after_its_task_shrank_gives_no_more_than_the_task(tmp_path: Path) -> None:
    folder = world(tmp_path)
    with opened(folder, task="read-pages") as session:
        handed = session.delegate_token("helper")
    edit(folder, "directory.toml", '"page.read", ', "")
    with Guard.open(folder) as guard, guard.session(delegation=handed.token, key=HELPER) as child:
        assert child.check("page.read", {"id": "1"}).reasons[0].code == "tool-not-granted"


def test_a_token_whose_task_left_the_directory_opens_nothing(tmp_path: Path) -> None:
    folder = world(tmp_path)
    with opened(folder, task="read-pages") as session:
        handed = session.delegate_token("helper")
    edit(folder, "directory.toml", "[tasks.read-pages]", "[tasks.read-books]")
    with Guard.open(folder) as guard:
        assert refused(guard, delegation=handed.token, key=HELPER) == ["unknown-task"]


def test_a_running_session_ends_where_the_directory_names_its_key_no_more(tmp_path: Path) -> None:
    folder = world(tmp_path)
    with handed_over(folder) as (guard, _, token, _), guard.session(delegation=token, key=HELPER) as child:
        assert child.check("page.read", {"id": "1"}).allowed
        edit(folder, "directory.toml", str(HELPER.public), str(PrivateKey(b"n" * 32).public))
        with Guard.open(folder) as renewed:
            with_ports(guard, holding=renewed.engine.ports.holding)
            assert child.check("page.read", {"id": "1"}).reasons[0].code == "unknown-key"
            tool = Tool()
            with pytest.raises(Denied):
                child.call("put.safe", {"id": "1"}, run=tool.run)
            assert tool.runs == []


# ── signed plans ───────────────────────────────────────────────────────────────────────────────────────────────────


def plan(*calls: dict[str, object], signer: str = "user:alice", key: PrivateKey = ALICE, **changed: Any) -> str:
    now_ms = time.time_ns() // 1_000_000
    given: dict[str, Any] = {
        "tenant": "acme",
        "env": "test",
        "user": "alice",
        "agent": "desk-bot",
        "purpose": "Read two pages",
        "calls": calls,
        "expires_ms": now_ms + 600_000,
        "id": secrets.token_hex(8),
        **changed,
    }
    return sign_plan(Plan(**given), signer=signer, key=key, now_ms=now_ms)


PAGES: tuple[dict[str, object], ...] = (
    {"tool": "page.read", "args": {"id": "1"}},
    {"tool": "page.read", "args": {"id": "2"}, "open": ["limit"]},
)


def test_a_signed_plan_is_a_task_of_just_these_calls(tmp_path: Path) -> None:
    with Guard.open(world(tmp_path)) as guard, guard.session(plan=plan(*PAGES), conversation="c-9") as session:
        assert session.check("page.read", {"id": "1"}).allowed
        assert session.check("page.read", {"id": "2", "limit": 5}).allowed
        for tool, args, code in (
            ("page.read", {"id": "3"}, "call-not-planned"),
            ("page.read", {"id": "1", "limit": 5}, "call-not-planned"),
            ("fact.read", {"id": "1"}, "tool-not-granted"),
        ):
            assert session.check(tool, args).reasons[0].code == code
        with pytest.raises(Denied):
            session.delegate("helper")
        with pytest.raises(Denied) as denied:
            session.widen(tools=["fact.read"])
        assert codes(denied) == ["widen-plan"]


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (lambda: plan(*PAGES, signer="user:bob", key=BOB), "plan-by-another"),
        (lambda: plan(*PAGES, signer="user:alice", key=BOB), "plan-not-trusted"),
        (lambda: plan(*PAGES, user="gone"), "plan-by-another"),
        (lambda: plan(*PAGES, env="prod"), "plan-elsewhere"),
        (lambda: plan(*PAGES, agent="off-bot"), "inactive-agent"),
        (lambda: plan(*PAGES)[:-4], "bad-plan"),
    ],
    ids=["somebody else's", "another key", "for another", "another environment", "inactive agent", "cut"],
)
def test_a_plan_that_does_not_hold_opens_nothing(made: Callable[[], str], code: str, tmp_path: Path) -> None:
    with Guard.open(world(tmp_path)) as guard:
        assert refused(guard, plan=made()) == [code]


def test_whom_the_project_names_may_sign_plans_for_others(tmp_path: Path) -> None:
    folder = world(tmp_path, toml='\n[plans]\napprovers = ["bob"]\n')
    with Guard.open(folder) as guard, guard.session(plan=plan(*PAGES, signer="user:bob", key=BOB)) as session:
        assert session.check("page.read", {"id": "1"}).allowed


def test_a_plan_stops_with_the_person_who_signed_it_for_another(tmp_path: Path) -> None:
    folder = world(tmp_path, toml='\n[plans]\napprovers = ["bob"]\n')
    calls: tuple[dict[str, object], ...] = ({"tool": "agent.delegate"}, *PAGES)
    with Guard.open(folder) as guard:
        made = plan(*calls, signer="user:bob", key=BOB)
        with guard.session(plan=made) as session:
            child = session.delegate("helper", tools=["page.read"])
            bob = Target(TargetKind.USER, "bob")
            suspended(guard, bob, by="carol")
            assert refused(guard, plan=made) == ["plan-not-trusted"]
            for each in (session, child):
                with pytest.raises(Denied) as denied:
                    each.call("page.read", {"id": "1"}, run=Tool().run)
                assert codes(denied) == ["plan-not-trusted"]
            resumed(guard, bob, by="dora")
            for each in (session, child):
                each.call("page.read", {"id": "1"}, run=Tool().run)


# ── users by an identity provider ──────────────────────────────────────────────────────────────────────────────────

STEP_UP = """
@id("fresh") @reason("Changes need a sign-in of the last five minutes, with a second factor.")
forbid (principal, action == Action::"put.safe", resource)
unless { context.evidence.method == "oidc" && context.evidence.strong && context.evidence.age_ms <= 300000 };
"""


@contextmanager
def signing_in(folder: Path) -> Iterator[tuple[Issuer, Guard]]:
    with serving(Issuer()) as issuer:
        toml = (
            f'\n[oidc.corp]\nissuer = "{issuer.url}"\naudience = "bailiwick"\njwks = "{issuer.url}{PATH}"\n'
            'strong = { amr = ["mfa"] }\ngroups = { claim = "groups", map = { "team-leads" = "leads" } }\n'
        )
        with Guard.open(world(folder, toml=toml, rules=STEP_UP)) as guard:
            yield issuer, guard


def signed(issuer: Issuer, **claims: Any) -> str:
    now_s = int(time.time())
    return issuer.token("RS256", "rsa-1", header=None, **{"iat": now_s, "exp": now_s + 3600, **claims})


def may_put(session: Session) -> bool:
    return session.check("put.safe", {"id": "1"}).allowed


def test_a_user_signs_in_and_steps_up(tmp_path: Path) -> None:
    with signing_in(tmp_path) as (issuer, guard):
        now_s = int(time.time())
        early = signed(issuer, email="alice@acme.example", email_verified=True, auth_time=now_s - 3000)
        with guard.session(user_token=early, agent="desk-bot", task="Work") as session:
            assert session.chain[0] == 'User::"alice"'
            assert session.check("fact.read", {"id": "1"}).allowed
            assert not may_put(session)
            fresh = signed(issuer, email="alice@acme.example", email_verified=True, auth_time=now_s, amr=["pwd", "mfa"])
            session.authenticate(fresh)
            assert may_put(session)
            other = signed(issuer, email="bob@acme.example", email_verified=True)
            with pytest.raises(Denied):
                session.authenticate(other)
            assert may_put(session)
            child = session.delegate("helper")
            assert may_put(child)
    kinds = [event.kind for event in events(tmp_path)]
    assert kinds.count(EventKind.SESSION_PROVED) == 1
    openings: list[Any] = [event.body for event in events(tmp_path) if event.kind is EventKind.SESSION_OPENED]
    assert [body["evidence"]["method"] for body in openings] == ["oidc", "oidc"]


def test_a_decision_that_began_before_a_sign_in_does_not_put_the_older_groups_back(tmp_path: Path) -> None:
    """`authenticate` in one thread while another thread's decision is being made."""
    rule = """
@id("leads-only")
forbid (principal is User, action == Action::"fact.read", resource)
unless { principal in Group::"leads" };
"""
    folder = world(tmp_path, rules=rule)
    with opened(folder) as session:
        assert session._state is not None
        state: SessionState = session._state
        policy = session._engine.core.planes.policy

        class Slow:
            """The rules, while the user signs in anew."""

            def __getattr__(self, name: str) -> Any:
                return getattr(policy, name)

            def subject(self, **how: Any) -> Any:
                subject = policy.subject(**how)
                state.evidenced(Evidence())
                return subject

        state.evidenced(Evidence(groups=("leads",)))
        judge(
            replace(session._engine.core.planes, policy=Slow()),  # type: ignore[arg-type]
            state,
            Call(tool="fact.read", args={"id": "1"}),
            session._engine.ports.clock(),
        )
        assert not session.check("fact.read", {"id": "1"}).allowed


def test_a_claimed_user_has_no_evidence(tmp_path: Path) -> None:
    with signing_in(tmp_path) as (_, guard), guard.session(user="alice", agent="desk-bot", task="Work") as session:
        assert not may_put(session)


def test_groups_of_the_provider_count_beside_those_of_the_directory(tmp_path: Path) -> None:
    rule = """
@id("leads-only")
forbid (principal is User, action == Action::"fact.read", resource)
unless { principal in Group::"leads" };
"""
    with serving(Issuer()) as issuer:
        toml = (
            f'\n[oidc.corp]\nissuer = "{issuer.url}"\naudience = "bailiwick"\njwks = "{issuer.url}{PATH}"\n'
            'groups = { claim = "groups", map = { "team-leads" = "leads" } }\n'
        )
        with Guard.open(world(tmp_path, toml=toml, rules=rule)) as guard:
            for groups, allowed in ((["team-leads", "other"], True), (["leads"], False), ([], False)):
                token = signed(issuer, email="alice@acme.example", email_verified=True, groups=groups)
                with guard.session(user_token=token, agent="desk-bot", task="Work") as session:
                    assert session.check("fact.read", {"id": "1"}).allowed is allowed


def test_a_provider_that_cannot_be_reached_denies(tmp_path: Path) -> None:
    with signing_in(tmp_path) as (issuer, guard):
        token = signed(issuer, email="alice@acme.example", email_verified=True)
    with serving(Issuer()) as other, Guard.open(tmp_path) as guard:
        assert refused(guard, user_token=token, agent="desk-bot", task="Work") == ["guard-failure"]
        stranger = signed(other, email="alice@acme.example", email_verified=True)
        assert refused(guard, user_token=stranger, agent="desk-bot", task="Work") == ["token-issuer"]


@pytest.mark.parametrize(
    "how",
    [
        {"user_token": "x", "plan": "y"},
        {"delegation": "x"},
        {"key": HELPER, "user": "alice", "agent": "desk-bot", "task": "Work"},
        {"user_token": "x", "user": "alice", "agent": "desk-bot", "task": "Work"},
        {"plan": "x", "agent": "desk-bot"},
        {"user": "alice", "agent": "desk-bot"},
    ],
)
def test_what_does_not_go_together_is_refused_at_once(how: dict[str, Any], tmp_path: Path) -> None:
    with Guard.open(world(tmp_path)) as guard, pytest.raises(UsageError):
        guard.session(**how)
