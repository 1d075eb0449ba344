"""The notary: lets each partition's tree grow up to its head, and signs what it is then.

A round goes chunk by chunk. A chunk is one transaction: take the lock (one notary at a time in a database), read how
far the trees are, check that the stored right edge is what was signed last, add the leaves that came since, store the
tiles that changed together with a new checkpoint. Nothing is kept between rounds that a restart would have to bring
back, and a crash leaves the last chunk's tree, signed.

Whoever can write to the tables can change events, tiles and roots, but not sign. So a tree is taken from its last
signed note, and what does not agree with that is not signed over: it is logged, and stays *barred* until it agrees.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, TypeVar

import asyncpg
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daemon.clock import Clock
from daemon.recorder import Committed
from daemon.sealing import Sealer
from daemon.signer import Barred, SignedNote, Signer, edge_spots
from events import tlog
from events.answering import answering
from events.checkpoint import VerifierKey
from events.log import Unavailable
from events.merkle import HASH_BYTES
from events.postgres import BY_INDEX
from events.tile import Tiles, split
from events.tlog import Leaves, Signed, Spot, Tree

log = structlog.get_logger()

CHUNK_EVENTS: Final = 8192  # of one transaction: about 25 ms of PostgreSQL's time
CHUNK_TREES: Final = 64
SLICE: Final = 512  # leaves hashed before others have their turn: under a millisecond
SLICE_BYTES: Final = SLICE * HASH_BYTES
TOLD_EVERY: Final = 1 << 18  # events, while catching up
_SHORT: Final = "the log is shorter than its last checkpoint"
_IN_THE_WAY: Final = "a stored tile differs from what the events make"

T = TypeVar("T")

Connect = Callable[[Mapping[str, str]], Awaitable[asyncpg.Connection]]


class KeyLost(Exception):
    """The key that signed this log is not in this database.

    A lost content.secret is to be restored from a backup; an imported log is for auditing and takes nothing more.
    """


class _InTheWay(Exception):
    """A tile that was not in any signed tree lies where one should come."""

    def __init__(self, partitions: set[int]) -> None:
        super().__init__(f"partitions {sorted(partitions)}")
        self.partitions = partitions


class Seals:
    """How far the log is sealed, as far as this process knows: what /readyz and /metrics show."""

    def __init__(self) -> None:
        self.sealed_at: datetime | None = None  # when a round last reached the heads
        self.barred: dict[int, str] = {}  # by partition: why it is not sealed
        self._behind = 0
        self._since = 0

    @property
    def unsealed(self) -> int:
        """Events that no checkpoint covers yet: those of the last look, and what was committed here since."""
        return self._behind + self._since

    def follow(self, committed: Committed) -> None:
        """Count what was committed."""
        self._since += len(committed.events)

    def looked(self, trees: list[Tree]) -> None:
        """Take what the tables say."""
        self._behind = sum(max(tree.head - tree.size, 0) for tree in trees)
        self._since = 0

    def grew(self, events: int) -> None:
        """Take what was sealed."""
        self._behind = max(self._behind - events, 0)


class Notary:
    """Seals the log of one database. `connect` gives a connection of its own, with these settings."""

    def __init__(self, connect: Connect, sealer: Sealer, clock: Clock, *, interval_s: float = 10.0) -> None:
        self.seals = Seals()
        self._connect = connect
        self._sealer = sealer
        self._clock = clock
        self._interval_s = interval_s
        self._connection: asyncpg.Connection | None = None
        self._busy = asyncio.Lock()
        self._signer: Signer | None = None

    async def key(self) -> VerifierKey:
        """Who signs this log; made on the first call ever. KeyLost, sealing.SealBroken, Unavailable."""
        async with self._busy:
            return (await self._with(self._key)).key

    async def run(self) -> None:
        """Seal round after round, for ever."""
        while True:
            try:
                await self.seal(wait=False)
            except Unavailable:
                log.warning("log_not_sealed", reason="the database does not answer")
            await asyncio.sleep(self._interval_s)

    async def seal(self, *, wait: bool = True) -> int:
        """Seal everything up to the heads as they are now; answers how many events were sealed here.

        With another process at it, `wait` for one's turn, or leave it to them. What is barred stays behind, and is
        named in `seals.barred`. KeyLost, sealing.SealBroken, Unavailable.
        """
        async with self._busy:
            return await self._with(lambda connection: self._round(connection, wait=wait))

    async def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            await self._connection.close(timeout=5)
            self._connection = None

    async def examine(self) -> tuple[list[Tree], dict[int, str]]:
        """Every tree, and by partition what is wrong with it. KeyLost, sealing.SealBroken, Unavailable."""
        async with self._busy:
            return await self._with(self._examine)

    # --- a round

    async def _round(self, connection: asyncpg.Connection, *, wait: bool) -> int:
        signer = await self._key(connection)
        trees = await tlog.trees(connection)
        self.seals.looked(trees)
        goals = {tree.partition: tree.head for tree in trees}
        barred: dict[int, str] = {}
        sealed = told = 0
        while (grown := await self._chunk(connection, signer, goals, barred, wait=wait)) is not None:
            if grown == 0:
                self._bar(barred)
                self.seals.sealed_at = self.seals.sealed_at if barred else self._clock.now()
                break
            sealed += grown
            self.seals.grew(grown)
            if sealed - told >= TOLD_EVERY:
                told = sealed
                log.info("log_sealing", sealed=sealed, unsealed=self.seals.unsealed)
        return sealed

    async def _chunk(
        self,
        connection: asyncpg.Connection,
        signer: Signer,
        goals: Mapping[int, int],
        barred: dict[int, str],
        *,
        wait: bool,
    ) -> int | None:
        """Seal some of what is left, and add to `barred`; answers how many events, None when others are at it."""
        while True:
            try:
                async with connection.transaction():
                    if not await tlog.alone(connection, wait=wait):
                        return None
                    trees = await tlog.trees(connection)
                    barred |= {tree.partition: _SHORT for tree in trees if tree.head < tree.size}
                    chosen = _choose((tree for tree in trees if tree.partition not in barred), goals)
                    signed = await self._grow(connection, signer, chosen, barred)
            except _InTheWay as found:
                barred |= dict.fromkeys(found.partitions, _IN_THE_WAY)
                continue
            signer.committed(signed)
            if signed or not chosen:
                return sum(upto - tree.size for tree, upto in chosen if tree.partition in signed)

    async def _grow(
        self,
        connection: asyncpg.Connection,
        signer: Signer,
        chosen: Sequence[tuple[Tree, int]],
        barred: dict[int, str],
    ) -> dict[int, SignedNote]:
        """Let trees grow, each up to a size; answers what was signed. Those that cannot are added to `barred`."""
        edges = await tlog.tiles(connection, edge_spots(tree for tree, _ in chosen))
        leaves = await tlog.leaves(connection, [(tree.partition, tree.size, upto) for tree, upto in chosen])
        changed: dict[Spot, bytes] = {}
        signed: dict[int, SignedNote] = {}
        for tree, upto in chosen:
            try:
                tiles = signer.standing(tree, edges)
                hashes = _complete(leaves[tree.partition], tree.size, upto)
            except Barred as why:
                barred[tree.partition] = str(why)
                continue
            changed |= await _extended(tree.partition, tiles, hashes)
            signed[tree.partition] = signer.sign(tree.partition, tiles)
            await asyncio.sleep(0)
        if signed:
            rows = [Signed(partition, each.size, each.root, each.note) for partition, each in signed.items()]
            if found := await tlog.store(connection, changed, rows, self._clock.now()):
                raise _InTheWay(found)
        return signed

    # --- what is wrong

    async def _examine(self, connection: asyncpg.Connection) -> tuple[list[Tree], dict[int, str]]:
        trees = await tlog.trees(connection)
        if not any(tree.note for tree in trees):
            return trees, {}
        signer = await self._key(connection)
        found = {}
        for tree in trees:
            edges = await tlog.tiles(connection, edge_spots([tree]))
            try:
                signer.standing(tree, edges)
            except Barred as why:
                found[tree.partition] = str(why)
            if tree.head < tree.size:
                found[tree.partition] = _SHORT
        return trees, found

    def _bar(self, barred: dict[int, str]) -> None:
        """Say aloud what is newly barred, and what no longer is."""
        before, self.seals.barred = self.seals.barred, barred
        for partition, reason in barred.items():
            if before.get(partition) != reason:
                log.error("log_barred", partition=partition, reason=reason)
        for partition in before.keys() - barred.keys():
            log.warning("log_no_longer_barred", partition=partition)

    # --- key and connection

    async def _key(self, connection: asyncpg.Connection) -> Signer:
        if self._signer is None:
            sealed = await tlog.key(connection)
            if sealed is None:
                fresh = self._sealer.seal(Ed25519PrivateKey.generate().private_bytes_raw(), tlog.KEY_OWNER)
                sealed = await tlog.keep_key(connection, fresh, self._clock.now())
            if sealed is None:
                raise KeyLost(" ".join((KeyLost.__doc__ or "").split()))
            self._signer = Signer.of(self._sealer.open(sealed, tlog.KEY_OWNER))
        return self._signer

    async def _with(self, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """Do some work on the connection, a new one if need be; one that saw a failure is not used again."""
        with answering(*tlog.TROUBLE):
            if self._connection is None or self._connection.is_closed():
                self._connection = await self._connect(BY_INDEX)
            try:
                return await work(self._connection)
            except BaseException:
                self._connection.terminate()
                self._connection = None
                raise


def _choose(trees: Iterable[Tree], goals: Mapping[int, int]) -> list[tuple[Tree, int]]:
    """The trees of one chunk, each with the size to grow to."""
    room, chosen = CHUNK_EVENTS, []
    for tree in trees:
        upto = min(goals.get(tree.partition, 0), tree.size + room)
        if upto > tree.size:
            chosen.append((tree, upto))
            room -= upto - tree.size
        if room == 0 or len(chosen) == CHUNK_TREES:
            break
    return chosen


def _complete(leaves: Leaves, after: int, upto: int) -> bytes:
    """The hashes of the leaves behind `after` up to `upto`. Barred: events are missing."""
    if leaves.found != upto - after or len(leaves.hashes) != leaves.found * HASH_BYTES:
        raise Barred(f"of the events {after + 1} to {upto}, {upto - after - leaves.found} are missing")
    return leaves.hashes


async def _extended(partition: int, tiles: Tiles, hashes: bytes) -> dict[Spot, bytes]:
    """Add leaves, letting others have their turn in between; answers the tiles that changed."""
    changed: dict[Spot, bytes] = {}
    for start in range(0, len(hashes), SLICE_BYTES):
        for (level, index), tile in tiles.extend(split(hashes[start : start + SLICE_BYTES])).items():
            changed[partition, level, index] = tile
        await asyncio.sleep(0)
    return changed
