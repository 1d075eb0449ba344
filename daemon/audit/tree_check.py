"""Holds the events of one partition against its sealed tree: tiles, checkpoints, and checkpoints kept elsewhere."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

import asyncpg
import msgspec

from daemon.audit.findings import Check, Findings
from events import checkpoint, leaf, tile

_HASH_BYTES: Final = 32
_TILES: Final = """
  select index, hashes from log.tile
  where partition = $1 and level = 0 and index between $2 and $3 order by index"""
_UPPER_TILES: Final = "select level, index, hashes from log.tile where partition = $1 and level > 0"
_LEVELS: Final = """
  select level, count(*), sum(octet_length(hashes))::bigint, min(index), max(index)
  from log.tile where partition = $1 group by level order by level"""
_CHECKPOINTS: Final = "select size, root, note from log.checkpoint where partition = $1 order by size"
_PREFIX: Final = b"\x00" + leaf.DOMAIN


class Head(msgspec.Struct, frozen=True):
    """What a checkpoint says of a tree, and where that checkpoint lies."""

    size: int
    root: bytes
    check: Check
    place: str


class TreeCheck:
    """Takes the records of a partition in order, from the first on."""

    def __init__(self, partition: int, key: checkpoint.VerifierKey | None, findings: Findings) -> None:
        self.partition = partition
        self.sealed = 0  # events that the stored tree covers
        self.checkpoints = 0
        self._key = key
        self._findings = findings
        self._tiles = tile.Tiles()
        self._upper: dict[tuple[int, int], bytes] = {}
        self._heads: list[Head] = []  # ascending by size; those not reached yet

    async def open(self, connection: asyncpg.Connection, kept: Iterable[Head]) -> None:
        """Read what was signed. `kept` are heads that somebody kept elsewhere."""
        heads = list(kept)
        covered = 0
        for row in await connection.fetch(_CHECKPOINTS, self.partition):
            self.checkpoints += 1
            heads.append(Head(row["size"], row["root"], Check.CHECKPOINTS, f"checkpoint {self._name(row['size'])}"))
            self._check_note(row["size"], row["root"], row["note"])
            covered = max(covered, row["size"])
        self._check_tiles(await connection.fetch(_LEVELS, self.partition), covered)
        self._heads = sorted(heads, key=lambda head: head.size)

    def _check_tiles(self, levels: Iterable[asyncpg.Record], covered: int) -> None:
        """Tiles are stored together with a checkpoint, so they reach as far as the last one, each level of them."""
        stored = {level: (tiles, size, first, last) for level, tiles, size, first, last in levels}
        self.sealed = stored[0][1] // _HASH_BYTES if 0 in stored else 0
        expected, level, hashes = {}, 0, covered
        while hashes > 0:
            tiles = -(-hashes // tile.WIDTH)
            expected[level] = tiles, hashes * _HASH_BYTES, 0, tiles - 1
            level, hashes = level + 1, hashes // tile.WIDTH
        for each in sorted(expected.keys() | stored.keys()):
            if stored.get(each) != expected.get(each):
                place = f"partition {self.partition}, level {each} of the tiles"
                what = f"is not that of a tree of {covered} events, which the last checkpoint covers"
                self._findings.add(Check.TREE, place, what)

    def _check_note(self, size: int, root: bytes, note: str) -> None:
        place = f"checkpoint {self._name(size)}"
        if self._key is None:
            self._findings.add(Check.CHECKPOINTS, place, "there is no key of the log to check it with")
            return
        try:
            signed = checkpoint.open_note(note, self._key)
        except ValueError as error:
            self._findings.add(Check.CHECKPOINTS, place, str(error))
            return
        if (signed.origin, signed.size, signed.root) != (self._key.name, size, root):
            self._findings.add(Check.CHECKPOINTS, place, "its row says something else than what was signed")

    async def take(self, connection: asyncpg.Connection, records: Sequence[bytes]) -> None:
        """The next records, in order."""
        leaves = [hashlib.sha256(_PREFIX + record).digest() for record in records]
        await self._compare(connection, leaves)
        start = 0
        while start < len(leaves):
            size = self._tiles.size
            stop = len(leaves)
            if self._heads and self._heads[0].size - size <= stop - start:
                stop = start + self._heads[0].size - size
            self._extend(leaves[start:stop])
            start = stop
            self._reach()

    def _extend(self, leaves: Sequence[bytes]) -> None:
        for place, hashes in self._tiles.extend(leaves).items():
            if place[0] > 0:
                self._upper[place] = hashes

    def _reach(self) -> None:
        while self._heads and self._heads[0].size <= self._tiles.size:
            head = self._heads.pop(0)
            if head.root != self._tiles.root():
                what = f"the first {head.size} events are not those that were signed"
                if head.check is Check.KEPT:
                    what = f"history was rewritten: {what} then"
                self._findings.add(head.check, head.place, what)

    async def _compare(self, connection: asyncpg.Connection, leaves: Sequence[bytes]) -> None:
        """Name the events that are not what was sealed."""
        start = self._tiles.size
        stop = min(start + len(leaves), self.sealed)
        if start >= stop:
            return
        first, last = start // tile.WIDTH, (stop - 1) // tile.WIDTH
        stored = dict(await connection.fetch(_TILES, self.partition, first, last))
        skipped = start - first * tile.WIDTH
        sealed = b"".join(stored.get(index, b"") for index in range(first, last + 1))
        sealed = sealed[skipped * _HASH_BYTES : (skipped + stop - start) * _HASH_BYTES]
        if sealed == b"".join(leaves[: stop - start]):
            return
        for nth in range(stop - start):
            if sealed[nth * _HASH_BYTES : (nth + 1) * _HASH_BYTES] != leaves[nth]:
                place = f"event ({self.partition}, {start + nth + 1})"
                self._findings.add(Check.TREE, place, "is not the event that was sealed here")

    async def close(self, connection: asyncpg.Connection) -> None:
        """After the last record: what the tree has beyond the log, and its inner hashes."""
        size = self._tiles.size
        if self.sealed > size:
            what = f"the tree covers {self.sealed} events, the log has {size}: the last ones were cut off"
            self._findings.add(Check.TREE, f"partition {self.partition}", what)
        for head in self._heads:
            what = f"it covers {head.size} events, the log has {size}: history was cut off"
            self._findings.add(head.check, head.place, what)
        await self._compare_upper(connection)

    async def _compare_upper(self, connection: asyncpg.Connection) -> None:
        for level, index, hashes in await connection.fetch(_UPPER_TILES, self.partition):
            if not self._upper.get((level, index), b"").startswith(hashes):
                path = tile.path(level, index, len(hashes) // _HASH_BYTES)
                self._findings.add(Check.TREE, f"partition {self.partition}, {path}", "is not the tree of the events")

    def _name(self, size: int) -> str:
        return f"of partition {self.partition} at {size}"
