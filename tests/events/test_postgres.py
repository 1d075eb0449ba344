"""What is PostgreSQL's alone; tests/contracts/test_log.py proves the rest."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import asyncpg
import pytest

from daemon.postgres.database import Database
from events.append import Append
from events.catalogue import EndpointUpdated
from events.log import Unavailable
from events.postgres import PostgresLog
from tests.support.builders import EP, NOW, accepting, changing, creating, registering
from tests.support.state_equals_fold import assert_state_equals_fold

WAITS = """
  select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')"""


@pytest.fixture
async def opened(database: str) -> AsyncIterator[Database]:
    found = await Database.open(database, readers=1)
    yield found
    await found.close()


async def test_a_lost_writer_is_unavailable_and_replaced(opened: Database, database: str) -> None:
    log = PostgresLog(opened.dedicated, opened.reading)
    await log.append(accepting(Append(NOW), EP))
    log._writer._connection.terminate()
    await log.append(accepting(Append(NOW), EP, message="msg_2"))  # found closed: a new one is made
    await kill_writers(database)
    with suppress(Unavailable):  # or nothing at all, when its end was noticed in time
        await log.append(accepting(Append(NOW), EP, message="msg_3"))
    await log.append(accepting(Append(NOW), EP, message="msg_4"))
    await log.close()
    await log.close()
    fold = await assert_state_equals_fold(database)
    assert len(fold.messages) in {3, 4}


async def kill_writers(database: str) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where query like '%log.append%' "
        "and pid <> pg_backend_pid() and datname = current_database()"
    )
    await connection.close()


async def test_a_database_that_cannot_be_reached_is_unavailable() -> None:
    async def refuse(_settings: object) -> asyncpg.Connection:
        raise ConnectionRefusedError

    log = PostgresLog(refuse, lambda: asyncio.timeout(0))
    with pytest.raises(Unavailable):
        await log.attend("a", 1)
    with pytest.raises(Unavailable):
        await log.hear(lambda _: None)
    with pytest.raises(Unavailable):
        await log.append(accepting(Append(NOW)))


async def test_a_fault_of_ours_is_not_called_unavailable(opened: Database) -> None:
    log = PostgresLog(opened.dedicated, opened.reading)
    creating(append := Append(NOW), name="no\x00zero")
    with pytest.raises(asyncpg.PostgresError):
        await log.append(append)
    await log.append(accepting(Append(NOW), EP))
    await log.close()


async def test_a_table_that_differs_from_the_log_is_found(opened: Database, database: str) -> None:
    log = PostgresLog(opened.dedicated, opened.reading)
    creating(append := Append(NOW))
    endpoint = registering(append)
    await log.append(accepting(append, EP))
    changing(append := Append(NOW), endpoint, EP, EndpointUpdated(endpoint.config))
    await log.append(append)
    await assert_state_equals_fold(database)
    await log.settle(None)
    await log.close()
    await assert_state_equals_fold(database)
    connection = await asyncpg.connect(database)
    await connection.execute("update state.delivery set attempts = 1")
    await connection.close()
    with pytest.raises(AssertionError, match=r"state\.delivery: 1 differ"):
        await assert_state_equals_fold(database)


async def test_heads_are_locked_in_ascending_order_whatever_the_session_prefers(database: str) -> None:
    """Two appends that lock the same heads in different orders would end in a deadlock."""
    one, two = await asyncpg.connect(database), await asyncpg.connect(database)
    opened = await Database.open(database, readers=1)
    scanning = {"random_page_cost": "1000"}
    log = PostgresLog(lambda _settings: asyncpg.connect(database, server_settings=scanning), opened.reading)
    await one.execute("insert into log.head (partition) select generate_series(16, 99)")
    for partition in (3, 15, 0, 9, 1):  # as they lie in the table
        await one.execute("update log.head set epoch = epoch where partition = $1", partition)
    await one.execute("vacuum analyze log.head")
    append = Append(NOW)
    for partition in range(16):
        accepting(append, message=f"msg_{partition}", partition=partition)
    async with one.transaction():
        await one.execute("select from log.head where partition = 5 for update")
        appending = asyncio.create_task(log.append(append))
        while not await two.fetchval(WAITS):  # noqa: ASYNC110 - PostgreSQL has no event to wait for
            await asyncio.sleep(0)
        free = await two.fetch("select partition from log.head for update skip locked")
        assert {row[0] for row in free} == set(range(6, 100))
    await appending
    for each in (one, two, log, opened):
        await each.close()
