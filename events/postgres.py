"""The one door to the tables: every statement that hookd runs on log, state and content stands here."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import date, datetime
from typing import Any, Final

import asyncpg

from events import bodies
from events.answering import GONE, answering
from events.append import Append, DeliveryKey
from events.content import Body
from events.delivery import Delivery
from events.envelope import Recorded
from events.log import Blocked, Fenced, Ownership, SealedSecret, Stale, Stored
from events.rows import TABLES, arguments, delivery_from_row, entity_from_row, from_row
from events.world import Entity

_APPEND: Final = """
  select log.append($1, $2::log.new_head[], $3::log.new_event[], $4::log.new_message[], $5,
    $6::log.moved_delivery[], $7::log.new_response[], $8::json, $9::log.new_secret[],
    $10::content.body[], $11::date[], $12::log.returned_delivery[], $13::log.retired_secret[])"""

STORY_MAX: Final = 100_000  # events of one delivery
_EVENTS: Final = "partition, seq, at, stream, endpoint, version, type, schema, actor, request, body"
_READ: Final = f"select {_EVENTS} from log.event where partition = $1 and seq > $2 order by seq limit $3"  # noqa: S608

_DELIVERY: Final = (
    "partition, message, endpoint, accepted_at, next_at, state, attempts, version, reason, retention_days"
)
# In all of these `limit` keeps the planner from turning a join round and walking a whole table for a few keys.
_DELIVERIES: Final = """
  select s.* from unnest($1::smallint[], $2::text[], $3::text[]) k(partition, message, endpoint)
  cross join lateral (
    select * from state.delivery d
    where d.partition = k.partition and d.message = k.message and d.endpoint = k.endpoint limit 1) s"""
# Never by the index of the endpoint, which may have had millions of others: a message has few.
_STORY: Final = f"""
  select e.*, k.endpoint as asked from unnest($1::smallint[], $2::text[], $3::text[]) k(partition, message, endpoint)
  cross join lateral (
    select {_EVENTS} from log.event s
    where s.partition = k.partition and s.stream = k.message and coalesce(s.endpoint, k.endpoint) = k.endpoint
    order by s.seq limit {STORY_MAX}) e"""  # noqa: S608
_ENDED: Final = f"""
  select {_DELIVERY} from state.delivery
  where partition = $1 and endpoint = $2 and state <> 'pending' and message > $3 and message <= $4
  order by message limit $5"""  # noqa: S608
_WAITING: Final = """
  select count(*) from state.delivery where partition = $1 and endpoint = $2 and state = 'pending'"""
_DUE: Final = f"""
  select d.* from unnest($1::smallint[], $2::text[], $3::int[]) e(partition, endpoint, room)
  cross join lateral (
    select {_DELIVERY} from state.delivery s
    where s.partition = e.partition and s.endpoint = e.endpoint and s.state = 'pending'
    order by s.next_at, s.message limit e.room) d"""  # noqa: S608
_PENDING: Final = """
  select partition, endpoint, min(next_at) from state.delivery
  where state = 'pending' and partition = any($1::smallint[]) group by partition, endpoint"""
_SECRETS: Final = """
  select owner, id, sealed, created_at, expires_at from content.secret
  join unnest($1::smallint[], $2::text[]) k(partition, owner) using (partition, owner)
  order by created_at desc"""
_ANY_SEALED: Final = "select owner, id, sealed, created_at, expires_at from content.secret limit 1"
_EVENT_IDS: Final = """
  select k.application, k.event_id
  from unnest($1::smallint[], $2::text[], $3::text[]) k(partition, application, event_id)
  cross join lateral (
    select from state.message m
    where m.partition = k.partition and m.application = k.application and m.event_id = k.event_id limit 1) found"""
_TAKE: Final = """
  with free as (
    select partition, owner from log.head
    where $3 or owner is null or lease_until < now() order by partition for update)
  update log.head h set owner = $1, epoch = epoch + 1, lease_until = now() + $2 * interval '1 second'
  from free where h.partition = free.partition returning h.partition, h.epoch, h.seq, free.owner"""
_RENEW: Final = """
  update log.head set lease_until = now() + $2 * interval '1 second' where owner = $1 returning partition"""
_RELEASE: Final = "update log.head set owner = null, lease_until = null where owner = $1"

_LOST: Final = (
    *GONE,
    asyncpg.InternalClientError,  # its protocol is out of step, as after a server died in the middle of a word
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)
"""After any of these the connection is of no more use."""
_UNAVAILABLE: Final = (*_LOST, asyncpg.QueryCanceledError, asyncpg.TooManyConnectionsError)
_IN_USE: Final = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)

BY_INDEX: Final = {
    # Tables of work are empty one moment and hold a million rows the next, and statistics tell of neither. A plan
    # made for a few rows (scan all, sort, take ten) is a disaster for many: always walk the index, row by row.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_sort": "off",
    "jit": "off",
}
"""Settings for every session that runs the statements below."""


class PostgresLog:
    """The log in PostgreSQL: one connection writes, a pool reads."""

    def __init__(
        self,
        connect: Callable[[Mapping[str, str]], Awaitable[asyncpg.Connection]],
        reading: Callable[[], AbstractAsyncContextManager[asyncpg.Connection]],
        *,
        timeout_s: float = 30.0,
    ) -> None:
        self._connect = connect
        self._reading = reading
        self._timeout_s = timeout_s
        self._writer: asyncpg.Connection | None = None
        self._writing = asyncio.Lock()

    async def close(self) -> None:
        """End the writer's connection."""
        if self._writer is not None:
            await self._writer.close(timeout=5)
            self._writer = None

    async def append(self, append: Append) -> list[Recorded]:
        """Write it all in one transaction, or nothing. Stale, Fenced, Blocked, Unavailable."""
        rows = arguments(append)
        try:
            base = await self._append(append, rows)
        except asyncpg.CheckViolationError:  # no table for this day yet: the clock jumped, or nobody prepared
            await self.prepare_days(append.days())
            base = await self._append(append, rows)
        return append.recorded(dict(zip(append.heads(), base, strict=True)))

    async def _append(self, append: Append, rows: Sequence[Any]) -> list[int]:
        async with self._write() as connection:
            try:
                base: list[int] = await connection.fetchval(_APPEND, *rows, timeout=self._timeout_s)
            except asyncpg.UniqueViolationError as error:
                raise Stale(str(error)) from error
            except asyncpg.PostgresError as error:
                if error.sqlstate == "HK001":
                    raise Fenced(str(error)) from error
                if error.sqlstate == "HK002":
                    raise Stale(str(error)) from error
                if append.dropped and isinstance(error, _IN_USE):
                    raise Blocked(str(error)) from error
                raise
            return base

    async def load(self) -> list[Entity]:
        """Every live entity of the configuration."""
        entities: list[Entity] = []
        async with self._read() as connection:
            for table, kind in TABLES.items():
                live = "where deleted_at is null" if "deleted_at" in kind.__struct_fields__ else ""
                rows = await connection.fetch(f"select * from state.{table} {live}")  # noqa: S608
                entities += [entity_from_row(kind, row) for row in rows]
        return entities

    async def read(self, partition: int, after: int, limit: int) -> list[Recorded]:
        """Events of a partition with `seq > after`, in order."""
        async with self._read() as connection:
            return [from_row(row) for row in await connection.fetch(_READ, partition, after, limit)]

    async def heads(self) -> dict[int, int]:
        """The last position of each partition."""
        async with self._read() as connection:
            return dict(await connection.fetch("select partition, seq from log.head order by partition"))

    async def taken_event_ids(self, keys: Iterable[tuple[int, str, str]]) -> set[tuple[str, str]]:
        """Of (partition, application, event id), those that a message has already."""
        return {(row[0], row[1]) for row in await self._fetch(_EVENT_IDS, keys)}

    async def deliveries(self, keys: Iterable[DeliveryKey]) -> dict[DeliveryKey, Delivery]:
        """The rows of these deliveries; delivered ones have none."""
        rows = await self._fetch(_DELIVERIES, keys)
        return {(row[0], row[1], row[2]): delivery_from_row(row) for row in rows}

    async def stories(self, keys: Iterable[DeliveryKey]) -> dict[DeliveryKey, list[Recorded]]:
        """The events of these deliveries in order, those of their message before them."""
        found: dict[DeliveryKey, list[Recorded]] = {}
        for row in await self._fetch(_STORY, keys):
            *columns, endpoint = row
            recorded = from_row(columns)
            found.setdefault((recorded.partition, recorded.stream, endpoint), []).append(recorded)
        return found

    async def ended(self, partition: int, endpoint: str, after: str, until: str, limit: int) -> list[Delivery]:
        """Deliveries of an endpoint that ended undelivered, `after` < message <= `until`, by message."""
        async with self._read() as connection:
            rows = await connection.fetch(_ENDED, partition, endpoint, after, until, limit)
            return [delivery_from_row(row) for row in rows]

    async def waiting(self, partition: int, endpoint: str) -> int:
        """How many deliveries of an endpoint are pending."""
        async with self._read() as connection:
            count: int = await connection.fetchval(_WAITING, partition, endpoint)
            return count

    async def due(self, asked: Iterable[tuple[int, str, int]]) -> dict[str, list[Delivery]]:
        """Per (partition, endpoint, limit): its pending deliveries, soonest first, due or not."""
        found: dict[str, list[Delivery]] = {}
        for row in await self._fetch(_DUE, asked):
            found.setdefault(row[2], []).append(delivery_from_row(row))
        return found

    async def pending(self, partitions: Iterable[int]) -> list[tuple[int, str, datetime]]:
        """(partition, endpoint, soonest due) of every endpoint with pending deliveries."""
        async with self._read() as connection:
            return [tuple(row) for row in await connection.fetch(_PENDING, list(partitions))]

    async def payloads(self, keys: Iterable[tuple[date, int, str]]) -> dict[str, bytes]:
        """Payloads by message; those that are gone are left out."""
        async with self._read() as connection:
            return await bodies.payloads(connection, keys)

    async def secrets(self, owners: Iterable[tuple[int, str]]) -> list[SealedSecret]:
        """The sealed secrets of these owners, newest first."""
        return [SealedSecret(*row) for row in await self._fetch(_SECRETS, owners)]

    async def any_secret(self) -> SealedSecret | None:
        """Some sealed secret, to try the keys on; None when there is none."""
        async with self._read() as connection:
            row = await connection.fetchrow(_ANY_SEALED)
            return None if row is None else SealedSecret(*row)

    async def take(self, owner: str, lease_s: float, *, force: bool) -> list[Ownership]:
        """Become the owner of every partition that nobody holds (`force`: of all)."""
        async with self._write() as connection:
            return [Ownership(*row) for row in await connection.fetch(_TAKE, owner, lease_s, force)]

    async def renew(self, owner: str, lease_s: float) -> set[int]:
        """Prolong the lease; answers what is still owned."""
        async with self._write() as connection:
            return {row[0] for row in await connection.fetch(_RENEW, owner, lease_s)}

    async def release(self, owner: str) -> None:
        """Give the partitions back."""
        async with self._write() as connection:
            await connection.execute(_RELEASE, owner)

    async def prepare_days(self, days: Iterable[date]) -> int:
        """Make the tables of these days; answers how many were missing."""
        async with self._write() as connection:
            made: int = await connection.fetchval("select content.prepare($1)", sorted(days))
            return made

    async def days(self) -> list[date]:
        """The days that have tables, in order."""
        async with self._read() as connection:
            return await bodies.days(connection)

    async def count(self, day: date) -> dict[int, tuple[int, int]]:
        """Payloads and responses that lie under a day, by partition."""
        async with self._read() as connection:
            return await bodies.count(connection, day)

    async def pending_until(self, day: date, partition: int, after: Delivery | None, limit: int) -> list[Delivery]:
        """Pending deliveries whose payload is kept no longer than `day`: a page, beyond the one given."""
        async with self._read() as connection:
            rows = await bodies.pending_until(connection, day, partition, after, limit)
            return [delivery_from_row(row) for row in rows]

    async def kept(self, asked: Iterable[Body]) -> list[Body]:
        """Those of these bodies that are there."""
        async with self._read() as connection:
            return await bodies.kept(connection, asked)

    async def stored(self, partition: int, application: str, after: str, until: str, limit: int) -> Stored | None:
        """What the next messages have of bodies, `after` < id <= `until`. None: there are no more messages."""
        async with self._read() as connection:
            return await bodies.stored(connection, partition, application, after, until, limit)

    async def _fetch(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> Sequence[Any]:
        """Run a statement that takes its rows as one array a column."""
        columns = list(zip(*rows, strict=True))
        if not columns:
            return ()
        async with self._read() as connection:
            fetched: Sequence[Any] = await connection.fetch(statement, *columns)
            return fetched

    @asynccontextmanager
    async def _read(self) -> AsyncIterator[asyncpg.Connection]:
        with answering(*_UNAVAILABLE):
            async with self._reading() as connection:
                yield connection

    @asynccontextmanager
    async def _write(self) -> AsyncIterator[asyncpg.Connection]:
        async with self._writing:
            with answering(*_UNAVAILABLE):
                if self._writer is None or self._writer.is_closed():
                    self._writer = await self._connect(BY_INDEX)
                try:
                    yield self._writer
                except _LOST:
                    writer, self._writer = self._writer, None
                    if writer is not None:
                        writer.terminate()
                    raise
