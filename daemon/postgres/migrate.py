"""Bring a database to the schema that this version of hookd needs. Forwards only.

A new database gets schema.sql whole, and every migration is noted as applied; an older one gets the
migrations it lacks. That both ways end alike is what the tests prove. The database itself remembers:

    hookd.migration (number int primary key, name text, sha256 text, applied_at timestamptz)

The migrator makes that table; it is not part of schema.sql.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from daemon.postgres.errors import MigrationError
from daemon.postgres.scripts import Migration

LOCK_KEY = 0x686F6F6B64  # "hookd"
OTHERS_MIGRATE_S = 600  # how long to wait for another hookd that is migrating this database
LOCK_TIMEOUT_S = 10  # a migration that waits for a table makes everyone behind it wait too
CLIENT_TIMEOUT_S = 86_400  # the connection's own deadline is meant for queries, not for building indexes

RECORD = """
create schema if not exists hookd;
create table if not exists hookd.migration (
  number     int primary key,
  name       text not null,
  sha256     text not null,
  applied_at timestamptz not null default now()
)
"""


@dataclass(frozen=True)
class Applied:
    """What a run did: `fresh` if it loaded the whole schema, and the migrations that it ran or noted."""

    fresh: bool
    migrations: tuple[Migration, ...]


async def migrate(connection: asyncpg.Connection, *, schema: str, migrations: Sequence[Migration]) -> Applied:
    """Make the database current. Each migration is one transaction; so is the loading of the schema.

    `connection` must belong to the owner of the schema and be outside a transaction. Two hookds that start at
    once take turns, and the second finds nothing to do.

    Raises `MigrationError` if the database was changed by other files than these, or if a step fails; the
    steps before it stay applied.
    """
    async with _alone(connection):
        if not await _was_migrated(connection):
            await _step(connection, "schema.sql", schema, migrations)
            return Applied(fresh=True, migrations=tuple(migrations))
        missing = await pending(connection, migrations)
        for migration in missing:
            await _step(connection, migration.title, migration.sql, [migration])
        return Applied(fresh=False, migrations=tuple(missing))


async def pending(connection: asyncpg.Connection, migrations: Sequence[Migration]) -> list[Migration]:
    """The migrations the database lacks; all of them for a new database. Changes nothing.

    Raises `MigrationError` if the database was changed by other files than these.
    """
    applied = await _applied(connection) if await _was_migrated(connection) else {}
    return _missing(applied, migrations)


async def fix_partitions(connection: asyncpg.Connection, n: int = 16) -> int:
    """Give the log `n` partitions if it has none yet, and return how many it has.

    Their number is fixed when the database is made, so the answer may differ from `n`.
    """
    async with connection.transaction():
        await connection.execute("lock table log.head in share row exclusive mode")
        have: int = await connection.fetchval("select count(*) from log.head")
        if have == 0:
            await connection.execute("insert into log.head (partition) select generate_series(0, $1::int - 1)", n)
    return have or n


@asynccontextmanager
async def _alone(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """Hold the database's migration lock; it falls by itself with the connection."""
    async with connection.transaction():  # so that the timeouts end with it, while the lock stays
        await _set_timeouts(connection, lock_s=OTHERS_MIGRATE_S)
        try:
            await connection.execute("select pg_advisory_lock($1)", LOCK_KEY, timeout=CLIENT_TIMEOUT_S)
        except asyncpg.LockNotAvailableError as error:
            raise MigrationError(
                f"another hookd has been migrating this database for {OTHERS_MIGRATE_S} s: wait for it, "
                "or look in pg_locks for the holder of an advisory lock"
            ) from error
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.execute("select pg_advisory_unlock($1)", LOCK_KEY)


async def _was_migrated(connection: asyncpg.Connection) -> bool:
    return await connection.fetchval("select to_regclass('hookd.migration')") is not None


async def _applied(connection: asyncpg.Connection) -> dict[int, asyncpg.Record]:
    rows = await connection.fetch("select number, name, sha256 from hookd.migration order by number")
    return {row["number"]: row for row in rows}


async def _step(connection: asyncpg.Connection, title: str, sql: str, done: Sequence[Migration]) -> None:
    """Run `sql` and note the migrations it stands for, both or neither."""
    try:
        async with connection.transaction():
            await _set_timeouts(connection, lock_s=LOCK_TIMEOUT_S)
            await connection.execute(RECORD)
            await connection.execute(sql, timeout=CLIENT_TIMEOUT_S)
            _refuse_own_commit(connection, title)
            await _note(connection, done)
    except asyncpg.PostgresError as error:
        raise MigrationError(f"{title}{_line(error, sql)} failed and changed nothing: {error}") from error


def _line(error: asyncpg.PostgresError, sql: str) -> str:
    position = getattr(error, "position", None)
    return f", line {sql[: int(position)].count(chr(10)) + 1}," if position else ""


async def _note(connection: asyncpg.Connection, done: Sequence[Migration]) -> None:
    await connection.executemany(
        "insert into hookd.migration (number, name, sha256) values ($1, $2, $3)",
        [(migration.number, migration.name, migration.sha256) for migration in done],
    )


async def _set_timeouts(connection: asyncpg.Connection, *, lock_s: int) -> None:
    """For this transaction only. Building an index may take long; waiting for a table may not."""
    await connection.execute(f"set local lock_timeout = '{lock_s}s'; set local statement_timeout = 0")


def _refuse_own_commit(connection: asyncpg.Connection, title: str) -> None:
    if not connection.is_in_transaction():
        raise MigrationError(f"{title} ends its transaction by itself: take `commit` or `rollback` out of it")


def _missing(applied: dict[int, asyncpg.Record], migrations: Sequence[Migration]) -> list[Migration]:
    """Those not applied, once all that were are known to be these very files, without a gap."""
    ours = {migration.number: migration for migration in migrations}
    for number, row in applied.items():
        _refuse_stranger(number, row, ours.get(number))
    missing = [migration for migration in migrations if migration.number not in applied]
    if applied and missing and missing[0].number < max(applied):
        raise MigrationError(
            f"the database has migration {max(applied):04} but not {missing[0].title}: it was changed by "
            "hand or badly restored; restore a whole backup"
        )
    return missing


def _refuse_stranger(number: int, row: asyncpg.Record, ours: Migration | None) -> None:
    if ours is None:
        raise MigrationError(
            f"the database is newer than this hookd: it has migration {number:04}_{row['name']}, which this "
            "version does not know; start the newer hookd, or restore the backup made before it ran"
        )
    if row["sha256"] != ours.sha256:
        raise MigrationError(
            f"migration {ours.title} is not the one this database was changed by (sha256 "
            f"{row['sha256'][:12]}, the file has {ours.sha256[:12]}): put the file back as it was and write "
            "a new migration instead"
        )
