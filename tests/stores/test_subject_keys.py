"""Keys of the people whom contents are about: whoever asks is given none that was destroyed."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from bailiwick.stores.subject_keys import EVERYTHING, Hold, SubjectKeys


def keys(folder: Path, owner: str = "acme/test") -> SubjectKeys:
    return SubjectKeys.open(folder / "keys/subjects.db", entropy=secrets.token_bytes, clock=lambda: 1, owner=owner)


def hold(subject: str) -> Hold:
    return Hold(id=f"hld-{subject}", subject=subject, by="dora", reason="case", at_us=1)


def test_an_erasure_that_slips_in_before_a_key_is_made_is_noticed(tmp_path: Path) -> None:
    ours, theirs = keys(tmp_path), keys(tmp_path)
    before, _ = ours.sealing({"user:alice"})
    assert ours._connection is not None

    def slip_in(statement: str) -> None:
        if statement.startswith("BEGIN") and theirs.keys_of("user:alice").live:
            theirs.destroy("user:alice")

    ours._connection.set_trace_callback(slip_in)
    ours.sealing({"user:bob"})
    assert theirs.keys_of("user:alice").live == ()
    assert ours.opening(before) is None
    assert ours.sealing({"user:alice"})[0] != before
    ours.close()
    theirs.close()


@pytest.mark.parametrize(
    ("held", "asked", "stands"),
    [
        ("user:alice", "user:alice", True),
        ("user:alice", "people/1", True),
        ("people/1", "user:alice", True),
        ("people/2", "people/1", True),
        ("people/3", "people/1", False),
        ("user:bob", "user:alice", False),
        (EVERYTHING, "people/3", True),
    ],
)
def test_a_hold_stands_for_all_who_share_contents(tmp_path: Path, held: str, asked: str, stands: bool) -> None:
    mine, other = keys(tmp_path), keys(tmp_path, "acme/prod")
    for subjects in ({"user:alice", "people/1", "people/2"}, {"user:bob", "people/3"}):
        mine.sealing(subjects)
        other.sealing(subjects)
    mine.hold(hold(held))
    assert (mine.against(asked) is not None) is stands
    assert (mine.destroy(asked) is not None) is stands
    assert bool(mine.keys_of(asked).live) is stands
    assert other.holds() == ()
    assert other.against(asked) is None
    assert len(other.keys_of(asked).live) == 1
    mine.close()
    other.close()


def test_who_shared_contents_that_are_gone_holds_nothing_up(tmp_path: Path) -> None:
    mine = keys(tmp_path)
    mine.sealing({"user:alice", "people/1", "people/2"})
    assert mine.destroy("people/2") is None
    mine.hold(hold("people/1"))
    assert mine.destroy("user:alice") is None, "what they shared went with people/2"
    mine.close()
