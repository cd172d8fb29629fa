"""What may leave with a call: strict content by the mark, everything else by evidence, and who comes to see it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick.flow.ledger import ContentOrigin, Ledger, Seen
from bailiwick.flow.releases import Data, DataKind, Declassified
from bailiwick.model.call import Action, Carried
from bailiwick.model.label import NOBODY, Integrity, Label, Readers, Strictness, unknown_label
from bailiwick.model.tool import Audience, Effect, OutputSpec, Role, Sink
from tests.flow.helpers import TOP, Desk, arg, call, nobody_reads, tool

TRACES = 20_000 if os.environ.get("BAILIWICK_SOAK") else 40
STRICT = Strictness(level=3, categories=frozenset({"phi", "secret"}))
SEND = tool("mail.send", Effect.SEND, sink=Sink.EXTERNAL)
PLAN = "The merger with Globex closes on Friday, and the price is four hundred million euros."
MENU = "On Tuesday the canteen serves lentil soup, and on Wednesday potato dumplings with gravy."
INTERNAL = Label(sensitivity=1, integrity=Integrity.ORGANISATION)
CONFIDENTIAL = Label(sensitivity=2, integrity=Integrity.ORGANISATION, readers=Readers.of("Group::board"))
SECRET = Label(sensitivity=1, categories=frozenset({"secret"}), integrity=Integrity.ORGANISATION)


def desk(strictness: Strictness = STRICT, free_text: int = 200) -> Desk:
    return Desk(Ledger(top_sensitivity=TOP, strictness=strictness, free_text=free_text))


def mail(body: str, **facts: Any) -> Action:
    shown = {"length": len(body), "opaque": False, "addresses": (), **facts}
    return call(
        SEND,
        arg("to", Role.TARGET, "ann@example.com"),
        arg("body", Role.CONTENT, body, text=body, facts=shown),
        recipients=("ann@example.com",),
    )


# ── strict mode and evidence mode ────────────────────────────────────────────────────────────────────────────────────


def test_a_call_that_carries_nothing_of_it_has_not_its_label() -> None:
    at = desk()
    at.sees(ContentOrigin.RETRIEVED, PLAN, label=CONFIDENTIAL)
    at.sees(ContentOrigin.RETRIEVED, MENU, label=INTERNAL)
    flow = at.resolve(mail("Lunch?"))
    assert (flow.label.sensitivity, flow.label.readers.everyone) == (0, True)
    assert flow.session_label.sensitivity == 2
    assert not flow.recipients_outside_readers


def test_a_call_that_carries_it_has_its_label_and_no_other_ones() -> None:
    at = desk()
    at.sees(ContentOrigin.RETRIEVED, PLAN, label=CONFIDENTIAL)
    at.sees(ContentOrigin.RETRIEVED, MENU, label=INTERNAL)
    assert at.resolve(mail(f"FYI: {MENU}")).label.sensitivity == 1
    flow = at.resolve(mail(f"FYI: {PLAN}"))
    assert (flow.label.sensitivity, flow.recipients_outside_readers) == (2, True)


@pytest.mark.parametrize(
    "label", [SECRET, Label(sensitivity=3), unknown_label(TOP)], ids=["category", "level", "unknown"]
)
def test_strict_content_counts_for_every_later_call(label: Label) -> None:
    at = desk()
    at.sees(ContentOrigin.RETRIEVED, PLAN, label=label)
    at.sees(ContentOrigin.RETRIEVED, MENU, label=CONFIDENTIAL)
    flow = at.resolve(mail("Lunch?"))
    assert label.flows_to(flow.label)
    assert "Group::board" not in str(flow.label.readers)


def test_a_mark_never_lets_go_of_what_is_strict_however_the_model_puts_it() -> None:
    at = desk()
    at.sees(ContentOrigin.RETRIEVED, PLAN, label=SECRET)
    for text in ("", "la la la", PLAN[::-1], MENU):
        assert at.resolve(mail(text)).label.categories == {"secret"}


def test_without_a_strictness_everything_is_strict() -> None:
    at = desk(Strictness())
    at.sees(ContentOrigin.RETRIEVED, PLAN, label=CONFIDENTIAL)
    assert at.resolve(mail("Lunch?")).label == at.resolve(mail("Lunch?")).session_label


def test_what_a_strict_result_is_called_with_does_not_make_the_rest_strict() -> None:
    at = desk()
    at.sees(ContentOrigin.RETRIEVED, PLAN, label=SECRET)
    at.runs(call(tool("wiki.read", output=OutputSpec(untrusted=(), readers=frozenset({"User::bob"})))), {"text": MENU})
    assert at.resolve(mail("Lunch?")).label.readers.everyone
    assert str(at.resolve(mail(MENU)).label.readers) == "User::bob"


def test_what_the_model_says_makes_nothing_strict_that_was_not() -> None:
    at = desk()
    at.sees(ContentOrigin.RETRIEVED, MENU, label=CONFIDENTIAL)
    at.sees(ContentOrigin.RETRIEVED, PLAN, label=SECRET)
    at.sees(ContentOrigin.MODEL, "I have read both.")
    flow = at.resolve(mail("Lunch?"))
    assert (sorted(flow.label.categories), flow.label.readers.everyone) == (["secret"], True)


# ── where evidence proves nothing ────────────────────────────────────────────────────────────────────────────────────


def test_an_opaque_argument_counts_as_all_that_was_seen() -> None:
    at = desk()
    at.sees(ContentOrigin.RETRIEVED, PLAN, label=CONFIDENTIAL)
    assert at.resolve(mail("zzz", opaque=True)).label.sensitivity == 2


def test_more_text_than_may_pass_counts_as_all_that_was_seen() -> None:
    at = desk(free_text=60)
    at.sees(ContentOrigin.RETRIEVED, PLAN, label=CONFIDENTIAL)
    short = "I will be late on Monday."
    assert at.resolve(mail(short)).label.sensitivity == 0
    assert at.resolve(mail(f"{short} Please begin without me, and keep a chair.")).label.sensitivity == 2


def test_no_argument_is_too_unlikely_to_hold_text() -> None:
    at = desk(free_text=60)
    at.sees(ContentOrigin.RETRIEVED, PLAN, label=CONFIDENTIAL)
    words = "globex will be bought and the price is four times a hundred million"
    for role in (Role.TARGET, Role.SELECTOR, Role.VALUE, Role.QUERY):
        assert at.resolve(call(SEND, arg("x", role, words))).label.sensitivity == 2, role
    split = [arg(f"x{number}", Role.SELECTOR, word) for number, word in enumerate(words.split() * 2)]
    assert at.resolve(call(SEND, *split)).label.sensitivity == 2


def test_the_users_own_words_prove_themselves() -> None:
    said = "Tell Ann that the meeting was moved to Thursday at ten. Ask her to bring the drafts along."
    at = desk(free_text=40)
    at.prompt(f"Please write this to Ann. {said}")
    at.sees(ContentOrigin.RETRIEVED, PLAN, label=CONFIDENTIAL)
    assert at.resolve(mail(said)).label.sensitivity == 0
    assert at.resolve(mail(said.replace("Thursday", "Friday"))).label.sensitivity == 2


DICTATED = "The doctor calls on Monday at ten."


@pytest.mark.parametrize(
    ("body", "strict"),
    [
        (DICTATED, False),
        (f"Hello,\n{DICTATED}\nThank you", False),
        (DICTATED.replace("Monday", "Friday"), True),
        (f"{DICTATED} Her potassium is 5.9.", True),
        (PLAN, True),
        ("", True),
        (DICTATED.lower(), True),
        (DICTATED.replace(" ", "  "), True),
        (DICTATED.replace(" on ", " on\n"), True),
        (DICTATED.replace(" on ", ", on "), True),
        (DICTATED.replace(" on ", " on\u200b "), True),
        ("Monday. The doctor. Ten. Monday. Monday. The doctor.", True),
        (f"{DICTATED} {DICTATED}", True),
        (f"Hello,\nHi\n{DICTATED}", True),
        (f"{DICTATED}\nThanks\nThank you", True),
        ("Good morning", True),
        ("Hi. Hello. Hello. Hi. Hello. Hi.", True),
        ("!?!?!!??!?", True),
        ("😀😁😀😁", True),
    ],
)
def test_what_the_user_dictated_carries_nothing_that_was_seen(body: str, strict: bool) -> None:
    at = desk()
    at.prompt(f"Write to ann@example.com: {DICTATED}")
    at.sees(ContentOrigin.RETRIEVED, PLAN, label=SECRET)
    flow = at.resolve(mail(body))
    assert ("secret" in flow.label.categories) is strict
    assert flow.session_label.categories == {"secret"}


def test_dictated_words_for_somebody_whom_nobody_named_carry_what_was_seen() -> None:
    at = desk()
    at.prompt(f"Write to Ann: {DICTATED}")
    at.sees(ContentOrigin.RETRIEVED, PLAN, label=SECRET)
    assert at.resolve(mail(DICTATED)).label.categories == {"secret"}


def test_nor_are_they_dictated_beside_an_argument_that_says_more() -> None:
    at = desk()
    at.prompt(f"Write to ann@example.com: {DICTATED}")
    at.sees(ContentOrigin.RETRIEVED, PLAN, label=SECRET)
    whole = mail(DICTATED)
    more = dataclasses.replace(whole, arguments=(*whole.arguments, arg("room", Role.QUERY, "w5.9")))
    assert at.resolve(more).label.categories == {"secret"}


def test_another_agents_session_was_dictated_nothing() -> None:
    at = desk()
    at.prompt(f"Write to ann@example.com: {DICTATED}")
    at.sees(ContentOrigin.RETRIEVED, PLAN, label=SECRET)
    child = Desk(at.ledger.child(f"Write to ann@example.com: {DICTATED}", **at.ids()))
    assert child.resolve(mail(DICTATED)).label.categories == {"secret"}


def test_an_argument_that_evidence_is_not_shown_counts_as_all_that_was_seen() -> None:
    at = desk()
    at.sees(ContentOrigin.RETRIEVED, PLAN, label=CONFIDENTIAL)
    hidden = arg("tools", Role.QUERY, facts=("a.b", "c.d"))
    assert at.resolve(call(SEND, hidden)).label.sensitivity == 2
    assert at.resolve(call(SEND, arg("cc", Role.TARGET, facts={"count": 0}))).label.sensitivity == 0


def test_without_evidence_it_is_all_that_was_seen() -> None:
    at = desk()
    at.sees(ContentOrigin.RETRIEVED, PLAN, label=CONFIDENTIAL)
    again = Ledger(top_sensitivity=TOP, strictness=STRICT, free_text=200)
    for row in at.ledger.rows:
        again.apply(row)
    # The texts are not in the rows, and nobody has read them again.
    assert again.resolve(mail("Lunch?"), reads=nobody_reads).label.sensitivity == 2


def test_integrity_is_always_that_of_the_mark() -> None:
    at = desk()
    at.sees(ContentOrigin.RETRIEVED, PLAN, label=Label(sensitivity=1, integrity=Integrity.UNTRUSTED))
    flow = at.resolve(mail("Lunch?"))
    assert flow.label.tainted
    assert flow.tainted
    assert at.runs(mail("Lunch?"), "sent").label.tainted


# ── the marks in rows, children and under other settings ─────────────────────────────────────────────────────────────


def again(ledger: Ledger, strictness: Strictness) -> Ledger:
    found = Ledger(top_sensitivity=TOP, strictness=strictness, free_text=ledger.free_text)
    for row in ledger.rows:
        found.apply(row)
    return found


def test_both_marks_are_what_the_rows_say() -> None:
    at = desk()
    at.sees(ContentOrigin.RETRIEVED, PLAN, label=SECRET)
    at.runs(call(tool("wiki.read", output=OutputSpec(untrusted=(), sensitivity=2))), {"text": MENU})
    marks = again(at.ledger, STRICT).marks
    assert (marks.whole, marks.strict) == (at.ledger.marks.whole, at.ledger.marks.strict)
    assert marks.strict != marks.whole


def test_children_inherit_both_marks() -> None:
    at = desk()
    at.sees(ContentOrigin.RETRIEVED, PLAN, label=SECRET)
    at.sees(ContentOrigin.RETRIEVED, MENU, label=CONFIDENTIAL)
    child = at.ledger.child("look this up", **at.ids())
    for ledger in (child, again(child, STRICT), child.child("and this", **at.ids())):
        assert ledger.marks.strict.categories == {"secret"}
        assert ledger.marks.strict.readers.everyone
        assert str(ledger.marks.whole.readers) == "Group::board"


def test_settings_that_became_stricter_count_for_what_was_seen_before() -> None:
    at = desk()
    at.sees(ContentOrigin.RETRIEVED, MENU, label=CONFIDENTIAL)
    child = at.ledger.child("look this up", **at.ids())
    stricter = Strictness(level=2, categories=STRICT.categories)
    assert again(at.ledger, stricter).marks.strict.sensitivity == 2
    assert again(child, stricter).marks.strict.sensitivity == 2


def test_what_a_tool_says_that_failed_is_strict_by_itself_alone() -> None:
    at = desk()
    own = Label(sensitivity=1, integrity=Integrity.UNTRUSTED)
    seen = Seen(origin=ContentOrigin.MESSAGE, source="tool:a.b", value="no", label=own.join(SECRET), own=own)
    at.ledger.ingest(seen, **at.ids())
    assert at.ledger.marks.strict == Label()


@dataclasses.dataclass
class Model:
    """What must hold at least, in plain sets: which strict categories and readers a session has seen."""

    categories: set[str] = dataclasses.field(default_factory=set)
    readers: Readers = dataclasses.field(default_factory=Readers)
    level: int = 0

    def saw(self, label: Label) -> None:
        if STRICT.covers(label):
            self.categories |= label.categories
            self.readers = self.readers & label.readers
            self.level = max(self.level, label.sensitivity)

    def kept_by(self, label: Label) -> bool:
        return (
            self.categories <= label.categories
            and self.level <= label.sensitivity
            and label.readers.within(self.readers)
        )


some_labels = st.builds(
    Label,
    sensitivity=st.integers(0, TOP),
    categories=st.frozensets(st.sampled_from(["phi", "secret", "pii"])),
    readers=st.sampled_from([Readers(), Readers.of("User::a"), Readers.of("Group::g", "User::b"), NOBODY]),
    integrity=st.sampled_from(Integrity),
)
steps = st.one_of(
    st.tuples(st.just("content"), some_labels, st.sampled_from([PLAN, MENU, "x"])),
    st.tuples(st.just("result"), st.integers(0, TOP), st.frozensets(st.sampled_from(["phi", "pii"])), st.just(MENU)),
    st.tuples(st.just("model"), st.just(PLAN)),
    st.tuples(st.just("prompt"), st.just("Send it to ann@example.com")),
    st.tuples(st.just("restart")),
    st.tuples(st.just("delegate")),
    st.tuples(st.just("return")),
    st.tuples(st.just("elsewhere"), some_labels),
)


def take(stack: list[tuple[Desk, Model]], step: tuple[Any, ...]) -> None:
    at, model = stack[-1]
    match step:
        case ("content", label, text):
            at.sees(ContentOrigin.RETRIEVED, text, label=label)
            model.saw(label)
        case ("result", level, categories, text):
            output = OutputSpec(sensitivity=level, categories=categories, untrusted=())
            record = at.runs(call(tool("a.b", output=output)), {"text": text})
            assert model.kept_by(record.label)
            model.saw(Label(sensitivity=level, categories=categories))
        case ("model", text):
            at.sees(ContentOrigin.MODEL, text)
        case ("prompt", text):
            at.prompt(text)
        case ("restart",):
            at.ledger = again(at.ledger, STRICT)
        case ("delegate",):
            child = at.ledger.child("do this", **at.ids())
            stack.append((Desk(child), dataclasses.replace(model, categories=set(model.categories))))
        case ("return",) if len(stack) > 1:
            done, _ = stack.pop()
            back, seen = stack[-1]
            back.sees(ContentOrigin.MESSAGE, "done", label=done.ledger.label)
            seen.saw(done.ledger.label)
        case ("elsewhere", label):
            other = Desk(again(at.ledger, STRICT))
            other.sees(ContentOrigin.RETRIEVED, "text", label=label)
            for row in reversed(other.ledger.rows):
                at.ledger.apply(row)
            model.saw(label)


def keeps_what_is_strict(trace: list[tuple[Any, ...]]) -> None:
    """No call of any session leaves with less than the strict content that the session has seen."""
    stack = [(desk(), Model())]
    for step in trace:
        take(stack, step)
        for at, model in stack:
            for action in (mail(""), mail("Lunch?"), mail(PLAN), call(tool("x.y", Effect.WRITE))):
                flow = at.resolve(action)
                assert model.kept_by(flow.label), step
                assert flow.label.integrity == flow.session_label.integrity
                assert model.readers.everyone or action.recipients == () or flow.recipients_outside_readers


@pytest.mark.soak
@settings(max_examples=TRACES, deadline=None)
@given(st.lists(steps, max_size=10))
def test_no_strict_content_leaves_unlabelled(trace: list[tuple[Any, ...]]) -> None:
    keeps_what_is_strict(trace)


# ── the audience ─────────────────────────────────────────────────────────────────────────────────────────────────────

MEMBERS: Mapping[str, set[str]] = {
    "User::ann": {"ann"},
    "User::bob": {"bob"},
    "Group::board": {"ann"},
    "Group::staff": {"ann", "bob"},
    "Group::empty": set(),
}


class Directory:
    """Ann of the board, and Bob, who is staff as she is."""

    def address(self, address: str, readers: Readers) -> bool:
        return self.principal(f"User::{address.partition('@')[0]}", readers)

    def principal(self, name: str, readers: Readers) -> bool:
        meant = MEMBERS.get(name, set())
        allowed = [set().union(*(MEMBERS.get(one, set()) for one in each)) for each in readers.sets]
        return readers.everyone or (bool(meant) and all(meant <= each for each in allowed))


CHANNEL = Audience(
    argument="channel",
    known={"board": frozenset({"Group::board"}), "all": frozenset({"Group::staff"}), "none": frozenset()},
)
CASES: tuple[tuple[str, Audience | None, Sink, str | None, tuple[str, ...], bool, bool], ...] = (
    # name, audience, sink, channel, recipients, outside the readers (the board), external
    ("an outside sink is seen by everyone", None, Sink.EXTERNAL, None, (), True, True),
    ("so is what runs code", None, Sink.EXEC, None, (), True, True),
    ("an inside one by nobody", None, Sink.INTERNAL, None, (), False, False),
    ("recipients that read", None, Sink.EXTERNAL, None, ("ann@x",), False, False),
    ("recipients that do not", None, Sink.EXTERNAL, None, ("ann@x", "bob@x"), True, False),
    ("declared, and reads", Audience(readers=frozenset({"Group::board"})), Sink.EXTERNAL, None, (), False, False),
    ("declared, and does not", Audience(readers=frozenset({"Group::staff"})), Sink.INTERNAL, None, (), True, False),
    ("declared to be everyone", Audience(), Sink.INTERNAL, None, (), True, True),
    ("beside recipients", Audience(readers=frozenset({"Group::staff"})), Sink.EXTERNAL, None, ("ann@x",), True, False),
    ("a group that has nobody", Audience(readers=frozenset({"Group::empty"})), Sink.INTERNAL, None, (), True, False),
    ("a name that nobody knows", Audience(readers=frozenset({"Group::x"})), Sink.INTERNAL, None, (), True, False),
    ("a channel that reads", CHANNEL, Sink.EXTERNAL, "board", (), False, False),
    ("a channel that does not", CHANNEL, Sink.EXTERNAL, "all", (), True, False),
    ("a channel of nobody", CHANNEL, Sink.EXTERNAL, "none", (), False, False),
    ("a channel that the catalog does not know", CHANNEL, Sink.EXTERNAL, "board2", (), True, True),
    ("the same in other letters", CHANNEL, Sink.EXTERNAL, "Board", (), True, True),
    ("no channel", CHANNEL, Sink.EXTERNAL, None, (), True, True),
)


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_the_audience_is_whoever_comes_to_see_it(
    case: tuple[str, Audience | None, Sink, str | None, tuple[str, ...], bool, bool],
) -> None:
    _, audience, sink, channel, recipients, outside, external = case
    at = desk(Strictness())
    at.sees(ContentOrigin.RETRIEVED, PLAN, label=CONFIDENTIAL)
    spec = dataclasses.replace(tool("chat.post", Effect.SEND, sink=sink), audience=audience)
    arguments = () if channel is None else (arg("channel", Role.TARGET, channel),)
    flow = at.ledger.resolve(call(spec, *arguments, recipients=recipients), reads=Directory())
    assert (flow.recipients_outside_readers, flow.recipients_external) == (outside, external)


def test_the_audience_is_compared_with_the_readers_of_the_call() -> None:
    at = desk()
    at.sees(ContentOrigin.RETRIEVED, PLAN, label=CONFIDENTIAL)
    spec = dataclasses.replace(tool("chat.post", Effect.SEND, sink=Sink.EXTERNAL), audience=CHANNEL)

    def outside(text: str) -> bool:
        body = arg("text", Role.CONTENT, text, text=text, facts={"length": len(text), "opaque": False})
        flow = at.ledger.resolve(call(spec, arg("channel", Role.TARGET, "all"), body), reads=Directory())
        return flow.recipients_outside_readers

    assert not outside("Lunch?")
    assert outside(PLAN)


def test_an_audience_has_to_be_in_every_set_of_readers() -> None:
    at = desk(Strictness())
    at.sees(ContentOrigin.RETRIEVED, PLAN, label=CONFIDENTIAL)
    at.sees(ContentOrigin.RETRIEVED, MENU, label=Label(readers=Readers.of("Group::staff")))
    spec = tool("mail.send", Effect.SEND, sink=Sink.EXTERNAL)
    for address, outside in (("ann@x", False), ("bob@x", True)):
        flow = at.ledger.resolve(call(spec, recipients=(address,)), reads=Directory())
        assert flow.recipients_outside_readers is outside


# ── what comes back from another agent ───────────────────────────────────────────────────────────────────────────────


def back_from(at: Desk, *seen: tuple[str, Label]) -> Seen | None:
    """What a session that was delegated to says, having seen these texts."""
    child = Desk(at.ledger.child("look this up", **at.ids()))
    for text, label in seen:
        child.sees(ContentOrigin.RETRIEVED, text, label=label)
    child.sees(ContentOrigin.MODEL, "It closes on Friday, by what I read there this morning.")
    return child.ledger.told("scout", "It closes on Friday, by what I read there this morning.")


def test_what_a_delegated_session_says_counts_where_it_is_handed_on() -> None:
    at = desk()
    said = back_from(at, (PLAN, CONFIDENTIAL))
    assert said is not None
    at.ledger.ingest(said, **at.ids())
    assert at.resolve(mail("Lunch?")).label.sensitivity == 0
    assert at.resolve(mail("FYI: it closes on Friday, by what I read there this morning.")).label.sensitivity == 2


def test_what_a_delegated_session_saw_that_is_strict_counts_for_every_later_call() -> None:
    at = desk()
    said = back_from(at, (PLAN, CONFIDENTIAL), (MENU, SECRET))
    assert said is not None
    at.ledger.ingest(said, **at.ids())
    assert at.resolve(mail("Lunch?")).label.categories == {"secret"}
    assert at.resolve(mail("Lunch?")).label.sensitivity == 1
    stricter = Strictness(level=2, categories=STRICT.categories)
    assert again(at.ledger, stricter).marks.strict.sensitivity == 2


def test_nobody_vouches_for_what_a_delegated_session_did_not_say() -> None:
    at = desk()
    assert at.ledger.child("look this up", **at.ids()).told("scout", "It closes on Friday.") is None
    at.ledger.ingest(Seen(origin=ContentOrigin.MESSAGE, source="scout", value="It closes on Friday."), **at.ids())
    assert at.resolve(mail("Lunch?")).label.sensitivity == TOP


# ── declassified in evidence mode ────────────────────────────────────────────────────────────────────────────────────


def declassified(at: Desk, content: str) -> None:
    data = Data(kind=DataKind.CONTENT, name=content)
    given = Declassified(data=data, recipients=frozenset({"ann@example.com"}), readers=frozenset(), event="e")
    at.ledger.declassify(given)


def test_what_was_declassified_may_go_and_the_same_from_elsewhere_may_not() -> None:
    at = desk()
    meant = at.sees(ContentOrigin.RETRIEVED, PLAN, label=CONFIDENTIAL, source="a")
    declassified(at, meant.content)
    assert at.resolve(mail(f"FYI: {PLAN}")).label.sensitivity == 0
    at.sees(ContentOrigin.RETRIEVED, f"Board minutes. {PLAN}", label=CONFIDENTIAL, source="b")
    assert at.resolve(mail(f"FYI: {PLAN}")).label.sensitivity == 2


def test_a_place_that_is_not_told_of_any_more_counts_though_all_that_are_told_of_were_declassified() -> None:
    at = desk()
    other = at.sees(ContentOrigin.RETRIEVED, f"Board minutes. {PLAN}", label=CONFIDENTIAL, source="b")
    for number in range(60):
        declassified(at, at.sees(ContentOrigin.RETRIEVED, f"{number}. {PLAN}", label=CONFIDENTIAL, source="a").content)
    assert at.resolve(mail(f"FYI: {PLAN}")).label.sensitivity == 2
    declassified(at, other.content)
    # As many places as are told of may mean that there are more: in doubt they count.
    assert at.resolve(mail("Lunch?")).label.sensitivity == 0


def test_what_a_handle_stands_for_counts_and_is_lowered_with_its_content() -> None:
    at = desk()
    at.sees(ContentOrigin.RETRIEVED, MENU, label=INTERNAL)
    carried = Carried(
        handle="h-1", content="c-hidden", source="tool:a.b", label=CONFIDENTIAL, arguments=frozenset({"body"})
    )
    action = dataclasses.replace(mail("x"), carried=(carried,))
    assert at.resolve(action).label.sensitivity == 2
    declassified(at, "c-other")
    assert at.resolve(action).label.sensitivity == 2
    declassified(at, "c-hidden")
    assert at.resolve(action).label.sensitivity == 0
