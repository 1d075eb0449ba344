"""The server: a connection for each client, and one timer for all of them."""

import asyncio
from typing import Any, Final, cast

from aiohttp import web

from daemon.api.connection import Connection, Guard

REVIEW_S: Final = 1.0


class Server(web.Server):
    """Makes a connection for each client, and knows them all; sockets and the order of the end are aiohttp's."""

    def __init__(self, guard: Guard, *, body_bytes_max: int) -> None:
        """Take what answers every request; a larger body is answered with 413."""
        super().__init__(cast("Any", guard))
        self.guard = guard
        self._body_bytes_max = body_bytes_max
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self) -> Any:
        """Serve one more client."""
        return Connection(self, self.guard, self._loop, self._body_bytes_max)

    def connection_made(self, connection: Any, transport: Any) -> None:
        """Take note of a client."""
        super().connection_made(connection, transport)
        if self._timer is None:
            self._look_again()

    def connection_lost(self, connection: Any, exc: BaseException | None = None) -> None:  # noqa: ARG002
        """Forget a client that left."""
        self._connections.pop(connection, None)
        if not self._connections and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def review(self, now: float) -> None:
        """Close the connections on which nothing happens any more. `now` is the loop's time, in seconds."""
        for connection in cast("list[Connection]", self.connections):
            connection.review(now)

    def _look_again(self) -> None:
        self._timer = self._loop.call_later(REVIEW_S, self._look)

    def _look(self) -> None:
        self._look_again()
        self.review(self._loop.time())
