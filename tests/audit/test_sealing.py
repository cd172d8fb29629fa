"""What contents are sealed with: bound to their place, told by nothing but their key."""

from __future__ import annotations

import hashlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.audit.sealing import KEY_BYTES, NONCE_BYTES, Secrets, combined, key_name, subject_of_link, subjects_of
from bailiwick.model.event import PROJECT, Draft, EventKind

NONCE = b"n" * NONCE_BYTES


def key(number: int) -> bytes:
    return number.to_bytes(1, "big") * KEY_BYTES


def secrets(*, log: str = "log-a", session: str = "s", numbers: tuple[int, ...] = (1,)) -> Secrets:
    name = key_name([str(number) for number in numbers])
    return Secrets.of(name, combined(name, [key(number) for number in sorted(numbers)]), log=log, session=session)


@given(st.binary(max_size=2000))
def test_what_was_sealed_opens_under_the_same_key_alone(data: bytes) -> None:
    one = secrets()
    blob = one.seal(one.address(data), data, NONCE)
    assert one.open(one.address(data), blob) == data
    for other in (secrets(log="log-b"), secrets(session="t"), secrets(numbers=(2,)), secrets(numbers=(1, 2))):
        assert other.open(one.address(data), blob) is None
        assert other.address(data) != one.address(data)
        assert other.salt("e", "text") != one.salt("e", "text")


def test_a_blob_in_the_place_of_another_one_does_not_open() -> None:
    one = secrets()
    blob = one.seal(one.address(b"first"), b"first", NONCE)
    assert one.open(one.address(b"second"), blob) is None
    for at in range(len(blob)):
        flipped = bytearray(blob)
        flipped[at] ^= 1
        assert one.open(one.address(b"first"), bytes(flipped)) is None
    assert one.open(one.address(b"first"), blob[:5]) is None


def test_salts_differ_by_event_and_role_and_no_two_series_of_texts_read_alike() -> None:
    salts = {secrets().salt(event, role) for event, role in itertools.product(("e", "e1", ""), ("args", "1args", ""))}
    assert len(salts) == 9


def test_an_address_is_no_plain_hash_of_the_content() -> None:
    address = secrets().address(b"guess")
    assert address not in hashlib.sha256(b"guess").digest()


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_key_of_several_needs_every_one_of_them(lost: int) -> None:
    keys = [key(1), key(2), key(3)]
    whole = combined("1+2+3", keys)
    keys[lost] = key(9)
    assert combined("1+2+3", keys) != whole
    with pytest.raises(ValueError, match="3 keys"):
        combined("1+2+3", keys[:2])


@pytest.mark.parametrize(
    ("draft", "subjects"),
    [
        ({"actor": ('User::"alice"', 'Agent::"a"')}, {"user:alice"}),
        ({"actor": ('Service::"nightly"', 'Agent::"a"')}, {"service:nightly"}),
        ({"body": {"by": "dora"}}, {"user:dora"}),
        ({"body": {"by": ""}}, {PROJECT}),
        ({}, {PROJECT}),
    ],
)
def test_whom_contents_are_about(draft: dict[str, object], subjects: set[str]) -> None:
    made = Draft(id="e", kind=EventKind.DECISION, ts_us=0, tenant="t", env="e", **draft)  # type: ignore[arg-type]
    assert subjects_of(made) == subjects
    assert subjects_of(made, ("crm/customers/42",)) == subjects | {"crm/customers/42"}


def test_a_link_that_is_nobody_stays_what_it_is() -> None:
    assert subject_of_link('User::"a"b"') == 'user:a"b'
    assert subject_of_link("nonsense") == "nonsense"
