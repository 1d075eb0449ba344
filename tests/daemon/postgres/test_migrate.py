"""Migrations: a new database and an old one end alike, and a database that does not fit is refused."""

import asyncio
import re
import subprocess
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import asyncpg
import pytest

from daemon.postgres import binaries, scripts
from daemon.postgres.errors import MigrationError
from daemon.postgres.migrate import fix_partitions, migrate, pending
from daemon.postgres.scripts import Migration, begin_migrations, load_migrations, load_schema
from tests.support.databases import Server

FIRST = Migration(1, "initial", "create schema demo; create table demo.a (id int primary key);")
SECOND = Migration(2, "names", "alter table demo.a add column name text not null default '';")
BOTH = [FIRST, SECOND]
SCHEMA = "create schema demo;\ncreate table demo.a (id int primary key, name text not null default '');\n"


@pytest.fixture
async def connection(empty_database: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to an empty database."""
    found = await asyncpg.connect(empty_database)
    yield found
    await found.close()


async def test_a_new_database_gets_the_schema_and_all_migrations_as_applied(
    connection: asyncpg.Connection,
) -> None:
    assert await pending(connection, BOTH) == BOTH
    applied = await migrate(connection, schema=SCHEMA, migrations=BOTH)
    assert (applied.fresh, applied.migrations) == (True, (FIRST, SECOND))
    assert await pending(connection, BOTH) == []
    again = await migrate(connection, schema=SCHEMA, migrations=BOTH)
    assert (again.fresh, again.migrations) == (False, ())
    assert await connection.fetchval("select count(*) from demo.a where name = ''") == 0


async def test_an_older_database_gets_what_it_lacks(connection: asyncpg.Connection) -> None:
    await migrate(connection, schema=FIRST.sql, migrations=[FIRST])
    await connection.execute("insert into demo.a values (1)")
    assert await pending(connection, BOTH) == [SECOND]
    applied = await migrate(connection, schema=SCHEMA, migrations=BOTH)
    assert (applied.fresh, applied.migrations) == (False, (SECOND,))
    assert await connection.fetchval("select name from demo.a") == ""
    rows = await connection.fetch("select number, name, sha256 from hookd.migration order by number")
    assert [tuple(row) for row in rows] == [(each.number, each.name, each.sha256) for each in BOTH]


async def test_a_schema_without_migrations_is_loaded_once(connection: asyncpg.Connection) -> None:
    assert (await migrate(connection, schema=SCHEMA, migrations=[])).fresh
    assert not (await migrate(connection, schema=SCHEMA, migrations=[])).fresh


async def test_a_step_that_fails_changes_nothing_and_names_its_line(connection: asyncpg.Connection) -> None:
    await migrate(connection, schema=FIRST.sql, migrations=[FIRST])
    broken = Migration(2, "broken", "alter table demo.a add column b int;\n\nselect nonsense;")
    with pytest.raises(MigrationError, match=r'0002_broken, line 3, failed and changed nothing: .*"nonsense"'):
        await migrate(connection, schema="", migrations=[FIRST, broken])
    assert await pending(connection, BOTH) == [SECOND]
    applied = await migrate(connection, schema=SCHEMA, migrations=BOTH)
    assert applied.migrations == (SECOND,)
    assert await connection.fetchval("select count(*) from information_schema.columns where column_name='b'") == 0


async def test_a_step_may_not_end_its_transaction(connection: asyncpg.Connection) -> None:
    with pytest.raises(MigrationError, match="take `commit` or `rollback` out"):
        await migrate(connection, schema="create schema demo; commit;", migrations=[])


async def test_a_changed_migration_is_refused(connection: asyncpg.Connection) -> None:
    await migrate(connection, schema=SCHEMA, migrations=BOTH)
    edited = Migration(2, "names", SECOND.sql + " select 1;")
    with pytest.raises(MigrationError, match=r"0002_names is not the one .* write a new migration"):
        await migrate(connection, schema=SCHEMA, migrations=[FIRST, edited])


async def test_a_database_of_a_newer_hookd_is_refused(connection: asyncpg.Connection) -> None:
    await migrate(connection, schema=SCHEMA, migrations=BOTH)
    with pytest.raises(MigrationError, match="newer than this hookd: it has migration 0002_names"):
        await pending(connection, [FIRST])


async def test_a_gap_in_the_database_is_refused(connection: asyncpg.Connection) -> None:
    await migrate(connection, schema=SCHEMA, migrations=BOTH)
    await connection.execute("delete from hookd.migration where number = 1")
    with pytest.raises(MigrationError, match="has migration 0002 but not 0001_initial"):
        await migrate(connection, schema=SCHEMA, migrations=BOTH)


async def test_two_that_start_at_once_take_turns(empty_database: str, connection: asyncpg.Connection) -> None:
    other = await asyncpg.connect(empty_database)
    try:
        both = await asyncio.gather(*(migrate(each, schema=SCHEMA, migrations=BOTH) for each in (connection, other)))
    finally:
        await other.close()
    assert sorted(applied.fresh for applied in both) == [False, True]


async def test_the_locks_and_timeouts_end_with_the_work(connection: asyncpg.Connection) -> None:
    await connection.execute("set statement_timeout = '7s'; set lock_timeout = '3s'")
    await migrate(connection, schema=SCHEMA, migrations=BOTH)
    assert await connection.fetchval("show statement_timeout") == "7s"
    assert await connection.fetchval("show lock_timeout") == "3s"
    assert await connection.fetchval("select count(*) from pg_locks where locktype = 'advisory'") == 0


async def test_the_number_of_partitions_is_fixed_once(connection: asyncpg.Connection) -> None:
    await connection.execute("create schema log; create table log.head (partition smallint primary key)")
    assert await fix_partitions(connection, 4) == 4
    assert await fix_partitions(connection, 8) == 4
    rows = await connection.fetch("select partition from log.head order by 1")
    assert [row["partition"] for row in rows] == [0, 1, 2, 3]


# --- the files ---


def test_migrations_are_read_in_order_and_line_ends_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "0002_names.sql").write_bytes(b"\xef\xbb\xbfselect 1;\r\nselect 2;\r\n")
    (tmp_path / "0001_initial.sql").write_text("select 1;\n")
    (tmp_path / "README").touch()
    first, second = load_migrations(tmp_path)
    assert (first.number, second.title) == (1, "0002_names")
    assert second.sha256 == Migration(2, "names", "select 1;\nselect 2;\n").sha256
    assert second.sha256 == Migration(2, "names", "select 1;\r\nselect 2;\r\n").sha256


@pytest.mark.parametrize("names", [["0002_b.sql"], ["0001_a.sql", "0003_c.sql"], ["0001_a.sql", "0001_b.sql"]])
def test_a_gap_or_a_twin_among_the_files_is_refused(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(MigrationError, match="numbered 0001, 0002"):
        load_migrations(tmp_path)


def test_a_file_with_another_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "2_fix.sql").touch()
    with pytest.raises(MigrationError, match="not named like 0002_what_it_does"):
        load_migrations(tmp_path)


def test_the_first_migration_is_the_schema_and_is_written_once(tmp_path: Path) -> None:
    path = begin_migrations(tmp_path)
    (first,) = load_migrations(tmp_path)
    assert (path.name, first.sql) == ("0001_initial.sql", load_schema())
    with pytest.raises(FileExistsError):
        begin_migrations(tmp_path)


def test_an_installation_has_the_schema_beside_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "daemon" / "postgres"
    package.mkdir(parents=True)
    monkeypatch.setattr(scripts, "HERE", package)
    with pytest.raises(MigrationError, match=r"schema.sql is missing"):
        load_schema()
    (tmp_path / "schema.sql").write_text("checkout")
    assert load_schema() == "checkout"
    (package / "schema.sql").write_text("installed")
    assert load_schema() == "installed"


# --- both ways end alike ---


async def test_a_difference_between_schema_and_migrations_is_seen(database_server: Server) -> None:
    assert await _dumped(database_server, SCHEMA, BOTH) == await _dumped(database_server, FIRST.sql, BOTH, 1)
    nearly = SCHEMA.replace("not null default ''", "not null default 'x'")
    assert await _dumped(database_server, nearly, BOTH) != await _dumped(database_server, FIRST.sql, BOTH, 1)


async def test_hookds_migrations_lead_to_hookds_schema(database_server: Server) -> None:
    migrations = load_migrations()
    if not migrations:
        pytest.skip("no migrations yet: write the first with daemon.postgres.scripts.begin_migrations()")
    whole = await _dumped(database_server, load_schema(), migrations)
    stepwise = await _dumped(database_server, migrations[0].sql, migrations, 1)
    assert stepwise == whole, "schema.sql and the migrations must change together"


async def _dumped(server: Server, schema: str, migrations: Sequence[Migration], at_first: int | None = None) -> str:
    """What pg_dump says of a database begun with `schema` and the first migrations, and then brought up."""
    async with server.fresh() as dsn:
        connection = await asyncpg.connect(dsn)
        try:
            await migrate(connection, schema=schema, migrations=migrations[:at_first])
            await migrate(connection, schema=schema, migrations=migrations)
        finally:
            await connection.close()
        return await asyncio.to_thread(_dump, dsn)


def _dump(dsn: str) -> str:
    pg_dump = binaries.installs(binaries.package_folder())[0].program("pg_dump")
    command = [str(pg_dump), "--schema-only", dsn]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return re.sub(r"(?m)^\\(un)?restrict .*\n", "", done.stdout)
