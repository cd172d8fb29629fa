"""The rules of a witness: what it cosigns, and which answer everything else gets. C2SP tlog-witness."""

from __future__ import annotations

from base64 import b64encode
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.audit.merkle import EMPTY_ROOT
from bailiwick.audit.notes import KeyType, NoteKey
from bailiwick.audit.witnessing import (
    NOTHING_SEEN,
    Answer,
    Submission,
    TreeHead,
    TrustedLog,
    judge,
    keys_for,
    request_body,
)
from bailiwick.errors import NoteError
from tests.witness.logs import PROJECT, TestedLog, log_of, signer

LOG = log_of(40)
KEYS = tuple(each.key for each in LOG.signers)


def head(log: TestedLog, size: int) -> TreeHead:
    checkpoint = log.note(size).checkpoint
    return TreeHead(size=size, root=checkpoint.root)


def answer(data: bytes, held: TreeHead, keys: tuple[NoteKey, ...] = KEYS) -> Answer:
    return judge(Submission.parse(data), keys, held)


def test_what_is_sent_is_what_is_read() -> None:
    note = LOG.note(30)
    asked = Submission.parse(request_body(7, LOG.proof(7, 30), note))
    assert (asked.old_size, asked.proof, asked.note) == (7, LOG.proof(7, 30), note)
    assert asked.head == head(LOG, 30)


@pytest.mark.parametrize(
    ("old", "size", "held"),
    [(0, 30, 0), (0, 0, 0), (7, 30, 7), (30, 30, 30), (32, 40, 32), (1, 2, 1)],
)
def test_what_goes_on_from_the_head_that_is_held_is_cosigned(old: int, size: int, held: int) -> None:
    assert answer(LOG.body(old, size), head(LOG, held) if held else NOTHING_SEEN) is Answer.COSIGN


def test_a_log_that_nobody_added_is_unknown_whoever_signed_it() -> None:
    assert answer(LOG.body(0, 30), NOTHING_SEEN, keys=()) is Answer.UNKNOWN


def test_a_checkpoint_without_a_trusted_signature_is_forbidden() -> None:
    stranger = log_of(40, seed=9)
    assert answer(stranger.body(0, 30), NOTHING_SEEN) is Answer.UNTRUSTED


def test_a_false_signature_of_a_trusted_key_is_forbidden_even_beside_a_true_one() -> None:
    other = LOG.note(29)
    note = replace(LOG.note(30), lines=(LOG.note(30).lines[0], other.lines[1]))
    assert answer(request_body(0, (), note), NOTHING_SEEN) is Answer.UNTRUSTED


def test_one_true_signature_of_several_trusted_keys_is_enough() -> None:
    note = replace(LOG.note(30), lines=LOG.note(30).lines[:1])
    assert answer(request_body(0, (), note), NOTHING_SEEN) is Answer.COSIGN


def test_an_old_size_above_the_checkpoint_is_a_bad_request() -> None:
    assert answer(request_body(31, (), LOG.note(30)), head(LOG, 31)) is Answer.MALFORMED


@pytest.mark.parametrize("old", [0, 6, 8, 30])
def test_another_old_size_than_the_one_that_is_held_is_a_conflict(old: int) -> None:
    assert answer(LOG.body(old, 30), head(LOG, 7)) is Answer.CONFLICT


def test_another_root_for_the_same_size_is_a_conflict() -> None:
    assert answer(LOG.forked(3).body(30, 30), head(LOG, 30)) is Answer.CONFLICT


def test_a_fork_that_grew_does_not_verify() -> None:
    assert answer(LOG.forked(3).body(30, 40), head(LOG, 30)) is Answer.INCONSISTENT
    assert answer(LOG.forked(35).body(30, 40), head(LOG, 30)) is Answer.COSIGN  # it differs where nobody looked yet


def test_a_log_that_was_cut_off_can_ask_for_nothing() -> None:
    assert answer(request_body(30, (), LOG.note(20)), head(LOG, 30)) is Answer.MALFORMED
    assert answer(LOG.body(10, 20), head(LOG, 30)) is Answer.CONFLICT


@pytest.mark.parametrize(("old", "held"), [(0, NOTHING_SEEN), (30, None)])
def test_hashes_that_prove_nothing_do_not_verify(old: int, held: TreeHead | None) -> None:
    body = request_body(old, (b"\0" * 32,), LOG.note(30))
    assert answer(body, held or head(LOG, 30)) is Answer.INCONSISTENT


NOTE = LOG.note(30).format().encode()
HASH = b64encode(b"\1" * 32) + b"\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        NOTE,
        b"old 7\n" + NOTE,
        b"old 07\n\n" + NOTE,
        b"old -1\n\n" + NOTE,
        b"old 7 \n\n" + NOTE,
        b"OLD 7\n\n" + NOTE,
        b"old 7\r\n\n" + NOTE,
        "old \u0667\n\n".encode() + NOTE,
        b"old 99999999999999999999\n\n" + NOTE,
        b"old 7\nAAAA\n\n" + NOTE,
        b"old 7\n!!\n\n" + NOTE,
        b"old 7\n" + HASH * 64 + b"\n" + NOTE,
        b"old 7\n\n",
        b"old 7\n\n" + NOTE.replace(b"\n30\n", b"\n030\n"),
        b"old 7\n\n" + NOTE.replace(b"\n30\n", b"\n"),
        b"old 7\n\n" + b"\xff" + NOTE,
        b"old 7\n\n" + NOTE.removesuffix(b"\n"),
        b"old 7\n\n" + LOG.note(30).text.encode(),
        b"old 7\n\n" + NOTE.replace(LOG.origin.encode() + b"\n", b"x" * 256 + b"\n", 1),
    ],
)
def test_what_is_no_submission_is_refused(data: bytes) -> None:
    with pytest.raises(NoteError):
        Submission.parse(data)


@given(st.binary(max_size=300))
def test_bytes_of_all_kinds_are_read_or_refused(data: bytes) -> None:
    for each in (data, b"old 0\n\n" + data, NOTE + data):
        with suppress(NoteError):
            assert Submission.parse(each).old_size >= 0


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 40), st.integers(0, 40), st.booleans()), max_size=30))
def test_whatever_is_submitted_the_head_only_grows_along_one_log(
    asked: list[tuple[bool, int, int, bool]],
) -> None:
    fork, held, seen = LOG.forked(12), NOTHING_SEEN, [0]
    cosigned: dict[int, bytes] = {0: EMPTY_ROOT}
    for forked, old, size, as_held in asked:
        log = fork if forked else LOG
        old = held.size if as_held else old
        body = log.body(old, size) if old <= size else request_body(old, (), log.note(size))
        if answer(body, held) is Answer.COSIGN:
            held = Submission.parse(body).head
            seen.append(held.size)
            assert cosigned.setdefault(held.size, held.root) == held.root
    assert seen == sorted(seen)
    beyond = [size for size in cosigned if size > 12]
    on_one = [{head(log, size).root for size in beyond} for log in (LOG, fork)]
    assert not beyond or {cosigned[size] for size in beyond} in on_one


# ── which keys speak for which logs ────────────────────────────────────────────────────────────────────────────────


def test_a_key_speaks_for_the_log_of_its_name_alone() -> None:
    trusted = [TrustedLog(key=signer(f"{PROJECT}/log-1").key, children=False)]
    assert keys_for(f"{PROJECT}/log-1", trusted) == (signer(f"{PROJECT}/log-1").key,)
    for origin in (PROJECT, f"{PROJECT}/log-2", f"{PROJECT}/log-1/x", f"{PROJECT}/log-1 ", ""):
        assert keys_for(origin, trusted) == ()


def test_a_projects_key_speaks_for_the_logs_right_under_its_name_by_both_names() -> None:
    trusted = [TrustedLog(key=signer(PROJECT).key, children=True)]
    origin = f"{PROJECT}/log-1"
    assert keys_for(origin, trusted) == (signer(PROJECT).key, signer(origin).key)
    assert keys_for(PROJECT, trusted) == (signer(PROJECT).key,)
    for other in (f"{PROJECT}/a/b", f"{PROJECT}/", f"{PROJECT}-2/log-1", f"x/{PROJECT}/log-1"):
        assert keys_for(other, trusted) == ()
    assert keys_for(f"{PROJECT}/log 1", trusted) == (signer(PROJECT).key,)


def test_the_key_of_a_witness_is_not_the_key_of_a_log() -> None:
    vkey = signer("witness.test/w1", KeyType.COSIGNATURE_ED25519).key.vkey
    with pytest.raises(NoteError, match="of a witness"):
        TrustedLog.of(vkey, children=False)
