"""Signed notes and checkpoints: vectors of other implementations, laws, and texts that are none.

Vectors: PeterNeumann and EnochRoot are the examples of golang.org/x/mod/sumdb/note; example.com/foo is that of C2SP
signed-note; the ML-DSA-44 note is one that filippo.io/torchwood signed, the cosignature one of a public CT log's.
"""

from __future__ import annotations

import tomllib
from base64 import b64encode
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick.audit.checkpoints import Checkpoint
from bailiwick.audit.merkle import EMPTY_ROOT
from bailiwick.audit.notes import KeyType, Note, NoteKey, NoteSigner, SignatureLine, parse, signed_by, valid_name
from bailiwick.errors import NoteError

DATA = Path(__file__).parent / "data"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
SKEY = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
LINE = (
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
)
OTHER_VKEY = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
OTHER_LINE = (
    "\u2014 EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ="
)
FOO_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
FOO_NOTE = (
    "This is an example message.\n\n"
    "\u2014 example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
ROOT = b64encode(bytes(range(32))).decode()
CHECKPOINT = f"example.com/log\n42\n{ROOT}\n"
SEED = bytes(32)
EVERY = [NoteSigner.from_seed("example.com/log", kind, SEED) for kind in KeyType]


def toml(name: str) -> dict[str, dict[str, str]]:
    return tomllib.loads((DATA / name).read_text(encoding="utf-8"))


# --- vectors


def test_a_key_signs_as_it_does_in_go() -> None:
    signer = NoteSigner.parse(SKEY)
    assert (signer.skey, signer.key.vkey) == (SKEY, VKEY)
    assert Note(text=TEXT, lines=(signer.sign(TEXT),)).format() == f"{TEXT}\n{LINE}\n"


def test_signatures_of_several_keys_are_each_verified() -> None:
    note = parse(f"{TEXT}\n{LINE}\n{OTHER_LINE}\n")
    keys = [NoteKey.parse(OTHER_VKEY), NoteKey.parse(VKEY)]
    assert [signed.key.name for signed in signed_by(note, keys)] == ["PeterNeumann", "EnochRoot"]
    assert [signed.time for signed in signed_by(note, keys)] == [0, 0]
    assert [signed.key for signed in signed_by(note, keys[:1])] == keys[:1]
    assert note.format() == f"{TEXT}\n{LINE}\n{OTHER_LINE}\n"


def test_the_example_of_the_specification_verifies() -> None:
    assert signed_by(parse(FOO_NOTE), [NoteKey.parse(FOO_VKEY)])


def test_an_ml_dsa_44_checkpoint_of_another_implementation_verifies() -> None:
    key = NoteKey.parse((DATA / "mldsa44.vkey").read_text())
    note = parse((DATA / "mldsa44.note").read_bytes())
    assert key.kind is KeyType.COSIGNATURE_MLDSA44
    assert (note.checkpoint.origin, note.checkpoint.size) == ("example.com/mldsa-log", 1)
    assert [(signed.key, signed.time) for signed in signed_by(note, [key])] == [(key, 0)]
    other = replace(note, text=note.text.replace("\n1\n", "\n2\n"))
    with pytest.raises(NoteError, match="not over this text"):
        signed_by(other, [key])


def test_the_cosignature_of_a_public_witness_verifies() -> None:
    key = NoteKey.parse("witness.navigli.sunlight.geomys.org+a3e00fe2+BNy/co4C1Hn1p+INwJrfUlgz7W55dSZReusH/GhUhJ/G")
    note = parse(
        "coachandhorses2026h1.staging.certificate.transparency.goog\n185550722\n"
        "YXAM0VmnrfvLaBCOOYSJhCaE5F10oGBOo+hkbDa1kng=\n\n"
        "\u2014 witness.navigli.sunlight.geomys.org o+AP4gAAAABqb7DzNrGFRJnQ9vrJ8xpnwZytnr/ZYczDIsvwvouiSjwOjn7a72cc"
        "xBk+lKnZ7dKqkYKER1s/KxLTaVwQD7lJZTC/CQ==\n"
    )
    (signed,) = signed_by(note, [key])
    assert (signed.key.kind, signed.time) == (KeyType.COSIGNATURE_ED25519, 0x6A6FB0F3)


# --- what is signed


@pytest.mark.parametrize("signer", EVERY, ids=lambda signer: signer.kind.name)
def test_a_signature_holds_for_its_text_name_type_and_time_alone(signer: NoteSigner) -> None:
    line = signer.sign(CHECKPOINT, 7)
    key = signer.key
    note = parse(Note(text=CHECKPOINT, lines=(line,)).format())
    assert [(signed.key, signed.time) for signed in signed_by(note, [key])] == [
        (key, 0 if signer.kind is KeyType.ED25519 else 7)
    ]
    for text in (CHECKPOINT.replace("42", "43"), CHECKPOINT.replace("log", "lob")):
        assert key.verify(text, line.signature) is None
    for at in range(0, len(line.signature), 97):
        flipped = bytearray(line.signature)
        flipped[at] ^= 1
        assert key.verify(CHECKPOINT, bytes(flipped)) is None
    assert key.verify(CHECKPOINT, line.signature[:-1]) is None
    assert key.verify(CHECKPOINT, line.signature + b"\0") is None
    assert key.verify(CHECKPOINT, b"") is None
    if signer.kind is not KeyType.ED25519:
        assert key.verify(CHECKPOINT, b"\xff" + line.signature[1:]) is None, "a time beyond 2^63 - 1"


def test_the_three_types_of_signature_are_not_taken_for_each_other() -> None:
    plain, timed, _ = EVERY
    assert timed.key.verify(CHECKPOINT, bytes(8) + plain.sign(CHECKPOINT).signature) is None
    assert plain.key.verify(CHECKPOINT, timed.sign(CHECKPOINT, 0).signature[8:]) is None
    assert plain.key.public == timed.key.public
    assert plain.key.key_id != timed.key.key_id


def test_the_message_of_an_ed25519_cosignature_is_the_one_of_the_specification() -> None:
    plain, timed, _ = EVERY
    message = f"cosignature/v1\ntime 1679315147\n{CHECKPOINT}"
    assert timed.sign(CHECKPOINT, 1679315147).signature == (1679315147).to_bytes(8) + plain.sign(message).signature


def test_an_ml_dsa_44_signature_names_its_signer() -> None:
    signer = EVERY[2]
    line = signer.sign(CHECKPOINT)
    assert signer.key.renamed("example.com/other").verify(CHECKPOINT, line.signature) is None


@pytest.mark.parametrize("text", [CHECKPOINT + "extension\n", "no checkpoint\n", f"{'x' * 256}\n1\n{ROOT}\n"])
def test_ml_dsa_44_signs_no_text_that_it_would_not_cover(text: str) -> None:
    with pytest.raises(NoteError):
        EVERY[2].sign(text)
    assert EVERY[2].key.verify(text, EVERY[2].sign(CHECKPOINT).signature) is None


def test_a_false_line_of_a_known_key_spoils_the_note_and_one_of_an_unknown_key_does_not() -> None:
    plain = EVERY[0]
    true, false = plain.sign(CHECKPOINT), plain.sign(TEXT)
    note = Note(text=CHECKPOINT, lines=(true, false))
    with pytest.raises(NoteError, match="not over this text"):
        signed_by(note, [plain.key])
    assert signed_by(note, [EVERY[1].key]) == ()
    same_name = SignatureLine(name=plain.name, key_id=b"\0\0\0\0", signature=b"x")
    same_id = SignatureLine(name="another", key_id=plain.key.key_id, signature=b"x")
    assert signed_by(Note(text=CHECKPOINT, lines=(same_name, same_id, true)), [plain.key])


def test_of_two_times_of_one_key_the_newer_counts() -> None:
    timed = EVERY[1]
    note = Note(text=CHECKPOINT, lines=(timed.sign(CHECKPOINT, 9), timed.sign(CHECKPOINT, 3)))
    assert [signed.time for signed in signed_by(note, [timed.key])] == [9]


def test_lines_are_added_once() -> None:
    line = EVERY[0].sign(CHECKPOINT)
    note = Note(text=CHECKPOINT, lines=(line,)).with_lines([line, EVERY[1].sign(CHECKPOINT, 1)])
    assert [each.key_id for each in note.lines] == [EVERY[0].key.key_id, EVERY[1].key.key_id]


# --- what is none


@pytest.mark.parametrize("name", toml("malformed-notes.toml"))
def test_what_is_no_note_is_refused(name: str) -> None:
    text = toml("malformed-notes.toml")[name]["note"].replace("LINE", LINE)
    with pytest.raises(NoteError):
        parse(text)
    with pytest.raises(NoteError):
        parse(text.encode())


def test_bytes_that_are_no_utf_8_are_refused() -> None:
    for wrong in (b"\xff", b"\xed\xa0\x80", b"\xc0\xaf"):
        with pytest.raises(NoteError):
            parse(wrong + f"text\n\n{LINE}\n".encode())
    with pytest.raises(NoteError):
        parse("\ud800 text\n\n" + LINE + "\n")


def test_notes_are_bounded_and_may_have_sixteen_signatures_at_least() -> None:
    lines = [replace(EVERY[0].sign(TEXT), name=f"k{number}").format() for number in range(101)]
    assert len(parse(f"{TEXT}\n" + "\n".join(lines[:100]) + "\n").lines) == 100
    with pytest.raises(NoteError, match="at most 100"):
        parse(f"{TEXT}\n" + "\n".join(lines) + "\n")
    with pytest.raises(NoteError, match="bytes"):
        parse("x" * 1_000_000 + f"\n\n{LINE}\n")


def test_a_text_may_hold_empty_lines() -> None:
    text = "one\n\ntwo\n"
    note = parse(f"{text}\n{EVERY[0].sign(text).format()}\n")
    assert note.text == text
    assert signed_by(note, [EVERY[0].key])


@pytest.mark.parametrize("name", toml("malformed-checkpoints.toml"))
def test_what_is_no_checkpoint_is_refused(name: str) -> None:
    with pytest.raises(NoteError):
        Checkpoint.parse(toml("malformed-checkpoints.toml")[name]["text"].replace("ROOT", ROOT))


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "PeterNeumann",
        "PeterNeumann+c74f20a3",
        VKEY.replace("c74f20a3", "c74f20a4"),
        VKEY.replace("c74f20a3", "74f20a3"),
        VKEY.replace("PeterNeumann", "Peter Neumann"),
        VKEY.replace("+AR", "+Ah"),
        VKEY[:-4],
        VKEY + "\u00e4",
        SKEY,
    ],
)
def test_what_is_no_verifier_key_is_refused(vkey: str) -> None:
    with pytest.raises(NoteError):
        NoteKey.parse(vkey)


def test_a_refused_signer_key_is_not_repeated() -> None:
    for wrong in (SKEY[:-1], SKEY.replace("c74f20a3", "c74f20a4"), SKEY.removeprefix("PRIVATE+")):
        with pytest.raises(NoteError) as raised:
            NoteSigner.parse(wrong)
        assert "YEKFALVF" not in str(raised.value)
    assert "YEKFALVF" not in repr(NoteSigner.parse(SKEY))


def test_names_hold_neither_spaces_nor_plus() -> None:
    assert valid_name("example.com/log\u00e4")
    assert not any(map(valid_name, ("", "a b", "a+b", "a\tb", "a\u2003b", "a\x00b", "\ud800", "a\n")))


# --- laws

NAMES = st.text(min_size=1, max_size=20).filter(valid_name)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=40)


@given(
    lines=st.lists(TEXTS, min_size=1, max_size=4),
    signed=st.lists(
        st.builds(
            SignatureLine,
            name=NAMES,
            key_id=st.binary(min_size=4, max_size=4),
            signature=st.binary(min_size=1, max_size=80),
        ),
        min_size=1,
        max_size=5,
    ),
)
def test_what_is_written_is_read_again(lines: list[str], signed: list[SignatureLine]) -> None:
    note = Note(text="".join(f"{line}\n" for line in lines), lines=tuple(signed))
    assert parse(note.format()) == parse(note.format().encode()) == note


@given(origin=TEXTS, size=st.integers(1, 2**63 - 1), root=st.binary(min_size=32, max_size=32))
def test_a_checkpoint_is_read_as_it_was_written(origin: str, size: int, root: bytes) -> None:
    checkpoint = Checkpoint(origin=origin, size=size, root=root)
    assert Checkpoint.parse(checkpoint.text) == checkpoint


def test_an_empty_log_has_a_checkpoint() -> None:
    checkpoint = Checkpoint(origin="o", size=0, root=EMPTY_ROOT)
    assert Checkpoint.parse(checkpoint.text) == checkpoint


@settings(max_examples=30)
@given(name=NAMES, kind=st.sampled_from(KeyType), seed=st.binary(min_size=32, max_size=32))
def test_keys_are_read_as_they_were_written(name: str, kind: KeyType, seed: bytes) -> None:
    signer = NoteSigner.from_seed(name, kind, seed)
    again = NoteSigner.parse(signer.skey)
    assert again.key == signer.key == NoteKey.parse(signer.key.vkey)
