"""The one door to the tables: every statement that hookd runs on log, state and content stands here."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import date, datetime
from typing import Any, Final

import asyncpg

from events import bodies
from events.answering import answering
from events.append import Append, DeliveryKey
from events.content import Body
from events.delivery import Delivery
from events.envelope import Recorded
from events.log import (
    Blocked,
    Fenced,
    Head,
    Loaded,
    Outdated,
    Ownership,
    Roll,
    SealedSecret,
    Stale,
    Stored,
    Stretch,
    Unavailable,
)
from events.rows import TABLES, arguments, delivery_from_row, entity_from_row, from_row
from events.session import UNAVAILABLE, Session
from events.world import Entity

_APPEND: Final = """
  select log.append($1, $2::log.new_head[], $3::log.new_settled[], $4::log.new_event[], $5::log.new_message[],
    $6::log.new_name[], $7, $8, $9::log.moved_delivery[], $10::log.waiting_delivery[],
    $11::log.new_response[], $12::json, $13::log.new_secret[], $14::content.body[], $15::date[],
    $16::log.moved_delivery[], $17::log.retired_secret[], $18)"""

STORY_MAX: Final = 100_000  # events of one delivery
_EVENTS: Final = "partition, seq, at, stream, endpoint, version, type, schema, actor, request, body"
_READ: Final = f"""
  select e.* from unnest($1::smallint[], $2::bigint[], $3::bigint[]) k(partition, after, before)
  cross join lateral (
    select {_EVENTS} from log.event s
    where s.partition = k.partition and s.seq > k.after and s.seq < coalesce(k.before, 9223372036854775807)
    order by s.seq limit $4) e"""  # noqa: S608
_CONFIG: Final = f"""
  select e.* from unnest($1::smallint[], $2::bigint[]) k(partition, after)
  cross join lateral (
    select {_EVENTS} from log.event s
    where s.partition = k.partition and s.seq > k.after and s.endpoint is null and s.type <> 'MessageAccepted'
    order by s.seq) e"""  # noqa: S608

_DELIVERY: Final = (
    "partition, message, endpoint, accepted_at, next_at, state, attempts, version, reason, retention_days"
)
# In all of these `limit` keeps the planner from turning a join round and walking a whole table for a few keys.
_DELIVERIES: Final = """
  select s.* from unnest($1::smallint[], $2::text[], $3::text[]) k(partition, message, endpoint)
  cross join lateral (
    select * from state.delivery d
    where d.partition = k.partition and d.message = k.message and d.endpoint = k.endpoint limit 1) s"""
# By the stream of the message, which has few, and not by the list of the endpoint, which may have had millions.
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
# From one endpoint to the next, each by its soonest delivery: what it costs is the endpoints, not the deliveries.
_PENDING: Final = """
  with recursive soonest as (
    select d.* from unnest($1::smallint[]) p(partition) cross join lateral (
      select s.partition, s.endpoint, s.next_at from state.delivery s
      where s.partition = p.partition and s.state = 'pending' order by s.endpoint, s.next_at limit 1) d
    union all
    select d.* from soonest b cross join lateral (
      select s.partition, s.endpoint, s.next_at from state.delivery s
      where s.partition = b.partition and s.endpoint > b.endpoint and s.state = 'pending'
      order by s.endpoint, s.next_at limit 1) d)
  select partition, endpoint, next_at from soonest"""
_SECRETS: Final = """
  select owner, id, sealed, created_at, expires_at from content.secret
  join unnest($1::smallint[], $2::text[]) k(partition, owner) using (partition, owner)
  order by created_at desc"""
_ANY_SEALED: Final = "select owner, id, sealed, created_at, expires_at from content.secret limit 1"
_EVENT_IDS: Final = """
  select k.application, k.event_id
  from unnest($1::smallint[], $2::text[], $3::text[]) k(partition, application, event_id)
  cross join lateral (
    select from state.event_id e
    where e.partition = k.partition and e.application = k.application and e.event_id = k.event_id limit 1) found"""
_UNSETTLED: Final = """
  select partition from log.head where settled < seq and ($1::smallint[] is null or partition = any($1)) order by 1"""
_SETTLE: Final = "select log.settle($1::smallint)"
_PROCESSES: Final = "select name, asks, leaving from log.process where seen_until > now() order by name"
_TOLD: Final = "select name, told from log.process where seen_until > now() and told is not null"
_HEADS: Final = "select partition, seq, config, owner from log.head order by partition"

_EVICT: Final = """
  select log.leave(name) from (select name from log.process union select owner from log.head) alive(name)
  where name is not null"""

CHANNEL: Final = "hookd"

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
    """The log in PostgreSQL: one connection writes, one keeps leases, one hears news, a pool reads."""

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
        self._writer = Session(lambda: connect(BY_INDEX))
        self._keeper = Session(lambda: connect(BY_INDEX))  # for leases: they must not wait for a long append
        self._settler = Session(lambda: connect(BY_INDEX))

    async def close(self) -> None:
        """End the connections that are kept."""
        await self._writer.close()
        await self._keeper.close()
        await self._settler.close()

    async def append(self, append: Append) -> list[Recorded]:
        """Write it all in one transaction, or nothing. Stale, Fenced, Outdated, Blocked, Unavailable."""
        rows = arguments(append)
        try:
            base = await self._append(append, rows)
        except asyncpg.CheckViolationError:  # no table for this day yet: the clock jumped, or nobody prepared
            await self.prepare_days(append.days())
            base = await self._append(append, rows)
        heads = append.heads()
        append.settled = dict(zip(heads, base[len(heads) :], strict=True))
        return append.recorded(dict(zip(heads, base[: len(heads)], strict=True)))

    async def _append(self, append: Append, rows: Sequence[Any]) -> list[int]:
        async with self._writer.use() as connection:
            try:
                base: list[int] = await connection.fetchval(_APPEND, *rows, timeout=self._timeout_s)
            except asyncpg.UniqueViolationError as error:
                raise Stale(str(error)) from error
            except asyncpg.PostgresError as error:
                if error.sqlstate == "HK001":
                    raise Fenced(_listed(error.detail)) from error
                if error.sqlstate == "HK003":
                    raise Outdated(_listed(error.detail)) from error
                if error.sqlstate == "HK002":
                    raise Stale(str(error)) from error
                if append.dropped and isinstance(error, _IN_USE):
                    raise Blocked(str(error)) from error
                raise
            return base

    async def load(self) -> Loaded:
        """Every live entity of the configuration."""
        entities: list[Entity] = []
        async with self._read() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            for table, kind in TABLES.items():
                live = "where deleted_at is null" if "deleted_at" in kind.__struct_fields__ else ""
                rows = await connection.fetch(f"select * from state.{table} {live}")  # noqa: S608
                entities += [entity_from_row(kind, row) for row in rows]
            known = dict(await connection.fetch("select partition, seq from log.head"))
        return Loaded(entities, known)

    async def config(self, after: Mapping[int, int]) -> list[Recorded]:
        """Events of configuration after a position of their partition, in order."""
        return [from_row(row) for row in await self._fetch(_CONFIG, after.items())]

    async def read(self, stretches: Iterable[Stretch], limit: int) -> list[Recorded]:
        """The first `limit` events of each stretch of a partition, in order."""
        return [from_row(row) for row in await self._fetch(_READ, stretches, limit)]

    async def settle(self, partitions: Iterable[int] | None) -> None:
        """Give all deliveries of these partitions (None: all) that wait to be tried for the first time their rows."""
        wanted = None if partitions is None else list(partitions)
        async with self._settler.use() as connection:
            for (partition,) in await connection.fetch(_UNSETTLED, wanted):  # each for itself: appends wait for one
                await connection.execute(_SETTLE, partition)

    async def taken_event_ids(self, keys: Iterable[tuple[int, str, str]]) -> set[tuple[str, str]]:
        """Of (partition, application, event id), those that a message has already."""
        return {(row[0], row[1]) for row in await self._fetch(_EVENT_IDS, keys)}

    async def deliveries(self, keys: Iterable[DeliveryKey]) -> dict[DeliveryKey, Delivery]:
        """The rows of these deliveries; delivered ones have none."""
        keys = list(keys)
        await self.settle({partition for partition, _, _ in keys})
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
        await self.settle([partition])
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
        partitions = list(partitions)
        await self.settle(partitions)
        async with self._read() as connection:
            return [tuple(row) for row in await connection.fetch(_PENDING, partitions)]

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

    async def attend(
        self, name: str, lease_s: float, report: str | None = None, *, asks: bool = False, leaving: bool = False
    ) -> Roll:
        """Prolong the lease of a process; answers who else is there."""
        async with self._keeper.use() as connection:
            await connection.execute("select log.attend($1, $2, $3, $4, $5)", name, lease_s, report, asks, leaving)
            processes = await connection.fetch(_PROCESSES)
            heads = await connection.fetch(_HEADS)
        asked = any(row[1] for row in processes if row[0] != name)
        return Roll(tuple(row[0] for row in processes if not row[2]), tuple(Head(*row) for row in heads), asked)

    async def told(self) -> dict[str, str]:
        """The last report of each process that is there and has given one, by name."""
        async with self._read() as connection:
            return {row[0]: row[1] for row in await connection.fetch(_TOLD)}

    async def take(self, name: str, partitions: Iterable[int]) -> list[Ownership]:
        """Become the owner of those of these partitions that nobody alive owns."""
        async with self._keeper.use() as connection:
            rows = await connection.fetch("select * from log.take($1, $2)", name, list(partitions))
            return [Ownership(*row) for row in rows]

    async def release(self, name: str, partitions: Iterable[int]) -> None:
        """Give partitions back."""
        async with self._keeper.use() as connection:
            await connection.execute("select log.release($1, $2)", name, list(partitions))

    async def leave(self, name: str) -> None:
        """The process is gone: whatever it owned is free."""
        async with self._keeper.use() as connection:
            await connection.execute("select log.leave($1)", name)

    async def evict(self) -> None:
        """All processes are gone: whatever they owned is free."""
        async with self._keeper.use() as connection:
            await connection.execute(_EVICT)

    async def hear(self, heard: Callable[[str], None]) -> None:
        """Pass on the news of other processes' appends, until the connection ends. Unavailable."""
        with answering(*UNAVAILABLE):
            connection = await self._connect(BY_INDEX)
            ended = asyncio.Event()
            connection.add_termination_listener(lambda _: ended.set())
            try:
                await connection.add_listener(CHANNEL, lambda _connection, _pid, _channel, text: heard(text))
                await ended.wait()
            finally:
                connection.terminate()
        raise Unavailable("the connection for news has ended")

    async def prepare_days(self, days: Iterable[date]) -> int:
        """Make the tables of these days; answers how many were missing."""
        async with self._writer.use() as connection:
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
        await self.settle([partition])
        async with self._read() as connection:
            rows = await bodies.pending_until(connection, day, partition, after, limit)
            return [delivery_from_row(row) for row in rows]

    async def kept(self, asked: Iterable[Body]) -> list[Body]:
        """Those of these bodies that are there."""
        async with self._read() as connection:
            return await bodies.kept(connection, asked)

    async def stored(self, partition: int, application: str, after: str, until: str, limit: int) -> Stored | None:
        """What the next messages have of bodies, accepted behind `after`, id <= `until`. None: there are no more."""
        async with self._read() as connection:
            return await bodies.stored(connection, partition, application, after, until, limit)

    async def _fetch(self, statement: str, rows: Iterable[tuple[Any, ...]], *more: object) -> Sequence[Any]:
        """Run a statement that takes its rows as one array a column, and some more arguments."""
        columns = list(zip(*rows, strict=True))
        if not columns:
            return ()
        async with self._read() as connection:
            fetched: Sequence[Any] = await connection.fetch(statement, *columns, *more)
            return fetched

    @asynccontextmanager
    async def _read(self) -> AsyncIterator[asyncpg.Connection]:
        with answering(*UNAVAILABLE):
            async with self._reading() as connection:
                yield connection


def _listed(partitions: str | None) -> frozenset[int]:
    """What the detail of HK001 and HK003 lists."""
    return frozenset(int(each) for each in (partitions or "").split(",") if each)
