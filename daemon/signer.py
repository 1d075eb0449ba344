"""The hand that signs the log: its key, and the check that a stored tree is the one signed last.

Whoever can write to the tables can change events, tiles and roots, but not sign. So what a tree was is taken from its
last note, never from a column, and what is stored has to agree with it before anything is signed on top.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from events.checkpoint import BadNote, Checkpoint, VerifierKey, log_id, open_note, origin_of, sign
from events.merkle import EMPTY_ROOT, HASH_BYTES, Hash
from events.tile import Tiles, edge, path
from events.tlog import Spot, Tree


class Barred(Exception):
    """What is stored disagrees with what was signed, or events are missing: nothing may be signed over it."""


class SignedNote(NamedTuple):
    """A checkpoint and the note over it."""

    size: int
    root: Hash
    note: str


class Signer:
    """Signs for all partitions. It remembers the last note of each, made here or found good."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        raw = private.public_key().public_bytes_raw()
        self.key = VerifierKey(log_id(raw), raw)
        self._private = private
        self._last: dict[int, SignedNote] = {}

    @classmethod
    def of(cls, raw: bytes) -> Self:
        """The signer with this private key, as it lies sealed."""
        return cls(Ed25519PrivateKey.from_private_bytes(raw))

    def sign(self, partition: int, tiles: Tiles) -> SignedNote:
        """The tree as it is, signed: once it is stored, `committed` should know."""
        root = tiles.root()
        checkpoint = Checkpoint(origin_of(self.key.log_id, partition), tiles.size, root)
        return SignedNote(tiles.size, root, sign(checkpoint, self._private))

    def committed(self, signed: Mapping[int, SignedNote]) -> None:
        """Remember, by partition, what is stored for good."""
        self._last |= signed

    def standing(self, tree: Tree, edges: Mapping[Spot, bytes]) -> Tiles:
        """The tree as it was signed last, ready to grow; `edges` holds its edge_spots. Barred: it is not."""
        root = self._signed_root(tree)
        known = {}
        for level, index, width in edge(tree.size):
            known[level, index] = hashes = edges.get((tree.partition, level, index), b"")
            if len(hashes) != width * HASH_BYTES:
                raise Barred(f"{path(level, index, width)} is stored with {len(hashes) // HASH_BYTES} hashes")
        tiles = Tiles(tree.size, known)
        if tiles.root() != root:
            raise Barred(f"the stored tiles do not make the root that was signed for {tree.size} events")
        return tiles

    def _signed_root(self, tree: Tree) -> Hash:
        """What the last note says, if it is ours and not older than one known here. Barred."""
        last = self._last.get(tree.partition)
        if last is not None and tree.size < last.size:
            raise Barred(f"the checkpoint of {last.size} events is gone; the last one stored is of {tree.size}")
        if tree.note is None or tree.root is None:
            return EMPTY_ROOT
        found = SignedNote(tree.size, tree.root, tree.note)
        if found != last:
            try:
                signed = open_note(tree.note, self.key.of_partition(tree.partition))
            except BadNote as bad:
                raise Barred(f"the last checkpoint, of {tree.size} events, is not of this log: {bad}") from bad
            if (signed.size, signed.root) != (tree.size, tree.root):
                raise Barred(f"the last checkpoint, of {tree.size} events, differs from its note, of {signed.size}")
            if last is not None and signed.size == last.size and signed.root != last.root:
                raise Barred(f"the log has signed two trees of {last.size} events, and they differ")
            self._last[tree.partition] = found
        return found.root


def edge_spots(trees: Iterable[Tree]) -> list[Spot]:
    """The partial tiles of these trees, which is all that is needed to let them grow."""
    return [(tree.partition, level, index) for tree in trees for level, index, _ in edge(tree.size)]
