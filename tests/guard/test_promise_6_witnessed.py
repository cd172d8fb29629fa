"""Promise 6 (DESIGN §3), with witnesses: what is to be witnessed waits for them, and effects wait while records have
been without them for too long."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bailiwick import Denied, Guard, Session
from bailiwick.audit.notes import KeyType, parse, signed_by
from bailiwick.audit.report import State
from bailiwick.audit.witnessing import TrustedLog
from bailiwick.errors import ParentUnavailable, ProjectError
from bailiwick.project.load import load_project, load_settings
from bailiwick.stores.log_keys import log_signer
from bailiwick.stores.log_verification import verify_folder
from bailiwick.witness.store import WitnessStore
from tests.witness.logs import signer
from tests.witness.process import Running, made, running
from tests.worlds import AGENT, FILES, LOGS, Tool, call, decisions, kinds, make_world

WITNESSED = FILES["tools/desk.toml"].replace('names       = ["put_none"]', 'durability  = "witnessed"')
WINDOW_S = 2.0


def world(folder: Path, *witnesses: Path, quorum: int = 1, timeout: str = "4s") -> Path:
    """A project whose `put.none` is witnessed, by witnesses that trust its key already."""
    folder.mkdir()
    make_world(folder, tools_desk_toml=WITNESSED)
    name = load_settings(folder).log_origin
    (key,) = log_signer(folder / ".bailiwick", name).project_keys[:1]
    for each in witnesses:
        with closing(WitnessStore.open(each)) as store:
            store.trust(TrustedLog(key=key, children=True))
    settings = f'\n[audit]\nquorum = {quorum}\nwitness_timeout = "{timeout}"\nwindow = "2s"\n'
    (folder / "bailiwick.toml").write_text(FILES["bailiwick.toml"] + settings)
    return folder


def name_witnesses(folder: Path, *witnesses: Running) -> None:
    with (folder / "bailiwick.toml").open("a") as out:
        for each in witnesses:
            keys = ", ".join(f'"{key.vkey}"' for key in each.declared.keys)
            out.write(f'[witnesses.{each.folder.name}]\nurl = "{each.declared.url}"\nkey = [{keys}]\n')


@contextmanager
def guarded(folder: Path) -> Iterator[tuple[Guard, Session]]:
    with Guard.open(folder) as guard, guard.session(user="alice", agent=AGENT, task="Work") as session:
        yield guard, session


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
def test_promise_6_a_witnessed_decision_is_cosigned_before_its_tool_runs(tmp_path: Path, use_async: bool) -> None:
    witness = made(tmp_path / "w1")
    folder = world(tmp_path / "project", witness)
    with running(witness) as started:
        name_witnesses(folder, started)
        with guarded(folder) as (guard, session):
            held: list[int] = []

            def look() -> None:
                with closing(WitnessStore.open(witness)) as store:
                    held.append(store.head(f"{load_settings(folder).log_origin}/{guard.log.log_id}").size)

            call(session, "put.none", {"id": "1"}, Tool(before=look), use_async=use_async)
            (decision,) = decisions(folder)
            assert held[0] > decision.seq
            assert decision.body["durability"] == "witnessed"
    assert verify_folder(folder / LOGS).state is State.SOUND


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
def test_promise_6_a_witnessed_tool_does_not_run_without_the_quorum(tmp_path: Path, use_async: bool) -> None:
    witness = made(tmp_path / "w1")
    folder, tool = world(tmp_path / "project", witness, timeout="1s"), Tool()
    with running(witness) as started:
        name_witnesses(folder, started)
        with guarded(folder) as (_, session):
            started.kill()
            with pytest.raises(Denied, match="quorum of witnesses") as refused:
                call(session, "put.none", {"id": "1"}, tool, use_async=use_async)
            assert refused.value.decision.reasons[0].code == "unwitnessed"
            assert "w1 could not be asked" in str(refused.value)
            assert tool.runs == []
            call(session, "fact.read", {"id": "1"}, tool, use_async=use_async)
            with running(witness, started.port):
                until(lambda: allowed(session, "put.none", tool))
            assert len(tool.runs) == 2
    report = verify_folder(folder / LOGS)
    assert report.state is State.SOUND
    assert report.unknown == (), "what never ran does not count as a call that may have run"
    assert "action.expired" in kinds(folder)


def test_promise_6_effects_are_denied_while_the_window_is_exceeded_and_allowed_again_after(tmp_path: Path) -> None:
    witness = made(tmp_path / "w1")
    folder, tool = world(tmp_path / "project", witness), Tool()
    with running(witness) as started:
        name_witnesses(folder, started)
        with guarded(folder) as (_, session):
            assert allowed(session, "put.safe", tool)
            started.kill()
            begun = time.monotonic()
            assert allowed(session, "put.safe", tool), "within the window effects go on"
            until(lambda: not allowed(session, "put.safe", tool))
            assert time.monotonic() - begun < WINDOW_S + 2
            ran = len(tool.runs)
            with pytest.raises(Denied, match="more than 2 s") as refused:
                session.call("put.safe", {"id": "1"}, run=tool.run)
            assert refused.value.decision.reasons[0].code == "unwitnessed"
            with pytest.raises(Denied, match="more than 2 s"):
                session.call("put.none", {"id": "1"}, run=tool.run)
            assert len(tool.runs) == ran
            session.call("fact.read", {"id": "1"}, run=tool.run)
            with running(witness, started.port):
                until(lambda: allowed(session, "put.safe", tool))
    report = verify_folder(folder / LOGS)
    assert report.state is State.SOUND
    assert report.unknown == ()


def test_promise_6_what_an_earlier_process_left_unwitnessed_is_cosigned_before_anything_else(tmp_path: Path) -> None:
    witness = made(tmp_path / "w1")
    folder, tool = world(tmp_path / "project", witness, timeout="1s"), Tool()
    with running(witness) as started:
        name_witnesses(folder, started)
        with guarded(folder) as (_, session):
            assert allowed(session, "put.safe", tool)
            started.kill()
            assert allowed(session, "put.safe", tool)
        with guarded(folder) as (_, session):
            assert not allowed(session, "put.safe", tool), "a new process does not open the window anew"
            session.call("fact.read", {"id": "1"}, run=tool.run)
        with running(witness, started.port), guarded(folder) as (_, session):
            assert allowed(session, "put.safe", tool), "the first effect waits for the witness's first answer"


def test_promise_6_no_log_begins_before_its_birth_is_witnessed(tmp_path: Path) -> None:
    witness = made(tmp_path / "w1")
    folder = world(tmp_path / "project", witness, timeout="1s")
    with running(witness) as started:
        name_witnesses(folder, started)
        started.kill()
        with pytest.raises(ParentUnavailable, match="quorum"):
            Guard.open(folder)
        with running(witness, started.port), guarded(folder) as (_, session):
            assert allowed(session, "put.none", Tool())


def test_checkpoints_keep_the_lines_of_their_witnesses(tmp_path: Path) -> None:
    witness = made(tmp_path / "w1")
    folder = world(tmp_path / "project", witness)
    with running(witness) as started:
        name_witnesses(folder, started)
        with guarded(folder) as (guard, session):
            assert allowed(session, "put.none", Tool())
            name = f"{load_settings(folder).log_origin}/{guard.log.log_id}"
        with closing(WitnessStore.open(witness)) as store:
            (seen,) = (each for each in store.seen() if each.origin == name)
        assert {each.key for each in signed_by(parse(seen.note), started.declared.keys)} == set(started.declared.keys)


# ── what is refused at load ────────────────────────────────────────────────────────────────────────────────────────

VKEY = "witness.example.com/w1+04758baf+BIqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c"
ONE = f'[witnesses.a]\nurl = "https://a.example"\nkey = "{VKEY}"\n'


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ("", "no-witnesses"),
        ("[audit]\nquorum = 1\n", "quorum-too-large"),
        (ONE + "[audit]\nquorum = 2\n", "quorum-too-large"),
        (ONE + ONE.replace("[witnesses.a]", "[witnesses.b]"), "repeated-witness"),
        (ONE.replace("https://a.example", "ftp://a.example"), "bad-address"),
        (ONE.replace("https://a.example", "https://u:p@a.example"), "bad-address"),
        (ONE.replace("+04758baf", "+04758bae"), "bad-witness-key"),
        (ONE.replace(VKEY, "x"), "bad-witness-key"),
        ('[witnesses.a]\nurl = "https://a.example"\n', "missing-key"),
        (ONE + 'token = "x"\n', "unknown-key"),
        ('[audit]\nwindow = "1s"\n' + ONE, "setting-value"),
    ],
)
def test_a_project_whose_witnesses_prove_nothing_does_not_load(tmp_path: Path, settings: str, rule: str) -> None:
    make_world(tmp_path, tools_desk_toml=WITNESSED)
    (tmp_path / "bailiwick.toml").write_text(FILES["bailiwick.toml"] + settings)
    with pytest.raises(ProjectError) as refused:
        load_project(tmp_path)
    assert rule in {finding.rule for finding in refused.value.findings}


@pytest.mark.parametrize(("witnesses", "quorum"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)])
def test_without_a_setting_more_than_half_of_the_witnesses_must_cosign(
    tmp_path: Path, witnesses: int, quorum: int
) -> None:
    keys = [signer(f"w{n}", KeyType.COSIGNATURE_ED25519, n).key for n in range(1, witnesses + 1)]
    lines = [f'[witnesses.{key.name}]\nurl = "https://{key.name}.example"\nkey = "{key.vkey}"\n' for key in keys]
    make_world(tmp_path)
    (tmp_path / "bailiwick.toml").write_text(FILES["bailiwick.toml"] + "".join(lines))
    assert load_settings(tmp_path).witnessing.quorum == quorum


def allowed(session: Session, name: str, tool: Tool) -> bool:
    try:
        session.call(name, {"id": "1"}, run=tool.run)
    except Denied as refused:
        if refused.decision.reasons[0].code != "unwitnessed":
            raise
        return False
    return True


def until(done: Callable[[], bool]) -> None:
    """Call it until it says yes."""
    end = time.monotonic() + 20
    while not done():
        assert time.monotonic() < end
