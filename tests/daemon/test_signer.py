"""What a signer accepts as the tree it signed last."""

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daemon.signer import Barred, SignedNote, Signer, edge_spots
from events.checkpoint import open_note
from events.merkle import leaf_hash
from events.tile import Tiles
from events.tlog import Tree

AT = datetime(2026, 1, 1, tzinfo=UTC)
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def grown(size: int, salt: bytes = b"") -> tuple[Tiles, dict]:
    tiles = Tiles()
    tiles.extend([leaf_hash(salt + b"%d" % number) for number in range(size)])
    return tiles, {(2, level, index): hashes for (level, index), hashes in tiles.edge().items()}


def row(signed: SignedNote, partition: int = 2) -> Tree:
    return Tree(partition, signed.size, signed.size, signed.root, signed.note, AT)


def test_what_was_signed_can_be_opened_and_stands() -> None:
    signer = Signer(PRIVATE)
    tiles, edges = grown(300)
    signed = signer.sign(2, tiles)
    checkpoint = open_note(signed.note, signer.key.of_partition(2))
    assert (checkpoint.origin, checkpoint.size) == (f"hookd/{signer.key.log_id}/2", 300)
    again = Signer(PRIVATE).standing(row(signed), edges)
    assert (again.size, again.root()) == (300, tiles.root())
    assert edge_spots([row(signed)]) == [(2, 0, 1), (2, 1, 0)]
    assert signer.standing(Tree(2, 9, 0, None, None, None), {}).size == 0


def test_the_note_of_another_partition_or_key_does_not_count() -> None:
    tiles, edges = grown(3)
    other = Signer(Ed25519PrivateKey.from_private_bytes(bytes(32))).sign(2, tiles)
    for wrong in (other, Signer(PRIVATE).sign(1, tiles), other._replace(note="hello")):
        with pytest.raises(Barred, match="is not of this log"):
            Signer(PRIVATE).standing(row(wrong), edges)


def test_a_signer_remembers_what_it_signed() -> None:
    signer = Signer(PRIVATE)
    small, edges = grown(3)
    signer.committed({2: signer.sign(2, grown(5)[0])})
    with pytest.raises(Barred, match="the checkpoint of 5 events is gone"):
        signer.standing(row(signer.sign(2, small)), edges)
    forked, edges = grown(5, b"other")
    with pytest.raises(Barred, match="two trees of 5 events"):
        signer.standing(row(signer.sign(2, forked)), edges)


def test_an_edge_must_be_exactly_as_wide_as_the_tree() -> None:
    signer = Signer(PRIVATE)
    tiles, edges = grown(3)
    tree = row(signer.sign(2, tiles))
    for hashes in (edges[2, 0, 0][:64], edges[2, 0, 0] + bytes(32)):
        with pytest.raises(Barred, match=r"tile/0/000.p/3 is stored with"):
            signer.standing(tree, {(2, 0, 0): hashes})
    with pytest.raises(Barred, match="do not make the root"):
        signer.standing(tree, {(2, 0, 0): bytes(96)})
