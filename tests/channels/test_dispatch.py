"""News of requests arrive at a webhook: each at least once, under one id, whatever the receiver and we go through."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bailiwick import Guard
from bailiwick.action.notices import LEASE_MS
from bailiwick.channels.dispatcher import Sent
from bailiwick.model.event import EventKind
from bailiwick.project.notifying import dispatcher_of
from bailiwick.webhooks import verify
from tests.channels.world import NOW_US, SECRET, project, request, secret, webhook_channel, world
from tests.effectors.web import Authority, Reply, Web, raw_server, serving
from tests.worlds import MAIL, Clock, Tool, approve, events, opened, with_ports

AT = NOW_US // 1_000_000


@pytest.fixture(autouse=True)
def hook_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", SECRET)


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as web:
        web.replies["/hook"] = Reply(status=204, body=b"")
        yield web


def told(web: Web) -> list[str]:
    return [json.loads(seen.body)["type"] for seen in web.seen]


def failures(folder: Path) -> list[dict[str, object]]:
    return [dict(event.body) for event in events(folder) if event.kind is EventKind.CHANNEL_FAILED]


def test_a_request_and_its_answer_are_told_once_each_and_signed(tmp_path: Path, web: Web) -> None:
    with world(tmp_path, webhook_channel(web.port)) as at:
        asked = request(at.session)
        assert at.dispatcher.once().arrived == 1
        assert at.dispatcher.once().arrived == 0
        assert approve(at.session, asked).code == ""
        at.session.call("mail.send", MAIL, run=Tool().run)
        assert at.dispatcher.once().arrived == 1
        assert told(web) == ["approval.requested", "approval.granted"]
        for seen in web.seen:
            assert seen.headers["content-type"] == "application/json"
            assert verify(seen.body, seen.headers, secrets=[SECRET], now_s=AT).startswith("msg_")
        assert len({seen.headers["webhook-id"] for seen in web.seen}) == 2
        assert at.guard.outbox.watched("acme", "test") == ()


def test_what_is_told_holds_nothing_of_the_card(tmp_path: Path, web: Web) -> None:
    with world(tmp_path, webhook_channel(web.port)) as at:
        asked = request(at.session)
        at.dispatcher.once()
        (seen,) = web.seen
        assert not any(part in seen.body for part in (b"customer.example", b"Good morning", b"Hello", b"Work"))
        body = json.loads(seen.body)
        assert body == {
            "version": 1,
            "type": "approval.requested",
            "timestamp": "2027-01-15T08:00:00Z",
            "data": {
                "tenant": "acme",
                "env": "test",
                "approval": asked,
                "tool": "mail.send",
                "chain": [{"kind": "User", "id": "alice"}, {"kind": "Agent", "id": "desk-bot"}],
                "gates": [
                    {
                        "id": "external-mail",
                        "kind": "approval",
                        "reason": "Mail to strangers needs a lead.",
                        "quorum": 1,
                        "approvers": [{"kind": "Group", "id": "leads"}],
                    }
                ],
                "requested": "2027-01-15T08:00:00Z",
                "expires": "2027-01-15T08:15:00Z",
                "url": f"http://localhost:8420/approvals/{asked}",
            },
        }


@pytest.mark.parametrize(
    ("end", "news"),
    [
        (lambda at, asked: approve(at.session, asked, grant=False), ["denied"]),
        (lambda at, asked: at.session.withdraw(asked), ["withdrawn"]),
        (lambda at, asked: at.clock.forward(ms=900_000), ["expired"]),
        (
            lambda at, asked: (approve(at.session, asked), approve(at.session, asked, grant=False)),
            ["granted", "denied"],
        ),
    ],
)
def test_each_end_of_a_request_is_told_though_nobody_looked_before(
    tmp_path: Path, web: Web, end: object, news: list[str]
) -> None:
    assert callable(end)
    with world(tmp_path, webhook_channel(web.port)) as at:
        at.dispatcher.fill()  # it ran before, and does not while the request is made and ends
        asked = request(at.session)
        end(at, asked)
        at.dispatcher.once()
        assert told(web) == ["approval.requested", *(f"approval.{each}" for each in news)]


def test_what_was_over_before_anybody_looked_is_no_news(tmp_path: Path, web: Web) -> None:
    with world(tmp_path, webhook_channel(web.port)) as at:
        approve(at.session, request(at.session), grant=False)
        waiting = request(at.session, subject="Another")
        at.dispatcher.once()
        assert [json.loads(seen.body)["data"]["approval"] for seen in web.seen] == [waiting]


def test_a_channel_is_told_of_what_it_asked_for_alone(tmp_path: Path, web: Web) -> None:
    filters = [
        webhook_channel(web.port, 'on = ["denied"]', name="a"),
        webhook_channel(web.port, 'tools = ["put.none"]', name="b"),
        webhook_channel(web.port, 'tools = ["mail.send"]\ngates = ["external-mail"]\non = ["requested"]', name="c"),
    ]
    with world(tmp_path, "".join(filters)) as at:
        request(at.session)
        at.dispatcher.once()
        assert [at.state(name).sent for name in "abc"] == [0, 0, 1]


def test_it_tries_again_ever_later_and_gives_up_on_record(tmp_path: Path, web: Web) -> None:
    web.replies["/hook"] = Reply(status=500)
    with world(tmp_path, webhook_channel(web.port, "attempts = 4")) as at:
        asked = request(at.session)
        waits: list[int] = []
        for delay in (5_000, 10_000, 20_000):
            assert at.dispatcher.once().failed == 1
            at.clock.forward(ms=delay - 1)
            assert at.dispatcher.once().failed == 0
            at.clock.forward(ms=1)
            waits.append(delay)
        state = at.state("ops")
        assert (state.queued, state.last_error, state.failing_ms) == (1, "it answered 500", NOW_US // 1000)
        assert at.dispatcher.once().failed == 1
        assert (at.state("ops").queued, at.state("ops").given_up) == (0, 1)
        at.clock.forward(ms=100_000)
        assert at.dispatcher.once().failed == 0
        assert len(web.seen) == 4
        (id_,) = {seen.headers["webhook-id"] for seen in web.seen}
        assert len({seen.headers["webhook-timestamp"] for seen in web.seen}) == 4
        (failed,) = failures(tmp_path)
        assert failed == {
            "channel": "ops",
            "approval": asked,
            "news": "requested",
            "message": id_,
            "attempts": 4,
            "error": "it answered 500",
            "gone": False,
        }


def test_after_failures_it_arrives_and_the_channel_is_well_again(tmp_path: Path, web: Web) -> None:
    web.replies["/hook"] = Reply(status=503)
    with world(tmp_path, webhook_channel(web.port)) as at:
        request(at.session)
        for _ in range(3):
            assert at.dispatcher.once().failed == 1
            at.clock.forward(ms=60_000)
        web.replies["/hook"] = Reply(status=200)
        assert at.dispatcher.once().arrived == 1
        assert at.state("ops").failing_ms is None
        assert len({(seen.headers["webhook-id"], seen.body) for seen in web.seen}) == 1
        assert failures(tmp_path) == []


@pytest.mark.parametrize(
    ("after", "seconds"),
    [("120", 120), ("Fri, 15 Jan 2027 08:02:00 GMT", 120), ("99999999", 3600), ("never", 5), ("-5", 5), ("1", 5)],
)
def test_a_receiver_says_when_to_come_back_within_an_hour(tmp_path: Path, web: Web, after: str, seconds: int) -> None:
    web.replies["/hook"] = Reply(status=429, headers=(("Retry-After", after),))
    with world(tmp_path, webhook_channel(web.port, 'on = ["requested"]')) as at:
        request(at.session)
        assert at.dispatcher.once().failed == 1
        web.replies["/hook"] = Reply(status=200)
        at.clock.forward(ms=seconds * 1000 - 1)
        assert at.dispatcher.once().arrived == 0
        at.clock.forward(ms=1)
        assert at.dispatcher.once().arrived == 1


def test_a_receiver_that_is_gone_is_asked_no_more_until_a_test_arrives(tmp_path: Path, web: Web) -> None:
    web.replies["/hook"] = Reply(status=410)
    with world(tmp_path, webhook_channel(web.port)) as at:
        request(at.session)
        request(at.session, subject="Another")
        assert at.dispatcher.once().failed == 1
        assert at.state("ops").gone_ms is not None
        assert at.state("ops").given_up == 2
        request(at.session, subject="A third")
        assert at.dispatcher.once().failed == 0
        assert [failed["gone"] for failed in failures(tmp_path)] == [True]
        web.replies["/hook"] = Reply(status=200)
        (channel,) = at.dispatcher.channels
        assert at.dispatcher.test(channel)["ops"].error == ""
        assert at.dispatcher.once().arrived == 1
        assert told(web)[1:] == ["channel.test", "approval.requested"]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_a_failure_and_not_followed(tmp_path: Path, web: Web, status: int) -> None:
    web.replies["/hook"] = Reply(status=status, headers=(("Location", "/elsewhere"),))
    with world(tmp_path, webhook_channel(web.port)) as at:
        request(at.session)
        assert at.dispatcher.once().failed == 1
        assert [seen.target for seen in web.seen] == ["/hook"]
        assert at.state("ops").last_error == f"it answered {status}"


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"])
def test_a_receiver_that_drips_is_cut_off(tmp_path: Path, answer: bytes) -> None:
    drip = b"x" if answer.endswith(b"\r\n\r\n") else b"X-Drip: 1\r\n"
    with raw_server(answer, drip=drip) as port, world(tmp_path, webhook_channel(port)) as at:
        request(at.session)
        assert replace(at.dispatcher, seconds=0.3).once().failed == 1
        assert at.state("ops").last_error == "it took too long"


@pytest.mark.parametrize("wrong", ["", "name", "authority"])
def test_a_receiver_s_certificate_is_verified(tmp_path: Path, wrong: str) -> None:
    authority = Authority(tmp_path)
    context = authority.context("other.example" if wrong == "name" else "localhost")
    ca_file = "" if wrong == "authority" else f'ca_file = "{authority.file}"'
    with serving(context=context) as web:
        channels = webhook_channel(web.port, ca_file).replace("http://127.0.0.1", "https://localhost")
        with world(tmp_path, channels) as at:
            request(at.session)
            assert at.dispatcher.once() == (Sent(failed=1) if wrong else Sent(arrived=1))
            assert ("certificate" in at.state("ops").last_error) is bool(wrong)
        assert len(web.seen) == (0 if wrong else 1)


def test_nobody_there_is_a_failure_that_does_not_tell_the_address(tmp_path: Path) -> None:
    with serving() as web:
        port = web.port
    with world(tmp_path, webhook_channel(port)) as at:
        request(at.session)
        assert at.dispatcher.once().failed == 1
        assert "127.0.0.1" not in at.state("ops").last_error
        assert "hook" not in at.state("ops").last_error


def test_a_secret_that_is_not_there_loses_nothing(tmp_path: Path, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOOK_SECRET")
    with world(tmp_path, webhook_channel(web.port)) as at:
        request(at.session)
        assert at.dispatcher.once().failed == 1
        assert (web.seen, "HOOK_SECRET" in at.state("ops").last_error) == ([], True)
        monkeypatch.setenv("HOOK_SECRET", "not a secret")
        at.clock.forward(ms=60_000)
        assert at.dispatcher.once().failed == 1
        assert (web.seen, "not a secret" in at.state("ops").last_error) == ([], False)
        monkeypatch.setenv("HOOK_SECRET", SECRET)
        at.clock.forward(ms=60_000)
        assert at.dispatcher.once().arrived == 1


@pytest.mark.parametrize("address", ["https://hooks.example.com /x", "http://hooks.example.com/x", "file:///x"])
def test_a_secret_address_that_is_none_is_told_and_keeps_the_channel_going(tmp_path: Path, address: str) -> None:
    (tmp_path / "slack.txt").write_text(address)
    with world(tmp_path, '\n[channels.chat]\nkind = "slack"\nurl_file = "slack.txt"\n') as at:
        request(at.session)
        assert at.dispatcher.once() == Sent(failed=1)
        said = at.state("chat").last_error
        assert "no https address" in said
        assert "hooks" not in said


def test_both_secrets_sign_while_one_is_replaced(tmp_path: Path, web: Web) -> None:
    (tmp_path / "old.txt").write_text(secret("o") + "\n")
    with world(tmp_path, webhook_channel(web.port, 'previous_secret_file = "old.txt"')) as at:
        request(at.session)
        at.dispatcher.once()
        (seen,) = web.seen
        for each in (SECRET, secret("o")):
            assert verify(seen.body, seen.headers, secrets=[each], now_s=AT)
        assert at.guard.project.folder / "old.txt" in at.guard.project.own


def test_an_attempt_that_killed_its_process_every_time_is_given_up(tmp_path: Path, web: Web) -> None:
    with world(tmp_path, webhook_channel(web.port, "attempts = 2")) as at:
        request(at.session)
        at.dispatcher.fill()
        for number in range(2):
            lease = f"dead-{number}"
            now_ms = at.clock.us // 1000
            claim = at.guard.outbox.claim("acme", "test", "ops", lease=lease, now_ms=now_ms)
            assert claim is not None
            assert claim.attempt == number + 1
            assert at.guard.outbox.claim("acme", "test", "ops", lease="other", now_ms=now_ms) is None
            at.clock.forward(ms=LEASE_MS)
        assert at.dispatcher.once().failed == 1
        assert web.seen == []
        assert [failed["error"] for failed in failures(tmp_path)] == ["no attempt came to its end"]


def test_who_lost_their_claim_changes_nothing(tmp_path: Path, web: Web) -> None:
    with world(tmp_path, webhook_channel(web.port)) as at:
        request(at.session)
        at.dispatcher.fill()
        outbox, now_ms = at.guard.outbox, at.clock.us // 1000
        slow = outbox.claim("acme", "test", "ops", lease="slow", now_ms=now_ms)
        quick = outbox.claim("acme", "test", "ops", lease="quick", now_ms=now_ms + LEASE_MS)
        assert slow is not None
        assert quick is not None
        assert not outbox.sent(slow, now_ms=now_ms)
        assert not outbox.later(slow, due_ms=0, error="no", now_ms=now_ms)
        assert not outbox.give_up(slow, error="no", now_ms=now_ms)
        assert outbox.sent(quick, now_ms=now_ms)
        assert not outbox.sent(quick, now_ms=now_ms)


def test_many_dispatchers_send_each_notice_once(tmp_path: Path, web: Web) -> None:
    with world(tmp_path, webhook_channel(web.port)) as at:
        asked = {request(at.session, subject=f"Mail {number}") for number in range(12)}
        ready = threading.Barrier(4)
        errors: list[Exception] = []

        def run(guard: Guard) -> None:
            try:
                ready.wait()
                dispatcher_of(guard).once()
            except Exception as error:  # noqa: BLE001  it is told below
                errors.append(error)

        with Guard.open(tmp_path) as other:
            with_ports(other, clock=at.clock)
            threads = [threading.Thread(target=run, args=(guard,)) for guard in (at.guard, other) * 2]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert errors == []
        seen = Counter(json.loads(each.body)["data"]["approval"] for each in web.seen)
        assert seen == dict.fromkeys(asked, 1)


def test_it_runs_until_it_is_told_to_stop(tmp_path: Path, web: Web) -> None:
    with world(tmp_path, webhook_channel(web.port)) as at:
        request(at.session)
        stop = threading.Event()

        class Stopping(dict[str, Reply]):
            def get(self, key: str, default: object = None) -> Reply:
                stop.set()
                return Reply()

        web.replies = Stopping()
        at.dispatcher.run(stop)
        assert told(web) == ["approval.requested"]
        assert at.state("ops").sent == 1, "what was under way came to its end"


def test_killed_between_sending_and_noting_it_sends_once_more_under_the_same_id(tmp_path: Path) -> None:
    """The receiver kills the sender as soon as the message is there."""
    script = "from bailiwick.cli import main; main()"
    killed: list[int] = []
    with serving() as web:
        project(tmp_path, webhook_channel(web.port))
        with opened(tmp_path) as session:
            asked = request(session)
        process: list[subprocess.Popen[bytes]] = []
        ready, over = threading.Event(), threading.Event()

        class Killing(dict[str, Reply]):
            def get(self, key: str, default: object = None) -> Reply:
                ready.wait(20)
                os.kill(process[0].pid, signal.SIGKILL)
                killed.append(process[0].wait(20))
                over.set()
                return Reply()

        web.replies = Killing()
        command = [sys.executable, "-c", script, "approvals", "notify", "--once", "--dir", str(tmp_path)]
        process.append(subprocess.Popen(command))
        ready.set()
        assert over.wait(60)
        assert killed == [-signal.SIGKILL]
        web.replies = {}
        with Guard.open(tmp_path) as guard:
            clock = Clock(guard.engine.ports.clock())
            with_ports(guard, clock=clock)
            dispatcher = replace(dispatcher_of(guard), chance=lambda: 1.0)
            assert dispatcher.once().arrived == 0, "its lease lasts"
            clock.forward(ms=LEASE_MS)
            assert dispatcher.once().arrived == 1
            clock.forward(ms=LEASE_MS)
            assert dispatcher.once().arrived == 0
        assert [json.loads(seen.body)["data"]["approval"] for seen in web.seen] == [asked, asked]
        assert len({(seen.headers["webhook-id"], seen.body) for seen in web.seen}) == 1


def test_escalation_is_news(tmp_path: Path, web: Web) -> None:
    gate = '@approvers("User::bob") @escalate_to("User::dora") @escalate_after("10m")'
    with world(tmp_path, webhook_channel(web.port), gate=gate) as at:
        asked = request(at.session)
        at.dispatcher.once()
        assert approve(at.session, asked, "dora").code == "not-yet-escalated"
        at.clock.forward(ms=599_000)
        assert at.dispatcher.once() == Sent()
        at.clock.forward(ms=1_000)
        assert at.dispatcher.once().arrived == 1
        assert at.dispatcher.once() == Sent()
        assert approve(at.session, asked, "dora").code == ""
        at.dispatcher.once()
        assert told(web) == ["approval.requested", "approval.escalated", "approval.granted"]
        assert json.loads(web.seen[1].body)["timestamp"] == "2027-01-15T08:10:00Z"


def test_a_world_without_channels_sends_nothing(tmp_path: Path) -> None:
    with world(tmp_path, "") as at:
        request(at.session)
        assert at.dispatcher.once() == Sent()
