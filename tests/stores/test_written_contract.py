"""What every store of written things must do. Another one joins by adding its opener to OPENERS."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bailiwick.errors import StoreError
from bailiwick.flow.written import ANY_STORE, MAX_READER_SETS, NOTHING_WRITTEN, Look, Place, Write, WrittenStore
from bailiwick.model.label import NOBODY, Integrity, Label, Readers
from bailiwick.stores.sqlite_state_file import StateFile
from bailiwick.stores.sqlite_written import SqliteWritten

TAINTED = Label(integrity=Integrity.UNTRUSTED, sensitivity=1, sources=frozenset({"agent:a"}))
PHI = Label(sensitivity=3, categories=frozenset({"phi"}), readers=Readers.of("Group::care"))
NOTE = Place(store="notes", template="notes/{title}", name="plan1")
LISTING = Place(store="notes", template="notes")

Opener = Callable[..., WrittenStore]


def sqlite(folder: Path, undo: ExitStack, **limits: int) -> WrittenStore:
    file = StateFile.open(folder / "state.db")
    undo.callback(file.close)
    return SqliteWritten(file, **limits)


OPENERS = [pytest.param(sqlite, id="sqlite")]


@pytest.fixture(params=OPENERS)
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Opens the same state once more with each call, as another process would."""
    with ExitStack() as undo:

        def open_again(**limits: int) -> WrittenStore:
            store: WrittenStore = request.param(tmp_path, undo, **limits)
            return store

        yield open_again


def note(
    store: WrittenStore, place: Place = NOTE, label: Label = TAINTED, *, strict: bool = False, **more: object
) -> None:
    write = Write(places=(place,), label=label, strict=strict)
    store.note("acme", "test", replace(write, **more))  # type: ignore[arg-type]


def label(store: WrittenStore, place: Place, **more: object) -> Label:
    return store.before("acme", "test", replace(Look(places=(place,)), **more)).label  # type: ignore[arg-type]


def test_nothing_written_is_nothing_known(opener: Opener) -> None:
    store = opener()
    assert not store.anything("acme", "test")
    assert store.before("acme", "test", Look(places=(NOTE,), values=("v",), texts=("t",))) == NOTHING_WRITTEN


def test_a_note_is_there_for_everybody_else_at_once_and_for_this_tenant_and_environment_alone(opener: Opener) -> None:
    first, second = opener(), opener()
    note(first, values=("v",), texts=("t",))
    look = Look(places=(NOTE,), values=("v", "w"), texts=("t", "u"))
    assert second.anything("acme", "test")
    assert second.before("acme", "test", look).label == TAINTED
    assert second.before("acme", "test", look).values == ("v",)
    for tenant, env in (("acme", "live"), ("other", "test")):
        assert not second.anything(tenant, env)
        assert second.before(tenant, env, look) == NOTHING_WRITTEN


def test_an_object_keeps_the_join_of_what_was_written_to_it(opener: Opener) -> None:
    store = opener()
    note(store)
    note(store, label=PHI)
    note(store, label=Label(sensitivity=1))
    assert label(store, NOTE) == TAINTED.join(PHI)
    assert label(store, replace(NOTE, name="plan2")) == Label()


@pytest.mark.parametrize("strict", [True, False])
def test_a_listing_gets_every_taint_and_what_is_strict(opener: Opener, strict: bool) -> None:
    store = opener()
    note(store, label=TAINTED.join(PHI), strict=strict)
    assert label(store, LISTING).tainted
    assert label(store, LISTING).sensitivity == (3 if strict else 0)
    assert label(store, replace(LISTING, store="wiki")) == Label()
    assert label(store, LISTING, marks=False) == Label(), "the answer to a write lists nothing"


@pytest.mark.parametrize(
    "place",
    [
        Place(store="notes", template="notes"),
        Place(store="notes", template="notes/{id}", name="17"),
        Place(store=ANY_STORE, template="shell.run"),
    ],
    ids=["without a name", "named otherwise", "by a tool that touches any store"],
)
def test_an_object_gets_what_may_have_been_written_to_it_in_another_way(opener: Opener, place: Place) -> None:
    store = opener()
    note(store, place, label=PHI, strict=True)
    assert label(store, NOTE).sensitivity == 3
    assert label(store, replace(NOTE, store="wiki")).sensitivity == (3 if place.store == ANY_STORE else 0)


def test_an_unclear_name_is_every_object_of_its_template(opener: Opener) -> None:
    store, unclear = opener(), replace(NOTE, name="", unclear=True)
    note(store, label=PHI)
    assert label(store, unclear).sensitivity == 3, "read under it"
    note(store, unclear, label=TAINTED)
    assert label(store, replace(NOTE, name="plan2")) == TAINTED, "written under it"


def test_content_is_known_wherever_it_turns_up_and_values_where_they_were_written(opener: Opener) -> None:
    store = opener()
    note(store, label=PHI, values=("v",), texts=("t",))
    elsewhere = Place(store="wiki", template="wiki")
    found = store.before("acme", "test", Look(places=(elsewhere,), values=("v",), texts=("t",)))
    assert found.label == PHI
    assert found.values == ()
    assert store.before("acme", "test", Look(places=(LISTING,), values=("v",))).values == ("v",)
    anywhere = Place(store=ANY_STORE, template="shell.run")
    assert store.before("acme", "test", Look(places=(anywhere,), values=("v",))).values == ("v",)


def test_many_keys_are_asked_for_in_one_go(opener: Opener) -> None:
    store = opener()
    texts = tuple(f"{number:016x}" for number in range(3_000))
    note(store, label=PHI, values=tuple(map(str, range(3_000))), texts=texts)
    look = Look(places=(LISTING,), values=("x",) * 2_000 + ("2999",), texts=("x",) * 2_000 + texts[-1:])
    found = store.before("acme", "test", look)
    assert (found.label, found.values) == (PHI, ("2999",))


def test_what_was_not_listed_counts_for_the_whole_store(opener: Opener) -> None:
    store = opener()
    note(store, label=PHI, unlisted=True)
    found = store.before("acme", "test", Look(places=(LISTING,)))
    assert found.label == PHI
    assert found.everything


def test_what_could_not_be_searched_gets_everything_of_its_store(opener: Opener) -> None:
    store = opener()
    note(store, label=PHI)
    found = store.before("acme", "test", Look(places=(LISTING,), unsearched=True))
    assert found.label == PHI
    assert found.everything


def test_beyond_its_limits_a_store_tells_nothing_apart(opener: Opener) -> None:
    store = opener(max_objects=2, max_entries=3)
    for number in range(4):
        note(store, replace(NOTE, name=f"plan{number}"), label=Label(sensitivity=number), texts=(f"{number}",))
    assert label(store, replace(NOTE, name="plan0")).sensitivity == 3, "the labels of objects that had no room"
    assert label(store, LISTING).sensitivity == 3, "the labels of contents that had no room"


def test_a_label_does_not_grow_for_ever(opener: Opener) -> None:
    store = opener()
    for number in range(MAX_READER_SETS + 1):
        note(store, label=Label(readers=Readers.of(f"Group::{number}"), sources=frozenset({f"agent:{number}"})))
    kept = label(store, NOTE)
    assert kept.readers == NOBODY
    assert len(kept.sources) == 16


def test_writers_at_the_same_moment_lose_nothing(opener: Opener) -> None:
    stores = [opener() for _ in range(4)]

    def work(store: WrittenStore, name: str) -> None:
        for number in range(5):
            note(store, label=Label(categories=frozenset({f"{name}{number}"})), strict=True, texts=("t",))

    threads = [threading.Thread(target=work, args=(store, "abcd"[at])) for at, store in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    every = {f"{name}{number}" for name in "abcd" for number in range(5)}
    elsewhere = Look(places=(replace(LISTING, store="wiki"),), texts=("t",))
    assert label(stores[0], NOTE).categories == every
    assert label(stores[0], LISTING).categories == every
    assert stores[0].before("acme", "test", elsewhere).label.categories == every


LABELS = st.builds(
    Label,
    sensitivity=st.integers(0, 3),
    categories=st.frozensets(st.sampled_from(["pii", "phi"])),
    integrity=st.sampled_from(Integrity),
)
PLACES = st.builds(
    Place,
    store=st.sampled_from(["notes", "files", ANY_STORE]),
    template=st.sampled_from(["t", "t/{a}", "t/{b}"]),
    name=st.sampled_from(["", "1", "2"]),
)
WRITES = st.builds(
    Write,
    places=PLACES.map(lambda place: (place,)),
    label=LABELS,
    strict=st.booleans(),
    values=st.lists(st.sampled_from("vw"), unique=True).map(tuple),
    texts=st.lists(st.sampled_from(["t", "u"]), unique=True).map(tuple),
    unlisted=st.booleans(),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(writes=st.lists(WRITES, max_size=6), place=PLACES, texts=st.sampled_from([(), ("t",)]))
def test_no_label_is_lost_in_whatever_order_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, writes: list[Write], place: Place, texts: tuple[str, ...]
) -> None:
    """Against a reference that walks over all writes; and the order of the writes changes nothing."""
    answers = []
    for order in (writes, writes[::-1]):
        with ExitStack() as undo:
            store = sqlite(tmp_path_factory.mktemp("written"), undo)
            for write in (*order, *order[:1]):
                store.note("acme", "test", write)
            answers.append(store.before("acme", "test", Look(places=(place,), values=("v", "w"), texts=texts)))
    assert answers[0] == answers[1]
    for write in writes:
        at = write.places[0]
        near = ANY_STORE in (at.store, place.store) or at.store == place.store
        here = (at.store, at.template) == (place.store, place.template) and bool(at.name) and bool(place.name)
        same, apart = here and at.name == place.name, here and at.name != place.name
        listed = not write.unlisted and bool(set(texts) & set(write.texts))
        if same or listed or (near and write.strict and not apart):
            assert write.label.flows_to(answers[0].label)
        if near and write.label.tainted and not apart:
            assert answers[0].label.tainted


def test_a_store_that_fails_says_so(tmp_path: Path) -> None:
    with ExitStack() as undo:
        store = sqlite(tmp_path, undo)
        note(store)
        file = StateFile.open(tmp_path / "state.db")
        with file.use() as connection:
            connection.execute("UPDATE written_stores SET mark = x'00'")
        file.close()
        with pytest.raises(StoreError, match="damaged"):
            label(store, LISTING)
