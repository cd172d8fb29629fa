"""The tree: the vectors that everybody uses, every proof of small trees, and that no proof shows what is not so."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick.audit.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

# The test vectors of Certificate Transparency (RFC 6962 and 9162 hash alike): inputs, and the root over the first n.
INPUTS = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
LEAVES = tuple(leaf_hash(str(number).encode()) for number in range(70))
ROOT_AT = tuple(root_of(LEAVES[:size]) for size in range(len(LEAVES) + 1))


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_of_the_known_vectors(size: int) -> None:
    assert root_of([leaf_hash(bytes.fromhex(text)) for text in INPUTS[:size]]).hex() == ROOTS[size]


def test_proofs_are_those_of_the_rfc_9162_example() -> None:
    """RFC 9162 §2.1.5: a tree of seven leaves, its nodes named as there."""
    a, b, c, d, e, f, j = leaves = LEAVES[:7]
    g, h, i = root_of([a, b]), root_of([c, d]), root_of([e, f])
    k, l_ = root_of([a, b, c, d]), root_of([e, f, j])
    assert inclusion_proof(leaves, 0) == (b, h, l_)
    assert inclusion_proof(leaves, 3) == (c, g, l_)
    assert inclusion_proof(leaves, 4) == (f, j, k)
    assert inclusion_proof(leaves, 6) == (i, k)
    assert consistency_proof(leaves, 3) == (c, d, g, l_)
    assert consistency_proof(leaves, 4) == (l_,)
    assert consistency_proof(leaves, 6) == (i, j, k)


def test_a_node_cannot_pass_for_a_leaf() -> None:
    left, right = LEAVES[:2]
    assert root_of([leaf_hash(left + right)]) != root_of([left, right])


@pytest.mark.parametrize("size", range(1, len(LEAVES)))
def test_every_leaf_of_a_small_tree_is_proved_at_its_place_alone(size: int) -> None:
    leaves, root = LEAVES[:size], ROOT_AT[size]
    for index, leaf in enumerate(leaves):
        proof = inclusion_proof(leaves, index)
        assert verify_inclusion(leaf=leaf, index=index, size=size, proof=proof, root=root)
        assert not verify_inclusion(leaf=LEAVES[69], index=index, size=size, proof=proof, root=root)
        assert not verify_inclusion(leaf=leaf, index=index, size=size, proof=(*proof, leaf), root=root)
        assert not verify_inclusion(leaf=leaf, index=(index + 1) % size, size=size, proof=proof, root=root) or size == 1


@pytest.mark.parametrize("size", range(1, len(LEAVES)))
def test_every_beginning_of_a_small_tree_is_proved_and_no_other(size: int) -> None:
    leaves, root = LEAVES[:size], ROOT_AT[size]
    for old in range(1, size + 1):
        proof = consistency_proof(leaves, old)
        right = {"old_size": old, "new_size": size, "new_root": root, "proof": proof}
        assert verify_consistency(old_root=ROOT_AT[old], **right)  # type: ignore[arg-type]
        assert not verify_consistency(old_root=ROOT_AT[old - 1], **right)  # type: ignore[arg-type]
        forged = root_of([*LEAVES[: size - 1], LEAVES[69]])
        assert not verify_consistency(
            old_size=old, old_root=ROOT_AT[old], new_size=size, new_root=forged, proof=proof
        ) or (forged == root)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 69), st.data())
def test_a_changed_proof_proves_nothing(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size))

    def included(proof: Sequence[bytes]) -> bool:
        return verify_inclusion(leaf=LEAVES[index], index=index, size=size, proof=proof, root=ROOT_AT[size])

    def consistent(proof: Sequence[bytes]) -> bool:
        return verify_consistency(
            old_size=old, old_root=ROOT_AT[old], new_size=size, new_root=ROOT_AT[size], proof=proof
        )

    for proof, holds in (
        (inclusion_proof(LEAVES[:size], index), included),
        (consistency_proof(LEAVES[:size], old), consistent),
    ):
        assert holds(proof)
        if proof:
            at = data.draw(st.integers(0, len(proof) - 1))
            flipped = bytes([proof[at][0] ^ 1]) + proof[at][1:]
            assert not holds((*proof[:at], flipped, *proof[at + 1 :]))
            assert not holds(proof[:-1])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=8), max_size=60), st.data())
def test_appending_in_pieces_gives_the_tree_of_the_whole(inputs: list[bytes], data: st.DataObject) -> None:
    leaves = [leaf_hash(text) for text in inputs]
    cut = data.draw(st.integers(0, len(leaves)))
    grown = Frontier().extended(leaves[:cut]).extended(leaves[cut:])
    assert grown == Frontier().extended(leaves)
    assert Frontier.from_bytes(grown.size, grown.to_bytes()) == grown
    assert grown.root == (_by_definition(leaves) if leaves else EMPTY_ROOT)


def _by_definition(leaves: list[bytes]) -> bytes:
    """MTH of RFC 9162 §2.1.1, as it is written there."""
    from hashlib import sha256

    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + _by_definition(leaves[:split]) + _by_definition(leaves[split:])).digest()


@pytest.mark.parametrize(("size", "stored"), [(3, b"x" * 32), (0, b"x" * 32), (1, b"x" * 31), (-1, b"")])
def test_a_frontier_that_cannot_be_one_is_refused(size: int, stored: bytes) -> None:
    with pytest.raises(ValueError, match=r"frontier"):
        Frontier.from_bytes(size, stored)


def test_proofs_of_what_is_not_there_are_refused() -> None:
    with pytest.raises(IndexError):
        inclusion_proof(LEAVES[:3], 3)
    with pytest.raises(IndexError):
        consistency_proof(LEAVES[:3], 4)
    with pytest.raises(IndexError):
        consistency_proof(LEAVES[:3], 0)
    nothing: tuple[bytes, ...] = ()
    assert not verify_inclusion(leaf=LEAVES[0], index=1, size=1, proof=nothing, root=LEAVES[0])
    assert not verify_consistency(old_size=0, old_root=EMPTY_ROOT, new_size=1, new_root=LEAVES[0], proof=nothing)
    assert not verify_consistency(old_size=3, old_root=ROOT_AT[3], new_size=7, new_root=ROOT_AT[7], proof=nothing)
