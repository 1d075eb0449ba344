"""The database as a process of hookd finds it: started if it is hookd's own, with the tables of this release."""

from collections.abc import Callable
from typing import Final

import structlog

from daemon.postgres.database import Database
from daemon.postgres.embedded import EmbeddedPostgres
from daemon.postgres.migrate import fix_partitions, migrate
from daemon.postgres.scripts import load_migrations, load_schema
from daemon.settings import Settings
from events.postgres import BY_INDEX

log = structlog.get_logger()

DATABASE_WAIT_S: Final = 60.0
CONNECTIONS_MIN: Final = 40  # for auditors, backups and people
CONNECTIONS_OF_A_PROCESS: Final = 12  # the pool, the writer, the leases, the news, the notary, and some spare


class Storage:
    """`dsn`: the address, where somebody else has started the embedded server."""

    def __init__(
        self, settings: Settings, progress: Callable[[str], None] | None = None, dsn: str | None = None
    ) -> None:
        self._settings = settings
        self._progress = progress
        self.dsn = dsn or ""
        self.partitions = 0
        self.postgres: EmbeddedPostgres | None = None
        if settings.embedded and dsn is None:
            assert settings.hookd_home is not None
            connections = CONNECTIONS_MIN + settings.processes * CONNECTIONS_OF_A_PROCESS
            self.postgres = EmbeddedPostgres(
                settings.hookd_home, progress=progress, settings={"max_connections": str(connections)}
            )
        self.database: Database

    @property
    def ours_alone(self) -> bool:
        """Whether the server is this process' own, so that nobody else can be at work on it when it starts."""
        return self.postgres is not None

    async def open(self) -> None:
        """Start, connect, migrate. errors of daemon.postgres."""
        if self.postgres is not None:
            self.dsn = await self.postgres.start()
        elif not self.dsn:
            assert self._settings.database_url is not None
            self.dsn = self._settings.database_url.get_secret_value()
        self.database = await Database.open(
            self.dsn, settings=BY_INDEX, starting_s=DATABASE_WAIT_S, progress=self._progress
        )
        connection = await self.database.dedicated()
        try:
            applied = await migrate(connection, schema=load_schema(), migrations=load_migrations())
            self.partitions = await fix_partitions(connection, self._settings.partitions)
        finally:
            await connection.close()
        log.info("database_opened", fresh=applied.fresh, partitions=self.partitions)

    async def keep(self) -> None:
        """Start the embedded server again whenever it ends, for ever."""
        assert self.postgres is not None
        while True:
            await self.postgres.wait_closed()
            log.error("postgres_ended")
            await self.postgres.start()
            log.info("postgres_restarted")

    async def close(self) -> None:
        """Disconnect, and stop what was started. Twice is fine."""
        if hasattr(self, "database"):
            await self.database.close()
        if self.postgres is not None:
            await self.postgres.stop()
