"""Retrieval: each chunk is labelled, and kept from whoever may not read it (DESIGN §5 *Flow*)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bailiwick import Document, Guard, Integrity, Label, UsageError
from bailiwick.model.event import Event, EventKind
from bailiwick.model.label import Readers
from bailiwick.model.suspensions import Target
from tests.guard.store_world import POISON, SECRET, make_store_world, poisoned, session_of
from tests.guard.switches import BOT, EVERYTHING, resumed, suspended
from tests.worlds import Tool, edit, events

DOCUMENTS = (
    Document("The board plans to sell the harbour.", {"sensitivity": "restricted"}, "board"),
    Document("Lunch is at noon.", {"sensitivity": "public"}, "lunch"),
    Document("Salaries of the leads.", {"sensitivity": "internal", "readers": ["Group::leads"]}, "salaries"),
    Document("How to answer a ticket.", {"sensitivity": "internal", "readers": ["Group::support"]}, "tickets"),
    Document("Nobody labelled this.", {"author": "somebody"}, "stray"),
)


def make_retrieval_world(folder: Path) -> Path:
    """Alice and both agents are cleared for what is internal; bob and desk-bot for everything would be too much."""
    make_store_world(folder)
    edit(
        folder,
        "directory.toml",
        'email  = "alice@acme.example"',
        'email  = "alice@acme.example"\nclearance = "internal"',
    )
    for agent in ("desk-bot", "helper"):
        edit(folder, "directory.toml", f"[agents.{agent}]\n", f'[agents.{agent}]\nclearance = "restricted"\n')
    edit(folder, "directory.toml", 'owner   = "carol"\n', 'owner   = "carol"\nclearance = "restricted"\n')
    return folder


def withheld(folder: Path) -> list[Event]:
    return [event for event in events(folder) if event.kind is EventKind.CONTENT_WITHHELD]


def ids(found: list[Document]) -> list[str]:
    return [document.id for document in found]


def test_each_gets_what_their_clearance_and_their_groups_allow(tmp_path: Path) -> None:
    folder = make_retrieval_world(tmp_path)
    with Guard.open(folder) as guard:
        with session_of(guard, "alice") as session:
            assert ids(session.retrieved("kb", DOCUMENTS)) == ["lunch", "tickets"]
            assert session.label.sensitivity == 1
            assert session.label.readers == Readers.of("Group::support")
            assert {"kb#0", "kb#1"} <= session.label.sources, "numbered without gaps"
        with session_of(guard, "bob") as session:
            assert ids(session.retrieved("kb", DOCUMENTS)) == ["board", "lunch", "salaries", "tickets"]
            assert session.label.sensitivity == SECRET
    alice, bob = withheld(folder)
    assert (alice.body["source"], alice.body["kept"], alice.body["withheld"]) == ("kb", 2, 3)
    listed: Any = alice.body["documents"]
    assert [(each["document"], each["why"]) for each in listed] == [
        ("board", "clearance"),
        ("salaries", "readers"),
        ("stray", "clearance"),
    ]
    assert bob.body["withheld"] == 1


def test_what_is_withheld_is_nowhere_but_on_record(tmp_path: Path) -> None:
    with Guard.open(make_retrieval_world(tmp_path)) as guard, session_of(guard, "alice") as session:
        session.retrieved("kb", DOCUMENTS)
        assert session.model_input([DOCUMENTS[0].text]) == [DOCUMENTS[0].text], "the session never saw it"


LINKS = {
    "the agent": ('[agents.desk-bot]\nclearance = "restricted"', '[agents.desk-bot]\nclearance = "public"'),
    "the user": ('clearance = "internal"', 'clearance = "public"'),
}


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS.keys())
def test_every_link_of_the_chain_must_be_cleared(tmp_path: Path, link: tuple[str, str]) -> None:
    folder = make_retrieval_world(tmp_path)
    edit(folder, "directory.toml", *link)
    with Guard.open(folder) as guard, session_of(guard, "alice") as session:
        assert ids(session.retrieved("kb", DOCUMENTS)) == ["lunch"]


def test_a_sub_agent_reads_no_more_than_its_own_clearance(tmp_path: Path) -> None:
    folder = make_retrieval_world(tmp_path)
    edit(folder, "directory.toml", '[agents.helper]\nclearance = "restricted"', "[agents.helper]")
    with Guard.open(folder) as guard, session_of(guard, "alice") as session, session.delegate("helper") as helper:
        assert ids(helper.retrieved("kb", DOCUMENTS)) == ["lunch"]


def test_a_service_reads_for_whoever_answers_for_it(tmp_path: Path) -> None:
    folder = make_retrieval_world(tmp_path)
    with (
        Guard.open(folder) as guard,
        guard.session(service="nightly", agent="desk-bot", task="Tidy up") as session,
    ):
        assert ids(session.retrieved("kb", DOCUMENTS)) == ["board", "lunch", "salaries", "tickets"]


def test_what_the_caller_vouches_for_joins_what_the_document_says(tmp_path: Path) -> None:
    house = Label(sensitivity=1, integrity=Integrity.ORGANISATION)
    with Guard.open(make_retrieval_world(tmp_path)) as guard, session_of(guard, "alice") as session:
        assert ids(session.retrieved("kb", DOCUMENTS, label=house)) == ["lunch", "tickets", "stray"]
        assert session.retrieved("kb", ["a text"], label=Label(sensitivity=2)) == []
        assert session.retrieved("kb", ["a text"], label=house) == ["a text"]


def test_a_bare_text_without_a_label_is_what_nobody_vouches_for(tmp_path: Path) -> None:
    with Guard.open(make_retrieval_world(tmp_path)) as guard, session_of(guard, "alice") as session:
        assert session.retrieved("kb", ["a text"]) == ["a text"]
        assert (session.label.sensitivity, session.label.tainted) == (SECRET, True)


def test_it_is_judged_by_the_directory_as_it_is_now(tmp_path: Path) -> None:
    folder = make_retrieval_world(tmp_path)
    with Guard.open(folder) as guard, session_of(guard, "alice") as session:
        before = session.retrieved("kb", DOCUMENTS)
    edit(folder, "directory.toml", 'clearance = "internal"\ngroups = ["support"]', 'groups = ["support"]')
    with Guard.open(folder) as guard, session_of(guard, "alice") as session:
        assert len(session.retrieved("kb", DOCUMENTS)) < len(before)


@pytest.mark.parametrize("target", [EVERYTHING, BOT])
def test_a_session_that_is_stopped_or_closed_is_given_nothing(tmp_path: Path, target: Target) -> None:
    folder = make_retrieval_world(tmp_path)
    with Guard.open(folder) as guard, session_of(guard, "alice") as session:
        assert session.retrieved("kb", [*DOCUMENTS, "A bare text."])
        suspended(guard, target)
        assert session.retrieved("kb", [*DOCUMENTS, "A bare text."]) == []
        resumed(guard, target)
        assert session.retrieved("kb", DOCUMENTS)
    with Guard.open(folder) as guard:
        with session_of(guard, "alice") as session:
            pass
        assert session.retrieved("kb", DOCUMENTS) == []


def test_sync_and_async_are_the_same(tmp_path: Path) -> None:
    folder = make_retrieval_world(tmp_path)
    with Guard.open(folder) as guard:
        with session_of(guard, "alice") as session:
            found, label = session.retrieved("kb", DOCUMENTS), session.label
        with session_of(guard, "alice") as session:
            assert asyncio.run(session.aretrieved("kb", DOCUMENTS)) == found
            assert session.label == label


@dataclass
class Chunk:
    """A document as LangChain has it."""

    page_content: str
    metadata: dict[str, Any]
    id: str | None = None


def test_documents_of_frameworks_come_back_as_they_are(tmp_path: Path) -> None:
    chunks = [Chunk(each.text, dict(each.metadata), each.id) for each in DOCUMENTS]
    with Guard.open(make_retrieval_world(tmp_path)) as guard, session_of(guard, "alice") as session:
        assert session.retrieved("kb", chunks) == [chunks[1], chunks[3]]
        with pytest.raises(UsageError, match="no chunk"):
            session.retrieved("kb", [object()])


def test_the_reader_of_a_session_is_whom_a_store_filters_for(tmp_path: Path) -> None:
    with Guard.open(make_retrieval_world(tmp_path)) as guard, session_of(guard, "alice") as session:
        reader = session.reader
        assert reader.clearance == 1
        assert reader.levels[reader.clearance] == "internal"
        assert reader.names == {"User::alice", "Group::support"}
        assert [reader.may_read(document) for document in DOCUMENTS] == [False, True, False, True, False]
        assert ids(reader.first(DOCUMENTS, 1)[0]) == ["board", "lunch"]


def test_promise_7_what_an_agent_wrote_is_retrieved_with_its_label(tmp_path: Path) -> None:
    """A note that was written under taint is indexed as a document of the house."""
    folder = make_retrieval_world(tmp_path)
    with Guard.open(folder) as guard:
        with session_of(guard, "alice") as session:
            poisoned(session)
            session.call("note.save", {"title": "plan-1", "text": POISON}, run=Tool("ok").run)
        house = Label(integrity=Integrity.ORGANISATION)
        with session_of(guard, "bob") as session:
            session.retrieved("kb", [f"Handbook. {POISON}"], label=house)
            assert (session.label.sensitivity, session.label.tainted) == (SECRET, True)
        with session_of(guard, "bob") as session:
            session.retrieved("notes", ["short"], label=house)
            assert (session.label.sensitivity, session.label.tainted) == (SECRET, True), "the source is the store"
