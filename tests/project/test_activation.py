"""A bundle takes over: who may do it, what is on record, and what holds after crashes, races and restored backups."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bailiwick import BailiwickError, Denied, Guard, StoreError, UsageError
from bailiwick.audit.report import State
from bailiwick.guard.administration.bundles import Activation
from bailiwick.model.bundle import ProjectBundle, build
from bailiwick.model.event import Event, EventKind
from bailiwick.model.suspensions import Target, TargetKind
from bailiwick.project.bundle import build_bundle
from bailiwick.project.status import bundle_status
from bailiwick.stores.log_verification import verify_folder
from bailiwick.stores.sqlite_bundles import SqliteBundles
from bailiwick.stores.sqlite_state_file import StateFile
from tests.guard.switches import resumed, suspended
from tests.project.bundles import activate, bundled, code_of, project, put
from tests.worlds import AGENT, FILES, LOGS, Tool, events, opened

ROOT = Path(__file__).parents[2]
DESK = "policies/desk.cedar"
SEPARATE = "[bundles]\nseparation = true\n"
REQUIRED = "[bundles]\nrequired = true\n"
CLOSED = {DESK: FILES[DESK] + '\n@id("closed")\nforbid (principal, action == Action::"fact.read", resource);\n'}
"""Rules under which `fact.read` is denied."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return project(tmp_path)


def reads(folder: Path) -> str:
    """What becomes of `fact.read`: "" if it runs, else the code of its denial."""
    with opened(folder) as session:
        try:
            session.call("fact.read", {"id": "1"}, run=Tool({"name": "Ann"}).run)
        except Denied as refused:
            return refused.decision.reasons[0].code
    return ""


def activations(folder: Path) -> list[Event]:
    """Records of somebody activating a bundle."""
    return [event for event in events(folder) if event.kind is EventKind.POLICY_ACTIVATED and "by" in event.body]


def held(folder: Path) -> int:
    active = bundle_status(folder).active
    return active.sequence if active else 0


def done(folder: Path, bundle: ProjectBundle, by: str = "bob") -> str:
    with Guard.for_activation(folder) as guard:
        return code_of(activate(guard, bundle, by=by))


def test_the_folder_decides_until_a_bundle_was_activated_and_never_after(folder: Path) -> None:
    assert reads(folder) == ""
    assert done(folder, bundled(folder, 1, signers=("alice", "bob"), files=CLOSED, note="Facts are closed")) == ""
    assert reads(folder) == "closed"
    (event,) = activations(folder)
    status = bundle_status(folder)
    assert status.active is not None
    assert event.id == status.active.event
    body = event.body
    assert {
        name: body[name] for name in ("sequence", "bundle", "author", "signers", "by", "mode", "tests", "os_user")
    } == {
        "sequence": 1,
        "bundle": status.active.digest,
        "author": "alice",
        "signers": ["alice", "bob"],
        "by": "bob",
        "mode": "enforce",
        "tests": "none",
        "os_user": "0:test",
    }
    assert body["policy_digest"] == status.project.planes.policy.digest
    assert status.differing == (DESK,)
    put(folder, DESK, "this is no Cedar")
    assert reads(folder) == "closed", "the bundle decides, whatever became of the folder"
    assert verify_folder(folder / LOGS).state is State.SOUND


def test_only_whom_the_active_rules_let_activate_does(folder: Path) -> None:
    made = bundled(folder, 1)
    assert done(folder, made, by="alice") == "not-an-administrator"
    assert done(folder, made, by="carol") == "carol-does-not"
    assert done(folder, made, by="mallory") == "unknown-person"
    assert done(folder, made, by="gone") == "inactive-person"
    assert held(folder) == 0
    refused = [event for event in events(folder) if event.kind is EventKind.POLICY_REFUSED]
    assert [event.body["by"] for event in refused] == ["alice", "carol", "mallory", "gone"]
    let = {
        "administration/bundles.cedar": '@id("all") permit (principal, action == Action::"admin.activate", resource);'
    }
    assert done(folder, bundled(folder, 1, files=let), by="alice") == "not-an-administrator", "not by its own rules"


def test_who_wrote_a_bundle_cannot_alone_activate_it(tmp_path: Path) -> None:
    folder = project(tmp_path, SEPARATE)
    assert done(folder, bundled(folder, 1, author="bob"), by="bob") == "bundle-author-alone"
    assert done(folder, bundled(folder, 1, author="bob"), by="dora") == "bundle-author-alone", "a name is no proof"
    assert done(folder, bundled(folder, 1, author="bob", signers=("bob", "dora")), by="bob") == ""
    off = {"bailiwick.toml": FILES["bailiwick.toml"]}
    assert done(folder, bundled(folder, 2, author="bob", files=off)) == "bundle-author-alone", "by what holds already"
    assert done(folder, bundled(folder, 2, author="bob", signers=("bob", "dora"), files=off)) == ""
    assert done(folder, bundled(folder, 3, author="bob")) == ""


def test_rules_may_speak_of_ones_own_bundle(folder: Path) -> None:
    own = '@id("not-ones-own") forbid (principal, action == Action::"admin.activate", resource) when { context.own };'
    put(folder, "administration/own.cedar", own)
    made = bundled(folder, 1, author="bob")
    assert done(folder, made, by="bob") == "not-ones-own"
    assert done(folder, made, by="dora") == ""


def test_what_is_suspended_does_not_come_back_under_another_name(folder: Path) -> None:
    renamed = FILES["tools/desk.toml"].replace('[tools."put.nobody"]', '[tools."put.anybody"]')
    rules = FILES["policies/desk.cedar"].replace("put.nobody", "put.anybody")
    made = bundled(folder, 1, files={"tools/desk.toml": renamed, "policies/desk.cedar": rules})
    tool = Target(TargetKind.TOOL, "put.nobody")
    with Guard.open(folder) as guard:
        suspended(guard, tool)
        assert code_of(activate(guard, made)) == "bundle-loses-suspended"
        resumed(guard, tool)
        assert code_of(activate(guard, made)) == ""


@pytest.mark.parametrize("who", ["alice", "dora"], ids=["its author", "another signer"])
def test_nobodys_signature_counts_while_they_are_suspended(folder: Path, who: str) -> None:
    made = bundled(folder, 1, signers=("alice", "dora"))
    person = Target(TargetKind.USER, who)
    with Guard.open(folder) as guard:
        suspended(guard, person)
        assert code_of(activate(guard, made)) == "bundle-signer"
        assert held(folder) == 0
        resumed(guard, person)
        assert code_of(activate(guard, made)) == ""


def test_there_is_no_way_back(folder: Path) -> None:
    first, second = bundled(folder, 1), bundled(folder, 2, files=CLOSED)
    assert done(folder, first) == ""
    assert done(folder, first) == "bundle-not-newer"
    assert done(folder, second) == ""
    assert done(folder, first) == "bundle-not-newer"
    assert reads(folder) == "closed"
    assert done(folder, bundled(folder, 5)) == "", "what it held, under a higher number"
    assert done(folder, bundled(folder, 4, files=CLOSED)) == "bundle-not-newer"
    assert reads(folder) == ""
    assert [event.body["sequence"] for event in activations(folder)] == [1, 2, 5]


FIXED = {
    "tenant": ('tenant = "acme"', 'tenant = "other"', "bundle-of-another"),
    "env": ('env    = "test"', 'env = "prod"', "bundle-of-another"),
    "levels": ("[labels]\n", '[labels]\nlevels = ["secret", "public"]\n', "bundle-fixed-setting"),
}


@pytest.mark.parametrize("name", FIXED)
def test_what_is_stored_rests_on_some_settings(folder: Path, name: str) -> None:
    old, new, code = FIXED[name]
    texts = {"bailiwick.toml": FILES["bailiwick.toml"].replace(old, new)}
    if name == "levels":
        texts["tools/desk.toml"] = (
            FILES["tools/desk.toml"].replace('"internal"', '"secret"').replace('"confidential"', '"secret"')
        )
        texts["directory.toml"] = FILES["directory.toml"].replace('"restricted"', '"public"')
    assert done(folder, bundled(folder, 1, files=texts)) == code
    assert held(folder) == 0


def test_a_bundle_does_not_move_the_state(folder: Path) -> None:
    texts = {"bailiwick.toml": FILES["bailiwick.toml"] + '[stores]\npath = "elsewhere"\n'}
    with pytest.raises(UsageError, match="elsewhere"):
        done(folder, bundled(folder, 1, files=texts))
    assert held(folder) == 0


def test_where_a_bundle_is_required_nothing_runs_without_one(tmp_path: Path) -> None:
    folder = project(tmp_path, REQUIRED)
    with pytest.raises(BailiwickError, match="activated bundle"):
        Guard.open(folder)
    with Guard.for_activation(folder) as guard:
        with pytest.raises(Denied, match="activated bundle"):
            guard.session(user="alice", agent=AGENT, task="Work").__enter__()
        assert code_of(activate(guard, bundled(folder, 1))) == ""
        with guard.session(user="alice", agent=AGENT, task="Work") as session:
            session.call("fact.read", {"id": "1"}, run=Tool({}).run)
    assert reads(folder) == ""


# ── races, crashes, backups ─────────────────────────────────────────────────────────────────────────────────────────


def process(folder: Path, file: Path, *step: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.project.activator", str(folder), str(file), *step],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def written(folder: Path, name: str, bundle: ProjectBundle) -> Path:
    path = folder / name
    path.write_bytes(bundle.encode())
    return path


def test_of_two_bundles_with_one_number_exactly_one_wins(folder: Path) -> None:
    files = [written(folder, f"{n}.bundle", bundled(folder, 1, note=f"version {n}")) for n in range(2)]
    racing = [process(folder, file) for file in files]
    for each in racing:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    answers = [each.communicate("go\n")[0].strip() for each in racing]
    assert sorted(answers) in (["activated", "bundle-not-newer"], ["activated", "bundle-overtaken"])
    (event,) = activations(folder)
    active = bundle_status(folder).active
    assert active is not None
    assert (active.note, active.event) == (f"version {answers.index('activated')}", event.id)


def noted(folder: Path, sequence: int = 1) -> bool:
    """Whether the store takes note of a bundle on top of what holds."""
    file = StateFile.open(folder / ".bailiwick/state.db")
    made = Activation(
        sequence=sequence,
        digest="",
        author="",
        signers=(),
        by="",
        at_ms=0,
        mode="",
        tests="",
        note="",
        event="",
        log_id="",
    )
    try:
        return SqliteBundles(file).note("acme", "test", made, b"", after=0)
    finally:
        file.close()


TOUCHES = ("admin decision", "note", "event", "switch")
STEPS = [f"{when} {name}" for name in TOUCHES for when in ("before", "after")]


@pytest.mark.parametrize("at", range(len(STEPS)), ids=STEPS)
def test_killed_at_each_step_the_log_says_what_holds(folder: Path, at: int) -> None:
    file = written(folder, "1.bundle", bundled(folder, 1, files=CLOSED))
    killed = process(folder, file, str(at))
    killed.communicate("go\n")
    assert killed.returncode == -signal.SIGKILL
    recorded = at >= STEPS.index("after event")
    assert len(activations(folder)) == recorded
    assert held(folder) == (at >= STEPS.index("after switch")), "not settled yet"
    assert reads(folder) == ("closed" if recorded else "")
    assert held(folder) == recorded
    assert bundle_status(folder).pending is None
    assert len(activations(folder)) == recorded
    report = verify_folder(folder / LOGS)
    assert (report.state, report.problems) == (State.SOUND, ())
    assert done(folder, bundled(folder, 2)) == ""
    assert reads(folder) == ""


def test_an_activation_under_way_in_another_process_is_left_alone(folder: Path) -> None:
    made = bundled(folder, 1)
    with Guard.open(folder) as first:
        settings = first.project.settings.decisions
        ports = first.engine.ports
        row = Activation(
            sequence=1,
            digest=made.digest,
            author="alice",
            signers=("alice",),
            by="bob",
            at_ms=0,
            mode="enforce",
            tests="none",
            note="",
            event="not-written-yet",
            log_id=ports.log_id,
        )
        assert ports.bundles.note(settings.tenant, settings.env, row, made.encode(), after=0)
        with Guard.open(folder) as second:
            assert code_of(activate(second, made)) == "bundle-overtaken"
        assert bundle_status(folder).pending == replace(row, pending=True)
    assert not noted(folder), "until somebody opens the project"
    assert reads(folder) == ""
    assert bundle_status(folder).pending is None
    assert noted(folder)


def test_a_state_store_that_was_set_back_is_refused(folder: Path) -> None:
    assert done(folder, bundled(folder, 1)) == ""
    for name in ("state.db", "state.db-wal"):
        if (folder / ".bailiwick" / name).exists():
            shutil.copy(folder / ".bailiwick" / name, folder / name)
    assert done(folder, bundled(folder, 2, files=CLOSED)) == ""
    for path in (folder / ".bailiwick").glob("state.db*"):
        path.unlink()
    for path in folder.glob("state.db*"):
        path.rename(folder / ".bailiwick" / path.name)
    assert held(folder) == 1
    for _ in range(2):
        with pytest.raises(StoreError, match="bundle 2 was activated, and the state store knows bundle 1") as refused:
            Guard.open(folder)
        assert "restore its newest copy" in refused.value.hint
    (folder / ".bailiwick/state.db").unlink()
    with pytest.raises(StoreError, match="knows of none"):
        Guard.open(folder)


def test_a_bundle_that_was_changed_in_the_store_decides_nothing(folder: Path) -> None:
    with Guard.open(folder) as guard:
        assert code_of(activate(guard, bundled(folder, 1))) == ""
        other = bundled(folder, 1, note="another").encode()
        file = StateFile.open(folder / ".bailiwick/state.db")
        with file.use(transaction=True) as connection:
            connection.execute("UPDATE bundles SET data = ?", (other,))
        file.close()
        with pytest.raises(Denied, match="not the bundle that was activated"):
            guard.session(user="alice", agent=AGENT, task="Work").__enter__()
    with pytest.raises(StoreError, match="not the one that was activated"):
        Guard.open(folder)


def test_a_bundle_that_cannot_be_loaded_here_denies_every_call_until_another_one_can(folder: Path) -> None:
    with opened(folder) as session:
        guard_ports = session._engine.ports
        bad = bundled(folder, 1)
        files = [replace(file, text="permit (") if file.path == DESK else file for file in bad.files]
        broken = build(files, tenant="acme", env="test", sequence=1, author="alice")
        row = Activation(
            sequence=1,
            digest=broken.digest,
            author="alice",
            signers=("alice",),
            by="bob",
            at_ms=0,
            mode="enforce",
            tests="none",
            note="",
            event="another-version-wrote-it",
            log_id="log-elsewhere",
        )
        assert guard_ports.bundles.note("acme", "test", row, broken.encode(), after=0)
        assert guard_ports.bundles.switch("acme", "test", 1)
        for _ in range(3):
            with pytest.raises(Denied) as refused:
                session.call("fact.read", {"id": "1"}, run=Tool({}).run)
            assert "cannot use it" in str(refused.value)
            assert refused.value.decision.reasons[0].code == "guard-failure"
        file = StateFile.open(folder / ".bailiwick/state.db")
        good = replace(row, sequence=2, digest=(made := build_bundle(folder, sequence=2, author="alice")).digest)
        assert SqliteBundles(file).note("acme", "test", good, made.encode(), after=1)
        assert SqliteBundles(file).switch("acme", "test", 2)
        file.close()
        session.call("fact.read", {"id": "1"}, run=Tool({}).run)
