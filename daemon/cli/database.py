"""The database, for commands that look into it: the running daemon's, or one started for the moment."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from daemon.cli.common import Refused
from daemon.postgres.database import Database
from daemon.postgres.embedded import EmbeddedPostgres, running_dsn
from daemon.postgres.errors import DatabaseUnavailable, EmbeddedPostgresError


@asynccontextmanager
async def opened(settings: Any, *, bare: bool = False) -> AsyncIterator[Database]:
    """The settings' database. Refused when it is not to be had, or has no log of this release: `bare` takes any."""
    server: EmbeddedPostgres | None = None
    try:
        if not settings.embedded:
            dsn = settings.database_url.get_secret_value()
        elif (running := running_dsn(settings.hookd_home)) is not None:
            dsn = running
        else:
            server = EmbeddedPostgres(settings.hookd_home)
            dsn = await server.start()
        database = await Database.open(dsn, starting_s=5)
    except (DatabaseUnavailable, EmbeddedPostgresError) as error:
        raise Refused(str(error)) from None
    try:
        if not bare:
            await _look_for_log(database)
        yield database
    finally:
        await database.close()
        if server is not None:
            await server.stop()


async def _look_for_log(database: Database) -> None:
    async with database.reading() as connection:
        if await connection.fetchval("select to_regclass('log.checkpoint')") is None:
            raise Refused("there is no log of this hookd in the database: `hookd up` makes or migrates it")
