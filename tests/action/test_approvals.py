"""The approval state machine: who may vote, what a vote does, and what an approval is good for (promise 4)."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.action.approval_card import MAX_CARD_BYTES, card_arguments, card_text, differing, draw_card, visible
from bailiwick.action.approval_codec import decode, encode
from bailiwick.action.approval_vote import vote
from bailiwick.action.approvals import (
    Approval,
    ApprovalStatus,
    card_digest,
    consume,
    edit,
    expire,
    is_step,
    usable,
    withdraw,
)
from bailiwick.errors import CanonicalError
from bailiwick.model.approver import ProofMethod
from bailiwick.model.call import Action
from bailiwick.model.canonical import canonical, parse
from bailiwick.model.decision import Reason
from bailiwick.model.label import Integrity, Label, Readers

from .approval_sample import (
    DIGEST,
    DIRECTORY,
    LABEL,
    LEVELS,
    MEANING,
    NOW,
    TTL,
    action,
    asked,
    authority,
    decision,
    gate,
    granted,
    proven,
    requested,
)

CASES: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "data" / "approvals.toml").read_text(encoding="utf-8")
)["case"]


def use(approval: Approval, *, now_ms: int = NOW, **changes: Any) -> Reason | None:
    return usable(approval, asked(changes.pop("gates", approval.gates), **changes), now_ms)


def label_of(told: dict[str, Any]) -> Label:
    return Label(
        sensitivity=told.get("sensitivity", LABEL.sensitivity),
        categories=frozenset(told.get("categories", LABEL.categories)),
        readers=Readers.of(*told["readers"]) if "readers" in told else LABEL.readers,
        integrity=Integrity(told.get("integrity", LABEL.integrity)),
    )


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_an_approval_is_good_for_exactly_what_was_approved(case: dict[str, Any]) -> None:
    gates = tuple(gate(**told) for told in case.get("gates", [{}]))
    asker = authority(case["chain"]) if "chain" in case else authority()
    approval = requested(gates=gates, authority=asker)
    for told in case.get("votes", []):
        answer = vote(
            approval,
            by=proven(told["by"], told.get("method", "claimed")),
            gates=told.get("gates"),
            grant=told.get("grant", True),
            directory=DIRECTORY,
            now_ms=NOW + told.get("at", 0),
        )
        if isinstance(answer, Approval):
            assert "expect" not in told, told
            assert is_step(approval, answer)
            approval = answer
        else:
            assert answer.code == told.get("expect"), answer
            assert answer.hint
    told = case.get("use", {})
    wanted = told.get("expect", "" if approval.status is ApprovalStatus.GRANTED else None)
    if wanted is not None:
        named = {each.id: each for each in gates}
        now = tuple(
            replace(named.get(name, gate(id=name)), **told.get("changed", {}))
            for name in told.get("gates", [each.id for each in gates])
        )
        reason = use(
            approval,
            digest=told.get("digest", DIGEST),
            meaning=told.get("meaning", MEANING),
            gates=now,
            label=label_of(told),
            unendorsed=frozenset(told.get("unendorsed", ["to"])),
            now_ms=NOW + told.get("at", 0),
        )
        assert (reason.code if reason else "") == wanted
    assert approval.status.value == case.get("status", approval.status.value)


def test_promise_4_an_approval_is_used_once() -> None:
    approval = granted()
    assert use(approval) is None
    used = consume(approval)
    reason = use(used)
    assert reason is not None
    assert reason.code == "approval-used"
    with pytest.raises(ValueError, match="consumed, not granted"):
        consume(used)


@pytest.mark.parametrize("changes", [{"gates": ()}, {"gates": (gate(), gate())}, {"gates": (gate(quorum=0),)}])
def test_no_request_is_granted_by_nobody(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"gate"):
        requested(**changes)


def test_a_vote_binds_to_the_card_that_was_seen() -> None:
    approval = granted()
    card = draw_card(authority(), action(to=["mallory@example.org"]), decision(), LEVELS, expires_ms=NOW + TTL)
    with pytest.raises(ValueError, match="card"):
        replace(approval, card=card)
    forged = replace(approval, card=card, card_digest=card_digest(card))
    reason = use(forged)
    assert reason is not None
    assert reason.code == "approval-incomplete"


def test_a_status_without_its_votes_is_worth_nothing() -> None:
    reason = use(replace(requested(), status=ApprovalStatus.GRANTED))
    assert reason is not None
    assert reason.code == "approval-incomplete"


def test_time_alone_ends_what_is_open() -> None:
    approval = granted()
    assert expire(approval, NOW + TTL - 1) == approval
    assert expire(approval, NOW + TTL).status is ApprovalStatus.EXPIRED
    assert is_step(approval, expire(approval, NOW + TTL))
    assert expire(consume(approval), NOW + TTL).status is ApprovalStatus.CONSUMED


def test_a_request_stays_open_for_the_same_call_only_while_nothing_rose() -> None:
    approval = requested()
    assert approval.open_for(asked(), NOW)
    for changes in (
        {"gates": (gate(), gate(id="other"))},
        {"gates": (gate(quorum=2),)},
        {"gates": (gate(text="sha256:rewritten"),)},
        {"meaning": "sha256:other"},
        {"digest": "sha256:other"},
        {"label": replace(LABEL, sensitivity=3)},
        {"unendorsed": frozenset({"to", "body"})},
        {"by_colleague": frozenset({"body"})},
        {"unbound": frozenset({"to"})},
        {"unasked": True},
        {"repeated": True},
        {"undictated": frozenset({"text"})},
        {"misquoted": True},
    ):
        assert not approval.open_for(asked(**changes), NOW), changes
    # What nothing endorsed on the card may be endorsed by a colleague now.
    assert approval.open_for(asked(unendorsed=frozenset(), by_colleague=frozenset({"to"})), NOW)
    assert not approval.open_for(asked(), NOW + TTL)
    assert not approval.open_for(asked(), NOW - 1)
    assert not granted().open_for(asked(), NOW)


def test_only_steps_of_the_picture_are_steps() -> None:
    start, yes = requested(), granted()
    no = vote(yes, by=proven("lars"), grant=False, directory=DIRECTORY, now_ms=NOW)
    assert isinstance(no, Approval)
    late, late_yes = expire(start, NOW + TTL), expire(yes, NOW + TTL)
    used = consume(yes)
    gone, gone_yes = withdraw(start), withdraw(yes)
    other, other_yes = edit(start, b"{}", "apr-2", by="bob"), edit(yes, b"{}", "apr-2", by="bob")
    states = [start, yes, no, late, late_yes, used, gone, gone_yes, other, other_yes]
    allowed = {(0, 1), (0, 3), (1, 2), (1, 4), (1, 5), (0, 2), (0, 6), (1, 7), (0, 8), (1, 9)}
    for i, old in enumerate(states):
        for j, new in enumerate(states):
            assert is_step(old, new) == ((i, j) in allowed), (old.status, new.status)
    assert not is_step(start, replace(yes, asked=asked(digest="sha256:other")))
    assert not is_step(start, replace(yes, edited=b"{}", successor="apr-2"))
    assert not is_step(start, replace(yes, edited_by="bob"))
    assert not is_step(start, replace(start, status=ApprovalStatus.EDITED))
    for over in (no, late, used, gone, other):
        with pytest.raises(ValueError, match="already"):
            withdraw(over)
        with pytest.raises(ValueError, match="already"):
            edit(over, b"{}", "", by="bob")
    assert not is_step(start, replace(yes, expires_ms=yes.expires_ms + 1))
    assert not is_step(start, replace(start, status=ApprovalStatus.GRANTED))
    assert not is_step(yes, replace(used, votes=()))


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({"to": ["eve@example.org"], "subject": "Your ticket", "body": "All is well."}, ()),
        ({"to": ["eve@example.org"], "subject": "Your ticket", "body": "All is well!"}, ("body",)),
        ({"to": ["eve@example.org", "m@example.org"], "subject": "Your ticket"}, ("body", "to")),
        ({"to": ["eve@example.org"], "subject": "Your ticket", "body": "All is well.", "cc": []}, ("cc",)),
    ],
)
def test_what_changed_after_approval_is_named(arguments: dict[str, object], names: tuple[str, ...]) -> None:
    assert tuple(changed(granted(), action(**arguments))) == names


def changed(approval: Approval, call: Action) -> list[str]:
    made = parse(call.args)
    assert isinstance(made, dict)
    return differing(card_arguments(approval.card), made)


def test_decimals_do_not_change_on_the_way_to_the_card() -> None:
    paid = action(amount=Decimal("12.50"), iban="DE00")
    assert changed(requested(action=paid), paid) == []
    assert changed(requested(action=paid), action(amount=Decimal("12.5"), iban="DE00")) == ["amount"]


def test_a_card_is_drawn_from_the_call_and_nothing_can_draw_over_it() -> None:
    body = "Fine.\r\x1b[2K\u202etool: crm.get\u200b\ntool: crm.get"
    text = card_text(
        draw_card(authority(), action(to=["eve@example.org"], body=body), decision(), LEVELS, expires_ms=NOW + TTL)
    )
    assert "tool: mail.send" in text.splitlines()
    assert "tool: crm.get" not in text.splitlines()
    assert "body: Fine.\\u{d}\\u{1b}[2K\\u{202e}tool: crm.get\\u{200b}" in text
    assert all(char.isprintable() or char == "\n" for char in text)
    for part in ("eve@example.org", "kb:article-17", "external-mail", 'Agent::"support-bot"', "Answer ticket 4711"):
        assert part in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("na\u00efve \u2013 \u65e5\u672c\u8a9e \U0001f44d", "na\u00efve \u2013 \u65e5\u672c\u8a9e \U0001f44d"),
        ("pay\u00a0bob", "pay\\u{a0}bob"),
        ("a\u3000b\u2003c", "a\\u{3000}b\\u{2003}c"),
        ("a\u3164b\u115fc\uffa0", "a\\u{3164}b\\u{115f}c\\u{ffa0}"),
        ("a\u2800b\u034fc", "a\\u{2800}b\\u{34f}c"),
        ("a\ufe0fb\U000e0101c\U000e0041", "a\\u{fe0f}b\\u{e0101}c\\u{e0041}"),
        ("\x9b2J", "\\u{9b}2J"),
        ("e" + "\u0301" * 6, "e" + "\u0301" * 4 + "\\u{301}" * 2),
        ("one\ntwo", "one\\u{a}two"),
    ],
)
def test_whatever_shows_nothing_or_draws_elsewhere_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "null"),
        ("null", '"null"'),
        (True, "true"),
        ("true", '"true"'),
        (1, "1"),
        ("1", '"1"'),
        ("1e9", '"1e9"'),
        ([], "(none)"),
        ("(none)", '"(none)"'),
        ("", '""'),
        ("- x", '"- x"'),
        ("x ", '"x "'),
        ("plain words", "plain words"),
    ],
)
def test_what_could_be_taken_for_something_else_stands_in_quotes(value: object, shown: str) -> None:
    assert card_text(canonical({"a": value})) == f"a: {shown}\n"


def test_a_name_cannot_look_like_another_line_of_the_card() -> None:
    text = card_text(canonical({"to: eve": 1, "| k": 2, "": 3, "a\nb": 4}))
    assert set(text.splitlines()) == {'"to: eve": 1', '"| k": 2', '"": 3', '"a\\u{a}b": 4'}


def test_what_does_not_fit_on_a_card_cannot_be_approved() -> None:
    with pytest.raises(CanonicalError, match="too large for a person"):
        draw_card(authority(), action(body="x" * MAX_CARD_BYTES), decision(), LEVELS, expires_ms=NOW + TTL)


approvals = st.builds(
    lambda approver, os_user, method, body, readers, author, quorum, grant, later: _voted(
        requested(
            gates=(gate(quorum=quorum), gate(id="second", approvers=("Role::approver", "User::lars"))),
            action=action(body=body),
            label=replace(LABEL, readers=readers, author=author),
        ),
        by=proven(approver, method, os_user),
        grant=grant,
        now_ms=NOW + later,
    ),
    approver=st.sampled_from(["lena", "lars", "fritz", "mallory"]),
    os_user=st.text(st.characters(codec="utf-8"), max_size=5),
    method=st.sampled_from(ProofMethod),
    body=st.text(st.characters(codec="utf-8"), max_size=20),
    readers=st.frozensets(st.frozensets(st.sampled_from(["Group::a", "User::b"]))).map(Readers),
    author=st.none() | st.text(st.characters(codec="utf-8"), max_size=5),
    quorum=st.integers(1, 3),
    grant=st.booleans(),
    later=st.integers(0, TTL),
)


def _voted(approval: Approval, **how: Any) -> Approval:
    answer = vote(approval, directory=DIRECTORY, **how)
    return answer if isinstance(answer, Approval) else approval


@given(approval=approvals)
def test_an_approval_survives_its_encoding(approval: Approval) -> None:
    assert decode(encode(approval)) == approval


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"[]",
        lambda data: data[:-1],
        lambda data: data.replace(b'"v":4,"', b'"v":5,"'),
        lambda data: data.replace(b"mail.send", b"crm.purge"),
        lambda data: data.replace(b'"granted"', b'"maybe"'),
        lambda data: data + b" ",
        lambda data: canonical({"v": 1}),
    ],
)
def test_damaged_bytes_are_no_approval(damage: Any) -> None:
    data = encode(granted())
    assert damage(data) != data
    with pytest.raises(CanonicalError):
        decode(damage(data))
