"""Rows written by COPY are those that an append writes, to the last byte that PostgreSQL shows of them."""

from datetime import timedelta

import asyncpg
import pytest

from daemon.audit import state_rows
from daemon.postgres.database import Database
from events.append import Append
from events.catalogue import (
    AdminCreated,
    ApplicationDeleted,
    AttemptFailed,
    AttemptSucceeded,
    BreakerOpened,
    DeliveryGone,
    EventTypeCreated,
)
from events.fold import Fold
from events.message import named
from events.outcome import Fault
from events.postgres import PostgresLog
from tests.support.builders import EP, NOW, accepting, born_in, changing, creating, moving, registering
from tests.support.state_equals_fold import assert_state_equals_fold


def everything() -> Append:
    append = Append(NOW + timedelta(microseconds=7))
    creating(append, uid="ü", throttle_rate=3, metadata={"b": "1", "a": "\u2028\"'\\"})
    gone = creating(append, "app_2")
    changing(append, gone, "app_2", ApplicationDeleted())
    endpoint = registering(
        append, event_types=("a.b", "c,d"), channels=(), retry_delays_s=(0.1, 1e9), metadata={"k": ""}, batch_size=2
    )
    changing(append, endpoint, EP, BreakerOpened(NOW, 5, Fault.STATUS, NOW, 500))
    schemas = {"z": [1, 2.5, None, "é"], "a": {"x": True}, "n": 10**17}
    changing(append, None, "et_1", EventTypeCreated("org_1", "a.b", "what", schemas=schemas))
    changing(append, None, "et_2", EventTypeCreated("org_1", "c", ""))
    changing(append, None, "adm_1", AdminCreated("ann", "app_1"))
    accepting(append, EP, "ep_2", "ep_3", channels=("x", '"y"'), event_id="e 1", payload=b"12345")
    moving(append, born_in(append)[0], AttemptSucceeded(1, 200, 1, 1, 1))
    failed = moving(append, born_in(append)[1], AttemptFailed(1, Fault.DNS, 1, 1, 1, next_at=NOW + timedelta(days=1)))
    moving(append, failed, DeliveryGone())
    return append


@pytest.mark.parametrize("table", state_rows.KINDS)
async def test_every_field_is_a_column_in_its_order(database: str, table: str) -> None:
    connection = await asyncpg.connect(database)
    names = await connection.fetch(
        "select column_name from information_schema.columns where table_schema = 'state' and table_name = $1 "
        "order by ordinal_position",
        table,
    )
    await connection.close()
    assert tuple(row[0] for row in names) == state_rows.COLUMNS[table]


async def dump(connection: asyncpg.Connection) -> dict[str, list[str]]:
    return {
        table: [row[0] for row in await connection.fetch(f"select s::text from state.{table} s order by 1")]
        for table in state_rows.KINDS
    }


async def test_rows_are_those_that_an_append_writes(database: str) -> None:
    opened = await Database.open(database, readers=1)
    log = PostgresLog(opened.dedicated, opened.reading)
    await log.append(everything())
    await log.settle(None)
    await log.close()
    await opened.close()
    fold: Fold = await assert_state_equals_fold(database)
    connection = await asyncpg.connect(database)
    before = await dump(connection)
    assert all(before.values()), "every table has rows to compare"
    await connection.execute("truncate " + ", ".join(f"state.{table}" for table in state_rows.KINDS))
    for kind in state_rows.KINDS.values():
        found = [*fold.entities.values(), *named(fold.messages.values()), *fold.deliveries.values()]
        await state_rows.write(connection, (each for each in found if isinstance(each, kind)))
    assert await dump(connection) == before
    await connection.close()
    await assert_state_equals_fold(database)


async def test_nothing_is_written_of_nothing() -> None:
    await state_rows.write(None, iter(()))  # type: ignore[arg-type]
