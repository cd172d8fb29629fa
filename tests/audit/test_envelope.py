"""Events as bytes: exactly the canonical ones, and commitments that bind."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick.audit.envelope import SALT_BYTES, commit, matches, place, read, seal
from bailiwick.errors import CanonicalError
from bailiwick.model.canonical import canonical, encode, parse
from tests.audit.samples import LOG, Ticking, story, told


def test_an_event_is_read_as_it_was_written() -> None:
    ticking = Ticking()
    for seq, draft in enumerate(story(ticking)):
        data = place(seal(draft, ticking.entropy), log=LOG, seq=seq, ord_=7)
        assert data == encode(parse(data))
        event = read(data)
        assert (event.log, event.seq, event.ord, event.v) == (LOG, seq, 7, 1)
        assert (event.id, event.kind, event.ts_us, event.session) == (draft.id, draft.kind, draft.ts_us, draft.session)
        assert (event.actor, event.parents, event.task) == (draft.actor, draft.parents, draft.task)
        assert event.body == json.loads(canonical(draft.body))
        assert set(event.commitments) == {content.role for content in draft.contents}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"v":1', b'"v": 1'),
        (b'"v":1', b'"v":1.0'),
        (b'"v":1', b'"v":1,"v":1'),
        (b'"v":1', b'"v":99'),
        (b'"decisions":6', b'"decisions":6e0'),
        (b'"decisions":6', b'"decisions":9007199254740993'),
        (b'"decisions":6', b'"decisions":-6'),
        (b'"env":"prod"', b'"env":"\\u0070rod"'),
        (b'"env":"prod"', b'"env":null'),
        (b'"kind":"session.closed"', b'"kind":"session.paused"'),
        (b'"kind":"session.closed"', b'"kind":"session.opened"'),
        (b"{", b"["),
        (b"}", b"}\n"),
    ],
)
def test_bytes_that_are_not_the_one_encoding_of_an_event_are_refused(old: bytes, new: bytes) -> None:
    data = told().events[-1].data
    assert old in data
    with pytest.raises(CanonicalError):
        read(data.replace(old, new, 1))


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=100), st.binary(min_size=SALT_BYTES, max_size=SALT_BYTES), st.binary(max_size=100))
def test_a_commitment_fits_its_content_alone(data: bytes, salt: bytes, other: bytes) -> None:
    commitment = commit(salt, data)
    assert matches(commitment, salt, data)
    assert matches(commitment, salt, other) == (data == other)
    assert not matches(commitment, salt[:-1], data)


def test_a_salt_padded_with_zeros_is_not_the_same_salt() -> None:
    salt = b"s" * (SALT_BYTES - 1) + b"\x00"
    assert matches(commit(salt, b"x"), salt, b"x")
    assert not matches(commit(salt, b"x"), salt[:-1], b"x")
    assert not matches(commit(salt, b"x"), salt + b"\x00", b"x")
    with pytest.raises(ValueError, match="salt"):
        commit(b"short", b"x")


def test_equal_contents_have_different_commitments() -> None:
    ticking = Ticking()
    first, second = (seal(draft, ticking.entropy) for draft in [story(ticking)[3]] * 2)
    one, other = (read(place(sealed, log=LOG, seq=0, ord_=0)) for sealed in (first, second))
    assert one.commitments != other.commitments
