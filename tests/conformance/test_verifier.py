"""Two implementations of the same specifications must agree: ours, and tests/conformance/verifier.py."""

import ast
import sys
from functools import cache
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from events import merkle, tile
from events.checkpoint import Checkpoint
from tests.conformance import verifier
from tests.conformance.small_log import KEY, PRIVATE, SmallLog, sign

BORDERS = [0, 1, 2, 255, 256, 257, 511, 512, 513, 65535, 65536, 65537, 65792, 70000]
SIZES = st.integers(0, 1100) | st.sampled_from(BORDERS)
MANY = 70_000


def test_the_verifier_shares_no_code_with_us() -> None:
    source = Path(verifier.__file__).read_text()
    named = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            named |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            named.add(node.module.partition(".")[0])
    assert named <= sys.stdlib_module_names | {"cryptography"}
    assert source.count("\n") < 300


@cache
def leaves() -> list[bytes]:
    return [sha256(b"%d" % nth).digest() for nth in range(MANY)]


@cache
def tiles() -> dict[tuple[int, int], bytes]:
    return tile.Tiles().extend(leaves())


def get(path: str) -> bytes:
    """A server of all tiles, also the partial ones of older trees."""
    level, index, width = tile.parse(path)
    return tile.cut(tiles()[level, index], width)


def tree(size: int) -> verifier.TiledTree:
    return verifier.TiledTree(get, size)


@given(SIZES)
@example(65536)
@example(70000)
@settings(max_examples=60)
def test_roots_agree(size: int) -> None:
    grown = tile.Tiles()
    grown.extend(leaves()[:size])
    root = tree(size).root()
    assert root == grown.root() == merkle.root(size, tile.tree_of(tiles()))


@given(SIZES.filter(bool), st.data())
@settings(max_examples=150)
def test_proofs_of_inclusion_agree(size: int, data) -> None:
    index = data.draw(st.integers(0, size - 1) | st.sampled_from([border for border in BORDERS if border < size]))
    proof = merkle.inclusion_proof(index, size, tile.tree_of(tiles()))
    assert proof == tree(size).inclusion(index)
    root = tree(size).root()
    verifier.verify_inclusion(leaves()[index], index, size, proof, root)
    assert merkle.verify_inclusion(leaves()[index], index, size, proof, root)


@given(SIZES, SIZES)
@settings(max_examples=150)
def test_proofs_of_consistency_agree(one: int, other: int) -> None:
    old, new = sorted((one, other))
    proof = merkle.consistency_proof(old, new, tile.tree_of(tiles()))
    assert proof == tree(new).consistency(old)
    roots = tree(old).root(), tree(new).root()
    verifier.verify_consistency(old, new, *roots, proof)
    assert merkle.verify_consistency(old, new, *roots, proof)


@given(st.integers(1, 40), st.data())
@settings(max_examples=200)
def test_both_refuse_the_same_inclusions(size: int, data) -> None:
    index, claimed = data.draw(st.integers(0, size - 1)), data.draw(st.integers(-1, size + 1))
    proof = tree(size).inclusion(index)
    if data.draw(st.booleans()) and proof:
        del proof[data.draw(st.integers(0, len(proof) - 1))]
    said = size + data.draw(st.integers(-1, 1))
    root = tree(size).root()
    ours = merkle.verify_inclusion(leaves()[index], claimed, said, proof, root)
    try:
        verifier.verify_inclusion(leaves()[index], claimed, said, proof, root)
    except verifier.Invalid:
        assert not ours
    else:
        assert ours


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.integers(-1, 6))
@settings(max_examples=300)
def test_both_refuse_the_same_histories(old: int, new: int, said_old: int, said_new: int, dropped: int) -> None:
    proof = merkle.consistency_proof(min(old, new), max(old, new), tile.tree_of(tiles()))
    if 0 <= dropped < len(proof):
        del proof[dropped]
    roots = tree(said_old).root(), tree(said_new).root()
    ours = merkle.verify_consistency(said_old, said_new, *roots, proof)
    try:
        verifier.verify_consistency(said_old, said_new, *roots, proof)
    except verifier.Invalid:
        assert not ours
    else:
        assert ours


def test_tiles_are_made_of_the_tiles_below() -> None:
    tree(MANY).verify_levels()
    forged = tiles() | {(0, 3): bytes(tile.TILE_BYTES)}

    def lying(path: str) -> bytes:
        level, index, width = tile.parse(path)
        return tile.cut(forged[level, index], width)

    with pytest.raises(verifier.Invalid, match="lies"):
        verifier.TiledTree(lying, MANY).verify_levels()


@pytest.mark.parametrize("index", [0, 7, 999, 1000, 1_234_067, 10**9])
@pytest.mark.parametrize("width", [1, 255, 256])
def test_paths_agree(index: int, width: int) -> None:
    assert verifier.tile_path(5, index, width) == tile.path(5, index, width)


def test_checkpoints_agree() -> None:
    signed = sign(Checkpoint(KEY.of_partition(3).name, 12, bytes(32)))
    text = verifier.open_note(signed, KEY.of_partition(3).name, PRIVATE.public_key().public_bytes_raw())
    assert verifier.parse_checkpoint(text) == (KEY.of_partition(3).name, 12, bytes(32))
    with pytest.raises(verifier.Invalid):
        verifier.open_note(signed.replace("\n12\n", "\n13\n"), KEY.of_partition(3).name, KEY.public)


def test_records_agree() -> None:
    log = SmallLog().with_a_delivery()
    for raw, record in zip(log.raws, log.records, strict=True):
        row = verifier.parse_record(record)
        assert (row["partition"], row["seq"], row["stream"], row["endpoint"]) == (
            raw.partition,
            raw.seq,
            raw.stream,
            raw.endpoint,
        )
        assert (row["at"], row["version"], row["type"], row["schema"]) == (
            raw.at_us,
            raw.version,
            raw.type,
            raw.schema,
        )
        assert (row["actor"], row["request"]) == (raw.actor, raw.request)


def test_receipts_agree() -> None:
    log = SmallLog().with_a_delivery()
    seen = verifier.check_receipt(log.receipt(), KEY.public)
    ours = log.check(log.receipt())
    assert (seen["message"], seen["endpoint"], seen["state"]) == (ours.message, ours.endpoint, ours.state)
    assert (seen["digest"], seen["size"]) == (ours.payload_digest, ours.payload_size)
    assert seen["attempts"] == [(each.status, each.url) for each in ours.attempts]
