"""`bailiwick approvals approve --remember`, `standing`, `revoke`, `stats`, and requests that are alike."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bailiwick import ApprovalPending, Guard, Session
from tests.cli.terminal import Said
from tests.worlds import FILES, MAIL, Tool, asked, make_world, opened

EXAMPLE = Path(__file__).parents[2] / "examples/support"
Terminal = Callable[..., Said]
READS = '@id("dora-reads")\npermit (principal == User::"dora", action == Action::"admin.read_approvers", resource);\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_world(tmp_path, administration_people_cedar=FILES["administration/people.cedar"] + READS)


@pytest.fixture
def session(folder: Path) -> Iterator[Session]:
    with opened(folder) as session:
        with pytest.raises(ApprovalPending):
            session.call("mail.send", MAIL, run=Tool().run)
        yield session


def test_a_yes_is_remembered_listed_and_revoked(terminal: Terminal, folder: Path, session: Session) -> None:
    (request,) = asked(session)
    where = ("--as", "bob", "--dir", folder)
    said = terminal("approvals", "approve", request, *where, "--remember", "count=2,ttl=1h,open=body")
    assert said.code == 0, said.err
    tool = Tool()
    session.call("mail.send", {**MAIL, "body": "Another"}, run=tool.run)
    assert len(tool.runs) == 1
    (grant,) = terminal("approvals", "standing", *where, "--json").json
    assert (grant["used"], grant["count"], grant["open"], grant["by"]) == (1, 2, ["body"], ["bob"])
    assert grant["id"][:8] in terminal("approvals", "standing", *where).out
    assert terminal("approvals", "revoke", grant["id"], "--as", "gone", "--dir", folder).code == 1
    assert terminal("approvals", "revoke", grant["id"], "--as", "alice", "--dir", folder).code == 0
    assert terminal("approvals", "revoke", grant["id"], *where, "--json").json["code"] == "standing-over"
    assert terminal("approvals", "revoke", "std-none", *where, "--json").json["code"] == "unknown-standing-grant"


@pytest.mark.parametrize("text", ["for ever", "count=1", "count=1,ttl=1h,open="])
def test_what_cannot_be_read_is_said_before_anything_is_answered(
    terminal: Terminal, folder: Path, session: Session, text: str
) -> None:
    (request,) = asked(session)
    said = terminal("approvals", "approve", request, "--as", "bob", "--dir", folder, "--remember", text)
    assert said.code == 2
    assert "count=5,ttl=2h" in said.err
    assert ("has no ttl" in said.err) is (text == "count=1")
    (item,) = terminal("approvals", "list", "--as", "bob", "--dir", folder, "--json").json
    assert item["votes"] == []


def test_requests_that_are_alike_are_listed_as_a_group(terminal: Terminal, folder: Path, session: Session) -> None:
    with pytest.raises(ApprovalPending):
        session.call("mail.send", {**MAIL, "body": "Another"}, run=Tool().run)
    listed = terminal("approvals", "list", "--as", "bob", "--dir", folder, "--json").json
    assert {item["group"] for item in listed} == {listed[0]["group"]}
    assert [item["group_members"] for item in listed] == [list(asked(session))] * 2
    assert [item["group_differing"] for item in listed] == [["body"]] * 2


def test_statistics_are_for_whoever_may_know(terminal: Terminal, folder: Path, session: Session) -> None:
    (request,) = asked(session)
    assert terminal("approvals", "deny", request, "--as", "bob", "--dir", folder).code == 0
    assert terminal("approvals", "stats", "--as", "bob", "--dir", folder).code == 1
    (row,) = terminal("approvals", "stats", "--as", "dora", "--dir", folder, "--json").json
    assert (row["person"], row["answers"], row["yes"], row["checks"]) == ("bob", 1, 0, 0)
    assert "bob" in terminal("approvals", "stats", "--as", "dora", "--dir", folder).out


def test_in_the_example_who_does_not_answer_sees_how_people_answer(terminal: Terminal, tmp_path: Path) -> None:
    folder = tmp_path / "support"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns(".bailiwick"))
    with Guard.open(folder):
        pass
    assert terminal("approvals", "stats", "--as", "vera", "--dir", folder).out == "nobody answered a request yet\n"
    for person in ("bob", "dora", "alice"):
        assert terminal("approvals", "stats", "--as", person, "--dir", folder).code == 1
