"""The tree in tiles (C2SP tlog-tiles): strips of 256 hashes, so that any proof needs only a few reads. Pure.

Tile n of level l holds the hashes of the complete subtrees 256n … 256n + 255 of 256**l leaves each, one after the
other, 32 bytes a hash. A full tile never changes; only the rightmost tile of each level is partial (1 to 255 hashes),
and it only grows, so a narrower version of a tile is always the beginning of a wider one. What lies between the
levels of the tiles is computed from their hashes.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from events.merkle import EMPTY_ROOT, HASH_BYTES, Hash, Hashes, fold_peaks

HEIGHT: Final = 8
WIDTH: Final = 1 << HEIGHT
TILE_BYTES: Final = WIDTH * HASH_BYTES
LEVEL_MAX: Final = 63
CACHED: Final = 64  # tiles that a `tree_of` remembers with what was computed from them

_PATH: Final = re.compile(r"tile/(0|[1-9][0-9]?)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)
_sha256: Final = hashlib.sha256

Fetch = Callable[[int, int], bytes]
"""(level, index) → the tile, at least as wide as the tree it is asked for; more is cut off."""


class BadTile(ValueError):
    """A path names no tile, or a tile is missing, or does not hold as many hashes as it must."""


class Tile(NamedTuple):
    """Which tile, and how many hashes of it there are."""

    level: int
    number: int  # the tile's index within its level
    width: int = WIDTH


def path(level: int, index: int, width: int = WIDTH) -> str:
    """Where a tile stands below the prefix of its log, such as tile/0/x001/x234/067.p/5."""
    assert 0 <= level <= LEVEL_MAX, level
    assert index >= 0, index
    assert 1 <= width <= WIDTH, width
    text = f"{index % 1000:03}"
    while index := index // 1000:
        text = f"x{index % 1000:03}/{text}"
    return f"tile/{level}/{text}" + (f".p/{width}" if width < WIDTH else "")


def parse(text: str) -> Tile:
    """The tile that a path names. BadTile: it is no path of a tile, or not the one way to write it."""
    found = _PATH.fullmatch(text)
    if found is None:
        raise BadTile(f"no path of a tile: {text[:200]!r}")
    level, digits, width = found.groups()
    tile = Tile(int(level), int(digits.replace("/", "").replace("x", "")), int(width or WIDTH))
    if tile.level > LEVEL_MAX or tile.width > WIDTH or path(*tile) != text:
        raise BadTile(f"no path of a tile: {text[:200]!r}")
    return tile


def edge(size: int) -> list[Tile]:
    """The partial tiles of a tree of `size` leaves, lowest level first: what one must know to make it grow."""
    found = []
    for level in range(LEVEL_MAX + 1):
        if (hashes := size >> level * HEIGHT) == 0:
            break
        if width := hashes % WIDTH:
            found.append(Tile(level, hashes // WIDTH, width))
    return found


def exists(tile: Tile, size: int) -> bool:
    """Whether a tree of `size` leaves fills this much of this tile."""
    return (size >> tile.level * HEIGHT) >= tile.number * WIDTH + tile.width


def cut(tile: bytes, width: int) -> bytes:
    """The tile as it was when it had only `width` hashes. BadTile: it has fewer."""
    wanted = width * HASH_BYTES
    if len(tile) < wanted:
        raise BadTile(f"the tile has {len(tile)} bytes, where {width} hashes are {wanted}")
    return tile[:wanted]


def subtree(hashes: bytes) -> list[list[Hash]]:
    """All complete subtrees within a tile: [height][index], the tile's own hashes being [0]. BadTile."""
    width, rest = divmod(len(hashes), HASH_BYTES)
    if rest or not 1 <= width <= WIDTH:
        raise BadTile(f"a tile is 1 to {WIDTH} hashes of {HASH_BYTES} bytes, not {len(hashes)} bytes")
    levels = [split(hashes)]
    while len(levels[-1]) > 1:
        levels.append(_pair(levels[-1]))
    return levels


def split(hashes: bytes) -> list[Hash]:
    """The hashes of a tile, one by one."""
    return [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]


class Tiles:
    """A tree that grows in bulk and answers which tiles that changed. It keeps its right edge: 8 KiB a level."""

    def __init__(self, size: int = 0, tiles: Mapping[tuple[int, int], bytes] | Fetch | None = None) -> None:
        """A tree of `size` leaves; `tiles` has at least those of `edge(size)`. BadTile: it has not."""
        self.size = size
        self._edge: list[list[Hash]] = []  # by level: the hashes of the partial tile, none when the last one is full
        self._peaks: list[list[Hash] | None] = []  # by level: of that tile's subtree; None: to be computed
        for level, index, width in edge(size):
            self._reach(level)
            self._edge[level] = split(cut(_get(tiles, level, index), width))

    def extend(self, leaves: Sequence[Hash]) -> dict[tuple[int, int], bytes]:
        """Add leaves by their hashes; the tiles that changed, each as wide as it is now, by (level, index).

        A tile that was not full stands among them whole, beginning with what was there.
        """
        changed: dict[tuple[int, int], bytes] = {}
        new: Sequence[Hash] = leaves
        level = 0
        before = self.size
        while new:
            self._reach(level)
            row = [*self._edge[level], *new]
            first = (before >> level * HEIGHT) // WIDTH
            for nth in range(0, len(row), WIDTH):
                changed[level, first + nth // WIDTH] = b"".join(row[nth : nth + WIDTH])
            full = len(row) - len(row) % WIDTH
            self._edge[level] = row[full:]
            self._peaks[level] = None
            new = _roots(row[:full])
            level += 1
        self.size += len(leaves)
        return changed

    def root(self) -> Hash:
        """The root of the tree as it is."""
        peaks: list[Hash] = []
        for level in reversed(range(len(self._edge))):
            known = self._peaks[level]
            if known is None:
                known = self._peaks[level] = _peaks(self._edge[level])
            peaks += known
        return fold_peaks(peaks) if peaks else EMPTY_ROOT

    def edge(self) -> dict[tuple[int, int], bytes]:
        """The partial tiles as they are, by (level, index): with `size`, enough to go on from here."""
        return {(level, index): b"".join(self._edge[level]) for level, index, _ in edge(self.size)}

    def _reach(self, level: int) -> None:
        while len(self._edge) <= level:
            self._edge.append([])
            self._peaks.append(None)


def tree_of(fetch: Mapping[tuple[int, int], bytes] | Fetch) -> Hashes:
    """The hashes of all complete subtrees, computed from tiles. BadTile when a tile lacks them.

    It remembers the last CACHED tiles: make a new one when the tree has grown.
    """
    known: dict[tuple[int, int], list[list[Hash]]] = {}

    def hashes(level: int, index: int) -> Hash:
        tile, height, nth = _place(level, index)
        levels = known.pop(tile, None)
        if levels is None:
            levels = subtree(_get(fetch, *tile))
            if len(known) >= CACHED:
                del known[next(iter(known))]
        known[tile] = levels  # the last in order is the last one used
        if height >= len(levels) or nth >= len(levels[height]):
            raise BadTile(f"{path(*tile)} has {len(levels[0])} hashes: too few for subtree {index} of level {level}")
        return levels[height][nth]

    return hashes


def tiles_for(ask: Callable[[Hashes], object]) -> list[tuple[int, int]]:
    """(level, index) of the tiles that `ask` will read, so that they can be fetched together beforehand.

    `ask` is a computation such as `lambda hashes: inclusion_proof(5, 100, hashes)`: what it reads must not depend on
    what the hashes are.
    """
    wanted: dict[tuple[int, int], None] = {}

    def hashes(level: int, index: int) -> Hash:
        wanted[_place(level, index)[0]] = None
        return EMPTY_ROOT

    ask(hashes)
    return list(wanted)


def all_tiles(size: int) -> Iterator[Tile]:
    """Every tile of a tree of `size` leaves, level by level."""
    for level in range(LEVEL_MAX + 1):
        hashes = size >> level * HEIGHT
        if hashes == 0:
            return
        for index in range(hashes // WIDTH):
            yield Tile(level, index)
        if hashes % WIDTH:
            yield Tile(level, hashes // WIDTH, hashes % WIDTH)


def _place(level: int, index: int) -> tuple[tuple[int, int], int, int]:
    """Where the hash of a subtree is found: its tile, the height above the tile's hashes, the place at that height.

    A subtree of 256 leaves is the root of one tile, but stands in the tile above, also while that one is partial.
    """
    tile_level, height = divmod(level, HEIGHT)
    per_tile = HEIGHT - height
    return (tile_level, index >> per_tile), height, index & (1 << per_tile) - 1


def _get(tiles: Mapping[tuple[int, int], bytes] | Fetch | None, level: int, index: int) -> bytes:
    if callable(tiles):
        return tiles(level, index)
    found = None if tiles is None else tiles.get((level, index))
    if found is None:
        raise BadTile(f"{path(level, index)} is missing")
    return found


def _pair(hashes: Sequence[Hash]) -> list[Hash]:
    """The hashes one level up, a last odd one left out. The inner loop of everything, so node_hash stands in it."""
    these = iter(hashes)
    sha256 = _sha256
    return [sha256(b"\x01" + left + right).digest() for left, right in zip(these, these, strict=False)]


def _roots(full: list[Hash]) -> list[Hash]:
    """The hash of each full tile in a row of them."""
    for _ in range(HEIGHT if full else 0):
        full = _pair(full)
    return full


def _peaks(hashes: list[Hash]) -> list[Hash]:
    """The complete subtrees that make up a partial tile, the largest first."""
    peaks = []
    while hashes:
        if len(hashes) & 1:
            peaks.append(hashes[-1])
        hashes = _pair(hashes)
    return peaks[::-1]
