"""The log in pages, over all partitions, and how far each of them is. Reads only, by the primary key."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Final

import asyncpg
import msgspec

from events import replay
from events.envelope import Recorded
from events.positions import Positions
from events.rows import from_row

Reading = Callable[[], AbstractAsyncContextManager[asyncpg.Connection]]

_EVENTS: Final = "partition, seq, at, stream, endpoint, version, type, schema, actor, request, body"
_HEADS: Final = """
  select h.partition, h.owner, h.epoch, h.seq, c.size, c.at
  from log.head h left join lateral (
    select s.size, s.at from log.checkpoint s where s.partition = h.partition order by s.size desc limit 1) c on true
  order by h.partition"""
# Within a partition positions rule, whatever the clock did: an event is sorted as if at the latest moment so far.
_AFTER: Final = f"""
  select {_EVENTS} from unnest($1::smallint[], $2::bigint[], $3::bigint[]) p(number, low, high)
  cross join lateral (
    select l.*, max(l.at) over (order by l.seq rows unbounded preceding) as moment from (
      select * from log.event e where e.partition = p.number and e.seq > p.low and e.seq <= p.high
      order by e.seq limit $4) l) e
  order by moment, partition, seq limit $4"""  # noqa: S608
_BEFORE: Final = f"""
  select {_EVENTS} from unnest($1::smallint[], $2::bigint[]) p(number, high)
  cross join lateral (
    select l.*, min(l.at) over (order by l.seq desc rows unbounded preceding) as moment from (
      select * from log.event e where e.partition = p.number and e.seq <= p.high
      order by e.seq desc limit $3) l) e
  order by moment desc, partition desc, seq desc limit $3"""  # noqa: S608
_EDGES: Final = """
  select min(e.at), max(l.at) from log.head h
  left join lateral (select at from log.event where partition = h.partition and seq = 1) e on true
  left join lateral (select at from log.event where partition = h.partition and seq = h.seq) l on true"""
_OWNERS: Final = """
  select k.id, e.application, a.org from unnest($1::smallint[], $2::text[]) k(partition, id)
  cross join lateral (
    (select s.application from state.endpoint s where s.partition = k.partition and s.id = k.id limit 1)
    union all
    (select s.id from state.application s where s.partition = k.partition and s.id = k.id limit 1)) e(application)
  cross join lateral (
    select s.org from state.application s where s.partition = k.partition and s.id = e.application limit 1) a"""


class Head(msgspec.Struct, frozen=True):
    """How far a partition is, who owns it, and how much of it is sealed (None: nothing yet)."""

    partition: int
    owner: str | None
    epoch: int
    seq: int
    sealed: int | None
    sealed_at: datetime | None


class LogViews:
    """Every method may raise what `reading` raises when the database does not answer."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    async def heads(self) -> list[Head]:
        """All partitions, in order."""
        async with self._reading() as connection:
            return [Head(*row) for row in await connection.fetch(_HEADS)]

    async def after(self, low: Positions, high: Positions, limit: int) -> list[Recorded]:
        """The first events beyond `low` and up to `high`: by moment, in each partition by position with no gap."""
        behind = [(number, *span) for number, span in enumerate(zip(low, high, strict=True)) if span[0] < span[1]]
        if not behind:
            return []
        async with self._reading() as connection:
            rows = await connection.fetch(_AFTER, *map(list, zip(*behind, strict=True)), limit)
        return [from_row(row) for row in rows]

    async def before(self, high: Positions, limit: int) -> list[Recorded]:
        """The last events up to `high`, inclusive, the oldest first."""
        async with self._reading() as connection:
            rows = await connection.fetch(_BEFORE, list(range(len(high))), list(high), limit)
        return [from_row(row) for row in reversed(rows)]

    async def at(self, moment: datetime) -> Positions:
        """Where the log was at a moment."""
        async with self._reading() as connection:
            heads = await replay.heads(connection)
            return tuple([await replay.position_at(connection, each, moment) for each in heads])

    async def edges(self) -> tuple[datetime | None, datetime | None]:
        """When the first event of the log was recorded, and when the last."""
        async with self._reading() as connection:
            first, last = await connection.fetchrow(_EDGES)
            return first, last

    async def owners(self, keys: Sequence[tuple[int, str]]) -> dict[str, tuple[str, str]]:
        """Of (partition, id) of endpoints and applications, deleted too: id → its application and organization."""
        if not keys:
            return {}
        async with self._reading() as connection:
            rows = await connection.fetch(_OWNERS, *map(list, zip(*keys, strict=True)))
        return {row[0]: (row[1], row[2]) for row in rows}
