"""What every state store must do, whatever it is built on. Another store joins by adding its opener to OPENERS."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bailiwick.action.approval_store import ApprovalStore
from bailiwick.action.approvals import ApprovalStatus, consume
from bailiwick.action.ports import InFlightStore, Resolution, effect_key
from bailiwick.errors import StoreError
from bailiwick.flow.records import LedgerRow, LedgerStore, RowKind
from bailiwick.identity.ports import SessionStore, StoredSession
from bailiwick.model.principal import Chain, EntityKind, EntityRef, SessionKey
from bailiwick.model.tool import Idempotency
from bailiwick.stores.sqlite_state import SqliteState
from tests.action.approval_sample import DIGEST, asked, authority, granted, requested

NOW = 1_700_000_000_000
EFFECT = effect_key("acme", "test", "sha256:effect")


class StateStore(ApprovalStore, SessionStore, InFlightStore, LedgerStore, Protocol):
    """All ports in one, as the embedded store has them."""

    def close(self) -> None: ...


Opener = Callable[[], StateStore]


def sqlite(folder: Path) -> StateStore:
    return SqliteState.open(folder / "state.db")


OPENERS = [pytest.param(sqlite, id="sqlite")]


@pytest.fixture(params=OPENERS)
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Opens the same state once more with each call, as another process would."""
    with ExitStack() as opened:

        def open_again() -> StateStore:
            store: StateStore = request.param(tmp_path)
            opened.callback(store.close)
            return store

        yield open_again


@pytest.fixture
def store(opener: Opener) -> StateStore:
    return opener()


def key(
    *, tenant: str = "acme", env: str = "test", conversation: str = "c-1", agent: str = "support-bot"
) -> SessionKey:
    root = EntityRef(kind=EntityKind.USER, id="alice")
    return SessionKey(tenant=tenant, env=env, root=root, agent=agent, conversation=conversation)


def chain(*agents: str) -> Chain:
    links = [EntityRef(kind=EntityKind.AGENT, id=agent) for agent in agents or ("support-bot",)]
    return Chain(links=(EntityRef(kind=EntityKind.USER, id="alice"), *links))


def opened(store: SessionStore, *, task: str = "Help", now_ms: int = NOW, **where: str) -> StoredSession:
    return store.open_session(key(**where), chain=chain(), task=task, purpose=f"purpose of {task}", now_ms=now_ms)


def begun(store: InFlightStore, permit_id: str, *, effect: str = EFFECT, now_ms: int = NOW) -> None:
    store.begin(
        effect,
        permit_id=permit_id,
        decision_event=f"event-{permit_id}",
        log_id="log-1",
        tool="bank.transfer",
        idempotency=Idempotency.NONE,
        now_ms=now_ms,
    )


def row(payload: bytes, kind: RowKind = RowKind.CONTENT) -> LedgerRow:
    return LedgerRow(ord=-1, kind=kind, payload=payload)


# --- approvals


def test_an_approval_comes_back_as_it_was_saved(opener: Opener) -> None:
    approval = requested()
    opener().save(approval)
    assert opener().get("acme", "test", "apr-1") == approval
    assert opener().get("acme", "test", "apr-2") is None


def test_an_id_is_taken_once(store: StateStore) -> None:
    store.save(requested())
    with pytest.raises(StoreError):
        store.save(requested(digest="sha256:other"))
    assert store.get("acme", "test", "apr-1") == requested()


def test_no_more_wait_for_a_session_than_it_may_have_open(store: StateStore) -> None:
    elsewhere = authority(("User::alice", "Agent::researcher"))
    assert store.save(requested(id="apr-1"), most_open=2)
    assert store.save(requested(id="apr-2"), most_open=2)
    assert not store.save(requested(id="apr-3"), most_open=2)
    assert store.get("acme", "test", "apr-3") is None
    assert store.save(requested(id="apr-4", authority=elsewhere), most_open=2), "another session's"
    assert store.save(requested(id="apr-5")), "where nothing is said there is no limit"
    over = requested().expires_ms
    assert store.save(requested(id="apr-6", now_ms=over), most_open=2), "the others' time is over"
    assert store.compare_and_set(requested(id="apr-2"), granted(id="apr-2"))
    assert store.save(requested(id="apr-7"), most_open=4), "who is answered waits no more"


def test_approvals_are_found_by_action_session_and_state_oldest_first(store: StateStore) -> None:
    second, first = requested(id="apr-1"), requested(id="apr-2", now_ms=NOW - 1)
    other = requested(id="apr-3", digest="sha256:other")
    elsewhere = requested(id="apr-4", authority=authority(("User::alice", "Agent::researcher")))
    for each in (second, first, other, elsewhere):
        store.save(each)
    assert store.by_digest("acme", "test", DIGEST) == (first, second, elsewhere)
    assert store.by_session(authority().key.id) == (first, second, other)
    assert store.pending("acme", "test") == (first, second, other, elsewhere)
    done = granted(id="apr-1")
    assert store.compare_and_set(second, done)
    assert store.pending("acme", "test") == (first, other, elsewhere)
    assert store.by_digest("acme", "test", DIGEST) == (first, done, elsewhere)


def test_tenants_and_environments_do_not_see_each_other(store: StateStore) -> None:
    theirs = requested(authority=authority(tenant="rival"))
    store.save(requested())
    store.save(theirs)
    assert store.get("rival", "test", "apr-1") == theirs
    assert store.by_digest("acme", "prod", DIGEST) == ()
    assert store.pending("rival", "test") == (theirs,)
    assert not store.compare_and_set(granted(authority=authority(tenant="third")), consume(
        granted(authority=authority(tenant="third"))
    ))  # fmt: skip
    opened(store)
    assert store.get_session(key(tenant="rival")) is None
    assert store.get_session(key(env="prod")) is None
    begun(store, "p-1")
    assert store.in_doubt(effect_key("rival", "test", "sha256:effect")) == ()
    assert store.all_in_doubt("acm", "etest") == ()
    assert len(store.all_in_doubt("acme", "test")) == 1


def test_only_who_read_the_present_state_may_change_it(opener: Opener) -> None:
    mine, theirs = opener(), opener()
    start, yes = requested(), granted()
    mine.save(start)
    assert mine.compare_and_set(start, yes)
    assert not theirs.compare_and_set(start, yes)
    assert theirs.compare_and_set(yes, consume(yes))
    assert not mine.compare_and_set(yes, consume(yes))
    assert mine.get("acme", "test", "apr-1") == consume(yes)


def test_a_step_that_is_none_is_refused(store: StateStore) -> None:
    start = requested()
    store.save(start)
    for bad in (
        replace(start, status=ApprovalStatus.GRANTED),
        replace(start, status=ApprovalStatus.CONSUMED),
        replace(granted(), asked=asked(digest="sha256:other")),
    ):
        with pytest.raises(StoreError, match="cannot go from"):
            store.compare_and_set(start, bad)
    assert store.get("acme", "test", "apr-1") == start


def test_promise_4_of_fifty_threads_one_uses_the_approval(opener: Opener) -> None:
    yes = granted()
    stores = [opener() for _ in range(5)]
    stores[0].save(requested())
    assert stores[0].compare_and_set(requested(), yes)
    start = threading.Barrier(50)
    won: list[bool] = []

    def use(store: StateStore) -> None:
        start.wait()
        won.append(store.compare_and_set(yes, consume(yes)))

    threads = [threading.Thread(target=use, args=(stores[n % 5],)) for n in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 49 + [True]


# --- sessions


def test_a_session_is_restored_with_its_created_time(opener: Opener) -> None:
    first = opened(opener())
    assert (first.created_ms, first.task_started_ms, first.version) == (NOW, NOW, 1)
    assert (first.key, first.chain, first.task, first.purpose) == (key(), chain(), "Help", "purpose of Help")
    assert opened(opener(), now_ms=NOW + 5000) == first
    assert opener().get_session(key()) == first
    assert opener().get_session(key(conversation="c-2")) is None


def test_going_to_another_task_and_back_does_not_start_it_anew(store: StateStore) -> None:
    opened(store, task="answer-ticket")
    other = opened(store, task="Chat", now_ms=NOW + 1000)
    assert (other.task, other.created_ms, other.task_started_ms, other.version) == ("Chat", NOW, NOW + 1000, 2)
    back = opened(store, task="answer-ticket", now_ms=NOW + 2000)
    assert (back.task_started_ms, back.version) == (NOW, 3)


def test_a_task_runs_for_each_session_alone(store: StateStore) -> None:
    opened(store, task="answer-ticket")
    assert opened(store, task="answer-ticket", now_ms=NOW + 9, conversation="c-2").task_started_ms == NOW + 9


def test_a_session_does_not_change_its_chain(store: StateStore) -> None:
    opened(store)
    with pytest.raises(StoreError, match="another chain"):
        store.open_session(key(), chain=chain("researcher"), task="Help", purpose="purpose of Help", now_ms=NOW)


def test_threads_that_open_one_session_find_one_session(opener: Opener) -> None:
    stores = [opener() for _ in range(3)]
    start = threading.Barrier(12)
    found: list[StoredSession] = []

    def enter(n: int) -> None:
        start.wait()
        found.append(opened(stores[n % 3], now_ms=NOW + n))

    threads = [threading.Thread(target=enter, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 12
    assert len({(each.created_ms, each.task_started_ms, each.version) for each in found}) == 1


# --- calls under way


def test_a_call_is_in_doubt_until_its_outcome_is_known(opener: Opener) -> None:
    store = opener()
    begun(store, "p-1")
    begun(store, "p-2", now_ms=NOW - 1)
    begun(store, "p-3", effect=effect_key("acme", "test", "sha256:another"))
    rows = opener().in_doubt(EFFECT)
    assert [(each.permit_id, each.unknown) for each in rows] == [("p-2", False), ("p-1", False)]
    first = rows[1]
    assert (first.effect_key, first.decision_event, first.log_id) == (EFFECT, "event-p-1", "log-1")
    assert (first.tool, first.idempotency, first.begun_ms) == ("bank.transfer", Idempotency.NONE, NOW)
    store.finish("p-1")
    store.finish("p-1")
    assert [each.permit_id for each in store.in_doubt(EFFECT)] == ["p-2"]
    assert [each.permit_id for each in store.all_in_doubt("acme", "test")] == ["p-2", "p-3"]


def test_an_unknown_outcome_stays_until_somebody_reconciles_it(store: StateStore) -> None:
    begun(store, "p-1")
    assert store.mark_unknown("p-1")
    assert not store.mark_unknown("p-1")
    assert [each.unknown for each in store.in_doubt(EFFECT)] == [True]
    assert store.resolve("p-1", Resolution.DID_NOT_RUN)
    assert not store.resolve("p-1", Resolution.RAN)
    assert not store.mark_unknown("p-1")
    assert store.in_doubt(EFFECT) == ()


def test_a_permit_is_begun_once(store: StateStore) -> None:
    begun(store, "p-1")
    store.resolve("p-1", Resolution.RAN)
    with pytest.raises(StoreError):
        begun(store, "p-1")


def test_nothing_is_known_of_permits_that_never_were(store: StateStore) -> None:
    store.finish("p-0")
    assert not store.mark_unknown("p-0")
    assert not store.resolve("p-0", Resolution.RAN)


# --- ledgers


def test_rows_of_two_writers_interleave_without_gaps(opener: Opener) -> None:
    mine, theirs = opener(), opener()
    assert tuple(mine.append("s", [row(b"a"), row(b"b", RowKind.KNOWN)])) == (0, 1)
    assert tuple(theirs.append("s", [row(b"c")])) == (2,)
    assert tuple(mine.append("s", [])) == ()
    assert tuple(mine.append("t", [row(b"x")])) == (0,)
    assert tuple(mine.append("s", [row(b"d")])) == (3,)
    assert tuple(theirs.load("s", -1)) == (
        LedgerRow(ord=0, kind=RowKind.CONTENT, payload=b"a"),
        LedgerRow(ord=1, kind=RowKind.KNOWN, payload=b"b"),
        LedgerRow(ord=2, kind=RowKind.CONTENT, payload=b"c"),
        LedgerRow(ord=3, kind=RowKind.CONTENT, payload=b"d"),
    )
    assert [each.payload for each in theirs.load("s", 1)] == [b"c", b"d"]
    assert tuple(theirs.load("nobody", -1)) == ()


def test_threads_that_append_lose_nothing(opener: Opener) -> None:
    stores = [opener() for _ in range(2)]

    def write(n: int) -> None:
        for i in range(10):
            stores[n % 2].append("s", [row(f"{n}.{i}".encode()), row(b"")])

    threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = stores[0].load("s", -1)
    assert [each.ord for each in rows] == list(range(120))
    assert {each.payload for each in rows} == {f"{n}.{i}".encode() for n in range(6) for i in range(10)} | {b""}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    session=st.text(st.characters(codec="utf-8"), min_size=1, max_size=8),
    batches=st.lists(
        st.lists(st.tuples(st.sampled_from(list(RowKind)), st.binary(max_size=50)), max_size=3), max_size=4
    ),
)
def test_a_ledger_comes_back_as_it_was_written(
    store: StateStore, session: str, batches: list[list[tuple[RowKind, bytes]]]
) -> None:
    before = len(store.load(session, -1))
    for batch in batches:
        store.append(session, [row(payload, kind) for kind, payload in batch])
    written: list[Any] = [each for batch in batches for each in batch]
    assert [(each.kind, each.payload) for each in store.load(session, before - 1)] == written


# --- an end


def test_a_closed_store_does_nothing_any_more(store: StateStore) -> None:
    store.close()
    store.close()
    for act in (
        lambda: store.save(requested()),
        lambda: store.get("acme", "test", "apr-1"),
        lambda: store.compare_and_set(granted(), consume(granted())),
        lambda: opened(store),
        lambda: begun(store, "p-1"),
        lambda: store.load("s", -1),
    ):
        with pytest.raises(StoreError, match="closed"):
            act()
