"""The database, for commands that look into it: the running daemon's, or one started for the moment."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from daemon.cli.common import Refused
from daemon.postgres.database import Database
from daemon.postgres.embedded import EmbeddedPostgres, running_dsn
from daemon.postgres.errors import DatabaseUnavailable, EmbeddedPostgresError


@asynccontextmanager
async def opened(settings: Any) -> AsyncIterator[Database]:
    """The settings' database. Refused when it is not to be had."""
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
        yield database
    finally:
        await database.close()
        if server is not None:
            await server.stop()
