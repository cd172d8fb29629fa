"""Mail to people, by a real server: each their own, verified TLS or none at all, cards to those who may read them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bailiwick import Guard
from bailiwick.channels.dispatcher import Sent
from bailiwick.model.event import EventKind
from bailiwick.project.notifying import dispatcher_of
from tests.channels.world import Mailbox, email_channel, mailing, project, request, world
from tests.effectors.web import Authority, raw_server
from tests.worlds import approve, edit, events, opened


@pytest.fixture
def server() -> Iterator[tuple[Mailbox, int]]:
    with mailing() as found:
        yield found


def test_approvers_with_a_mailbox_get_one_mail_each(tmp_path: Path, server: tuple[Mailbox, int]) -> None:
    box, port = server
    with world(tmp_path, email_channel(port)) as at:
        asked = request(at.session)
        assert at.dispatcher.once().arrived == 2
        assert at.dispatcher.once().arrived == 0
    assert box.to == [["bob@acme.example"], ["dora@acme.example"]]
    for mail, who in zip(box.mails, ("bob", "dora"), strict=True):
        text = mail.get_content()
        assert str(mail["To"]) == f"{who}@acme.example"
        assert str(mail["Subject"]) == "[acme/test] Approval requested: mail.send"
        assert mail["Auto-Submitted"] == "auto-generated"
        assert f"http://localhost:8420/approvals/{asked}" in text
        assert "Do not answer this mail" in text
        assert not any(part in mail.as_string() for part in ("customer.example", "Good morning", "Hello", "Work"))
    assert len({mail["Message-ID"] for mail in box.mails}) == 2


def test_a_mail_that_is_tried_again_has_the_same_id(tmp_path: Path, server: tuple[Mailbox, int]) -> None:
    box, port = server
    box.busy = 1
    with world(tmp_path, email_channel(port, 'to = ["User::bob"]')) as at:
        request(at.session)
        assert at.dispatcher.once().failed == 1
        assert at.state("leads").last_error == "it answered 451"
        (claimed,) = [event for event in events(tmp_path) if event.kind is EventKind.APPROVAL_REQUESTED]
        assert claimed.body["approval"]
        at.clock.forward(ms=60_000)
        assert at.dispatcher.once().arrived == 1
        first = at.guard.engine.ports.approvals.pending("acme", "test")
        assert len(first) == 1
    (mail,) = box.mails
    assert str(mail["Message-ID"]).startswith("<msg_")
    assert str(mail["Message-ID"]).endswith("@acme.example>")


def test_a_recipient_that_is_refused_is_given_up_at_once_and_the_others_get_theirs(
    tmp_path: Path, server: tuple[Mailbox, int]
) -> None:
    box, port = server
    box.refuses = {"bob@acme.example"}
    with world(tmp_path, email_channel(port, 'to = ["Group::leads", "desk@partner.example"]')) as at:
        request(at.session)
        done = at.dispatcher.once()
        assert (done.arrived, done.failed) == (2, 1)
        assert at.state("leads").given_up == 1
    assert box.to == [["dora@acme.example"], ["desk@partner.example"]]
    (failed,) = [event for event in events(tmp_path) if event.kind is EventKind.CHANNEL_FAILED]
    assert failed.body["error"] == "it refused the recipient (550)"


def test_a_card_is_shown_to_its_readers_alone_and_on_record(tmp_path: Path, server: tuple[Mailbox, int]) -> None:
    box, port = server
    to = 'to = ["User::bob", "User::alice", "bob@acme.example"]\ndetail = "card"'
    with world(tmp_path, email_channel(port, to)) as at:
        at.session.call("fact.read", {"id": "7"}, run=lambda id: "confidential")  # noqa: A006
        request(at.session)
        assert at.dispatcher.once().arrived == 3
        whole = {(str(mail["To"]), str(mail["Message-ID"])): "Good morning" in mail.get_content() for mail in box.mails}
    assert sorted(shown for (to, _), shown in whole.items() if to == "bob@acme.example") == [False, True]
    assert [shown for (to, _), shown in whole.items() if to == "alice@acme.example"] == [False]
    asked = [event.body for event in events(tmp_path) if event.kind is EventKind.ADMIN_DECIDED]
    assert {(body["by"], body["os_user"]) for body in asked} == {("bob", "channel leads"), ("alice", "channel leads")}


def test_who_is_asked_because_nobody_answered_gets_one_mail(tmp_path: Path, server: tuple[Mailbox, int]) -> None:
    box, port = server
    gate = '@approvers("User::bob") @escalate_to("User::dora") @escalate_after("10m")'
    with world(tmp_path, email_channel(port), gate=gate) as at:
        request(at.session)
        assert at.dispatcher.once().arrived == 1
        at.clock.forward(ms=600_000)
        assert at.dispatcher.once().arrived == 2
    to = [names[0].partition("@")[0] for names in box.to]
    what = ["escalated" in mail["Subject"] for mail in box.mails]
    assert sorted(zip(to, what, strict=True)) == [("bob", False), ("bob", True), ("dora", True)]


def test_what_waits_no_more_is_not_asked_for(tmp_path: Path, server: tuple[Mailbox, int]) -> None:
    box, port = server
    with world(tmp_path, email_channel(port, 'to = ["User::bob"]')) as at:
        approve(at.session, request(at.session), grant=False)
        at.dispatcher.once()
        asked = request(at.session, subject="Another")
        at.dispatcher.fill()
        approve(at.session, asked, grant=False)
        at.dispatcher.once()
    assert [str(mail["Subject"]).split(": ")[0] for mail in box.mails] == ["[acme/test] Approval denied"]


def test_who_was_switched_off_meanwhile_gets_nothing(tmp_path: Path) -> None:
    with mailing() as (box, port), world(tmp_path, email_channel(port, 'to = ["User::bob"]')) as at:
        request(at.session)
        at.dispatcher.fill()
        planes = at.guard.engine.ports.holding.latest
        users = {**planes.directory.users, "bob": replace(planes.directory.users["bob"], active=False)}
        object.__setattr__(planes.directory, "users", users)
        assert at.dispatcher.once().failed == 1
        assert box.mails == []


def test_starttls_is_verified(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    smtp = f'ca_file = "{authority.file}"\nuser = "bailiwick"\npassword_file = "mail.txt"'
    (tmp_path / "mail.txt").write_text("open sesame\n")
    to = 'to = ["User::bob"]'
    with mailing(context=authority.context("localhost"), password="open sesame") as (box, port):
        with world(tmp_path, email_channel(port, to, tls="starttls", smtp=smtp)) as at:
            request(at.session)
            assert at.dispatcher.once().arrived == 1
        assert box.encrypted == [True]


@pytest.mark.parametrize("wrong", ["name", "authority", "password"])
def test_a_server_that_is_not_the_right_one_gets_no_mail(tmp_path: Path, wrong: str) -> None:
    authority = Authority(tmp_path)
    context = authority.context("other.example" if wrong == "name" else "localhost")
    ca_file = "" if wrong == "authority" else f'ca_file = "{authority.file}"'
    (tmp_path / "mail.txt").write_text("open sesame")
    smtp = f'{ca_file}\nuser = "bailiwick"\npassword_file = "mail.txt"'
    password = "another" if wrong == "password" else "open sesame"
    with mailing(context=context, password=password) as (box, port):
        with world(tmp_path, email_channel(port, 'to = ["User::bob"]', tls="starttls", smtp=smtp)) as at:
            request(at.session)
            assert at.dispatcher.once().failed == 1
            said = "password" if wrong == "password" else "certificate"
            assert said in at.state("leads").last_error
        assert box.mails == []


@pytest.mark.parametrize("wrong", ["", "name", "authority"])
def test_tls_from_the_first_byte_is_verified(tmp_path: Path, wrong: str) -> None:
    authority = Authority(tmp_path)
    context = authority.context("other.example" if wrong == "name" else "localhost")
    ca_file = "" if wrong == "authority" else f'ca_file = "{authority.file}"'
    with mailing(context=context, implicit=True) as (box, port):
        with world(tmp_path, email_channel(port, 'to = ["User::bob"]', tls="implicit", smtp=ca_file)) as at:
            request(at.session)
            assert at.dispatcher.once() == (Sent(failed=1) if wrong else Sent(arrived=1))
            assert ("certificate" in at.state("leads").last_error) is bool(wrong)
        assert box.encrypted == ([] if wrong else [True])


def test_tls_from_the_first_byte_is_never_left_for_plain_text(tmp_path: Path, server: tuple[Mailbox, int]) -> None:
    box, port = server
    with world(tmp_path, email_channel(port, 'to = ["User::bob"]', tls="implicit")) as at:
        request(at.session)
        assert at.dispatcher.once() == Sent(failed=1)
    assert box.mails == []


def test_the_sender_s_domain_is_written_as_mail_can_carry_it(tmp_path: Path, server: tuple[Mailbox, int]) -> None:
    box, port = server
    channels = email_channel(port, 'to = ["User::bob"]').replace("@acme.example", "@bücher.example")
    with world(tmp_path, channels) as at:
        request(at.session)
        assert at.dispatcher.once() == Sent(arrived=1)
    assert box.mails[0]["From"] == "bailiwick@xn--bcher-kva.example"


def test_a_server_that_offers_no_tls_gets_no_mail(tmp_path: Path, server: tuple[Mailbox, int]) -> None:
    box, port = server
    with world(tmp_path, email_channel(port, tls="starttls")) as at:
        request(at.session)
        assert at.dispatcher.once().failed == 2
        assert "STARTTLS" in at.state("leads").last_error
    assert box.mails == []


@pytest.mark.parametrize("answer", [b"", b"220-slow\r\n"])
def test_a_server_that_drips_is_cut_off(tmp_path: Path, answer: bytes) -> None:
    channels = 'to = ["User::bob"]'
    with raw_server(answer, drip=b"220-x\r\n") as port, world(tmp_path, email_channel(port, channels)) as at:
        request(at.session)
        assert replace(at.dispatcher, seconds=0.3).once().failed == 1
        assert at.state("leads").last_error == "it took too long"


def test_a_test_goes_to_those_who_are_named_and_asks_nothing(tmp_path: Path, server: tuple[Mailbox, int]) -> None:
    box, port = server
    with world(tmp_path, email_channel(port, 'to = ["approvers", "User::dora"]')) as at:
        assert set(at.dispatcher.test(at.dispatcher.channels[0])) == {"dora"}
    (mail,) = box.mails
    assert "Nothing is asked" in mail.get_content()


def test_a_confirmation_is_mailed_to_the_user_alone(tmp_path: Path, server: tuple[Mailbox, int]) -> None:
    box, port = server
    project(tmp_path, email_channel(port))
    edit(tmp_path, "policies/desk.cedar", '@gate("approval") @approvers("Group::leads")', '@gate("confirm")')
    with opened(tmp_path) as session:
        request(session)
    with Guard.open(tmp_path) as guard:
        assert dispatcher_of(guard).once().arrived == 1
    assert box.to == [["alice@acme.example"]]
