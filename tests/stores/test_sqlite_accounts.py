"""Accounts in the state file: what is used up, by whom at once, and what a restart and another process see."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from bailiwick.errors import StoreError
from bailiwick.identity.accounts import Challenge, ConsoleSession, Invitation, Passkey, Purpose
from bailiwick.model.approver import ProofMethod
from bailiwick.stores.sqlite_accounts import SqliteAccounts
from bailiwick.stores.sqlite_state_file import StateFile

HERE = ("acme", "test")
KEY = Passkey(id="k-1", user="bob", public_key=b"\x01", sign_count=0, added_ms=1, used_ms=0, event="e-1")
INVITATION = Invitation(code="c-1", user="bob", expires_ms=100, event="e-0")
SESSION = ConsoleSession(
    id="s-1", user="bob", method=ProofMethod.PASSKEY, proved_ms=10, seen_ms=10, ends_ms=1000, event="e-2"
)
CHALLENGE = Challenge(id="x-1", purpose=Purpose.LOGIN, holder="h", expires_ms=100, payload=b"p")
RACERS = 50


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def accounts(path: Path) -> Iterator[SqliteAccounts]:
    file = StateFile.open(path)
    yield SqliteAccounts(file)
    file.close()


def racing(path: Path, work: Callable[[SqliteAccounts], bool]) -> int:
    """How many of fifty succeed who do it at once, over five connections as five processes would have."""
    files = [StateFile.open(path) for _ in range(5)]
    start = threading.Barrier(RACERS)

    def one(number: int) -> bool:
        mine = SqliteAccounts(files[number % len(files)])
        start.wait()
        return work(mine)

    with ThreadPoolExecutor(RACERS) as pool:
        won = sum(pool.map(one, range(RACERS)))
    for file in files:
        file.close()
    return won


def test_a_challenge_is_taken_once(accounts: SqliteAccounts, path: Path) -> None:
    accounts.put_challenge(*HERE, CHALLENGE, now_ms=0)
    assert racing(path, lambda mine: mine.take_challenge(*HERE, "x-1", purpose=Purpose.LOGIN) == CHALLENGE) == 1
    assert accounts.take_challenge(*HERE, "x-1", purpose=Purpose.LOGIN) is None


def test_a_challenge_for_another_purpose_or_tenant_is_none(accounts: SqliteAccounts) -> None:
    accounts.put_challenge(*HERE, CHALLENGE, now_ms=0)
    for purpose in set(Purpose) - {Purpose.LOGIN}:
        assert accounts.take_challenge(*HERE, "x-1", purpose=purpose) is None
    assert accounts.take_challenge("other", "test", "x-1", purpose=Purpose.LOGIN) is None
    assert accounts.take_challenge("acme", "prod", "x-1", purpose=Purpose.LOGIN) is None
    assert accounts.take_challenge(*HERE, "x-1", purpose=Purpose.LOGIN) == CHALLENGE


def test_expired_challenges_do_not_pile_up(accounts: SqliteAccounts, path: Path) -> None:
    for number in range(20):
        row = replace(CHALLENGE, id=f"x-{number}", expires_ms=number + 1)
        accounts.put_challenge(*HERE, row, now_ms=number)
    with sqlite3.connect(path) as connection:
        (left,) = connection.execute("SELECT count(*) FROM challenges").fetchone()
    connection.close()
    assert left == 1


def test_an_invitation_brings_one_passkey(accounts: SqliteAccounts, path: Path) -> None:
    accounts.invite(*HERE, INVITATION)
    numbers = iter(range(RACERS))

    def enrol(mine: SqliteAccounts) -> bool:
        return mine.enrol(*HERE, replace(KEY, id=f"k-{next(numbers)}"), leave=INVITATION)

    assert racing(path, enrol) == 1
    assert len(accounts.passkeys(*HERE)) == 1
    assert accounts.invitation(*HERE, "c-1") is None


def test_a_passkey_needs_leave_of_its_own_user(accounts: SqliteAccounts) -> None:
    accounts.invite(*HERE, INVITATION)
    eves = replace(INVITATION, user="eve")
    assert not accounts.enrol(*HERE, replace(KEY, user="eve"), leave=INVITATION)
    assert not accounts.enrol(*HERE, replace(KEY, user="eve"), leave=eves)
    assert not accounts.enrol(*HERE, KEY, leave=SESSION)  # which nobody is in
    assert accounts.passkeys(*HERE) == ()
    assert accounts.invitation(*HERE, "c-1") == INVITATION


def test_a_known_credential_uses_no_invitation_up(accounts: SqliteAccounts) -> None:
    accounts.invite(*HERE, INVITATION)
    assert accounts.enrol(*HERE, KEY, leave=INVITATION)
    again = replace(INVITATION, code="c-2", user="eve")
    accounts.invite(*HERE, again)
    assert not accounts.enrol(*HERE, replace(KEY, user="eve"), leave=again)
    assert accounts.passkey(*HERE, "k-1") == KEY
    assert accounts.invitation(*HERE, "c-2") == again


def test_a_counter_moves_on_from_what_was_read(accounts: SqliteAccounts, path: Path) -> None:
    accounts.invite(*HERE, INVITATION)
    accounts.enrol(*HERE, KEY, leave=INVITATION)
    numbers = iter(range(1, RACERS + 1))
    assert racing(path, lambda mine: mine.counted(*HERE, KEY, sign_count=next(numbers), used_ms=5)) == 1
    found = accounts.passkey(*HERE, "k-1")
    assert found is not None
    assert not accounts.counted(*HERE, replace(found, public_key=b"\x02"), sign_count=99, used_ms=6)
    assert accounts.counted(*HERE, found, sign_count=99, used_ms=2)
    assert accounts.passkey(*HERE, "k-1") == replace(found, sign_count=99, used_ms=5)


def test_a_session_takes_the_place_of_another(accounts: SqliteAccounts) -> None:
    assert accounts.sign_in(*HERE, SESSION, passkey="", instead_of="")
    assert accounts.sign_in(*HERE, replace(SESSION, id="s-2"), passkey="", instead_of="s-1")
    assert accounts.session(*HERE, "s-1") is None
    assert accounts.session(*HERE, "s-2") == replace(SESSION, id="s-2")
    assert accounts.sign_out(*HERE, "s-2")
    assert not accounts.sign_out(*HERE, "s-2")


def test_a_session_needs_the_passkey_that_it_rests_on(accounts: SqliteAccounts) -> None:
    assert not accounts.sign_in(*HERE, SESSION, passkey="k-1", instead_of="")
    accounts.invite(*HERE, INVITATION)
    accounts.enrol(*HERE, KEY, leave=INVITATION)
    assert not accounts.sign_in(*HERE, replace(SESSION, user="eve"), passkey="k-1", instead_of="")
    assert accounts.sign_in(*HERE, SESSION, passkey="k-1", instead_of="")


def test_the_mark_of_use_never_goes_back(accounts: SqliteAccounts) -> None:
    accounts.sign_in(*HERE, SESSION, passkey="", instead_of="")
    accounts.seen(*HERE, "s-1", now_ms=50)
    accounts.seen(*HERE, "s-1", now_ms=40)
    found = accounts.session(*HERE, "s-1")
    assert found is not None
    assert found.seen_ms == 50


def test_what_is_revoked_is_gone_with_the_sessions_and_nothing_else(accounts: SqliteAccounts) -> None:
    for user in ("bob", "eve"):
        leave = replace(INVITATION, code=f"c-{user}", user=user)
        accounts.invite(*HERE, leave)
        accounts.enrol(*HERE, replace(KEY, id=f"k-{user}", user=user), leave=leave)
        accounts.sign_in(*HERE, replace(SESSION, id=f"s-{user}", user=user), passkey="", instead_of="")
        accounts.invite(*HERE, leave)
    assert not accounts.revoke(*HERE, "bob", passkey="k-eve")
    assert accounts.session(*HERE, "s-bob") is not None
    gone = accounts.revoke(*HERE, "bob", passkey="")
    assert (gone.passkeys, gone.invitations, gone.sessions) == (1, 1, 1)
    assert [key.user for key in accounts.passkeys(*HERE)] == ["eve"]
    assert [each.user for each in accounts.invitations(*HERE)] == ["eve"]
    assert accounts.session(*HERE, "s-eve") is not None
    only = accounts.revoke(*HERE, "eve", passkey="k-eve")
    assert (only.passkeys, only.invitations, only.sessions) == (1, 0, 1)


def test_a_damaged_session_is_no_session(accounts: SqliteAccounts, path: Path) -> None:
    accounts.sign_in(*HERE, SESSION, passkey="", instead_of="")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE console_sessions SET method = 'magic'")
    connection.close()
    with pytest.raises(StoreError, match="damaged"):
        accounts.session(*HERE, "s-1")
