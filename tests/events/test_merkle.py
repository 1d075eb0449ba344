from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
    verify_consistency,
    verify_inclusion,
)

LEAVES = [leaf_hash(b"%d" % nth) for nth in range(80)]
SOME = sha256(b"some").digest()


def hashes(level: int, index: int) -> bytes:
    if level == 0:
        return LEAVES[index]
    return node_hash(hashes(level - 1, 2 * index), hashes(level - 1, 2 * index + 1))


def test_the_smallest_trees() -> None:
    assert root(0, hashes) == EMPTY_ROOT == sha256().digest()
    assert leaf_hash(b"x") == sha256(b"\0x").digest()
    assert root(1, hashes) == LEAVES[0]
    assert root(3, hashes) == node_hash(node_hash(LEAVES[0], LEAVES[1]), LEAVES[2])


def test_a_frontier_goes_on_from_its_peaks() -> None:
    grown = Frontier()
    for size in range(len(LEAVES)):
        assert grown.root() == root(size, hashes)
        resumed = Frontier(size, grown.peaks)
        resumed.append(LEAVES[size])
        grown.append(LEAVES[size])
        assert (resumed.size, resumed.peaks) == (grown.size, grown.peaks)


@pytest.mark.parametrize(("size", "peaks"), [(-1, []), (1, []), (0, [SOME]), (3, [SOME])])
def test_a_frontier_of_the_wrong_shape_is_refused(size: int, peaks: list[bytes]) -> None:
    with pytest.raises(ValueError, match="peaks"):
        Frontier(size, peaks)


@given(st.integers(1, 80), st.data())
def test_every_leaf_is_proven_and_nothing_else(size: int, data) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof, top = inclusion_proof(index, size, hashes), root(size, hashes)
    assert verify_inclusion(LEAVES[index], index, size, proof, top)
    leaf = LEAVES[index]
    assert not verify_inclusion(leaf, index + 1, size, proof, top)
    assert not verify_inclusion(leaf, index - 1, size, proof, top)
    assert not verify_inclusion(leaf, index, 2 * size, proof, top)
    assert not verify_inclusion(SOME, index, size, proof, top)
    assert not verify_inclusion(leaf, index, size, proof, SOME)
    assert not verify_inclusion(leaf, index, size, [*proof, top], top)
    assert not verify_inclusion(leaf, index, size, [top, *proof], top)
    assert not verify_inclusion(leaf, index, size, [*proof, b""], top)
    for nth in range(len(proof)):
        assert not verify_inclusion(leaf, index, size, [*proof[:nth], SOME, *proof[nth + 1 :]], top)
        assert not verify_inclusion(leaf, index, size, proof[:nth] + proof[nth + 1 :], top)


@given(st.integers(1, 80), st.integers(1, 80))
@settings(max_examples=200)
def test_every_older_tree_is_proven_and_nothing_else(one: int, other: int) -> None:
    old, new = sorted((one, other))
    proof, before, after = consistency_proof(old, new, hashes), root(old, hashes), root(new, hashes)
    assert verify_consistency(old, new, before, after, proof)
    assert not verify_consistency(old, new, SOME, after, proof)
    assert not verify_consistency(old, new, before, SOME, proof)
    assert not verify_consistency(old, new, before, after, [*proof, after])
    assert not verify_consistency(old, new, before, after, [SOME, *proof])
    assert not verify_consistency(new + 1, new, before, after, proof)
    for nth in range(len(proof)):
        assert not verify_consistency(old, new, before, after, [*proof[:nth], SOME, *proof[nth + 1 :]])
        assert not verify_consistency(old, new, before, after, proof[:nth] + proof[nth + 1 :])
    if old < new:
        assert not verify_consistency(old, new, before, after, [])
        assert not verify_consistency(old - 1, new, before, after, proof)
        assert not verify_consistency(new, old, after, before, proof)


def test_every_tree_adds_to_the_empty_one() -> None:
    top = root(5, hashes)
    assert consistency_proof(0, 5, hashes) == consistency_proof(5, 5, hashes) == []
    assert verify_consistency(0, 5, EMPTY_ROOT, top, [])
    assert not verify_consistency(0, 5, SOME, top, [])
    assert not verify_consistency(0, 5, EMPTY_ROOT, top, [SOME])


def test_what_cannot_be_is_not_proven() -> None:
    for index, size in ((0, 0), (5, 5), (-1, 5)):
        with pytest.raises(ValueError, match="is not in a tree"):
            inclusion_proof(index, size, hashes)
        assert not verify_inclusion(LEAVES[0], index, size, [], LEAVES[0])
    for old in (6, -1):
        with pytest.raises(ValueError, match="no older self"):
            consistency_proof(old, 5, hashes)
    assert not verify_inclusion(b"", 0, 1, [], b"")
