"""Proofs out of tiles are those of RFC 9162, and cost the same in a long log. C2SP tlog-tiles, tlog-proof."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick.audit.checkpoints import Checkpoint
from bailiwick.audit.merkle import (
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from bailiwick.audit.notes import KeyType, Note, NoteSigner
from bailiwick.audit.proofs import InclusionProof
from bailiwick.audit.tiles import (
    WIDTH,
    Node,
    Tile,
    bundle,
    consistency,
    entries_of,
    frontier_of,
    grow,
    inclusion,
    tiles_of,
)
from bailiwick.errors import NoteError, StoreError

LEAVES = [leaf_hash(b"%d" % number) for number in range(1200)]
FULL = [root_of(LEAVES[at : at + WIDTH]) for at in range(0, len(LEAVES) - WIDTH + 1, WIDTH)]


def stored(level: int, first: int, count: int) -> Sequence[bytes]:
    return ([LEAVES, FULL][level] if level < 2 else [])[first : first + count]


class Endless:
    """A log of any length: the hash at a place of the tree is made up, and reads are counted."""

    def __init__(self) -> None:
        self.runs = 0
        self.hashes = 0

    def __call__(self, level: int, first: int, count: int) -> Sequence[bytes]:
        self.runs += 1
        self.hashes += count
        assert first // WIDTH == (first + count - 1) // WIDTH, "within one tile"
        return [sha256(b"%d %d" % (level, number)).digest() for number in range(first, first + count)]


# --- proofs


def test_every_inclusion_proof_of_small_logs_is_that_of_the_rfc() -> None:
    for size in range(1, 70):
        for index in range(size):
            assert inclusion(stored, index, size) == inclusion_proof(LEAVES[:size], index)


def test_every_consistency_proof_of_small_logs_is_that_of_the_rfc() -> None:
    for size in range(1, 70):
        for old in range(1, size + 1):
            assert consistency(stored, old, size) == consistency_proof(LEAVES[:size], old)


def test_consistency_of_small_logs_is_proved_for_the_true_old_tree_alone() -> None:
    """Exhaustively: of all sizes that an old tree could have had, only the one it had, with its root."""
    roots = [root_of(LEAVES[:size]) for size in range(34)]
    for size in range(1, 34):
        for old in range(1, size + 1):
            proof = consistency(stored, old, size)
            for claimed in range(1, size + 1):
                fits = verify_consistency(
                    old_size=claimed, old_root=roots[claimed], new_size=size, new_root=roots[size], proof=proof
                )
                assert fits is (claimed == old), (size, old, claimed)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_proofs_over_several_tiles_are_those_of_the_rfc(data: st.DataObject) -> None:
    size = data.draw(st.integers(200, len(LEAVES)))
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    assert inclusion(stored, index, size) == inclusion_proof(LEAVES[:size], index)
    assert consistency(stored, old, size) == consistency_proof(LEAVES[:size], old)
    assert frontier_of(stored, size) == Frontier().extended(LEAVES[:size])


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 2**40), share=st.floats(0, 1))
def test_a_proof_reads_a_run_of_hashes_for_each_level_of_the_tree(size: int, share: float) -> None:
    height = size.bit_length()
    there, old = Endless(), Endless()
    assert len(inclusion(there, min(size - 1, int(size * share)), size)) <= height
    assert len(consistency(old, max(1, int(size * share)), size)) <= height + 1
    for log in (there, old):
        assert log.runs <= 2 * height
        assert log.hashes <= 2 * height * WIDTH // 2


def test_there_is_no_proof_of_what_is_not_there() -> None:
    for index, size in ((0, 0), (5, 5), (-1, 5)):
        with pytest.raises(IndexError):
            inclusion(stored, index, size)
    with pytest.raises(IndexError):
        consistency(stored, 6, 5)
    assert consistency(stored, 0, 5) == consistency(stored, 5, 5) == ()
    with pytest.raises(StoreError, match="missing"):
        inclusion(stored, 0, len(LEAVES) + 1)


# --- growing


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(st.sampled_from([0, 1, 5, 250, 256, 300]), max_size=5))
def test_a_tree_grows_as_its_frontier_does_and_hands_out_each_full_tile_once(steps: list[int]) -> None:
    tree, nodes = Frontier(), list[Node]()
    for count in steps:
        if tree.size + count > len(LEAVES):
            break
        tree, full = grow(tree, LEAVES[tree.size : tree.size + count])
        nodes += full
        assert tree == Frontier().extended(LEAVES[: tree.size])
    assert [(node.level, node.index, node.hash) for node in nodes] == [
        (1, index, FULL[index]) for index in range(tree.size // WIDTH)
    ]


def test_tiles_of_tiles_become_full() -> None:
    size = WIDTH**2 - 1
    log = [sha256(b"%d" % number).digest() for number in range(size + 1)]
    almost = Frontier().extended(log[:size])
    tree, nodes = grow(almost, log[size:])
    assert [(node.level, node.index) for node in nodes] == [(1, WIDTH - 1), (2, 0)]
    assert nodes[1].hash == tree.root == root_of(log)


# --- layout


def test_tiles_lie_where_the_specification_says() -> None:
    """Both examples of the specification."""
    assert Tile(level=0, index=1234067, width=WIDTH).path == "tile/0/x001/x234/067"
    assert Tile(level=None, index=0, width=3).path == "tile/entries/000.p/3"
    tiles = list(tiles_of(70_000))
    assert [tile.path for tile in tiles if tile.level or tile.index == 273] == [
        "tile/0/273.p/112",
        "tile/1/000",
        "tile/1/001.p/17",
        "tile/2/000.p/1",
    ]
    assert len(tiles) == 274 + 2 + 1
    assert [tile.path for tile in tiles_of(256)] == ["tile/0/000", "tile/1/000.p/1"]
    assert list(tiles_of(0)) == list(entries_of(0)) == []
    assert [tile.path for tile in entries_of(257)] == ["tile/entries/000", "tile/entries/001.p/1"]


def test_an_entry_stands_behind_its_length() -> None:
    assert bundle([b"", b"ab", b"x" * 258]) == b"\0\0" + b"\0\2ab" + b"\1\2" + b"x" * 258
    with pytest.raises(ValueError, match="65535"):
        bundle([bytes(65_536)])


# --- proofs as text

SIGNER = NoteSigner.from_seed("example.com/log", KeyType.ED25519, bytes(32))


def proof_of(index: int, size: int) -> InclusionProof:
    text = Checkpoint(origin="example.com/log", size=size, root=root_of(LEAVES[:size])).text
    note = Note(text=text, lines=(SIGNER.sign(text),))
    return InclusionProof(index=index, path=inclusion(stored, index, size), note=note)


@pytest.mark.parametrize(("index", "size"), [(0, 1), (0, 2), (6, 7), (255, 256), (700, 1200)])
def test_a_proof_is_read_as_it_was_written_and_proves_its_event_alone(index: int, size: int) -> None:
    proof = InclusionProof.parse(proof_of(index, size).format())
    assert proof == proof_of(index, size)
    assert proof.verify(LEAVES[index], [SIGNER.key]).size == size
    for wrong in ({"index": index + 1}, {"path": (*proof.path, bytes(32))}):
        with pytest.raises(NoteError, match="not in the log"):
            InclusionProof(**{"index": index, "path": proof.path, "note": proof.note, **wrong}).verify(  # type: ignore[arg-type]
                LEAVES[index], [SIGNER.key]
            )
    with pytest.raises(NoteError, match="not in the log"):
        proof.verify(leaf_hash(b"another"), [SIGNER.key])
    with pytest.raises(NoteError, match="none of the given keys"):
        proof.verify(LEAVES[index], [])


def test_extra_data_is_read_over() -> None:
    text = proof_of(3, 7).format()
    assert InclusionProof.parse(text.replace("@v1\n", "@v1\nextra QUJD\n", 1)) == proof_of(3, 7)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("@v1\n", "@v2\n"),
        ("index 3", "index 03"),
        ("index 3", "index -3"),
        ("index 3\n", ""),
        ("index 3", "extra Q\nindex 3"),
        ("index 3\n", "index 3\nQUJD\n"),
        ("\n\nexample", "\nexample"),
        ("c2sp.org", "\nc2sp.org"),
    ],
)
def test_what_is_no_proof_is_refused(old: str, new: str) -> None:
    text = proof_of(3, 7).format()
    assert old in text
    with pytest.raises(NoteError):
        InclusionProof.parse(text.replace(old, new, 1))


def test_inclusion_is_verified_by_the_rules_of_the_rfc() -> None:
    root = root_of(LEAVES[:7])
    path = inclusion(stored, 3, 7)
    assert verify_inclusion(leaf=LEAVES[3], index=3, size=7, proof=path, root=root)
    assert not verify_inclusion(leaf=LEAVES[3], index=2, size=7, proof=path, root=root)
