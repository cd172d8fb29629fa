"""What a message says of a request, as values and as text for each kind of channel.

INVARIANT: a channel is no permitted reader, so nothing of the card is in here: no argument, no purpose, no task,
nothing that the agent or what it read could have written. What is said was written by those who run the project: names
of the tool, of the chain, of gates with their reasons, and of the project. It is written out safely all the same: names
may come from elsewhere, and a reason may hold anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import quote

import orjson

from bailiwick.action.approval_card import visible
from bailiwick.action.approvals import Approval
from bailiwick.action.channel_settings import ChannelKind
from bailiwick.action.notices import News, Notice

__all__ = ["headline", "link", "mail_lines", "slack_body", "test_body", "webhook_body"]

_VERBS = {
    News.REQUESTED: "Approval requested",
    News.ESCALATED: "Approval still waits (escalated)",
    News.GRANTED: "Approval granted",
    News.DENIED: "Approval denied",
    News.EDITED: "Approved with edits",
    News.WITHDRAWN: "Request withdrawn",
    News.EXPIRED: "Request expired",
}
_ASKS = (News.REQUESTED, News.ESCALATED)
_NO_ANSWERS = "Answers count only in the console or on the command line, never here."
_MARKS = {ord("["): "(", ord("]"): ")", ord("`"): "'", ord("*"): "·", ord("@"): "(at)"}
_LONGEST_LINE = 300
_LONGEST_TEXT = 2_900
"""Slack takes 3000 characters in a block."""


def link(console: str, approval: Approval) -> str:
    """Where the request is answered."""
    return f"{console}/approvals/{quote(approval.id, safe='')}"


def headline(notice: Notice, approval: Approval) -> str:
    """One line, at most as long as a subject should be."""
    return _line(f"{_VERBS[notice.news]}: {approval.tool}", 120)


def webhook_body(notice: Notice, approval: Approval, *, console: str) -> bytes:
    """The body of version 1. Its shape is closed (docs/channels.md): a field more is another version."""
    return orjson.dumps(
        {
            "version": 1,
            "type": f"approval.{notice.news.value}",
            "timestamp": _iso(notice.at_ms),
            "data": {
                "tenant": notice.tenant,
                "env": notice.env,
                "approval": approval.id,
                "tool": approval.tool,
                "chain": [{"kind": link.kind.value, "id": link.id} for link in approval.chain.links],
                "gates": [
                    {
                        "id": gate.id,
                        "kind": gate.kind.value,
                        "reason": gate.reason,
                        "quorum": gate.quorum,
                        "approvers": [{"kind": ref.kind.value, "id": ref.id} for ref in gate.approvers],
                    }
                    for gate in approval.gates
                ],
                "requested": _iso(approval.requested_ms),
                "expires": _iso(approval.expires_ms),
                "url": link(console, approval),
            },
        }
    )


def slack_body(notice: Notice, approval: Approval, *, console: str) -> bytes:
    """A message for a Slack incoming webhook, and for what is compatible with one. Blocks hold plain text, in which
    nothing is formatted, mentions nobody and links nowhere; the one button is a link."""
    head = headline(notice, approval)
    lines = _facts(notice, approval)
    shown = "\n".join([*lines, _NO_ANSWERS])[:_LONGEST_TEXT]
    url = link(console, approval)
    blocks: list[object] = [
        {"type": "header", "text": _plain(head)},
        {"type": "section", "text": _plain(shown)},
        {
            "type": "actions",
            "elements": [{"type": "button", "text": _plain("Open in the console"), "url": url, "action_id": "open"}],
        },
    ]
    text = "\n".join([*map(_unmarked, (head, *lines, _NO_ANSWERS)), url])
    return orjson.dumps({"text": text, "mrkdwn": False, "unfurl_links": False, "blocks": blocks})


def test_body(kind: ChannelKind, text: str, *, tenant: str, env: str, now_ms: int) -> bytes:
    """The body of a message that is about nothing."""
    if kind is ChannelKind.SLACK:
        return orjson.dumps({"text": _unmarked(_line(text, _LONGEST_LINE)), "mrkdwn": False})
    about = {"tenant": tenant, "env": env}
    return orjson.dumps({"version": 1, "type": "channel.test", "timestamp": _iso(now_ms), "data": about})


def mail_lines(notice: Notice, approval: Approval, *, console: str) -> list[str]:
    """The body of a mail."""
    return [
        headline(notice, approval),
        "",
        *_facts(notice, approval),
        "",
        link(console, approval),
        "",
        "Do not answer this mail: an answer goes nowhere.",
        _NO_ANSWERS,
    ]


def _facts(notice: Notice, approval: Approval) -> list[str]:
    chain = " → ".join(f"{each.kind.value} {each.id}" for each in approval.chain.links)
    found = [
        f"Request: {approval.id} ({notice.tenant}/{notice.env})",
        f"Tool: {approval.tool}",
        f"For whom, through whom: {chain}",
    ]
    for gate in approval.gates:
        who = ", ".join(f"{ref.kind.value} {ref.id}" for ref in gate.approvers)
        people = f"{gate.quorum} of {who}" if who else gate.kind.value
        found.append(f"Gate: {gate.id} ({people})" + (f": {gate.reason}" if gate.reason else ""))
    if notice.news in _ASKS:
        found.append(f"Expires: {_iso(approval.expires_ms)}")
    return _lines(found)


def _lines(texts: Sequence[str]) -> list[str]:
    return [_line(text, _LONGEST_LINE) for text in texts]


def _line(text: str, longest: int) -> str:
    """One line, in which nothing is hidden."""
    shown = visible(text).replace("\t", " ")
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def _plain(text: str) -> dict[str, object]:
    return {"type": "plain_text", "text": text[:_LONGEST_TEXT], "emoji": False}


def _unmarked(text: str) -> str:
    """For what reads the text as marked up: Slack's three characters, and the brackets, stars and backticks of
    Markdown."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.translate(_MARKS)


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
