"""Where bodies lie: one table a day and kind, found in the catalog of the database; what is in them, by index.

A table of a day is named here itself and not through its parent: whoever reads then waits for nothing but that day,
and the number of days kept costs nothing.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Final

import asyncpg
import msgspec

from events.content import RETENTION_DAYS, Body
from events.delivery import Delivery
from events.log import Stored
from events.when import SEQ_MAX

_DAYS: Final = """
  select distinct to_date(right(c.relname, 8), 'YYYYMMDD') from pg_inherits i join pg_class c on c.oid = i.inhrelid
  where i.inhparent in ('content.payload'::regclass, 'content.response'::regclass) order by 1"""
_TABLES: Final = """
  select to_date(right(c.relname, 8), 'YYYYMMDD') as day,
         sum(pg_total_relation_size(c.oid))::bigint as bytes,
         coalesce(sum(s.n_live_tup) filter (where i.inhparent = 'content.payload'::regclass), 0)::bigint as payloads,
         coalesce(sum(s.n_live_tup) filter (where i.inhparent = 'content.response'::regclass), 0)::bigint as responses
  from pg_inherits i join pg_class c on c.oid = i.inhrelid left join pg_stat_user_tables s on s.relid = c.oid
  where i.inhparent in ('content.payload'::regclass, 'content.response'::regclass) group by 1 order by 1"""
_HELD_BY: Final = """
  select distinct a.pid, coalesce(nullif(a.application_name, ''), 'unnamed') as name, a.state,
         extract(epoch from clock_timestamp() - a.xact_start)::float8 as seconds
  from pg_locks l join pg_stat_activity a on a.pid = l.pid
  where l.granted and l.locktype = 'relation' and a.pid <> pg_backend_pid() and a.xact_start is not null
    and l.database = (select oid from pg_database where datname = current_database())
    and l.relation in (to_regclass($1), to_regclass($2), 'content.payload'::regclass, 'content.response'::regclass)
  order by 4 desc nulls last"""

_COUNT: Final = """
  select partition, sum(payloads)::bigint, sum(responses)::bigint from (
    select partition, count(*) as payloads, 0 as responses from content.{payload} group by 1
    union all
    select partition, 0, count(*) from content.{response} group by 1) c
  group by 1 order by 1"""
# By the index of what is due, from where the last page ended: deliveries that stay are passed once.
_PENDING_UNTIL: Final = """
  select * from state.delivery s
  where s.partition = $1 and s.state = 'pending' and (s.endpoint, s.next_at, s.message) > ($2, $3, $4)
    and (s.accepted_at at time zone 'UTC')::date + s.retention_days <= $5
  order by s.endpoint, s.next_at, s.message limit $6"""
# `limit` keeps the planner from turning the join round and walking the whole table for a few keys.
_PAYLOADS: Final = """
  select k.name, c.body
  from unnest($1::smallint[], $2::text[]) k(partition, name) cross join lateral (
    select body from content.{payload} c
    where c.day = $3 and c.partition = k.partition and c.message = k.name limit 1) c"""
_RESPONSES: Final = """
  select k.name, c.body
  from unnest($1::smallint[], $2::bigint[]) k(partition, name) cross join lateral (
    select body from content.{response} c
    where c.day = $3 and c.partition = k.partition and c.seq = k.name limit 1) c"""
_KEPT_PAYLOADS: Final = """
  select k.partition, k.name
  from unnest($1::smallint[], $2::text[]) k(partition, name) cross join lateral (
    select from content.{payload} c
    where c.day = $3 and c.partition = k.partition and c.message = k.name limit 1) c"""
_KEPT_RESPONSES: Final = """
  select k.partition, k.name
  from unnest($1::smallint[], $2::bigint[]) k(partition, name) cross join lateral (
    select from content.{response} c
    where c.day = $3 and c.partition = k.partition and c.seq = k.name limit 1) c"""
_MESSAGES: Final = """
  select e.stream, (e.at at time zone 'UTC')::date
    + coalesce((convert_from(e.body, 'UTF8')::json ->> 'retention_days')::int, $6) as day
  from (select coalesce((
    select seq from log.event where partition = $1 and stream = $3 order by seq limit 1), 0) as seq offset 0) last
  cross join lateral log.oldest_of($1, $2, last.seq, $7) k(place)
  cross join lateral (select * from log.event x where x.partition = $1 and x.seq = k.place limit 1) e
  where e.stream <= $4 limit $5"""
_ATTEMPTS: Final = """
  select e.seq, e.stream from log.event e
  where e.partition = $1 and e.stream = any($2) and e.endpoint is not null"""


class DayTables(msgspec.Struct, frozen=True):
    """The two tables of a day. Rows are what the server's statistics believe; 0 after it crashed."""

    day: date
    bytes: int
    payloads: int
    responses: int


class Holder(msgspec.Struct, frozen=True):
    """A session that uses a table: `seconds` since its transaction began."""

    pid: int
    name: str
    state: str | None
    seconds: float


async def days(connection: asyncpg.Connection) -> list[date]:
    """The days that have tables, in order."""
    return [row[0] for row in await connection.fetch(_DAYS)]


async def tables(connection: asyncpg.Connection) -> list[DayTables]:
    """The tables of all days, in order."""
    return [DayTables(*row) for row in await connection.fetch(_TABLES)]


async def overdue(connection: asyncpg.Connection, today: date) -> list[DayTables]:
    """The tables that should be gone: those of days before `today` (UTC)."""
    return [each for each in await tables(connection) if each.day < today]


async def holders(connection: asyncpg.Connection, day: date) -> list[Holder]:
    """Other sessions that keep a day from being dropped just now, the longest first."""
    names = [f"content.{kind}_{day:%Y%m%d}" for kind in ("payload", "response")]
    return [Holder(*row) for row in await connection.fetch(_HELD_BY, *names)]


async def count(connection: asyncpg.Connection, day: date) -> dict[int, tuple[int, int]]:
    """Payloads and responses that lie under a day, by partition; those with none left out."""
    rows = await connection.fetch(_of(_COUNT, day))
    return {partition: (payloads, responses) for partition, payloads, responses in rows}


async def pending_until(
    connection: asyncpg.Connection, day: date, partition: int, after: Delivery | None, limit: int
) -> list[asyncpg.Record]:
    """Rows of pending deliveries whose payload is kept no longer than `day`."""
    beyond = ("", None, "") if after is None else (after.endpoint, after.next_at, after.message)
    rows: list[asyncpg.Record] = await connection.fetch(_PENDING_UNTIL, partition, *beyond, day, limit)
    return rows


async def payloads(connection: asyncpg.Connection, keys: Iterable[tuple[date, int, str]]) -> dict[str, bytes]:
    """Payloads by message; those that are gone are left out."""
    return await _read(connection, _PAYLOADS, keys)


async def responses(connection: asyncpg.Connection, keys: Iterable[tuple[date, int, int]]) -> dict[int, bytes]:
    """Responses, all of one partition, by position; those that are gone are left out."""
    return await _read(connection, _RESPONSES, keys)


async def kept(connection: asyncpg.Connection, asked: Iterable[Body]) -> list[Body]:
    """Those of these bodies that are there."""
    found: list[Body] = []
    asked = list(asked)
    messages = ((each.day, each.partition, each.message) for each in asked if each.message is not None)
    for day, keys in _by_day(messages).items():
        rows = await _rows(connection, _KEPT_PAYLOADS, day, keys)
        found += [Body(day, partition, message=message) for partition, message in rows]
    seqs = ((each.day, each.partition, each.seq) for each in asked if each.seq is not None)
    for day, keys in _by_day(seqs).items():
        rows = await _rows(connection, _KEPT_RESPONSES, day, keys)
        found += [Body(day, partition, seq=seq) for partition, seq in rows]
    return found


async def stored(
    connection: asyncpg.Connection, partition: int, application: str, after: str, until: str, limit: int
) -> Stored | None:
    """What the next messages have of bodies, accepted behind `after`, id <= `until`. None: there are no more."""
    messages = await connection.fetch(_MESSAGES, partition, application, after, until, limit, RETENTION_DAYS, SEQ_MAX)
    if not messages:
        return None
    days_of: dict[str, date] = dict(messages)
    asked = [Body(day, partition, message=message) for message, day in messages]
    attempts = await connection.fetch(_ATTEMPTS, partition, list(days_of))
    asked += [Body(days_of[message], partition, seq=seq) for seq, message in attempts]
    return Stored(max(days_of), messages[-1][0], tuple(await kept(connection, asked)))


async def _read(
    connection: asyncpg.Connection, statement: str, keys: Iterable[tuple[date, int, Any]]
) -> dict[Any, bytes]:
    found: dict[Any, bytes] = {}
    for day, asked in _by_day(keys).items():
        found.update(await _rows(connection, statement, day, asked))
    return found


async def _rows(
    connection: asyncpg.Connection, statement: str, day: date, asked: Sequence[tuple[int, Any]]
) -> Sequence[asyncpg.Record]:
    partitions, names = zip(*asked, strict=True)
    try:
        rows: Sequence[asyncpg.Record] = await connection.fetch(_of(statement, day), partitions, names, day)
    except asyncpg.UndefinedTableError:  # the day is over, or was never used
        return ()
    return rows


def _by_day(keys: Iterable[tuple[date, int, Any]]) -> dict[date, list[tuple[int, Any]]]:
    groups: dict[date, list[tuple[int, Any]]] = {}
    for day, partition, name in keys:
        groups.setdefault(day, []).append((partition, name))
    return groups


def _of(statement: str, day: date) -> str:
    return statement.format(payload=f"payload_{day:%Y%m%d}", response=f"response_{day:%Y%m%d}")
