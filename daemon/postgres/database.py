"""The connections everything works with; none of them waits without end.

asyncpg's own defaults would: a pool hands out connections without a deadline, and a query has none either.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qs, urlsplit

import asyncpg

from daemon.postgres.errors import DatabaseBusy, DatabaseTooOld, DatabaseUnavailable
from daemon.postgres.waiting import NOT_YET, NotReadyError, until_ready

OLDEST_MAJOR = 15
CONNECT_TIMEOUT_S = 10.0
LOCK_TIMEOUT_S = 5.0
IDLE_IN_TRANSACTION_TIMEOUT_S = 30.0
CLOSE_TIMEOUT_S = 5.0
# The server gives up first and says why; the client's own deadline is for servers that vanished.
CLIENT_MARGIN_S = 5.0


@dataclass(frozen=True)
class Deadlines:
    """How long things may take, in seconds."""

    acquire_s: float
    statement_s: float

    @property
    def client_s(self) -> float:
        """When the client stops to wait for an answer."""
        return self.statement_s + CLIENT_MARGIN_S

    @property
    def server_settings(self) -> dict[str, str]:
        """What every session starts with."""
        return {
            "application_name": "hookd",
            "timezone": "UTC",
            "statement_timeout": _milliseconds(self.statement_s),
            "lock_timeout": _milliseconds(LOCK_TIMEOUT_S),
            "idle_in_transaction_session_timeout": _milliseconds(IDLE_IN_TRANSACTION_TIMEOUT_S),
        }


class Database:
    """A pool of read-only connections, and single ones for those who write."""

    def __init__(self, dsn: str, pool: asyncpg.Pool, deadlines: Deadlines) -> None:
        self._dsn = dsn
        self._pool = pool
        self._deadlines = deadlines

    @classmethod
    async def open(
        cls,
        dsn: str,
        *,
        readers: int = 4,
        acquire_timeout_s: float = 5,
        statement_timeout_s: float = 30,
        starting_s: float = 60,
        settings: Mapping[str, str] | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> Self:
        """Connect, waiting up to `starting_s` seconds for a server that is just starting.

        `settings` are PostgreSQL settings of the readers, on top of hookd's; `progress` hears of a long wait.
        Raises `DatabaseTooOld` for a server before PostgreSQL 15, `DatabaseUnavailable` if none answers in
        time or it refuses this address, for example for its password.
        """
        deadlines = Deadlines(acquire_timeout_s, statement_timeout_s)
        await _check_server(dsn, starting_s, progress or (lambda _text: None))
        pool = await asyncpg.create_pool(
            dsn,
            min_size=0,  # made when needed: a pool that keeps a floor complains aloud while the server is away
            max_size=readers,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=deadlines.client_s,
            server_settings={
                **deadlines.server_settings,
                "default_transaction_read_only": "on",
                **(settings or {}),
            },
        )
        return cls(dsn, pool, deadlines)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection that may only read, for as long as the block lasts.

        Raises `DatabaseBusy` if none became free in time and `DatabaseUnavailable` if the server is gone.
        """
        connection = await self._acquire()
        try:
            yield connection
        finally:
            await self._pool.release(connection)

    async def dedicated(self, settings: Mapping[str, str] | None = None) -> asyncpg.Connection:
        """A connection of the caller's own, which may write and which the caller closes.

        `settings` are PostgreSQL settings that win over hookd's. Raises `DatabaseUnavailable`.
        """
        try:
            return await asyncpg.connect(
                self._dsn,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=self._deadlines.client_s,
                server_settings=self._deadlines.server_settings | dict(settings or {}),
            )
        except NOT_YET as error:
            raise DatabaseUnavailable(f"no PostgreSQL answers at {place(self._dsn)}: {error}") from error

    async def close(self) -> None:
        """Close the pool; whatever is still in use after 5 s is cut off."""
        try:
            await asyncio.wait_for(self._pool.close(), CLOSE_TIMEOUT_S)
        except TimeoutError:
            self._pool.terminate()

    async def _acquire(self) -> asyncpg.Connection:
        allowed_s = self._deadlines.acquire_s
        try:
            return await self._pool.acquire(timeout=allowed_s)
        except TimeoutError as error:
            raise DatabaseBusy(f"no database connection became free within {allowed_s:g} s") from error
        except NOT_YET as error:
            raise DatabaseUnavailable(f"no PostgreSQL answers at {place(self._dsn)}: {error}") from error


def place(dsn: str) -> str:
    """An address fit for a message: without user and password."""
    parts = urlsplit(dsn)
    query = parse_qs(parts.query)
    host = parts.netloc.rpartition("@")[2] or query.get("host", ["localhost"])[0]
    return f"{host}{parts.path}"


async def _check_server(dsn: str, starting_s: float, progress: Callable[[str], None]) -> None:
    """Wait until the server answers and look at its version."""
    try:
        major = await until_ready(
            lambda: _major_version(dsn),
            ready_s=starting_s,
            report=lambda waited_s, answer: progress(
                f"no PostgreSQL answers at {place(dsn)} yet ({answer}); waited {waited_s:.0f} s of {starting_s:.0f} s"
            ),
        )
    except NotReadyError as error:
        raise DatabaseUnavailable(
            f"no PostgreSQL answered at {place(dsn)} within {starting_s:g} s: {error}"
        ) from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DatabaseUnavailable(f"PostgreSQL at {place(dsn)} refuses: {error}") from error
    if major < OLDEST_MAJOR:
        raise DatabaseTooOld(
            f"{place(dsn)} is PostgreSQL {major}, and hookd needs {OLDEST_MAJOR} or newer: upgrade it, "
            "or leave the address out to use the PostgreSQL that hookd brings along"
        )


async def _major_version(dsn: str) -> int:
    connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S)
    try:
        major: int = connection.get_server_version().major
        return major
    finally:
        await connection.close()


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))
