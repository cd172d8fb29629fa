"""The quick way through a log says what the slow one says: of each record, and of whole logs that were changed."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick.audit.envelope import read
from bailiwick.audit.merkle import leaf_hash
from bailiwick.audit.quick import decoded
from bailiwick.audit.report import Report, StoredEvent
from bailiwick.audit.upcast import UPCASTERS
from bailiwick.audit.verify import _Scan, verify
from bailiwick.errors import CanonicalError
from bailiwick.model.canonical import encode, parse
from bailiwick.model.event import EventKind
from tests.audit.samples import LOG, Rows, told
from tests.audit.test_shapes import WRONG, variants

RECORDS = [row.data for row in told().events]
PLAIN: list[dict[str, Any]] = [json.loads(data) for data in RECORDS]


def fits(data: bytes) -> bool:
    try:
        read(data)
    except CanonicalError:
        return False
    return True


def agree(data: bytes, kind: str) -> None:
    """Of canonical bytes both say the same; of others the quick way says nothing."""
    event = decoded(data, kind)
    if event is not None:
        assert fits(data), data
        assert msgspec.to_builtins(event) == parse(data)
        assert event.kind == kind
    else:
        assert not fits(data) or read(data).kind != kind, data


@pytest.mark.parametrize("number", range(len(PLAIN)), ids=[plain["kind"] for plain in PLAIN])
def test_a_record_with_any_field_of_its_body_made_wrong(number: int) -> None:
    agree(RECORDS[number], PLAIN[number]["kind"])
    assert decoded(RECORDS[number], PLAIN[number]["kind"]) is not None
    for body in variants(PLAIN[number]["body"]):
        agree(encode(PLAIN[number] | {"body": body}), PLAIN[number]["kind"])


def test_a_record_with_any_field_of_its_envelope_made_wrong() -> None:
    plain = next(plain for plain in PLAIN if plain["commitments"])
    wrong = (*WRONG, {"args": "sha256:ab"}, {"ä": "hmac-sha256:ab"}, {"args": 1}, "session.closed", "unheard-of", 2)
    for name in plain:
        for value in wrong:
            agree(encode(plain | {name: value}), plain["kind"])
        without = copy.deepcopy(plain)
        del without[name]
        agree(encode(without), plain["kind"])
    agree(encode(plain | {"field": "text"}), plain["kind"])


def test_every_kind_has_a_quick_way() -> None:
    assert {plain["kind"] for plain in PLAIN} == {kind.value for kind in EventKind}
    assert decoded(RECORDS[0], "unheard-of") is None


def test_texts_are_written_as_the_canonical_encoding_writes_them() -> None:
    for start in range(0, 0x110000, 0x800):
        if start != 0xD800:  # surrogates: neither encodes them
            text = "".join(map(chr, range(start, start + 0x800)))
            assert msgspec.json.encode(text) == orjson.dumps(text)


OTHER_SPELLINGS: tuple[Callable[[bytes], bytes], ...] = (
    lambda data: b" " + data,
    lambda data: data + b"\n",
    lambda data: data.replace(b'"seq":', b'"seq": '),
    lambda data: data.replace(b'"v":1', b'"v":1.0'),
    lambda data: data.replace(b'"v":1', b'"v":1,"v":1'),
    lambda data: data.replace(b'"v":1', b'"v":1e0'),
    lambda data: data.replace(b'"acme"', b'"\\u0061cme"'),
    lambda data: data.replace(b'"acme"', b'"ac\\/me"'),
    lambda data: data.replace(b'"acme"', b'"\\ud800"'),
    lambda data: data.replace(b'"acme"', b'"\xff"'),
    lambda data: data.replace(b'"acme"', b'"\xed\xa0\x80"'),
    lambda data: orjson.dumps(dict(reversed(orjson.loads(data).items()))),
    lambda data: b"\xef\xbb\xbf" + data,
    lambda data: data + data,
    lambda data: b"[" + data + b"]",
)


@pytest.mark.parametrize("spelling", range(len(OTHER_SPELLINGS)))
def test_another_spelling_is_none(spelling: int) -> None:
    for data, plain in zip(RECORDS, PLAIN, strict=True):
        other = OTHER_SPELLINGS[spelling](data)
        assert other != data
        assert decoded(other, plain["kind"]) is None
        assert not fits(other)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_flipped_bytes_and_pieces_of_other_records(drawn: st.DataObject) -> None:
    number = drawn.draw(st.integers(0, len(RECORDS) - 1))
    data = bytearray(RECORDS[number])
    for _ in range(drawn.draw(st.integers(1, 3))):
        at, end = sorted(drawn.draw(st.tuples(st.integers(0, len(data)), st.integers(0, len(data)))))
        pieces = st.builds(_piece, st.sampled_from(RECORDS), st.integers(0, 2000))
        piece = drawn.draw(
            st.one_of(
                st.binary(max_size=3),
                st.sampled_from([b'"', b",", b"{}", b"[]", b"null", b"true", b"0", b"-1", b'\\"', b"1e3"]),
                pieces,
            )
        )
        data[at : min(end, at + 8)] = piece
    agree(bytes(data), PLAIN[number]["kind"])


def _piece(data: bytes, start: int) -> bytes:
    return data[start % len(data) :][:40]


# --- whole logs


def slowly(rows: Rows) -> Report:
    """What is found record by record."""
    scan = _Scan(log=LOG, heads=rows.heads, contents=rows.contents, upcasters=UPCASTERS)
    scan.hold_against((), (), ())
    for row in rows.events:
        scan.row(StoredEvent.of(row))
    scan.finish()
    return scan.report("")


def quickly(rows: Rows) -> Report:
    return verify(rows.events, rows.heads, rows.contents, log=LOG)


def same(rows: Rows) -> None:
    slow, quick = slowly(rows), quickly(rows)
    assert sorted(map(repr, quick.problems)) == sorted(map(repr, slow.problems))
    assert sorted(map(repr, quick.warnings)) == sorted(map(repr, slow.warnings))
    assert replace(quick, problems=(), warnings=()) == replace(slow, problems=(), warnings=())


def test_a_sound_log_is_the_same_either_way() -> None:
    rows = told()
    same(rows)
    assert quickly(rows).state == "sound"
    rows.heads = rows.heads[::7] + rows.heads[-1:]
    same(rows)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_whatever_is_done_to_a_log_is_found_either_way(drawn: st.DataObject) -> None:
    rows = told()
    for _ in range(drawn.draw(st.integers(1, 3))):
        TAMPERING[drawn.draw(st.integers(0, len(TAMPERING) - 1))](rows, drawn)
    if drawn.draw(st.booleans()):
        rows.rehash()
    same(rows)


def _some(rows: Rows, drawn: st.DataObject) -> int:
    return drawn.draw(st.integers(0, len(rows.events) - 1))


def _column(rows: Rows, drawn: st.DataObject) -> None:
    at = _some(rows, drawn)
    name = drawn.draw(st.sampled_from(StoredEvent._fields))
    other = rows.events[_some(rows, drawn)]
    value = drawn.draw(st.sampled_from([getattr(other, name), 1, 1.0, "x", b"x", None]))
    rows.events[at] = StoredEvent.of(tuple(rows.events[at]._replace(**{name: value})))


def _body(rows: Rows, drawn: st.DataObject) -> None:
    """A field of the envelope or of the body, from another record or wrong; its bytes are canonical again."""
    at = _some(rows, drawn)
    plain, other = orjson.loads(rows.events[at].data), orjson.loads(rows.events[_some(rows, drawn)].data)
    inside = drawn.draw(st.booleans())
    target, source = (plain["body"], other["body"]) if inside else (plain, other)
    if target:
        name = drawn.draw(st.sampled_from(sorted(target)))
        target[name] = drawn.draw(st.sampled_from([source.get(name), None, 7, "text", [], {}]))
    data = encode(plain)
    rows.events[at] = rows.events[at]._replace(data=data, leaf=leaf_hash(data))


def _twice(rows: Rows, drawn: st.DataObject) -> None:
    at = _some(rows, drawn)
    rows.events.insert(at, rows.events[_some(rows, drawn)])


def _gone(rows: Rows, drawn: st.DataObject) -> None:
    if len(rows.events) > 1:
        del rows.events[_some(rows, drawn)]


def _swapped(rows: Rows, drawn: st.DataObject) -> None:
    one, two = _some(rows, drawn), _some(rows, drawn)
    rows.events[one], rows.events[two] = rows.events[two], rows.events[one]


def _content(rows: Rows, drawn: st.DataObject) -> None:
    at = drawn.draw(st.integers(0, len(rows.contents) - 1))
    change: dict[str, Any] = drawn.draw(
        st.sampled_from(
            [{"data": b"other"}, {"data": None}, {"role": "other"}, {"salt": b""}, {"seq": 0}, {"gone": True}]
        )
    )
    rows.contents[at] = rows.contents[at]._replace(**change)
    rows.contents.sort(key=lambda content: content.seq)


def _no_head(rows: Rows, drawn: st.DataObject) -> None:
    rows.heads = [head for head in rows.heads if drawn.draw(st.booleans())] or rows.heads[-1:]


TAMPERING: tuple[Callable[[Rows, st.DataObject], None], ...] = (
    *(_column, _body, _twice, _gone, _swapped, _content, _no_head),
)
