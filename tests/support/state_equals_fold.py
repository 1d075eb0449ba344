"""Whether a database is whole: its log has no gap, and its state tables are the fold of its log."""

from collections.abc import Mapping
from typing import Any

import asyncpg
from msgspec.structs import astuple

from events import replay
from events.fold import Fold
from events.leaf import parse
from events.message import EventId, named
from events.rows import TABLES, delivery_from_row, entity_from_row

_SHOWN_MAX = 5
_MENTIONS = """
  with told as (select m.* from log.head h cross join lateral log.mentions(h.partition, 0, h.seq) m)
  select count(*) from (
    (select * from told except select * from state.mention)
    union (select * from state.mention except select * from told)) d"""


async def assert_state_equals_fold(dsn: str) -> Fold:
    """Read everything in one snapshot and compare. Answers the fold, for those who want to look further."""
    connection = await asyncpg.connect(dsn, timeout=30)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return await compare(connection)
    finally:
        await connection.close()


async def compare(connection: asyncpg.Connection) -> Fold:
    """The same, on a connection of the caller's, best inside a repeatable-read transaction."""
    fold = Fold()  # refuses gaps, repeated versions and illegal moves by itself
    heads = await replay.heads(connection)

    async def take(records: list[bytes]) -> None:
        for record in records:
            fold.take_raw(parse(record))

    for partition in heads:
        await replay.scan(connection, partition, take)
    _same("log.head", {partition: seq for partition, seq in heads.items() if seq}, fold.positions)
    assert sum(fold.positions.values()) == await connection.fetchval("select count(*) from log.event")
    _same("state entities", await _entities(connection), fold.entities)
    names = [EventId(*row) for row in await connection.fetch("select * from state.event_id")]
    assert sorted(names, key=astuple) == sorted(named(fold.messages.values()), key=astuple)
    assert await connection.fetchval(_MENTIONS) == 0
    rows = await _deliveries(connection)
    rowless = fold.untried(await replay.settled(connection)) - rows.keys()
    _same("state.delivery", rows, {key: each for key, each in fold.deliveries.items() if key not in rowless})
    return fold


async def _entities(connection: asyncpg.Connection) -> dict[str, Any]:
    found = {}
    for table, kind in TABLES.items():
        for row in await connection.fetch(f"select * from state.{table}"):
            found[row["id"]] = entity_from_row(kind, row)
    return found


async def _deliveries(connection: asyncpg.Connection) -> dict[Any, Any]:
    rows = await connection.fetch("select * from state.delivery")
    return {(row[0], row["message"], row["endpoint"]): delivery_from_row(row) for row in rows}


def _same(what: str, table: Mapping[Any, Any], fold: Mapping[Any, Any]) -> None:
    differing = [key for key in table.keys() | fold.keys() if table.get(key) != fold.get(key)]
    if differing:
        lines = [
            f"{key}\n  table {table.get(key)}\n  fold  {fold.get(key)}" for key in sorted(differing)[:_SHOWN_MAX]
        ]
        raise AssertionError(f"{what}: {len(differing)} differ from the fold of the log\n" + "\n".join(lines))
