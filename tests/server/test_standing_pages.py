"""The scope of a yes in the console, what is remembered, and who answers how."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bailiwick import Guard
from tests.server.console import Console, serving
from tests.server.requests import LEADS_ONLY, ask, two_leads
from tests.worlds import AGENT, FILES, MAIL, Tool

READS = '@id("dora-reads")\npermit (principal == User::"dora", action == Action::"admin.read_approvers", resource);\n'
SCOPE = {"scope": "conversation", "count": "3", "ttl": "1h", "open_body": "on"}


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    folder = two_leads(
        tmp_path, policies_desk_cedar=FILES["policies/desk.cedar"], administration_people_cedar=LEADS_ONLY + READS
    )
    with Guard.open(folder) as guard, serving(guard) as console:
        yield console


def twin(console: Console, path: str, by: str) -> Any:
    return json.loads(console.get(path, by).data)


def test_a_yes_is_for_once_unless_more_is_said(console: Console) -> None:
    item = ask(console.guard)
    page = console.get(f"/approvals/{item.id}", "bob").data.decode()
    assert 'value="once" checked' in page
    assert "open_body" in page
    assert "open_to" not in page
    assert console.answer(item.id, "bob", "approve").status == 303
    assert twin(console, "/standing.json", "bob")["rows"] == []


def test_what_is_remembered_is_seen_used_and_revoked(console: Console) -> None:
    item = ask(console.guard)
    assert console.answer(item.id, "bob", "approve", **SCOPE).status == 303
    with console.guard.session(user="alice", agent=AGENT, task="Answer ticket 4711", conversation="c-1") as session:
        tool = Tool()
        session.call("mail.send", {**MAIL, "body": "Good evening"}, run=tool.run)
        assert len(tool.runs) == 1
    (row,) = twin(console, "/standing.json", "alice")["rows"]
    assert (row["used"], row["count"], row["open"], row["state"]) == (1, 3, ["body"], "active")
    assert row["arguments"] == {"to": MAIL["to"], "subject": MAIL["subject"]}
    assert twin(console, "/standing.json", "eve")["rows"] == []
    page = console.get("/standing", "bob").data.decode()
    assert row["id"] in page
    token = page.split('name="csrf" value="')[1].split('"')[0]
    path = f"/standing/{row['id']}/revoke"
    assert console.post(path, "bob", {"csrf": "no"}).status == 403
    assert console.post(path, "eve", {"csrf": token}).status in (403, 409)
    assert twin(console, "/standing.json", "bob")["rows"][0]["state"] == "active"
    assert console.post(path, "bob", {"csrf": token}).status == 303
    assert twin(console, "/standing.json", "bob")["rows"][0]["state"] == "revoked"


@pytest.mark.parametrize(
    "changed",
    [{"ttl": "for ever"}, {"count": "0"}, {"count": "1000"}, {"scope": "all"}, {"open_to": "on"}],
    ids=["time", "none", "too many", "scope", "target"],
)
def test_a_scope_that_cannot_be_is_not_counted(console: Console, changed: dict[str, str]) -> None:
    item = ask(console.guard)
    assert console.answer(item.id, "bob", "approve", **{**SCOPE, **changed}).status == 409
    assert twin(console, f"/approvals/{item.id}.json", "bob")["status"] == "requested"


def test_requests_of_one_session_that_are_alike_stand_together_with_what_differs(console: Console) -> None:
    first, second = (ask(console.guard, {**MAIL, "body": body}) for body in ("One", "Two"))
    (group,) = twin(console, "/inbox.json", "bob")["groups"]
    assert [(row["id"], row["similar"], row["differs"]) for row in group["items"]] == [
        (first.id, [second.id], [{"name": "body", "value": "One"}]),
        (second.id, [first.id], [{"name": "body", "value": "Two"}]),
    ]
    assert len({row["group"] for row in group["items"]}) == 1
    assert "like 1 more of this session" in console.get("/", "bob").data.decode()


def test_who_may_know_sees_how_people_answer(console: Console) -> None:
    assert console.answer(ask(console.guard).id, "bob", "deny").status == 303
    assert console.get("/approvers", "bob").status == 404
    (row,) = twin(console, "/approvers.json", "dora")["rows"]
    assert (row["person"], row["answers"], row["yes"]) == ("bob", 1, 0)
    assert "bob" in console.get("/approvers", "dora").data.decode()
    for path in ("/", "/history", "/standing"):
        assert b'href="/approvers"' in console.get(path, "dora").data
        assert b'href="/approvers"' not in console.get(path, "bob").data
