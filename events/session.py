"""One connection, kept open and used by one at a time; after trouble the next user gets a new one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from events.answering import GONE, answering

LOST: Final = (
    *GONE,
    asyncpg.InternalClientError,  # its protocol is out of step, as after a server died in the middle of a word
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)
"""After any of these the connection is of no more use."""
UNAVAILABLE: Final = (
    *LOST,
    asyncpg.QueryCanceledError,
    asyncpg.TooManyConnectionsError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
)


class Session:
    """Opened when it is first used."""

    def __init__(self, connect: Callable[[], Awaitable[asyncpg.Connection]]) -> None:
        self._connect = connect
        self._connection: asyncpg.Connection | None = None
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def use(self) -> AsyncIterator[asyncpg.Connection]:
        """The connection, for as long as the block lasts. Unavailable."""
        async with self._turn:
            with answering(*UNAVAILABLE):
                if self._connection is None or self._connection.is_closed():
                    self._connection = await self._connect()
                try:
                    yield self._connection
                except LOST:
                    lost, self._connection = self._connection, None
                    if lost is not None:
                        lost.terminate()
                    raise

    async def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            await self._connection.close(timeout=5)
            self._connection = None
