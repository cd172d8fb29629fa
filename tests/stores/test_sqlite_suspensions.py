"""What is suspended, as the store keeps it: one revision for each change, and exact resumptions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.errors import StoreError
from bailiwick.model.principal import Chain, EntityKind, EntityRef, SessionKey
from bailiwick.model.suspensions import Suspension, Target, TargetKind
from bailiwick.stores.sqlite_state import SqliteState
from bailiwick.stores.sqlite_state_file import StateFile
from bailiwick.stores.sqlite_suspensions import SqliteSuspensions

AT = ("acme", "prod")
BOT = Suspension(target=Target(TargetKind.AGENT, "bot"), by="carol", at_ms=7, reason="odd mails", event="evt-1")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[StateFile]:
    file = StateFile.open(tmp_path / "state.db")
    yield file
    file.close()


def test_each_change_and_nothing_else_raises_the_revision(file: StateFile, tmp_path: Path) -> None:
    here, there = SqliteSuspensions(file), SqliteSuspensions(StateFile.open(tmp_path / "state.db"))
    assert (here.revision(*AT), dict(here.suspensions(*AT).by_target)) == (0, {})
    seen = [here.revision(*AT)]
    changes: list[tuple[Callable[[], bool], bool]] = [
        (lambda: here.suspend(*AT, BOT), True),
        (lambda: there.suspend(*AT, replace(BOT, by="bob", event="evt-2")), False),
        (lambda: there.resume(*AT, replace(BOT, event="evt-0")), False),
        (lambda: there.resume(*AT, BOT), True),
        (lambda: here.resume(*AT, BOT), False),
        (lambda: here.suspend(*AT, replace(BOT, event="evt-3")), True),
        (lambda: there.resume(*AT, BOT), False),
    ]
    for change, done in changes:
        assert change() is done
        assert here.revision(*AT) == there.revision(*AT) == here.suspensions(*AT).revision
        assert (here.revision(*AT) > seen[-1]) is done
        seen.append(here.revision(*AT))
    assert dict(there.suspensions(*AT).by_target) == {BOT.target: replace(BOT, event="evt-3")}
    assert there.suspensions("acme", "test").by_target == {}


def test_what_cannot_be_read_is_no_answer(file: StateFile) -> None:
    standing = SqliteSuspensions(file)
    standing.suspend(*AT, BOT)
    with file.use() as connection:
        connection.execute("UPDATE suspensions SET kind = 'agnets'")
    with pytest.raises(StoreError, match="damaged"):
        standing.suspensions(*AT)
    file.close()
    for ask in (standing.revision, standing.suspensions):
        with pytest.raises(StoreError):
            ask(*AT)


@given(st.tuples(TEXT, TEXT, TEXT, TEXT, TEXT), st.sampled_from([EntityKind.USER, EntityKind.SERVICE]))
def test_a_sessions_id_reads_back_as_its_key(parts: tuple[str, str, str, str, str], kind: EntityKind) -> None:
    tenant, env, name, agent, conversation = parts
    key = SessionKey(tenant=tenant, env=env, root=EntityRef(kind=kind, id=name), agent=agent, conversation=conversation)
    assert SessionKey.read(key.id) == key


@given(TEXT | st.from_regex(r"(\d+:[a-z|:0-9]*\|?){0,7}", fullmatch=True))
def test_what_reads_as_a_key_is_the_id_of_it(text: str) -> None:
    key = SessionKey.read(text)
    assert key is None or key.id == text


def test_sessions_are_found_by_their_conversation_and_by_no_ending_of_another(tmp_path: Path) -> None:
    def key(agent: str, conversation: str, env: str = "prod") -> SessionKey:
        root = EntityRef(kind=EntityKind.USER, id="alice")
        return SessionKey(tenant="acme", env=env, root=root, agent=agent, conversation=conversation)

    keys = [key("bot", "c-1"), key("bot/helper", "c-1"), key("bot", "x|3:c-1"), key("bot", "c-1", "test")]
    with SqliteState.open(tmp_path / "state.db") as state:
        for one in keys:
            links = (one.root, *(EntityRef(kind=EntityKind.AGENT, id=agent) for agent in one.agent.split("/")))
            state.open_session(one, chain=Chain(links=links), task="Work", purpose="Work", now_ms=1)
        assert state.sessions_of("acme", "prod", "c-1") == (keys[1], keys[0])
        assert state.sessions_of("acme", "prod", "x|3:c-1") == (keys[2],)
        assert state.sessions_of("acme", "prod", "") == ()
