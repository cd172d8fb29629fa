"""A conversation that is taken up again finds the texts that it has seen, and where they are gone its mark decides."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bailiwick import Guard, Session
from bailiwick.guard import rereading
from bailiwick.model.decision import FlowFacts
from bailiwick.project.load import load_project
from tests.worlds import AGENT, LOGS, edit, make_world

PLAN = "The northern plant is sold to Umbrella for 42 million in the second quarter."
OTHER = {"lines": [{"text": "Nothing here."}, {"text": "Jane is on leave until the end of the coming month."}]}


def world(folder: Path) -> Path:
    made = make_world(folder)
    edit(made, "bailiwick.toml", 'strict = ["public"]', 'strict = ["restricted"]')
    return made


def talk(guard: Guard) -> Session:
    return guard.session(user="alice", agent=AGENT, task="Look up pages", conversation="c-1")


def saw(folder: Path) -> None:
    with Guard.open(folder) as guard, talk(guard) as session:
        session.prompt("Look at page 7 and fact 8.")
        session.call("page.read", {"id": "7"}, run=lambda **_: PLAN)
        session.call("fact.read", {"id": "8"}, run=lambda **_: OTHER)


def says(session: Session, body: str) -> FlowFacts:
    flow = session.check("mail.send", {"to": ["alice@acme.example"], "subject": "Hello", "body": body}).flow
    assert flow is not None
    return flow


def paths(flow: FlowFacts) -> set[str]:
    return {origin.path for argument in flow.arguments for origin in argument.origins if origin.how == "run"}


def test_a_restored_conversation_finds_a_run_again_where_it_stood(tmp_path: Path) -> None:
    folder = world(tmp_path)
    saw(folder)
    with Guard.open(folder) as guard, talk(guard) as session:
        assert says(session, "Good morning").label.sensitivity == 0
        plan = says(session, PLAN.upper())
        assert (plan.label.sensitivity, paths(plan)) == (1, {f"@0-{len(PLAN) - 1}"})
        leave = says(session, OTHER["lines"][1]["text"])
        assert (leave.label.sensitivity, set(leave.label.categories)) == (2, {"pii"})
        assert [path.partition("@")[0] for path in paths(leave)] == [".lines[1].text"]


def test_another_process_finds_it_too(tmp_path: Path) -> None:
    folder = world(tmp_path)
    code = f"from pathlib import Path; from tests.guard.test_rereading import saw; saw(Path({str(folder)!r}))"
    with Guard.open(folder) as guard, talk(guard) as session:
        assert says(session, PLAN).label.sensitivity == 0
        subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
        assert says(session, PLAN).label.sensitivity == 1
        assert says(session, "Good morning").label.sensitivity == 0


def test_where_the_texts_are_gone_the_mark_decides(tmp_path: Path) -> None:
    folder = world(tmp_path)
    saw(folder)
    for log in (folder / LOGS).iterdir():
        log.unlink()
    with Guard.open(folder) as guard, talk(guard) as session:
        for _ in range(5):
            assert says(session, "Good morning").label.sensitivity == 2


def test_what_one_decision_reads_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rereading, "MAX_CONTENTS", 1)
    folder = world(tmp_path)
    saw(folder)
    with Guard.open(folder) as guard, talk(guard) as session:
        assert [says(session, "Good morning").label.sensitivity for _ in range(3)] == [2, 0, 0]


def test_what_everybody_may_know_is_evidence_of_nothing(tmp_path: Path) -> None:
    folder = world(tmp_path)
    before = load_project(folder).planes.rules_digest
    (folder / "background").mkdir()
    (folder / "background/press.txt").write_text(f"Press release. {PLAN}", encoding="utf-8")
    saw(folder)
    with Guard.open(folder) as guard, talk(guard) as session:
        assert says(session, f"You know that: {PLAN}").label.sensitivity == 0
        assert says(session, OTHER["lines"][1]["text"]).label.sensitivity == 2
    assert load_project(folder).planes.rules_digest != before
