"""The pages on the log: what they show, to whom, and that reading is on record."""

from __future__ import annotations

import json
import re
import sqlite3
import threading
import tomllib
from collections.abc import Iterator
from contextlib import closing
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from bailiwick import Denied, Guard
from bailiwick.audit.notes import KeyType, NoteSigner
from bailiwick.audit.witness_settings import WitnessDecl, WitnessRules
from bailiwick.errors import Where
from bailiwick.guard.administration.suspending import Order, suspend
from bailiwick.model.decision import Reason
from bailiwick.model.event import Event, EventKind
from bailiwick.model.label import Label, Readers
from bailiwick.model.suspensions import Target, TargetKind
from bailiwick.server.app import console_of
from bailiwick.server.integrity import FRESH_MS, Verifier
from bailiwick.server.looking import REVEALED_MS
from bailiwick.server.spans import session_name, session_of
from bailiwick.stores.log_proofs import LogProofs
from tests.server.console import Console, serving
from tests.server.door import SignedIn
from tests.server.people import ORIGIN, Visitor, invited
from tests.server.requests import ask, stranger, two_leads
from tests.server.test_pages import ACCOUNTS, Page, _as, count
from tests.worlds import AGENT, LOGS, Clock, Tool, edit, events, opened, with_ports

HOSTILE = tomllib.loads((Path(__file__).parent / "data" / "hostile.toml").read_text(encoding="utf-8"))["text"]
PAGES = ("/sessions", "/stream", "/search", "/search?q=kind:decision", "/integrity", "/compare", "/rule?id=a&digest=b")


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    with Guard.open(two_leads(tmp_path)) as guard, serving(guard) as console:
        yield console


def denied_page(guard: Guard, *, conversation: str = "c-1", told: str = "") -> Event:
    """Alice's agent reads a page that is open and one that is closed. → the denial"""
    with guard.session(user="alice", agent=AGENT, task="Read pages", conversation=conversation) as session:
        session.prompt(told or "Read pages 1 and 9, please")
        session.call("page.read", {"id": "1"}, run=Tool({"text": "what page 1 says"}).run)
        with pytest.raises(Denied):
            session.call("page.read", {"id": "9"}, run=Tool().run)
    return [event for event in of(guard, EventKind.DECISION) if event.body["outcome"] == "deny"][-1]


def of(guard: Guard, kind: EventKind) -> list[Event]:
    return [event for event in events(guard.project.folder) if event.kind is kind]


def looked(guard: Guard) -> list[tuple[str, str, str, str]]:
    """Who asked to look at the log: by whom, what, about what, and whether they could."""
    return [
        tuple(str(event.body.get(name, "")) for name in ("by", "action", "about", "outcome"))  # type: ignore[misc]
        for event in of(guard, EventKind.ADMIN_DECIDED)
        if event.body["resource"] == "log"
    ]


def twin(console: Console, path: str, by: str = "bob") -> Any:
    base, _, query = path.partition("?")
    answer = console.get(f"{base}.json" + (f"?{query}" if query else ""), by)
    assert answer.status == 200, answer.data
    return json.loads(answer.data)


def reveal(console: Console, path: str, by: str = "bob") -> int:
    return console.post(f"{path}/reveal", by, {"csrf": SignedIn().csrf_token(_as(by))}).status


def session_path(event: Event) -> str:
    return f"/sessions/{session_name(event.session)}"


# ── who sees what ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_who_may_not_read_the_log_is_told_so_and_learns_nothing_else(console: Console) -> None:
    denial = denied_page(console.guard)
    paths = (*PAGES, session_path(denial), f"/events/{denial.id}", f"/events/{denial.id}/why", "/events/none")
    for path in paths:
        answer = console.get(path, "eve")
        assert answer.status == 403, path
        page = Page(answer.data.decode())
        assert "No rule in administration/ lets eve do admin.read_log on log." in page.text
        assert "page.read" not in page.text
        base, _, query = path.partition("?")
        other = console.get(f"{base}.json" + (f"?{query}" if query else ""), "eve")
        assert (other.status, b"admin.read_log" in other.data, b"page.read" in other.data) == (403, True, False), path
    assert reveal(console, session_path(denial), "eve") == 403
    assert reveal(console, f"/events/{denial.id}", "eve") == 403
    # What is there and what is not look alike to them.
    there, nowhere = console.get(f"/events/{denial.id}", "eve"), console.get("/events/none", "eve")
    assert there.data == nowhere.data
    assert all(outcome == "deny" for by, _, _, outcome in looked(console.guard) if by == "eve")
    assert "/sessions" not in console.get("/", "eve").data.decode()
    assert "/sessions" in console.get("/", "bob").data.decode()


def test_reading_is_on_record_once_for_each_login_and_thing(console: Console) -> None:
    denial = denied_page(console.guard)
    for _ in range(3):
        for path in ("/sessions", session_path(denial), f"/events/{denial.id}", f"{session_path(denial)}.json"):
            assert console.get(path, "bob").status == 200
    assert looked(console.guard) == [
        ("bob", "admin.read_log", "sessions", "allow"),
        ("bob", "admin.read_log", denial.session, "allow"),
    ]
    console.get("/stream", "dora")
    assert looked(console.guard)[2:] == [("dora", "admin.read_log", "stream", "allow")]


def test_a_new_login_is_on_record_anew(tmp_path: Path) -> None:
    folder = two_leads(tmp_path)
    people = folder / "administration" / "people.cedar"
    people.write_text(people.read_text(encoding="utf-8") + ACCOUNTS, encoding="utf-8")
    with Guard.open(folder) as guard:
        clock = Clock(guard.engine.ports.clock())
        with_ports(guard, clock=clock)
        app = console_of(guard, origin=ORIGIN)
        bob = Visitor(app)
        assert bob.enrol(invited(guard, "bob", by="carol")).status_code == 200
        for logins in (1, 2):
            bob = Visitor(app, device=bob.device)
            assert bob.login().status_code == 200
            for _ in range(2):
                assert bob.client.get("/sessions").status_code == 200
            assert looked(guard) == [("bob", "admin.read_log", "sessions", "allow")] * logins
            clock.forward(ms=1000)


def test_who_loses_the_right_sees_nothing_from_then_on(console: Console) -> None:
    denial = denied_page(console.guard)
    path = session_path(denial)
    assert console.get(path, "bob").status == 200
    assert reveal(console, path) == 303
    suspended(console.guard, "bob")
    assert console.get(path, "bob").status == 403


def suspended(guard: Guard, user: str) -> None:
    target = Target(TargetKind.USER, user)
    order = Order(target=target, by="dora", os_user="0:test", reason="gone")
    done = guard.engine.administer(lambda core: suspend(core, order))
    assert not isinstance(done, Reason), done


def test_contents_are_shown_once_they_were_asked_for_and_for_a_while(tmp_path: Path) -> None:
    with Guard.open(two_leads(tmp_path)) as guard, serving(guard) as console:
        clock = Clock(guard.engine.ports.clock())
        with_ports(guard, clock=clock)
        denial = denied_page(guard, told="A very private prompt")
        path, event = session_path(denial), f"/events/{denial.id}"
        for each in (path, event):
            text = console.get(each, "bob").data.decode()
            assert "A very private prompt" not in text
            assert "what page 1 says" not in text
            assert "Show contents" in text
        assert [one for span in twin(console, path)["tree"]["spans"] for one in span["contents"]] == []
        assert reveal(console, path) == 303
        text = console.get(path, "bob").data.decode()
        assert "A very private prompt" in text
        assert "what page 1 says" in text
        assert twin(console, event)["contents"][0]["value"] == {"id": "9"}
        assert looked(guard)[-1] == ("bob", "admin.reveal", denial.session, "allow")
        clock.forward(ms=REVEALED_MS)
        assert "A very private prompt" not in console.get(path, "bob").data.decode()


def test_who_may_read_and_not_reveal_is_told_so(console: Console) -> None:
    denial = denied_page(console.guard, told="A very private prompt")
    assert (
        "take admin.reveal, which the rules do not give you" in console.get(session_path(denial), "dora").data.decode()
    )
    answer = console.post(f"{session_path(denial)}/reveal", "dora", {"csrf": SignedIn().csrf_token(_as("dora"))})
    assert (answer.status, b"lets dora do admin.reveal" in answer.data) == (403, True)
    assert b"A very private prompt" not in console.get(session_path(denial), "dora").data


def test_who_is_no_reader_of_a_content_does_not_see_it_whatever_they_may_reveal(console: Console) -> None:
    guard = console.guard
    with guard.session(user="alice", agent=AGENT, task="Read pages", conversation="c-2") as session:
        secret = Label(readers=Readers.of("User::alice"), sources=frozenset({"hr"}))
        session.retrieved("hr", ["Only alice reads this"], label=secret)
        session.call("page.read", {"id": "1"}, run=Tool({"text": "what page 1 says"}).run)
    decision = of(guard, EventKind.DECISION)[-1]
    path = session_path(decision)
    assert reveal(console, path) == 303
    text = unescape(console.get(path, "bob").data.decode())
    assert "Only alice reads this" not in text
    assert "not for your eyes" in text
    # The arguments of a call that was made after it may hold it, too.
    (args,) = [one for one in twin(console, f"/events/{decision.id}")["contents"] if one["role"] == "args"]
    assert (args["state"], args["value"]) == ("withheld", "")


# ── what they show ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_denied_call_is_found_with_its_rule(console: Console) -> None:
    denial = denied_page(console.guard)
    (row,) = twin(console, "/sessions?q=outcome:deny")["rows"]
    assert (row["id"], row["denied"], row["agents"]) == (denial.session, 1, [AGENT])
    found = twin(console, f"/sessions/{row['name']}")
    spans = {span["id"]: span for span in found["tree"]["spans"]}
    assert [span["outcome"] for span in spans.values()] == ["allow", "deny"]
    assert [span["ended"] for span in spans.values()] == ["completed", ""]
    span = spans[denial.id]
    assert span["reasons"][0]["message"] == "Page 9 is closed."
    policies = {name for link in span["links"] for name in link["policies"]}
    assert "page-9-is-closed" in policies
    kinds = [row["kind"] for row in found["timeline"]]
    assert kinds[0] == "session.opened"
    assert kinds[-1] == "session.closed"
    shown = twin(console, f"/rule?id=page-9-is-closed&digest={span['policy_digest']}")
    assert shown["active"] is True
    assert 'resource == Resource::"pages/9"' in shown["rule"]["text"]
    assert len(shown["activations"]) == 1


def test_the_text_of_a_rule_is_not_shown_for_other_rules_than_those_that_hold(tmp_path: Path) -> None:
    folder = two_leads(tmp_path)
    with Guard.open(folder) as guard:
        denial = denied_page(guard)
    edit(folder, "policies/desk.cedar", '@reason("Page 9 is closed.")', '@reason("Page 9 is full.")')
    with Guard.open(folder) as guard, serving(guard) as console:
        found = twin(console, f"/rule?id=page-9-is-closed&digest={denial.body['policy_digest']}")
        assert (found["active"], found["rule"]) == (False, None)
        assert len(found["activations"]) == 1
        page = console.get(f"/rule?id=page-9-is-closed&digest={denial.body['policy_digest']}", "bob").data.decode()
        assert "other rules than those that hold now" in page
        assert "Page 9 is full" not in page
        assert console.get("/rule?id=nothing&digest=" + guard.project.planes.policy.digest, "bob").status == 404


def test_a_trace_shows_the_agents_that_it_delegated_to(console: Console) -> None:
    with console.guard.session(user="alice", agent=AGENT, task="Work", conversation="c-5") as session:
        session.prompt("Have the helper read page 2")
        with session.delegate("helper") as child:
            child.call("page.read", {"id": "2"}, run=Tool({"text": "two"}).run)
    child_decision = of(console.guard, EventKind.DECISION)[-1]
    parent = next(event.session for event in of(console.guard, EventKind.SESSION_OPENED))
    found = twin(console, f"/sessions/{session_name(parent)}")
    (child,) = found["tree"]["children"]
    assert child["agents"] == [AGENT, "helper"]
    assert [span["id"] for span in child["spans"]] == [child_decision.id]
    below = twin(console, f"/sessions/{child['name']}")
    assert [each["id"] for each in below["above"]] == [parent]


def test_approvals_stand_beside_their_call(console: Console) -> None:
    item = ask(console.guard)
    assert console.answer(item.id, "bob", "deny").status == 303
    (event,) = of(console.guard, EventKind.DECISION)
    (span,) = twin(console, session_path(event))["tree"]["spans"]
    assert span["outcome"] == "needs_approval"
    assert [(each["kind"], each["by"]) for each in span["approvals"]] == [
        ("approval.requested", ""),
        ("approval.denied", "bob"),
    ]


def test_a_wrong_search_says_what_is_wrong(console: Console) -> None:
    denied_page(console.guard)
    for path in ("/search", "/sessions"):
        found = twin(console, f"{path}?q=tol:page.read")
        assert found["wrong"]["message"] == "there is no term tol:"
        assert "did you mean tool:" in found["wrong"]["hint"]
        assert found["rows"] == []
        assert "did you mean tool:" in console.get(f"{path}?q=tol:page.read", "bob").data.decode()


def test_a_search_finds_events(console: Console) -> None:
    denial = denied_page(console.guard)
    (row,) = twin(console, "/search?q=outcome:deny")["rows"]
    assert (row["id"], row["what"], row["outcome"]) == (denial.id, "page.read", "deny")
    assert twin(console, "/search?q=tool:mail.send")["rows"] == []


def test_words_are_looked_for_in_contents_where_that_is_asked_for_and_recorded(console: Console) -> None:
    guard = console.guard
    denial = denied_page(guard, told="Find the Zanzibar papers, please")
    with guard.session(user="alice", agent=AGENT, task="Read pages", conversation="c-2") as session:
        session.retrieved("hr", ["Zanzibar is for alice"], label=Label(readers=Readers.of("User::alice")))
    found = twin(console, "/search?q=zanzibar")
    assert (found["rows"], found["words"], found["revealed_until_ms"]) == ([], True, 0)
    form = {"csrf": SignedIn().csrf_token(_as("bob")), "q": "zanzibar"}
    assert console.post("/search/reveal", "bob", form).headers["location"] == "/search?q=zanzibar"
    assert looked(guard)[-1] == ("bob", "admin.reveal", "search zanzibar", "allow")
    (row,) = twin(console, "/search?q=zanzibar")["rows"]
    assert (row["kind"], row["session"]) == ("content.ingested", denial.session)
    assert twin(console, "/search?q=papers")["rows"] == [], "other words are asked for anew"
    assert console.post("/search/reveal", "dora", {**form, "csrf": SignedIn().csrf_token(_as("dora"))}).status == 403


def test_searches_are_kept_under_a_name(console: Console) -> None:
    denied_page(console.guard)
    form = {"csrf": SignedIn().csrf_token(_as("bob")), "q": "outcome:deny since:7d", "name": "denied", "word": "save"}
    assert console.post("/filters", "bob", form).headers["location"] == "/search?q=outcome%3Adeny%20since%3A7d"
    assert twin(console, "/search", "dora")["filters"] == [{"name": "denied", "q": "outcome:deny since:7d"}]
    wrong = console.post("/filters", "bob", {**form, "name": "<b>"})
    assert (wrong.status, b"is no name of a filter" in wrong.data) == (409, True)
    assert console.post("/filters", "bob", {**form, "q": "tol:x"}).status == 409
    assert console.post("/filters", "eve", {**form, "csrf": SignedIn().csrf_token(_as("eve"))}).status == 403
    assert console.post("/filters", "bob", {**form, "word": "drop"}).status == 303
    assert twin(console, "/search")["filters"] == []


def test_two_sessions_are_compared(console: Console) -> None:
    first = denied_page(console.guard)
    with console.guard.session(user="alice", agent=AGENT, task="Read pages", conversation="c-2") as session:
        session.prompt("Read page 1, please")
        session.call("page.read", {"id": "1"}, run=Tool({"text": "what page 1 says"}).run)
    second = of(console.guard, EventKind.DECISION)[-1]
    found = twin(
        console, f"/compare?a={session_name(first.session)}&b=http://x/sessions/{session_name(second.session)}"
    )
    assert [fact["name"] for fact in found["both"]["facts"] if not fact["same"]] == ["decisions", "denied"]
    alone = [step for step in found["both"]["steps"] if not step["same"]]
    assert [(step["a"]["id"], step["b"]) for step in alone] == [(first.id, None)]
    assert {about for _, _, about, _ in looked(console.guard)} == {"compare", first.session, second.session}
    assert twin(console, f"/compare?a={session_name(first.session)}&b=x")["missing"] == ["b"]
    for path in ("/compare", f"/compare?a={session_name(first.session)}&b={session_name(second.session)}"):
        assert console.get(path, "bob").status == 200


def test_what_led_to_an_event_is_drawn_and_told(console: Console) -> None:
    with console.guard.session(user="alice", agent=AGENT, task="Read pages", conversation="c-3") as session:
        session.prompt("Read page 4711, please")
        session.call("page.read", {"id": "4711"}, run=Tool({"text": "see page 4712"}).run)
    (decision,) = of(console.guard, EventKind.DECISION)
    prompt = of(console.guard, EventKind.CONTENT_INGESTED)[0]
    found = twin(console, f"/events/{decision.id}/why")
    steps = {step["id"]: step for step in found["steps"]}
    assert prompt.id in {edge["id"] for edge in steps[decision.id]["edges"]}
    assert "the user typed it" in [end["told"] for end in steps[prompt.id]["ends"]]
    forward = twin(console, f"/events/{prompt.id}/why?forward=1")
    assert decision.id in {step["id"] for step in forward["steps"]}
    page = console.get(f"/events/{decision.id}/why", "bob").data.decode()
    assert f'src="/events/{decision.id}/why.svg' in page
    picture = console.get(f"/events/{decision.id}/why.svg?depth=4", "bob")
    assert picture.headers["content-type"].startswith("image/svg+xml")
    assert picture.data.startswith(b"<svg")
    assert b"<script" not in picture.data
    assert console.get(f"/events/{decision.id}/why.svg", "eve").status == 403
    assert console.get(f"/events/{decision.id}/why.svg").status == 303
    assert console.get("/events/none/why.svg", "bob").status == 404


def test_lists_go_on_page_by_page(console: Console) -> None:
    for number in range(55):
        with console.guard.session(user="alice", agent=AGENT, task="W", conversation=f"c-{number}"):
            pass
    first = twin(console, "/sessions")
    assert len(first["rows"]) == 50
    rest = twin(console, f"/sessions?before={first['next']}")
    assert (len(rest["rows"]), rest["next"]) == (5, "")
    seen = {row["conversation"] for row in (*first["rows"], *rest["rows"])}
    assert seen == {f"c-{number}" for number in range(55)}


@pytest.mark.parametrize("path", ["/sessions/x", "/sessions/AAAA", "/sessions/" + session_name("1:a"), "/events/none"])
def test_what_is_not_there_is_not_found(console: Console, path: str) -> None:
    assert console.get(path, "bob").status == 404


def test_a_session_has_one_address() -> None:
    key = "4:acme|4:test|4:User|5:alice|8:desk-bot|3:c-1"
    assert session_of(session_name(key)) == key
    for other in (session_name(key) + "=", session_name(key + "\n"), "%", "Ă", ""):
        assert session_of(other) is None


def test_a_link_to_a_page_survives_the_login(console: Console) -> None:
    answer = console.get("/search?q=outcome:deny%20tool:page.read", "")
    assert answer.status == 303
    assert answer.headers["location"] == "/login?next=/search%3Fq%3Doutcome%3Adeny%2520tool%3Apage.read"


# ── content that wants to be more ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: str(case["name"]))
def test_nothing_recorded_becomes_a_part_of_a_page(console: Console, case: dict[str, str]) -> None:
    text, shown = case["text"], case.get("shown", case["text"])

    def made(what: str, conversation: str) -> list[str]:
        with console.guard.session(
            user="alice", agent=AGENT, task=f"Task {what}", conversation=f"{conversation} {what}"[:60]
        ) as session:
            session.prompt(f"Prompt {what}")
            stranger(session, f"Says {what}", what)
            session.call("page.read", {"id": "1"}, run=Tool({"text": what}).run)
            with pytest.raises(Denied):
                session.call(f"tool.{what}", {"id": what}, run=Tool().run)
        last = of(console.guard, EventKind.DECISION)[-1]
        assert reveal(console, session_path(last)) == 303
        return [session_path(last), f"/events/{last.id}", "/sessions", "/stream", "/search?q=kind:decision"]

    harmless = [Page(console.get(path, "bob").data.decode()) for path in made("harmless", "c-1")]
    for path, like in zip(made(text, "c-2"), harmless, strict=True):
        answer = console.get(path, "bob")
        assert answer.status == 200
        page = Page(answer.data.decode())
        added = [part for part in page.structure if part not in like.structure]
        assert all(part in (("ol", ("class", "hx-ignore")), ("li", ()), "ol", "li") for part in added), (path, added)
        for tag in ("form", "button", "script", "img", "input"):
            assert count(page, tag) == count(like, tag), path
        if path.startswith("/sessions/"):
            assert page.text.count(shown.strip()) >= 3, path


def test_long_contents_are_cut_and_say_so(console: Console) -> None:
    text = "\u202e<b>x</b>" * 12_000 + "THE-VERY-END"
    with console.guard.session(user="alice", agent=AGENT, task="Work", conversation="c-1") as session:
        session.prompt(text)
        session.call("page.read", {"id": "1"}, run=Tool({"text": text}).run)
    (decision,) = of(console.guard, EventKind.DECISION)
    path = session_path(decision)
    assert reveal(console, path) == 303
    answer = console.get(path, "bob").data.decode()
    assert len(answer) < 200_000
    assert "more characters" in answer
    assert "\u202e" not in answer
    assert "THE-VERY-END" not in answer


# ── live, and verified ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_stream_renews_itself_when_something_was_decided(console: Console) -> None:
    denied_page(console.guard)
    page = console.get("/stream", "bob").data.decode()
    seen = re.search(r"/stream\?seen=(\w+)", page)
    assert seen is not None
    again = {"HX-Request": "true"}
    assert console.get(f"/stream?seen={seen[1]}", "bob", **again).status == 204
    with opened(console.guard.project.folder, conversation="c-elsewhere") as session:  # a log of its own
        session.call("page.read", {"id": "3"}, run=Tool({"text": "x"}).run)
    renewed = console.get(f"/stream?seen={seen[1]}", "bob", **again)
    assert (renewed.status, b"c-elsewhere" in renewed.data, b"<html" in renewed.data) == (200, True, False)
    # Who may no more is sent to the page as a whole, which says so.
    assert console.get("/stream?seen=x", "eve", **again).headers["hx-refresh"] == "true"


def test_what_was_verified_once_cannot_be_rewritten_unnoticed(tmp_path: Path) -> None:
    folder = two_leads(tmp_path)
    with Guard.open(folder) as guard:
        denied_page(guard)
    clock = [10**12]
    verifier = Verifier(folder / LOGS, lambda: clock[0])
    first = settled(verifier)
    assert first.report is not None
    assert first.report.state.value == "sound"
    assert verifier.latest() == (first, None), "what is fresh is not verified anew"
    (path,) = (folder / LOGS).glob("log-*.db")
    for side in (folder / LOGS).glob("log-*"):
        side.unlink()
    clock[0] += FRESH_MS
    verifier.latest()
    second = settled(verifier, than=first)
    assert second.report is not None
    assert (second.report.state.value, path.stem) == ("tampered", second.report.logs[0].log)


@pytest.mark.parametrize("forged", [False, True])
def test_a_witness_is_named_where_it_cosigned_the_newest_checkpoint(tmp_path: Path, *, forged: bool) -> None:
    folder = two_leads(tmp_path)
    with Guard.open(folder) as guard:
        denied_page(guard)
    (path,) = (folder / LOGS).glob("log-*.db")
    with LogProofs.open(path) as proofs:
        note = proofs.checkpoint()
    assert note is not None
    signer = NoteSigner.from_seed("witness.example/w1", KeyType.COSIGNATURE_ED25519, bytes(32))
    line = signer.sign(note.text if not forged else note.text.replace("acme", "evil"), time=1_790_000_000)
    with closing(sqlite3.connect(path)) as db, db:
        whole = note.with_lines([line]).format()
        db.execute("UPDATE checkpoints SET note = ? WHERE size = ?", (whole, note.checkpoint.size))
    where = Where(file="bailiwick.toml")
    both = [
        WitnessDecl(name=name, url="https://w", keys=keys, where=where)
        for name, keys in (("auditor", (signer.key,)), ("other", (signer.key.renamed("witness.example/w2"),)))
    ]
    found = settled(Verifier(folder / LOGS, lambda: 10**12, WitnessRules(witnesses=tuple(both)))).proofs[path.stem]
    if forged:
        assert (found.witnesses, found.signed, "is not over this text" in found.wrong) == ((), False, True)
    else:
        assert (found.covers, found.signed, found.wrong) == (note.checkpoint.size, True, "")
        assert found.witnesses == (("auditor", 1_790_000_000_000),)


def settled(verifier: Verifier, than: object = None) -> Any:
    verifier.latest()
    for thread in threading.enumerate():
        if thread.name == "bailiwick-verify":
            thread.join(20)
    last, since = verifier.latest()
    assert last is not None
    assert last is not than
    assert since is None
    return last


def test_the_integrity_page_does_not_wait_and_tells_in_the_end(console: Console) -> None:
    denied_page(console.guard)
    assert "being verified" in console.get("/integrity", "bob").data.decode()
    for thread in threading.enumerate():
        if thread.name == "bailiwick-verify":
            thread.join(20)
    found = twin(console, "/integrity")
    assert found["report"]["state"] == "sound"
    assert found["report"]["records"] == sum(one["records"] for one in found["report"]["logs"])
    (own,) = [one for one in found["report"]["logs"] if one["own"]]
    assert own["open"] is True
