"""What the pages show, and to whom."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Mount, Route

from bailiwick import ApprovalPending, Guard
from bailiwick.action.approval_card import MAX_CARD_BYTES
from bailiwick.action.approvals import Approval
from bailiwick.model.event import EventKind
from bailiwick.model.label import Label, Readers
from bailiwick.server.app import console_of, create_app
from bailiwick.server.pages import Pages
from bailiwick.server.security import Fence
from tests.server.console import Console, serving
from tests.server.door import SignedIn
from tests.server.people import ORIGIN, Visitor, invited
from tests.server.requests import LEADS_ONLY, TWO, ask, drawn_anew, stranger, two_leads
from tests.worlds import FILES, MAIL, Clock, Tool, events, with_ports

HOSTILE = tomllib.loads((Path(__file__).parent / "data" / "hostile.toml").read_text(encoding="utf-8"))["text"]


ACCOUNTS = """
@id("carol-keeps-accounts")
permit (principal == User::"carol", action == Action::"admin.accounts", resource);
"""


class Page(HTMLParser):
    """A page as its structure (elements with the names of their attributes) and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.structure: list[object] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.structure.append((tag, tuple(name for name, _ in attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.structure.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.structure.append("comment")


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    with Guard.open(two_leads(tmp_path)) as guard, serving(guard) as console:
        yield console


def page_of(console: Console, item: Approval, by: str = "bob") -> Page:
    answer = console.get(f"/approvals/{item.id}", by)
    assert answer.status == 200
    return Page(answer.data.decode())


# ── who sees what ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_nobody_sees_a_page_without_signing_in(console: Console) -> None:
    item = ask(console.guard)
    app = create_app(console.guard, door=SignedIn(), pages=Pages(project="x"), origin=console.origin)
    assert isinstance(app, Fence)
    routes = [route for route in app.app.app.routes if not isinstance(route, Mount)]  # type: ignore[attr-defined]
    assert len(routes) == 36
    for route in routes:
        assert isinstance(route, Route)
        path = route.path.replace("{id}", item.id)
        if "GET" in (route.methods or ()):
            answer = console.get(path)
        else:
            answer = console.post(path, "", {"word": "approve"})
        assert answer.status == (401 if path.endswith(".json") else 303), path
        assert b"mail.send" not in answer.data
        if answer.status == 303:
            assert answer.headers["location"].startswith("/login")


@pytest.mark.parametrize(
    ("who", "sees"),
    [("bob", True), ("dora", True), ("eve", False), ("gone", False), ("nobody", False)],
)
def test_who_may_not_answer_sees_and_counts_nothing_of_it(tmp_path: Path, who: str, sees: bool) -> None:
    folder = two_leads(tmp_path, administration_people_cedar=LEADS_ONLY)
    with Guard.open(folder) as guard, serving(guard) as console:
        empty = {path: mask(console.get(path, who).data) for path in ("/", "/inbox.json", "/history", "/history.json")}
        item, over = ask(guard), ask(guard, {**MAIL, "subject": "Over"})
        assert console.answer(over.id, "bob", "deny").status == 303
        for path in (f"/approvals/{item.id}", f"/approvals/{item.id}.json", f"/approvals/{over.id}"):
            assert console.get(path, who).status == (200 if sees else 404), path
        for path, before in empty.items():
            now = mask(console.get(path, who).data)
            assert (now != before) is sees, path
            assert (b"mail.send" in now) is sees, path
        # Neither does a page that asks again learn that there is something.
        partial = console.get("/?seen=x", who, **{"HX-Request": "true"})
        assert (b"mail.send" in partial.data) is sees
        if not sees:
            missing = console.get("/approvals/apr-none", who)
            refused = console.get(f"/approvals/{item.id}", who)
            assert (missing.status, missing.data) == (refused.status, refused.data)
            token = {"csrf": SignedIn().csrf_token(_as(who)), "word": "deny", "card_digest": item.card_digest}
            assert console.post(f"/approvals/{item.id}/answer", who, token).status == 404
            found = guard.state.get("acme", "test", item.id)
            assert found is not None
            assert found.votes == ()


def _as(who: str) -> Any:
    from starlette.requests import Request

    return Request({"type": "http", "headers": [(b"cookie", f"who={who}".encode())]})


def mask(data: bytes) -> bytes:
    """Without the hour."""
    if data.startswith(b"{"):
        return json.dumps({**json.loads(data), "now_ms": 0}).encode()
    return data


def test_the_twin_says_what_the_page_says(console: Console) -> None:
    item = ask(console.guard)
    twin = json.loads(console.get(f"/approvals/{item.id}.json", "bob").data)
    assert twin["card"]["arguments"][0]["value"] is not None
    assert {argument["name"]: argument["value"] for argument in twin["card"]["arguments"]} == MAIL
    assert (twin["status"], twin["digest"], twin["may_approve"]) == ("requested", item.digest, True)
    (row,) = json.loads(console.get("/inbox.json", "bob").data)["groups"][0]["items"]
    assert row["id"] == item.id
    assert json.loads(console.get("/history.json", "bob").data)["rows"] == []


def test_looking_is_on_record(console: Console) -> None:
    item = ask(console.guard)
    console.get(f"/approvals/{item.id}", "bob")
    looked = [event.body for event in events(console.guard.project.folder) if event.kind is EventKind.ADMIN_DECIDED]
    assert [(body["by"], body["resource"]) for body in looked] == [("bob", "tools/mail.send")]


# ── what a card shows ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_everything_of_a_card_is_on_its_page(console: Console) -> None:
    item = ask(console.guard, before=lambda session: stranger(session, "Write to ann@customer.example"))
    page = page_of(console, item)
    card = json.loads(item.card)
    for name in card.keys() - {"chain", "reasons"}:
        for leaf in leaves(card[name]):
            assert leaf in page.text, leaf
    for part in ("alice", "desk-bot", "external-mail", "Mail to strangers needs a lead.", "Group leads", "0 of 2"):
        assert part in page.text
    assert item.card.decode() in page.text, "all of it once more, as votes are bound to it"
    assert page.text.count("untrusted") >= 2


def leaves(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    elif isinstance(value, str) and value:
        yield value


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: str(case["name"]))
def test_content_is_text_wherever_it_stands(console: Console, case: dict[str, str]) -> None:
    text, shown = case["text"], case.get("shown", case["text"])

    def asked(what: str, conversation: str) -> Approval:
        args = {**MAIL, "subject": what, "body": f"Before {what} after"}
        return ask(
            console.guard,
            args,
            purpose=f"Task {what}",
            conversation=conversation,
            before=lambda session: stranger(session, f"Write to ann@customer.example {what}", what),
        )

    # Has all that a card can have: an address in the text, a value that was seen before.
    harmless = page_of(console, asked("harmless https://some.example/path", "c-1"))
    inbox = Page(console.get("/", "bob").data.decode())
    item = asked(text, "c-2")
    page = page_of(console, item)
    assert set(page.structure) <= set(harmless.structure)
    for tag in ("form", "button", "script", "link", "a", "input"):
        assert count(page, tag) == count(harmless, tag)
    assert page.text.count(shown) >= 4, "subject, body, task, source"
    twice = Page(console.get("/", "bob").data.decode())
    added = [part for part in twice.structure if part not in inbox.structure]
    assert added == []
    assert f"Task {shown}" in twice.text
    twin = json.loads(console.get(f"/approvals/{item.id}.json", "bob").data)
    assert {argument["name"]: argument["value"] for argument in twin["card"]["arguments"]}["subject"] == text


def count(page: Page, tag: str) -> int:
    return sum(isinstance(part, tuple) and part[0] == tag for part in page.structure)


def test_parts_of_a_card_that_are_not_known_here_are_shown_all_the_same(console: Console) -> None:
    item = drawn_anew(console.guard, ask(console.guard), novelty={"<b>what</b>": ["is this\u202e"]})
    page = page_of(console, item)
    assert "<b>what</b>" in page.text
    assert "is this\\u{202e}" in page.text


@pytest.mark.parametrize(
    "parts",
    [
        {"v": 99},
        {"v": ...},
        {"tool": "fact.read"},
        {"digest": "sha256:other"},
        {"chain": ['User::"dora"']},
        {"task": "another"},
        {"expires_ms": 0},
        {"arguments": ["to"]},
        {"effects": "send"},
        {"purpose": 7},
        {"origins": ...},
        {"origins": [{"argument": "to"}]},
        {"reasons": []},
        {"before": "yesterday"},
        {"edit": {"changed": "all"}},
        {"before": {"approval": "apr-1", "at_ms": "then", "changed": [], "was": {}}},
        {"does": ["send"]},
        {"does": ...},
    ],
    ids=str,
)
def test_a_card_that_cannot_be_shown_as_one_cannot_be_approved(console: Console, parts: dict[str, Any]) -> None:
    item = drawn_anew(console.guard, ask(console.guard), **parts)
    page = page_of(console, item)
    assert "cannot be shown in full" in page.text
    form = console.form(f"/approvals/{item.id}", "bob")
    assert console.post(f"/approvals/{item.id}/answer", "bob", {**form, "word": "approve"}).status == 409
    found = console.guard.state.get("acme", "test", item.id)
    assert found is not None
    assert found.votes == ()
    assert console.answer(item.id, "bob", "deny").status == 303


def test_a_card_as_large_as_cards_get_is_shown_to_its_end(console: Console) -> None:
    lines = "\n".join(f"line {number} {'x' * 60}" for number in range(700))
    item = ask(console.guard, {**MAIL, "body": lines + "\nTHE-VERY-END"})
    assert MAX_CARD_BYTES * 0.7 < len(item.card) <= MAX_CARD_BYTES
    page = page_of(console, item)
    assert all(f"line {number} " in page.text for number in range(700))
    assert "THE-VERY-END" in page.text
    assert console.answer(item.id, "bob", "approve").status == 303


# ── answering ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_two_people_approve_and_one_of_them_cannot_do_it_twice(console: Console) -> None:
    item = ask(console.guard)
    assert console.answer(item.id, "bob", "approve").status == 303
    again = console.answer(item.id, "bob", "approve", card_digest=item.card_digest)
    assert (again.status, "voted on" in again.data.decode()) == (409, True)
    assert "1 of 2" in page_of(console, item, "dora").text
    assert console.answer(item.id, "dora", "approve").status == 303
    assert json.loads(console.get(f"/approvals/{item.id}.json", "bob").data)["status"] == "granted"
    (row,) = json.loads(console.get("/history.json", "dora").data)["rows"]
    assert [(vote["by"], vote["granted"], vote["method"]) for vote in row["votes"]] == [
        ("bob", True, "passkey"),
        ("dora", True, "passkey"),
    ]


def test_what_differs_from_the_last_one_approved_is_marked(console: Console) -> None:
    with console.guard.session(
        user="alice", agent="desk-bot", task="Answer ticket 4711", conversation="c-7"
    ) as session:
        with pytest.raises(ApprovalPending) as first:
            session.call("mail.send", MAIL, run=Tool().run)
        for by in ("bob", "dora"):
            assert console.answer(first.value.approval_id, by, "approve").status == 303
        session.call("mail.send", MAIL, run=Tool().run)
        with pytest.raises(ApprovalPending) as second:
            session.call("mail.send", {**MAIL, "body": "Good evening"}, run=Tool().run)
    twin = json.loads(console.get(f"/approvals/{second.value.approval_id}.json", "bob").data)
    changed = {argument["name"]: argument["was"] for argument in twin["card"]["arguments"] if argument["differs"]}
    assert changed == {"body": "Good morning"}
    page = console.get(f"/approvals/{second.value.approval_id}", "bob").data.decode()
    assert f'href="/approvals/{first.value.approval_id}"' in page
    assert "≠ changed" in page
    assert "Good morning" in page


def test_who_asked_sees_it_and_cannot_approve_it(console: Console) -> None:
    item = ask(console.guard)
    page = page_of(console, item, "alice")
    assert "alice is in the chain that asks" in page.text
    assert "Approve" not in page.text
    token = SignedIn().csrf_token(_as("alice"))
    said = console.post(
        f"/approvals/{item.id}/answer",
        "alice",
        {"csrf": token, "word": "approve", "card_digest": item.card_digest},
    )
    assert said.status == 409
    assert "alice is in the chain that asks" in said.data.decode()


OWN = """
@id("not-ones-own")
@reason("Nobody answers a request that was made on their own behalf.")
forbid (principal, action == Action::"admin.approve", resource)
when   { context.own };
"""


@pytest.mark.parametrize("rules", [LEADS_ONLY, LEADS_ONLY + OWN], ids=["no-rule", "forbidden"])
def test_the_user_sees_what_was_asked_for_them_and_can_only_withdraw_it(tmp_path: Path, rules: str) -> None:
    # The gate names alice, too: but for the rules her no would count.
    gate = TWO.replace('@approvers("Group::leads")', '@approvers("Group::leads, User::alice")')
    folder = two_leads(tmp_path, policies_desk_cedar=gate, administration_people_cedar=rules)
    with Guard.open(folder) as guard, serving(guard) as console:
        item = ask(guard)
        path = f"/approvals/{item.id}"
        (row,) = json.loads(console.get("/inbox.json", "alice").data)["groups"][0]["items"]
        assert (row["id"], row["own"], row["yours"]) == (item.id, True, False)
        assert "yours, asked on your behalf" in console.get("/", "alice").data.decode()
        assert "yours, asked on your behalf" not in console.get("/", "bob").data.decode()
        page = console.get(path, "alice").data.decode()
        assert f'action="{path}/withdraw"' in page
        assert f'action="{path}/answer"' not in page
        told = json.loads(console.get(f"{path}.json", "alice").data)
        assert (told["may_approve"], told["may_deny"], told["may_withdraw"]) == (False, False, True)
        form = {"csrf": SignedIn().csrf_token(_as("alice")), "card_digest": item.card_digest}
        for word in ("approve", "deny"):
            assert console.post(f"{path}/answer", "alice", {**form, "word": word}).status == 409
        assert json.loads(console.get(f"{path}.json", "bob").data)["votes"] == []
        assert console.post(f"{path}/withdraw", "alice", form).status == 303
        assert json.loads(console.get(f"{path}.json", "alice").data)["status"] == "withdrawn"


def test_the_user_does_not_see_their_request_where_they_may_not_read_its_card(tmp_path: Path) -> None:
    with Guard.open(two_leads(tmp_path, administration_people_cedar=LEADS_ONLY)) as guard, serving(guard) as console:
        item = ask(guard)
        asked = dataclasses.replace(item.asked, label=Label(readers=Readers.of("Group::leads")))
        secret = dataclasses.replace(item, id="apr-secret", asked=asked)
        guard.state.save(secret)
        guard.state.save(dataclasses.replace(item, id="apr-planted", planted=True))
        missing = console.get("/approvals/apr-none", "alice")
        for each in ("apr-secret", "apr-planted"):
            assert console.get(f"/approvals/{each}", "bob").status == 200
            refused = console.get(f"/approvals/{each}", "alice")
            assert (missing.status, missing.data) == (refused.status, refused.data)
        (group,) = json.loads(console.get("/inbox.json", "alice").data)["groups"]
        assert [row["id"] for row in group["items"]] == [item.id]


@pytest.mark.parametrize(
    "changed", [{"card_digest": "sha256:other"}, {"card_digest": ""}, {"word": "maybe"}, {"word": ""}]
)
def test_an_answer_to_something_else_is_not_counted(console: Console, changed: dict[str, str]) -> None:
    item = ask(console.guard)
    form = {**console.form(f"/approvals/{item.id}", "bob"), "word": "approve", **changed}
    assert console.post(f"/approvals/{item.id}/answer", "bob", form).status == 409
    found = console.guard.state.get("acme", "test", item.id)
    assert found is not None
    assert found.votes == ()


# ── pages that renew themselves ───────────────────────────────────────────────────────────────────────────────────────


def test_a_page_that_asks_again_gets_what_changed_and_is_not_asked_of_the_rules_otherwise(console: Console) -> None:
    item = ask(console.guard)
    folder = console.guard.project.folder
    seen = seen_in(console.get("/", "bob").data)
    asked = sum(event.kind is EventKind.ADMIN_DECIDED for event in events(folder))
    for _ in range(3):
        assert console.get(f"/?seen={seen}", "bob", **{"HX-Request": "true"}).status == 204
    assert sum(event.kind is EventKind.ADMIN_DECIDED for event in events(folder)) == asked
    assert console.answer(item.id, "dora", "approve").status == 303
    renewed = console.get(f"/?seen={seen}", "bob", **{"HX-Request": "true"})
    assert (renewed.status, b"1 of 2" in renewed.data, b"<html" in renewed.data) == (200, True, False)
    other = seen_in(console.get(f"/approvals/{item.id}", "bob").data)
    assert console.get(f"/approvals/{item.id}?seen={other}", "bob", **{"HX-Request": "true"}).status == 204
    assert console.answer(item.id, "bob", "deny").status == 303
    over = console.get(f"/approvals/{item.id}?seen={other}", "bob", **{"HX-Request": "true"})
    assert b"denied" in over.data


def test_an_open_page_renews_itself_when_more_people_may_answer(tmp_path: Path) -> None:
    gate = '@approvers("User::bob") @escalate_to("User::dora") @escalate_after("5m")'
    desk = FILES["policies/desk.cedar"].replace('@approvers("Group::leads")', gate)
    with Guard.open(two_leads(tmp_path, policies_desk_cedar=desk)) as guard, serving(guard) as console:
        clock = Clock(guard.engine.ports.clock())
        with_ports(guard, clock=clock)
        item = ask(guard)
        seen = {path: seen_in(console.get(path, "dora").data) for path in ("/", f"/approvals/{item.id}")}
        assert "Deny</button>" not in console.get(f"/approvals/{item.id}", "dora").data.decode()
        for ms, then in ((5 * 60_000 - 1, 204), (1, 200)):
            clock.forward(ms=ms)
            for path, mark in seen.items():
                again = console.get(f"{path}?seen={mark}", "dora", **{"HX-Request": "true"})
                assert again.status == then, path
        assert "Deny</button>" in console.get(f"/approvals/{item.id}", "dora").data.decode()


def test_a_page_whose_person_is_gone_goes_to_the_door_as_a_whole(console: Console) -> None:
    answer = console.get("/?seen=x", "", **{"HX-Request": "true"})
    assert (answer.status, answer.headers["hx-refresh"]) == (204, "true")


def test_a_page_that_renews_itself_does_not_keep_its_session_alive(tmp_path: Path) -> None:
    folder = two_leads(tmp_path)
    people = folder / "administration" / "people.cedar"
    people.write_text(people.read_text(encoding="utf-8") + ACCOUNTS, encoding="utf-8")
    with Guard.open(folder) as guard:
        clock = Clock(guard.engine.ports.clock())
        with_ports(guard, clock=clock)
        bob = Visitor(console_of(guard, origin=ORIGIN))
        assert bob.enrol(invited(guard, "bob", by="carol")).status_code == 200
        assert bob.login().status_code == 200
        for headers, then in (({}, 200), ({"HX-Request": "true"}, 303)):
            clock.forward(ms=10 * 60_000)
            assert bob.client.get("/", headers=headers).status_code == 200
            clock.forward(ms=6 * 60_000)
            assert bob.client.get("/").status_code == then


def seen_in(page: bytes) -> str:
    return page.decode().split("?seen=")[1].split('"')[0]
