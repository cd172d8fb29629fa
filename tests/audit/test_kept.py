"""Heads that are kept elsewhere: what they narrow a difference down to, and which of them count."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest

from bailiwick.audit.envelope import read
from bailiwick.audit.kept import Comparison, Kept, KeptHead, StoredCheckpoint, own_head
from bailiwick.audit.log_signer import LogSigner
from bailiwick.audit.merkle import Frontier, leaf_hash
from bailiwick.audit.notes import KeyType, Note, NoteSigner, parse
from bailiwick.audit.outside import checkpoints_in, witnessed_in
from bailiwick.audit.runs import plain_run
from bailiwick.errors import NoteError
from tests.audit.samples import LOG, told

SIGNER = LogSigner("example.org/acme", [NoteSigner.from_seed("key", KeyType.ED25519, b"k" * 32).private])
WITNESS = NoteSigner.from_seed("w.example", KeyType.COSIGNATURE_ED25519, b"w" * 32)
ROOT = bytes(32)


def head(size: int, root: str, kept: Kept = Kept.OUTSIDE) -> KeptHead:
    return KeptHead(size, root, f"head at {size}", kept)


def found(heads: list[KeptHead]) -> list[tuple[str, int | None, str]]:
    comparison = Comparison(heads)
    said = []
    for size in range(1, 41):
        said += [(one.code, one.seq, one.message) for one in comparison.at(size, "is")]
    return said + [(one.code, one.seq, one.message) for one in comparison.rest(40)]


@pytest.mark.parametrize(
    ("heads", "told_"),
    [
        ([head(10, "is"), head(30, "is")], []),
        ([head(30, "was")], [("replaced", 0, "one of 0 to 29")]),
        ([head(10, "is"), head(30, "was")], [("replaced", 10, "one of 10 to 29")]),
        ([head(29, "is"), head(30, "was")], [("replaced", 29, "record 29 differs")]),
        (
            [head(10, "is"), head(20, "was"), head(30, "was")],
            [("replaced", 10, "one of 10 to 19"), ("replaced", 10, "one of 10 to 19")],
        ),
        ([head(41, "is")], [("truncated", 40, "covers 41 records; 40 are there")]),
        ([head(20, "is", Kept.WITH_THE_LOG), head(30, "was")], [("replaced", 0, "one of 0 to 29")]),
        ([head(20, "is"), head(30, "was", Kept.WITH_THE_LOG)], [("checkpoint-differs", 20, "one of 20 to 29")]),
        ([head(50, "is", Kept.IN_THE_PARENT)], [("rolled-back", 40, "covers 50")]),
    ],
)
def test_a_difference_is_narrowed_down_with_heads_that_are_worth_no_less(
    heads: list[KeptHead], told_: list[tuple[str, int, str]]
) -> None:
    said = found(heads)
    assert [(code, seq) for code, seq, _ in said] == [(code, seq) for code, seq, _ in told_]
    for (_, _, message), (_, _, part) in zip(said, told_, strict=True):
        assert part in message


def test_a_file_of_checkpoints_is_read_one_by_one() -> None:
    notes = [SIGNER.sign(f"log-{number}", number, ROOT) for number in (1, 2, 3)]
    for text in ("\n".join(notes), "".join(notes), "\n\n".join(notes) + "\n\n"):
        read_ = list(checkpoints_in(text, SIGNER.project_keys, "kept.txt"))
        assert [(log, kept.size) for log, kept in read_] == [("log-1", 1), ("log-2", 2), ("log-3", 3)]
    assert list(checkpoints_in("", SIGNER.project_keys, "kept.txt")) == []


@pytest.mark.parametrize("text", ["hello\n", "a\n1\n", "— w.example AAAA\n", "{}"])
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        list(checkpoints_in(text, SIGNER.project_keys, "kept.txt"))


def test_a_checkpoint_counts_for_its_key_alone() -> None:
    other = LogSigner("example.org/acme", [NoteSigner.from_seed("key", KeyType.ED25519, b"o" * 32).private])
    note = other.sign("log-1", 1, ROOT)
    with pytest.raises(NoteError, match="not signed by a key"):
        list(checkpoints_in(note, SIGNER.project_keys, "kept.txt"))
    for stored, wrong in (
        (StoredCheckpoint(1, note), "not signed by a known key"),
        (StoredCheckpoint(2, SIGNER.sign("log-1", 1, ROOT)), "says that there were 1"),
        (StoredCheckpoint(1, SIGNER.sign("log-2", 1, ROOT)), "is of example.org/acme/log-2"),
        (StoredCheckpoint(1, "x"), "a note is"),
    ):
        _, signed, said = own_head(stored, "log-1", SIGNER.project_keys)
        assert (signed, wrong in said) == (False, True), said
    assert own_head(StoredCheckpoint(1, SIGNER.sign("log-1", 1, ROOT)), "log-1", SIGNER.project_keys)[1:] == (True, "")


def witness_file(**changed: object) -> bytes:
    note = parse(SIGNER.sign("log-1", 1, ROOT))
    cosigned = Note(text=note.text, lines=(*note.lines, WITNESS.sign(note.text, 5)))
    entry = {
        "origin": "example.org/acme/log-1",
        "size": 1,
        "root": b64encode(ROOT).decode(),
        "checkpoint": cosigned.format(),
        "at_ms": 1,
    }
    stored = {"witness": WITNESS.key.vkey, "heads": [entry | changed], "refused": []}
    return json.dumps(stored).encode()


def test_what_a_witness_says_is_signed_by_it_and_says_what_its_checkpoint_says() -> None:
    ((log, kept),) = witnessed_in(witness_file(), SIGNER.project_keys, "w.json").heads
    assert (log, kept.size, kept.source, kept.printed) == ("log-1", 1, "witness w.example", False)
    assert witnessed_in(witness_file(), [*SIGNER.project_keys, WITNESS.key], "w.json").heads
    stranger = NoteSigner.from_seed("w.example", KeyType.COSIGNATURE_ED25519, b"s" * 32).key
    with pytest.raises(NoteError, match="none of those given"):
        witnessed_in(witness_file(), [stranger], "w.json")
    for changed in ({"size": 2}, {"origin": "x"}, {"root": "x"}, {"checkpoint": SIGNER.sign("log-1", 1, ROOT)}):
        with pytest.raises(NoteError):
            witnessed_in(witness_file(**changed), SIGNER.project_keys, "w.json")


def test_a_contradiction_that_a_witness_saw_is_a_problem() -> None:
    stored = json.loads(witness_file()) | {"refused": [{"origin": "example.org/acme/log-1", "status": 422}]}
    (problem,) = witnessed_in(json.dumps(stored).encode(), SIGNER.project_keys, "w.json").contradicted
    assert problem.code == "forked"


def test_a_run_is_plain_as_far_as_each_record_is() -> None:
    rows = told().events[1:9]
    assert plain_run(rows, LOG, 1).commitments == [read(row.data).commitments for row in rows]
    assert not plain_run(rows, LOG, 2).commitments
    assert not plain_run(rows, "log-other", 1).commitments
    assert not plain_run(told().events[:3], LOG, 0).commitments, "an opening is looked at by itself"
    for number, row in enumerate(rows):
        for change in (
            {"data": row.data.replace(b'"task"', b'"Task"')},
            {"leaf": b"x" * 32},
            {"session": "other"},
            {"id": "other"},
            {"ord": 99},
            {"ts_us": 1},
            {"kind": "decision" if row.kind != "decision" else "session.closed"},
            {"kind": "unheard-of"},
        ):
            changed = row._replace(**change)
            if "data" in change:
                changed = changed._replace(leaf=leaf_hash(changed.data))
            plain = plain_run([*rows[:number], changed, *rows[number + 1 :]], LOG, 1)
            assert len(plain.commitments) == number, change


def test_records_that_are_json_only_together_are_not_plain() -> None:
    one, two, three = told().events[1:4]
    joined = one.data + b"," + two.data[:10], two.data[10:], three.data
    rows = [row._replace(data=data, leaf=leaf_hash(data)) for row, data in zip((one, two, three), joined, strict=True)]
    assert not plain_run(rows, LOG, 1).commitments
    assert Frontier().extended(row.leaf for row in rows).size == 3
