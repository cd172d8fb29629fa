"""What messages say stays text, whatever it is; and none holds anything of a card."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.action.approvals import Approval
from bailiwick.action.channel_settings import Secret, Smtp, SmtpTls
from bailiwick.action.notices import News, Notice, Told, retry_at
from bailiwick.channels.mail import mail
from bailiwick.channels.words import headline, mail_lines, slack_body, webhook_body
from bailiwick.model.principal import Chain, EntityKind, EntityRef
from tests.action.approval_sample import requested as sample

CASES = tomllib.loads((Path(__file__).parent / "data" / "injection.toml").read_text(encoding="utf-8"))["case"]
CONSOLE = "https://approvals.acme.example"
SMTP = Smtp(
    host="localhost",
    port=25,
    tls=SmtpTls.NONE,
    user="",
    password=Secret(),
    sender="bailiwick@acme.example",
    ca_file="",
)


def hostile(text: str) -> tuple[Notice, Approval]:
    """A request in which every name that a message holds is this text."""
    plain = sample()
    gate = replace(plain.gates[0], id=text, reason=text, approvers=(EntityRef(kind=EntityKind.GROUP, id=text),))
    chain = Chain(links=(EntityRef(kind=EntityKind.USER, id=text), EntityRef(kind=EntityKind.AGENT, id=text)))
    asked = replace(plain.asked, gates=(gate,))
    made = replace(plain, id=text, tool=text, tenant=text, env=text, chain=chain, asked=asked)
    return notice(made), made


def notice(of: Approval) -> Notice:
    return Notice(
        tenant=of.tenant,
        env=of.env,
        approval=of.id,
        news=News.REQUESTED,
        channel="ops",
        recipient="",
        at_ms=of.requested_ms,
    )


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in strings(item)]
    if isinstance(value, list):
        return [text for item in value for text in strings(item)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_text_stays_a_text_for_slack_and_what_reads_markdown(case: dict[str, Any]) -> None:
    made = json.loads(slack_body(*hostile(case["text"]), console=CONSOLE))
    for never in case["never"]:
        assert never not in made["text"]
    for block in made["blocks"]:
        for element in (block.get("text"), *(each["text"] for each in block.get("elements", []))):
            assert element is None or (element["type"], element["emoji"]) == ("plain_text", False)
    assert made["mrkdwn"] is False


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_text_stays_a_text_in_a_mail(case: dict[str, Any]) -> None:
    of, request = hostile(case["text"])
    subject = f"[{of.tenant}] {headline(of, request)}"
    made = mail_of(headline(of, request), mail_lines(of, request, console=CONSOLE))
    assert "\n" not in headline(of, request)
    assert subject.count("\n") == case["text"].count("\n"), "the project's own name is checked when it is loaded"
    assert sorted(made.keys()) == sorted(
        [
            "From",
            "To",
            "Subject",
            "Date",
            "Message-ID",
            "Auto-Submitted",
            "MIME-Version",
            "Content-Type",
            "Content-Transfer-Encoding",
        ]
    )
    for hidden in ("\u202e", "\u200b", "\u2028", "\x1b"):
        assert hidden not in made.get_content()
    assert not any(line.startswith(("Tool: harmless", "Bcc:")) for line in made.get_content().splitlines())


def mail_of(subject: str, lines: list[str]) -> Any:
    made = mail(SMTP, "bob@acme.example", subject=subject, lines=lines, message_id="msg_1", at_ms=0)
    return message_from_bytes(made.as_bytes(), policy=default)


@given(text=st.text(min_size=1, max_size=60))
def test_any_text_can_be_told_and_adds_no_line_and_no_header(text: str) -> None:
    wanted, request = hostile("x")
    told, other = hostile(text)
    lines = mail_lines(told, other, console=CONSOLE)
    assert len(lines) == len(mail_lines(wanted, request, console=CONSOLE))
    assert not any("\n" in line or "\r" in line for line in lines)
    assert len(mail_of(headline(told, other), lines).keys()) == 9
    for made in (slack_body(told, other, console=CONSOLE), webhook_body(told, other, console=CONSOLE)):
        assert json.loads(made)


def test_slack_gets_one_link_and_nothing_to_answer_with() -> None:
    of = sample()
    made = json.loads(slack_body(notice(of), of, console=CONSOLE))
    elements = [element for block in made["blocks"] for element in block.get("elements", [])]
    (button,) = elements
    assert button["url"] == f"{CONSOLE}/approvals/{of.id}"
    assert "value" not in button
    assert any("only in the console" in text for text in strings(made))


def test_what_is_too_long_for_slack_is_cut() -> None:
    plain = sample()
    gates = tuple(replace(plain.gates[0], id=f"gate-{number}", reason="r" * 900) for number in range(30))
    of = replace(plain, asked=replace(plain.asked, gates=gates))
    made = json.loads(slack_body(notice(of), of, console=CONSOLE))
    assert all(len(block["text"]["text"]) <= 3000 for block in made["blocks"] if "text" in block)


@given(attempt=st.integers(1, 60), after=st.integers(0, 10**12), chance=st.floats(0, 1))
def test_the_next_attempt_is_never_at_once_and_never_far(attempt: int, after: int, chance: float) -> None:
    due = retry_at(attempt, Told(error="no", retry_after_ms=after), now_ms=1000, chance=chance)
    assert 2_500 <= due - 1000 <= 3_600_000
