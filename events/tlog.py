"""The transparency log in PostgreSQL: log.tile and log.checkpoint, and the key that signs (in content.secret).

Tiles are stored in one transaction with the checkpoint that covers them, so the tree in the tables is always the one
last signed. The functions take a connection and do not know how the key is used: daemon/notary.py is who signs.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple, TypeVar

import asyncpg

from events import tile
from events.leaf import DOMAIN, RECORD_SQL
from events.merkle import HASH_BYTES, Hash, Hashes

T = TypeVar("T")
Spot = tuple[int, int, int]
"""(partition, level, index) of a tile."""

LOCK_KEY: Final = 0x686F6F6B6C6F67  # "hooklog": whoever holds it is the one who seals this database
KEY_OWNER: Final = "log"
KEY_ID: Final = "signing"

_LEAF: Final = b"\x00" + DOMAIN  # what stands before a record in the hash of its leaf

_TREES: Final = """
  select h.partition, h.seq, coalesce(c.size, 0), c.root, c.note, c.at
  from log.head h left join lateral (
    select s.size, s.root, s.note, s.at from log.checkpoint s
    where s.partition = h.partition order by s.size desc limit 1) c on true
  order by h.partition"""
_LATEST: Final = "select size, root, note, at from log.checkpoint where partition = $1 order by size desc limit 1"
_TILES: Final = """
  select t.partition, t.level, t.index, t.hashes
  from unnest($1::smallint[], $2::smallint[], $3::bigint[]) k(partition, level, index)
  cross join lateral (
    select * from log.tile s where s.partition = k.partition and s.level = k.level and s.index = k.index limit 1) t"""
_CUT: Final = "select substr(hashes, 1, $4) from log.tile where partition = $1 and level = $2 and index = $3"
# PostgreSQL hashes the leaves where they lie: 32 bytes an event come over instead of some 400, and cost us nothing.
_LEAVES: Final = f"""
  select g.partition, s.found, s.hashes
  from unnest($1::smallint[], $2::bigint[], $3::bigint[]) g(partition, after, upto)
  cross join lateral (
    select count(*) as found, string_agg(sha256($4::bytea || {RECORD_SQL}), ''::bytea order by e.seq) as hashes
    from log.event e where e.partition = g.partition and e.seq > g.after and e.seq <= g.upto) s"""  # noqa: S608
_ENTRIES: Final = f"""
  select $4::bytea || {RECORD_SQL} from log.event e
  where e.partition = $1 and e.seq > $2 and e.seq <= $2 + $3 order by e.seq"""  # noqa: S608
_STORE_TILES: Final = """
  insert into log.tile as t (partition, level, index, hashes)
  select * from unnest($1::smallint[], $2::smallint[], $3::bigint[], $4::bytea[])
  on conflict (partition, level, index) do update set hashes = excluded.hashes
    where octet_length(t.hashes) < octet_length(excluded.hashes)
      and substr(excluded.hashes, 1, octet_length(t.hashes)) = t.hashes
  returning partition, level, index"""
_STORE_CHECKPOINTS: Final = """
  insert into log.checkpoint (partition, size, at, root, note)
  select k.partition, k.size, $2, k.root, k.note
  from unnest($1::smallint[], $3::bigint[], $4::bytea[], $5::text[]) k(partition, size, root, note)"""
IMPORTED: Final = "imported: bodies are not in an export"
"""The comment on schema content of a database that was made from an export."""

_KEY: Final = "select sealed from content.secret where partition = 0 and owner = $1 and id = $2"
# A log that was signed already gets no second key: its origin, and every receipt, names the first one. So for a log
# that came out of an export: it is another's, here for looking at.
_KEEP_KEY: Final = """
  insert into content.secret (partition, owner, id, sealed, created_at)
  select 0, $1, $2, $3, $4 where not exists (select from log.checkpoint)
    and obj_description('content'::regnamespace, 'pg_namespace') is distinct from $5
  on conflict do nothing"""

TROUBLE: Final = (
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
)
"""For which sealing waits, beside a database that is gone (events.answering)."""


class Tree(NamedTuple):
    """A partition's log beside what is sealed of it: `head` events, the first `size` of them under `note`."""

    partition: int
    head: int
    size: int
    root: Hash | None
    note: str | None
    at: datetime | None


class Stored(NamedTuple):
    """A checkpoint as it lies in the table."""

    size: int
    root: Hash
    note: str
    at: datetime


class Signed(NamedTuple):
    """A checkpoint to store."""

    partition: int
    size: int
    root: Hash
    note: str


class Leaves(NamedTuple):
    """How many events a range has, and the hashes of their leaves in order, 32 bytes each."""

    found: int
    hashes: bytes


# --- reading


async def trees(connection: asyncpg.Connection) -> list[Tree]:
    """Every partition's tree."""
    return [Tree(*row) for row in await connection.fetch(_TREES)]


async def latest(connection: asyncpg.Connection, partition: int) -> Stored | None:
    """The last checkpoint of a partition; None when it has none yet."""
    row = await connection.fetchrow(_LATEST, partition)
    return None if row is None else Stored(*row)


async def tiles(connection: asyncpg.Connection, spots: Iterable[Spot]) -> dict[Spot, bytes]:
    """These tiles, as wide as they are; those that are not there are left out."""
    columns = list(zip(*spots, strict=True))
    if not columns:
        return {}
    return {(row[0], row[1], row[2]): row[3] for row in await connection.fetch(_TILES, *columns)}


async def cut(connection: asyncpg.Connection, partition: int, wanted: tile.Tile) -> bytes | None:
    """A tile at the width wanted; None when there are not so many hashes."""
    size = wanted.width * HASH_BYTES
    found: bytes | None = await connection.fetchval(_CUT, partition, wanted.level, wanted.number, size)
    return found if found is not None and len(found) == size else None


async def compute(connection: asyncpg.Connection, partition: int, ask: Callable[[Hashes], T]) -> T:
    """What a computation such as `lambda hashes: inclusion_proof(5, 100, hashes)` makes of the stored tiles.

    tile.BadTile when the stored tree does not reach so far.
    """
    found = await tiles(connection, [(partition, level, index) for level, index in tile.tiles_for(ask)])
    return ask(tile.tree_of({(level, index): hashes for (_, level, index), hashes in found.items()}))


async def leaves(connection: asyncpg.Connection, ranges: Iterable[tuple[int, int, int]]) -> dict[int, Leaves]:
    """By partition: the leaves of (partition, after, upto), that is of the events with after < seq <= upto."""
    columns = list(zip(*ranges, strict=True))
    if not columns:
        return {}
    return {row[0]: Leaves(row[1], row[2] or b"") for row in await connection.fetch(_LEAVES, *columns, _LEAF)}


async def entries(connection: asyncpg.Connection, partition: int, after: int, count: int) -> list[bytes]:
    """The entries (leaf.DOMAIN and record) of up to `count` events behind position `after`, in order."""
    return [row[0] for row in await connection.fetch(_ENTRIES, partition, after, count, DOMAIN)]


# --- writing, within a transaction of the caller's


async def alone(connection: asyncpg.Connection, *, wait: bool) -> bool:
    """Become the one who seals until the end of the transaction; False when another is and `wait` is not set.

    A wait that outlasts lock_timeout is Unavailable's case.
    """
    if wait:
        await connection.execute("select pg_advisory_xact_lock($1)", LOCK_KEY)
        return True
    got: bool = await connection.fetchval("select pg_try_advisory_xact_lock($1)", LOCK_KEY)
    return got


async def store(
    connection: asyncpg.Connection, changed: Mapping[Spot, bytes], signed: Iterable[Signed], at: datetime
) -> set[int]:
    """Store tiles that are new or longer, and the checkpoints over them; `at` is when they were signed.

    Answers the partitions where a stored tile is no beginning of the new one: the transaction must not be committed.
    """
    spots = list(changed)
    columns = [list(column) for column in zip(*spots, strict=True)]
    stored = await connection.fetch(_STORE_TILES, *columns, list(changed.values()))
    missed = set(spots) - {(row[0], row[1], row[2]) for row in stored}
    if missed:
        return {partition for partition, _, _ in missed}
    partitions, sizes, roots, notes = map(list, zip(*signed, strict=True))
    await connection.execute(_STORE_CHECKPOINTS, partitions, at, sizes, roots, notes)
    return set()


# --- the key


async def key(connection: asyncpg.Connection) -> bytes | None:
    """The sealed key that signs checkpoints."""
    found: bytes | None = await connection.fetchval(_KEY, KEY_OWNER, KEY_ID)
    return found


async def keep_key(connection: asyncpg.Connection, sealed: bytes, at: datetime) -> bytes | None:
    """Store a sealed key unless there is one; answers the one that stands, whoever made it.

    None: there is none, and this log was signed before.
    """
    await connection.execute(_KEEP_KEY, KEY_OWNER, KEY_ID, sealed, at, IMPORTED)
    return await key(connection)
