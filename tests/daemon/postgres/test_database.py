"""Connections with deadlines."""

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import asyncpg
import pytest

from daemon.postgres import database as module
from daemon.postgres.database import Database, place
from daemon.postgres.errors import DatabaseBusy, DatabaseTooOld, DatabaseUnavailable
from tests.support.databases import Server

from .conftest import running


@pytest.fixture
async def opened(empty_database: str) -> AsyncIterator[Database]:
    """A database with a single reader and short deadlines."""
    found = await Database.open(empty_database, readers=1, acquire_timeout_s=0.05, statement_timeout_s=3)
    yield found
    await found.close()


async def test_readers_read_under_deadlines_and_do_not_write(opened: Database) -> None:
    async with opened.reading() as connection:
        names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "application_name")
        values = [await connection.fetchval("select current_setting($1)", name) for name in names]
        assert values == ["3s", "5s", "30s", "hookd"]
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await connection.execute("create table t ()")


async def test_a_reader_that_does_not_get_free_in_time_is_an_error(opened: Database) -> None:
    async with opened.reading():
        with pytest.raises(DatabaseBusy, match=r"within 0.05 s"):
            async with opened.reading():
                pass
    async with opened.reading() as connection:
        assert await connection.fetchval("select 1") == 1


async def test_an_error_of_the_readers_own_is_not_taken_for_a_busy_database(opened: Database) -> None:
    with pytest.raises(TimeoutError, match="mine"):
        async with opened.reading():
            raise TimeoutError("mine")
    async with opened.reading() as connection:
        assert await connection.fetchval("select 1") == 1


async def test_a_statement_has_a_deadline(empty_database: str) -> None:
    opened = await Database.open(empty_database, statement_timeout_s=0.05)
    try:
        async with opened.reading() as connection:
            with pytest.raises(asyncpg.QueryCanceledError):
                await connection.execute("select pg_sleep(60)")
    finally:
        await opened.close()


async def test_a_dedicated_connection_writes_and_has_its_own_settings(opened: Database) -> None:
    connection = await opened.dedicated({"statement_timeout": "0", "application_name": "hookd recorder"})
    try:
        await connection.execute("create table t ()")
        assert await connection.fetchval("show statement_timeout") == "0"
        assert await connection.fetchval("show application_name") == "hookd recorder"
        assert await connection.fetchval("show lock_timeout") == "5s"
    finally:
        await connection.close()


async def test_a_server_that_is_not_there_is_waited_for_and_then_named(tmp_path: Path) -> None:
    dsn = f"postgresql://me:secret@/x?host={tmp_path}&port=5432"
    with pytest.raises(DatabaseUnavailable, match=rf"answered at {tmp_path}/x within 0.2 s") as caught:
        await Database.open(dsn, starting_s=0.2)
    assert "secret" not in str(caught.value)


async def test_a_refusal_is_told_at_once(database_server: Server) -> None:
    with pytest.raises(DatabaseUnavailable, match='refuses: database "nowhere" does not exist'):
        await Database.open(database_server.dsn("nowhere"))


async def test_an_old_server_is_refused(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncpg.Connection, "get_server_version", lambda _: SimpleNamespace(major=14), raising=True)
    with pytest.raises(DatabaseTooOld, match="is PostgreSQL 14, and hookd needs 15 or newer"):
        await Database.open(empty_database)


async def test_readers_outlive_a_restart_of_the_server(old_home: Path) -> None:
    async with running(old_home) as postgres:
        opened = await Database.open(postgres.dsn, readers=2)
        async with opened.reading() as connection:
            assert await connection.fetchval("select count(*) from kept") == 1
        await postgres.stop()
        with pytest.raises(DatabaseUnavailable, match="no PostgreSQL answers"):
            async with opened.reading():
                pass
        with pytest.raises(DatabaseUnavailable, match="no PostgreSQL answers"):
            await opened.dedicated()
        await postgres.start()
        async with opened.reading() as connection:
            assert await connection.fetchval("select count(*) from kept") == 1
        await opened.close()


async def test_closing_does_not_wait_for_ever(opened: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CLOSE_TIMEOUT_S", 0.05)
    async with opened.reading():
        await opened.close()


@pytest.mark.parametrize(
    ("dsn", "shown"),
    [
        ("postgresql://me:secret@db.example:5433/hooks", "db.example:5433/hooks"),
        ("postgresql://hookd@/hookd?host=%2Fvar%2Flib&port=5432", "/var/lib/hookd"),
        ("postgresql:///hookd", "localhost/hookd"),
    ],
)
def test_an_address_is_shown_without_its_password(dsn: str, shown: str) -> None:
    assert place(dsn) == shown


async def test_the_fixture_gives_each_test_hookds_schema(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        assert await connection.fetchval("select to_regclass('hookd.migration')") is not None
    finally:
        await connection.close()
