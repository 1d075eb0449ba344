from functools import cache
from hashlib import sha256

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from events import tile
from events.merkle import EMPTY_ROOT, Frontier, consistency_proof, inclusion_proof, node_hash, root
from events.tile import BadTile, Tile, Tiles

MANY = 66_000
SIZES = st.integers(0, 1500) | st.sampled_from([255, 256, 257, 65535, 65536, 65537])


@cache
def leaves() -> list[bytes]:
    return [sha256(b"%d" % nth).digest() for nth in range(MANY)]


@cache
def whole() -> dict[tuple[int, int], bytes]:
    return Tiles().extend(leaves())


@pytest.mark.parametrize(
    ("written", "known"),
    [
        ("tile/0/000", Tile(0, 0)),
        ("tile/0/x001/x234/067", Tile(0, 1234067)),
        ("tile/63/999.p/255", Tile(63, 999, 255)),
        ("tile/2/x001/000.p/1", Tile(2, 1000, 1)),
    ],
)
def test_paths(written: str, known: Tile) -> None:
    assert tile.path(*known) == written
    assert tile.parse(written) == known


@given(st.integers(0, 63), st.integers(0, 2**55), st.integers(1, 256))
def test_paths_are_read_as_written(level: int, index: int, width: int) -> None:
    assert tile.parse(tile.path(level, index, width)) == (level, index, width)


@pytest.mark.parametrize(
    "bad",
    ["", "tile/0", "tile/00/000", "tile/64/000", "tile/0/00", "tile/0/0000", "tile/0/x000/001", "tile/0/001/234",
     "tile/0/x001/x234", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000/", "/tile/0/000",
     "tile/0/000\n", "tile/0/\u0660\u0660\u0660", "tile/entries/000", "tile/0/../000"],
)  # fmt: skip
def test_what_is_no_path(bad: str) -> None:
    with pytest.raises(BadTile, match="no path of a tile"):
        tile.parse(bad)


def test_the_tiles_of_the_specification() -> None:
    known = list(tile.all_tiles(70_000))
    assert [(each.level, each.width) for each in known if each.width < 256] == [(0, 112), (1, 17), (2, 1)]
    assert sum(each.level == 0 for each in known) == 274
    assert tile.edge(70_000) == [each for each in known if each.width < 256]
    assert list(tile.all_tiles(256)) == [Tile(0, 0), Tile(1, 0, 1)]
    assert tile.edge(0) == list(tile.all_tiles(0)) == []
    assert all(tile.exists(each, 70_000) for each in known)
    assert not tile.exists(Tile(1, 1, 18), 70_000)
    assert not tile.exists(Tile(2, 0), 70_000)
    assert not tile.exists(Tile(3, 0, 1), 70_000)
    assert tile.exists(Tile(1, 1, 16), 70_000), "narrower ones were there once"


@given(st.lists(st.integers(0, 700), max_size=8))
@example([255, 1, 1, 255, 256, 257])
@settings(max_examples=60)
def test_growing_in_pieces_is_growing_at_once(pieces: list[int]) -> None:
    grown, stored, size = Tiles(), {}, 0
    for piece in pieces:
        changed = grown.extend(leaves()[size : size + piece])
        resumed = Tiles(size, stored)
        assert resumed.extend(leaves()[size : size + piece]) == changed
        size += piece
        for key, data in changed.items():
            assert data.startswith(stored.get(key, b""))
        stored |= changed
        frontier = Frontier()
        for leaf in leaves()[:size]:
            frontier.append(leaf)
        assert (grown.size, grown.root()) == (resumed.size, resumed.root()) == (size, frontier.root())
        assert Tiles(size, grown.edge()).root() == grown.root()
    assert stored == {
        (each[0], each[1]): tile.cut(whole()[each[0], each[1]], each[2]) for each in tile.all_tiles(size)
    }


@given(SIZES)
@example(65536)
@settings(max_examples=30)
def test_a_tree_goes_on_from_wider_tiles(size: int) -> None:
    grown = Tiles(size, whole())
    assert grown.root() == root(size, tile.tree_of(lambda level, index: whole()[level, index]))
    grown.extend(leaves()[size:])
    assert grown.root() == root(MANY, tile.tree_of(whole()))


def test_a_tree_from_a_function() -> None:
    asked = []

    def fetch(level: int, index: int) -> bytes:
        asked.append((level, index))
        return whole()[level, index]

    grown = Tiles(65_800, fetch)
    assert asked == [(0, 257), (1, 1), (2, 0)]
    assert grown.root() == root(65_800, tile.tree_of(whole()))


def test_nothing_changes_nothing() -> None:
    grown = Tiles()
    assert grown.extend([]) == {}
    assert (grown.size, grown.root(), grown.edge()) == (0, EMPTY_ROOT, {})


def test_a_tree_without_its_edge_is_refused() -> None:
    with pytest.raises(BadTile, match=r"tile/0/000 is missing"):
        Tiles(3)
    with pytest.raises(BadTile, match="has 64 bytes, where 3 hashes are 96"):
        Tiles(3, {(0, 0): bytes(64)})
    assert Tiles(256, {(1, 0): bytes(32)}).size == 256, "a full tile is not needed"


def test_cut() -> None:
    data = whole()[0, 0]
    assert tile.cut(data, 3) == data[:96]
    assert tile.cut(data, 256) == data
    with pytest.raises(BadTile):
        tile.cut(data[:96], 4)


def test_subtrees_within_a_tile() -> None:
    one, two, three = leaves()[:3]
    assert tile.subtree(one + two + three) == [[one, two, three], [node_hash(one, two)]]
    assert [len(level) for level in tile.subtree(whole()[0, 0])] == [256, 128, 64, 32, 16, 8, 4, 2, 1]
    for bad in (b"", bytes(31), bytes(257 * 32)):
        with pytest.raises(BadTile, match="a tile is 1 to 256 hashes"):
            tile.subtree(bad)


@given(st.integers(0, 16), st.data())
def test_any_complete_subtree(level: int, data) -> None:
    index = data.draw(st.integers(0, (MANY >> level) - 1))
    grown = Frontier()
    for leaf in leaves()[index << level : index + 1 << level]:
        grown.append(leaf)
    assert tile.tree_of(whole())(level, index) == grown.root()


def test_a_subtree_that_is_not_complete_is_not_there() -> None:
    hashes = tile.tree_of(whole())
    with pytest.raises(BadTile, match="too few"):
        hashes(7, MANY >> 7)
    with pytest.raises(BadTile, match=r"tile/2/001 is missing"):
        hashes(16, 256)
    with pytest.raises(BadTile, match="too few"):
        hashes(16, 1)


def test_few_tiles_are_remembered_the_last_used_longest() -> None:
    asked = []

    def fetch(level: int, index: int) -> bytes:
        asked.append(index)
        return whole()[level, index]

    hashes = tile.tree_of(fetch)
    for index in range(tile.CACHED):
        hashes(0, index * 256)
    hashes(0, 1)
    hashes(0, tile.CACHED * 256)
    hashes(0, 2)
    assert len(asked) == tile.CACHED + 1
    hashes(0, 256)
    assert len(asked) == tile.CACHED + 2


@given(SIZES.filter(bool), st.data())
@settings(max_examples=50)
def test_the_tiles_that_will_be_read_are_known_before(size: int, data) -> None:
    index = data.draw(st.integers(0, size - 1))

    def ask(hashes):
        return inclusion_proof(index, size, hashes), consistency_proof(index, size, hashes), root(size, hashes)

    wanted = tile.tiles_for(ask)
    assert ask(tile.tree_of({key: whole()[key] for key in wanted})) == ask(tile.tree_of(whole()))
    widths = {(each[0], each[1]): each[2] for each in tile.all_tiles(size)}
    assert set(wanted) <= set(widths), "only tiles that a tree of this size has"
    narrow = {key: tile.cut(whole()[key], widths[key]) for key in wanted}
    assert ask(tile.tree_of(narrow)) == ask(tile.tree_of(whole()))
