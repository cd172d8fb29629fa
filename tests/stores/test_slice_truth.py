"""Slices against a truth that the test knows: it chooses itself which row of which content each argument is taken
from, over hand-overs and model calls."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bailiwick import ApprovalPending, Denied, Session
from bailiwick.audit.links import Relation
from bailiwick.audit.search_terms import parse_terms
from bailiwick.audit.slices import Direction, EndReason, Entry, Slice, cut_out
from bailiwick.stores.log_index import LogIndex
from tests.worlds import LOGS, MAIL, Tool, make_world, opened


@dataclass(slots=True)
class Truth:
    """Where each address stood, as (the call that gave it back, its row), and what was put together from which."""

    picks: random.Random
    seen: dict[str, set[tuple[int, str]]] = field(default_factory=dict)
    mails: list[str] = field(default_factory=list)
    reads: int = 0

    def read(self, session: Session) -> None:
        rows = [{"email": f"p{self.reads}x{row}@customer.example"} for row in range(self.picks.randint(1, 4))]
        if self.seen and self.picks.random() < 0.4:
            rows.append({"email": self.picks.choice(sorted(self.seen))})  # it is known already, and stands here too
        session.call("page.read", {"id": "1"}, run=Tool(rows).run)
        for number, row in enumerate(rows):
            self.seen.setdefault(row["email"], set()).add((self.reads, f"[{number}].email"))
        self.reads += 1

    def mail(self, session: Session, to: str) -> None:
        self.mails.append(to)
        with suppress(ApprovalPending, Denied):
            session.call("mail.send", {**MAIL, "to": [to]}, run=Tool().run)


@contextmanager
def indexed(folder: Path) -> Iterator[LogIndex]:
    with LogIndex.open(folder / ".bailiwick/index.db", folder / LOGS) as index:
        index.catch_up()
        yield index


def found(index: LogIndex, terms: str) -> list[Entry]:
    """Oldest first."""
    return list(reversed(index.search(parse_terms(terms, now_us=0), limit=500).items))


def sliced(index: LogIndex, event: Entry, direction: Direction = Direction.BACK) -> Slice:
    made = cut_out(index, event.id, direction, nodes=500)
    assert made is not None
    return index.confirmed(made)


@pytest.mark.parametrize("seed", range(3))
def test_each_argument_leads_to_the_rows_that_held_it_and_to_no_others(tmp_path: Path, seed: int) -> None:
    folder, truth = make_world(tmp_path), Truth(random.Random(seed))
    with opened(folder) as session:
        session.prompt("Do what is due")
        truth.read(session)
        for _ in range(12):
            if truth.picks.random() < 0.5:
                truth.read(session)
            else:
                truth.mail(session, truth.picks.choice(sorted(truth.seen)))
    with indexed(folder) as index:
        pages = {page.id: number for number, page in enumerate(found(index, "origin:result source:tool:page.read"))}
        mails = found(index, "kind:decision tool:mail.send")
        reads = found(index, "kind:decision tool:page.read")
        assert len(mails) == len(truth.mails) > 0
        for mail, to in zip(mails, truth.mails, strict=True):
            edges = [e for e in index.edges_back(mail.id) if (e.relation, e.name) == (Relation.ARGUMENT, "to")]
            assert {(pages[edge.earlier], edge.path) for edge in edges} == {
                place for place in truth.seen[to] if reads[place[0]].ts_us < mail.ts_us
            }
            results = {e.later: e.earlier for e in sliced(index, mail).edges if e.relation is Relation.RESULT}
            assert {results[edge.earlier] for edge in edges} == {reads[pages[edge.earlier]].id for edge in edges}


def test_over_a_hand_over_a_value_leads_to_the_row_that_the_delegator_took_it_from(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    rows = [{"email": f"p{row}@customer.example"} for row in range(4)]
    with opened(folder) as session:
        session.prompt("Do what is due")
        session.call("page.read", {"id": "1"}, run=Tool(rows).run)
        session.call("page.read", {"id": "2"}, run=Tool([{"email": "other@customer.example"}]).run)
        with (
            session.delegate("helper", message="Write to p2@customer.example") as helper,
            suppress(ApprovalPending, Denied),
        ):
            helper.call("mail.send", {**MAIL, "to": ["p2@customer.example"]}, run=Tool().run)
    with indexed(folder) as index:
        (mail,) = found(index, "kind:decision tool:mail.send actor:helper")
        whole = sliced(index, mail)
        read, other = found(index, "kind:decision tool:page.read")
        assert read.id in {entry.id for entry in whole.entries}
        assert other.id not in {entry.id for entry in whole.entries}, "no value of it went over"
        handed = {edge.path for edge in whole.edges if (edge.relation, edge.name) == (Relation.ARGUMENT, "message")}
        assert handed == {"[2].email"}
        assert mail.id in {entry.id for entry in sliced(index, read, Direction.FORWARD).entries}
        assert mail.id not in {entry.id for entry in sliced(index, other, Direction.FORWARD).entries}


def test_what_a_model_wrote_leads_to_all_that_it_was_given_and_to_nothing_else(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    with opened(folder) as session:
        session.prompt("Which is the address?")
        page = session.call("page.read", {"id": "1"}, run=Tool("the page of Ann").run)
        aside = session.call("page.read", {"id": "2"}, run=Tool("a page that the model is not given").run)
        thread = ["Which is the address?", page]
        with session.model_call("a-model", inputs=thread) as running:
            running.output("it is q7@customer.example")
        with session.model_call("a-model", inputs=[*thread, "it is q7@customer.example"]) as running:
            running.output("now I write to her")
        with suppress(ApprovalPending, Denied):
            session.call("mail.send", {**MAIL, "to": ["q7@customer.example"]}, run=Tool().run)
        assert aside
    with indexed(folder) as index:
        (mail,) = found(index, "kind:decision tool:mail.send")
        read, unread = found(index, "kind:decision tool:page.read")
        first, second = found(index, "kind:model.called")
        whole = sliced(index, mail)
        inside = {entry.id for entry in whole.entries}
        assert {first.id, second.id, read.id} <= inside
        assert unread.id not in inside, "no model was given it"
        assert (Relation.PROMPTED, second.id) in {(edge.relation, edge.earlier) for edge in index.edges_back(mail.id)}
        relations = {(edge.relation, edge.earlier) for edge in whole.edges if edge.later == first.id}
        assert {relation for relation, _ in relations} == {Relation.INPUT}
        assert len(relations) == 2
        again = {(edge.relation, edge.earlier) for edge in index.edges_back(second.id)}
        assert (Relation.AFTER, first.id) in again
        (said,) = (earlier for relation, earlier in again if relation is Relation.INPUT)
        assert (Relation.OUTPUT, first.id) in {(edge.relation, edge.earlier) for edge in index.edges_back(said)}
        forward = {entry.id for entry in sliced(index, read, Direction.FORWARD).entries}
        assert {first.id, second.id, mail.id} <= forward


def test_whatever_is_cut_the_rest_is_shown_as_it_is_recorded(tmp_path: Path) -> None:
    """A slice of few steps or events is no other one: each edge between the events that it shows is in it."""
    folder, truth = make_world(tmp_path), Truth(random.Random(5))
    with opened(folder) as session:
        session.prompt("Do what is due")
        for _ in range(3):
            truth.read(session)
            truth.mail(session, truth.picks.choice(sorted(truth.seen)))
    with indexed(folder) as index:
        for entry in index.latest(limit=200)[0]:
            for steps, nodes in ((1, 50), (2, 5), (2, 50), (3, 4), (32, 3)):
                made = cut_out(index, entry.id, Direction.BACK, steps=steps, nodes=nodes)
                assert made is not None
                inside = {one.id for one in made.entries}
                recorded = {edge for one in inside for edge in index.edges_back(one) if edge.earlier in inside}
                assert set(index.confirmed(made).edges) == recorded


def test_what_more_leads_on_from_than_is_followed_says_so(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    with opened(folder) as session:
        session.prompt("Do what is due")
        texts = ["Do what is due"]
        for number in range(210):
            session.message("user", text := f"note {number}")
            texts.append(text)
        with session.model_call("a-model", inputs=texts) as running:
            running.output("done")
    with indexed(folder) as index:
        (called,) = found(index, "kind:model.called")
        ends = {(end.event, end.reason) for end in sliced(index, called).ends}
    assert (called.id, EndReason.FAN) in ends


def test_what_was_erased_is_an_end_of_its_trace(tmp_path: Path) -> None:
    folder = make_world(tmp_path)
    truth = Truth(random.Random(1))
    with opened(folder) as session:
        session.prompt("Do what is due")
        truth.read(session)
        truth.mail(session, min(truth.seen))
    with indexed(folder) as index:
        (mail,) = found(index, "kind:decision tool:mail.send")
        before = sliced(index, mail)
        assert EndReason.ERASED not in {end.reason for end in before.ends}
    for key in (folder / ".bailiwick/keys").glob("subjects.db*"):
        key.unlink()
    with indexed(folder) as index:
        after = sliced(index, mail)
        (page,) = found(index, "origin:result source:tool:page.read")
    assert (page.id, EndReason.ERASED) in {(end.event, end.reason) for end in after.ends}
    assert after.edges == before.edges, "where it went is not forgotten"
