"""What the record of a decision holds, and what it must not: words that quote a call are contents, so they can go."""

from __future__ import annotations

from pathlib import Path

import pytest

from bailiwick import Denied, UsageError
from bailiwick.audit.trace import reasons
from bailiwick.stores.log_reader import LogReader
from tests.worlds import LOGS, MAIL, Tool, decisions, make_world, opened

SECRET = "ada.lovelace at analytical.example"


def _leaves(folder: Path) -> bytes:
    found = b""
    for path in (folder / LOGS).glob("log-*.db"):
        with LogReader.open(path) as reader:
            found += b"".join(row.data for row in reader._rows("ORDER BY seq", []))
    return found


@pytest.mark.parametrize(
    ("tool", "args"),
    [
        ("mail.send", {**MAIL, "to": [SECRET]}),
        ("db.query", {"sql": f"DELETE FROM people WHERE name = '{SECRET}'"}),
        ("page.read", {"id": "1", SECRET: "x"}),
        ("page.read", {"id": "1", "limit": SECRET}),
    ],
)
def test_a_refusal_that_quotes_an_argument_keeps_its_words_out_of_the_leaf(
    tmp_path: Path, tool: str, args: dict[str, object]
) -> None:
    folder = make_world(tmp_path)
    with opened(folder) as session, pytest.raises(Denied) as told:
        session.call(tool, args, run=Tool().run)
    assert SECRET.encode() not in _leaves(folder)
    (decision,) = decisions(folder)
    with LogReader.open(next((folder / LOGS).glob("log-*.db"))) as reader:
        (reason, *_) = reasons(reader.content, decision)
        kept = reader.content(decision.id, "args")
    assert reason["message"] in str(told.value)
    assert kept is not None
    assert SECRET.encode() in kept


def test_a_call_that_did_not_parse_is_recorded_with_what_was_asked(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    with opened(folder) as session, pytest.raises(Denied):
        session.call("no.such", {"x": 1}, run=Tool().run)
    (decision,) = decisions(folder)
    with LogReader.open(next((folder / LOGS).glob("log-*.db"))) as reader:
        assert reader.content(decision.id, "args") == b'{"x":1}'


def test_an_outcome_is_reported_once_and_only_of_a_run_that_was_started(tmp_path: Path) -> None:
    with opened(make_world(tmp_path)) as session:
        permit = session.enter("fact.read", {"id": "1"})
        with pytest.raises(UsageError, match="not started"):
            session.leave(permit, "too early")
        session.start(permit)
        session.leave(permit, "done")
        for late in (session.leave, session.failed):
            with pytest.raises(UsageError, match="over already"):
                late(permit, "again")
        with pytest.raises(UsageError):
            session.cancelled(permit)


def test_a_run_that_ends_after_its_session_gets_no_second_outcome(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    with opened(folder) as session:
        permit = session.enter("put.none", {"id": "1"})
        session.start(permit)
        session.close()
        with pytest.raises(UsageError):
            session.leave(permit, "late")
    with LogReader.open(next((folder / LOGS).glob("log-*.db"))) as reader:
        assert not reader.verify().problems


@pytest.mark.parametrize("value", [2**80, {"n": 2**80}, {1, 2}, object(), "\ud800", b"\xff", float("nan"), [[]] * 3])
def test_whatever_a_tool_returns_is_labelled_and_recorded(tmp_path: Path, value: object) -> None:
    folder = make_world(tmp_path)
    with opened(folder) as session:
        assert session.call("page.read", {"id": "1"}, run=Tool(value).run) is value
        assert session.label.tainted
    with LogReader.open(next((folder / LOGS).glob("log-*.db"))) as reader:
        assert not reader.verify().problems
        assert not reader.verify().unknown


def test_a_delegated_session_ends_with_the_one_that_delegated_it(tmp_path: Path) -> None:
    with opened(make_world(tmp_path)) as session:
        child = session.delegate("helper")
        grandchild = child.delegate("scout")
    for ended in (child, grandchild):
        with pytest.raises(Denied, match="closed"):
            ended.call("page.read", {"id": "1"}, run=Tool().run)


def test_a_call_too_large_for_a_card_is_denied_with_its_own_reason_and_recorded_in_its_session(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    with opened(folder) as session, pytest.raises(Denied, match="too large"):
        session.call("mail.send", {**MAIL, "body": "x" * 70_000}, run=Tool().run)
    (decision,) = decisions(folder)
    assert decision.session
    assert "'too-large-to-approve'" in str(decision.body["reasons"])
