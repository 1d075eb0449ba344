"""The Merkle tree of RFC 6962 section 2.1 (the same in RFC 9162), over SHA-256. Pure.

    MTH({})      = SHA-256()
    MTH({d})     = SHA-256(0x00 || d)                                    a leaf's hash
    MTH(D[0:n])  = SHA-256(0x01 || MTH(D[0:k]) || MTH(D[k:n]))           k: the greatest power of two below n

Nothing here keeps a tree. Proofs are made of the hashes of *complete* subtrees, which never change once they are
there, and whoever has them answers them: `hashes(level, index)` is the hash of the leaves from index * 2**level up to
(index + 1) * 2**level. A tree of n leaves is asked only for subtrees that lie within its first n leaves.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

Hash = bytes
Hashes = Callable[[int, int], Hash]
"""(level, index) → the hash of that complete subtree."""

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = hashlib.sha256().digest()

_sha256: Final = hashlib.sha256


def leaf_hash(entry: bytes) -> Hash:
    """The hash of an entry as a leaf."""
    return _sha256(b"\x00" + entry).digest()


def node_hash(left: Hash, right: Hash) -> Hash:
    """The hash of the node above two subtrees."""
    return _sha256(b"\x01" + left + right).digest()


class Frontier:
    """A growing tree of which only the right edge is kept: its peaks, the complete subtrees that make it up.

    `peaks` stand from the left: one for each bit set in `size`, the largest first.
    """

    def __init__(self, size: int = 0, peaks: Sequence[Hash] = ()) -> None:
        if size < 0 or size.bit_count() != len(peaks):
            raise ValueError(f"a tree of {size} leaves has {max(size, 0).bit_count()} peaks, not {len(peaks)}")
        self.size = size
        self.peaks = list(peaks)

    def append(self, leaf: Hash) -> None:
        """Add one leaf, by its hash."""
        rest = self.size
        while rest & 1:
            leaf = node_hash(self.peaks.pop(), leaf)
            rest >>= 1
        self.peaks.append(leaf)
        self.size += 1

    def root(self) -> Hash:
        """The root of the tree as it is."""
        return fold_peaks(self.peaks) if self.peaks else EMPTY_ROOT


def fold_peaks(peaks: Sequence[Hash]) -> Hash:
    """The root over complete subtrees that lie side by side, the largest first; at least one."""
    result = peaks[-1]
    for peak in reversed(peaks[:-1]):
        result = node_hash(peak, result)
    return result


def root(size: int, hashes: Hashes) -> Hash:
    """The root of the first `size` leaves."""
    return _span(0, size, hashes) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, hashes: Hashes) -> list[Hash]:
    """That leaf `index` is in the tree of the first `size` leaves (RFC 6962 2.1.1). ValueError: it cannot be."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size} leaves")
    low, high, proof = 0, size, []
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            proof.append(_span(middle, high, hashes))
            high = middle
        else:
            proof.append(_span(low, middle, hashes))
            low = middle
    return proof[::-1]


def verify_inclusion(leaf: Hash, index: int, size: int, proof: Sequence[Hash], root: Hash) -> bool:
    """Whether `proof` shows that the leaf with this hash stands at `index` under `root` (RFC 9162 2.1.3.2)."""
    if not 0 <= index < size or not _hashes_only((leaf, root, *proof)):
        return False
    here, last, result = index, size - 1, leaf
    for step in proof:
        if last == 0:
            return False
        if here & 1 or here == last:
            result = node_hash(step, result)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            result = node_hash(result, step)
        here, last = here >> 1, last >> 1
    return last == 0 and result == root


def consistency_proof(old: int, new: int, hashes: Hashes) -> list[Hash]:
    """That the first `old` of `new` leaves are the older tree (RFC 6962 2.1.2). ValueError: old > new.

    Empty when there is nothing to show: the older tree is empty, or is the newer one.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} leaves has no older self of {old}")
    if old == 0:
        return []
    low, high, proof = 0, new, []
    while old != high:
        middle = low + _split(high - low)
        if old <= middle:
            proof.append(_span(middle, high, hashes))
            high = middle
        else:
            proof.append(_span(low, middle, hashes))
            low = middle
    if low:  # the verifier has old's root, but not this piece of it
        proof.append(_span(low, high, hashes))
    return proof[::-1]


def verify_consistency(old: int, new: int, old_root: Hash, new_root: Hash, proof: Sequence[Hash]) -> bool:
    """Whether `proof` shows that the newer tree only adds to the older one (RFC 9162 2.1.4.2).

    Every tree adds to the empty one, which is shown by no hash at all.
    """
    if not 0 <= old <= new or not _hashes_only((old_root, new_root, *proof)):
        return False
    if old in {0, new}:
        return not proof and old_root == (EMPTY_ROOT if old == 0 else new_root)
    steps = list(proof)
    if old.bit_count() == 1:
        steps.insert(0, old_root)
    if not steps:
        return False
    here, last = old - 1, new - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    from_old = from_new = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if here & 1 or here == last:
            from_old, from_new = node_hash(step, from_old), node_hash(step, from_new)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            from_new = node_hash(from_new, step)
        here, last = here >> 1, last >> 1
    return last == 0 and from_old == old_root and from_new == new_root


def _hashes_only(proof: Sequence[Hash]) -> bool:
    return all(len(step) == HASH_BYTES for step in proof)


def _split(size: int) -> int:
    """The greatest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def _span(low: int, high: int, hashes: Hashes) -> Hash:
    """The hash over the leaves from `low` up to `high`, a subtree of the tree: `low` is aligned for it."""
    peaks = []
    while low < high:
        level = (high - low).bit_length() - 1
        peaks.append(hashes(level, low >> level))
        low += 1 << level
    return fold_peaks(peaks)
