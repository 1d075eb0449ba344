"""The transport as its users see it: post a request, hear how it ended."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from daemon.transport.connection import Connection
from daemon.transport.destination import Destination
from daemon.transport.dialer import Dialer, DialError
from daemon.transport.exchange import Done, Exchange
from daemon.transport.guard import Guard
from daemon.transport.idle import IdlePool
from daemon.transport.resolver import Resolver
from daemon.transport.sweep import Sweep
from daemon.transport.tls import TlsContext
from events.outcome import Fault, Outcome

_SHUT_DOWN = "shut down"
_TIMER_EARLY_S = 0.005  # uvloop counts in milliseconds and may wake before the time asked for


class TransportStats(msgspec.Struct, frozen=True):
    """Counters since the start, and how things stand now."""

    opened: int  # connections made
    reused: int  # requests sent on a kept connection
    retried_stale: int  # requests sent again, because their kept connection had ended
    open: int
    idle: int
    in_flight: int


class Transport:
    """Sends HTTP/1.1 requests over kept connections. Belongs to the event loop it was made in.

    On a kept connection a request costs one write and no task, future or timer of its own: deadlines are
    fields, looked at by one sweep, so a timeout comes up to `sweep_s` late. `spawn` runs a short job under a
    name. The resolver is the caller's to close.
    """

    def __init__(
        self,
        *,
        guard: Guard,
        resolver: Resolver,
        tls: TlsContext,
        spawn: Callable[[str, Coroutine[Any, Any, None]], object],
        connect_timeout_s: float = 5.0,
        idle_s: float = 60.0,
        idle_max_per_origin: int = 64,
        idle_max_total: int = 4096,
        sweep_s: float = 0.25,
    ) -> None:
        self._dialer = Dialer(guard=guard, resolver=resolver, tls=tls)
        self._tls = tls
        self._spawn = spawn
        self._connect_timeout_s = connect_timeout_s
        self._idle_s = idle_s
        self._loop = asyncio.get_running_loop()
        self._idle = IdlePool(idle_max_per_origin, idle_max_total)
        self._sweep = Sweep(self._loop, sweep_s, self._review)
        self._connections: set[Connection] = set()
        self._dialing: set[Exchange] = set()
        self._closing = False
        self._stirred = asyncio.Event()  # something ended while closing
        self._in_flight = 0
        self._opened = 0
        self._reused = 0
        self._retried = 0

    @property
    def in_flight(self) -> int:
        """Requests whose outcome is still open."""
        return self._in_flight

    @property
    def stats(self) -> TransportStats:
        """A snapshot for the metrics."""
        return TransportStats(
            opened=self._opened,
            reused=self._reused,
            retried_stale=self._retried,
            open=len(self._connections),
            idle=len(self._idle),
            in_flight=self._in_flight,
        )

    def post(self, destination: Destination, head: bytes, body: bytes, timeout_s: float, done: Done) -> None:
        """Send a request; `done` hears its outcome, once, never from within this call.

        `head` is the whole head as it goes out, Host, Content-Length and the blank line included.
        `timeout_s` covers all, resolving and connecting too. Nothing the world does raises here.
        """
        now = self._loop.time()
        exchange = Exchange(destination, head + body, now, now + timeout_s, done)
        self._in_flight += 1
        if self._closing:
            self._loop.call_soon(self._fail, exchange, Fault.INTERNAL, _SHUT_DOWN)
            return
        connection = self._idle.take(destination.origin)
        if connection is None:
            self._dial(exchange)
        else:
            self._reused += 1
            connection.send(exchange)

    async def close(self, grace_s: float) -> None:
        """Take no more requests, wait up to `grace_s` for those under way, then end the rest as INTERNAL."""
        self._closing = True
        for connection in self._idle.drain():
            connection.abort()
        await self._drained(grace_s)
        for exchange in tuple(self._dialing):
            self._fail(exchange, Fault.INTERNAL, _SHUT_DOWN)
        for connection in tuple(self._connections):
            connection.fail(Fault.INTERNAL, _SHUT_DOWN)
        self._sweep.disarm()
        await asyncio.sleep(0)  # the aborted sockets are closed in the loop's next turn

    async def _drained(self, grace_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                while self._in_flight:
                    self._stirred.clear()
                    await self._stirred.wait()

    # Opening

    def _dial(self, exchange: Exchange) -> None:
        self._dialing.add(exchange)
        self._sweep.arm()
        self._spawn("dial", self._open_and_send(exchange))

    async def _open_and_send(self, exchange: Exchange) -> None:
        try:
            connection = await self._open(exchange)
        except DialError as error:
            overdue = self._loop.time() >= exchange.deadline_at - _TIMER_EARLY_S
            self._fail(exchange, Fault.TIMEOUT if overdue else error.fault, str(error))
        except asyncio.CancelledError:
            self._fail(exchange, Fault.INTERNAL, _SHUT_DOWN)
            raise
        except Exception as error:  # whatever it is, the caller must hear of it
            self._fail(exchange, Fault.INTERNAL, repr(error))
            raise
        else:
            self._adopt(connection, exchange)

    async def _open(self, exchange: Exchange) -> Connection:
        by = min(self._loop.time() + self._connect_timeout_s, exchange.deadline_at)
        destination = exchange.destination
        return await self._dialer.dial(
            destination, by, lambda: Connection(destination.origin, destination.tls_name, self, self._loop)
        )

    def _adopt(self, connection: Connection, exchange: Exchange) -> None:
        self._dialing.discard(exchange)
        self._opened += 1
        self._connections.add(connection)
        if exchange.ended:
            connection.abort()
        else:
            connection.send(exchange)

    # What connections tell their owner

    def answered_first(self, connection: Connection) -> None:
        """Keep the TLS session, whose ticket came with the answer."""
        if connection.tls is not None:
            self._tls.remember(connection.tls_name, connection.tls)

    def released(self, connection: Connection) -> None:
        """Keep the connection for the next request."""
        surplus = connection if self._closing else self._idle.put(connection)
        if surplus is not None:
            surplus.abort()

    def gone(self, connection: Connection) -> None:
        """Forget the connection."""
        self._idle.discard(connection)
        self._connections.discard(connection)

    def stale(self, exchange: Exchange) -> None:
        """Send again, on a new connection, within the old deadline."""
        exchange.retried = True
        self._retried += 1
        self._dial(exchange)

    def ended(self, exchange: Exchange, outcome: Outcome) -> None:
        """Tell the caller."""
        self._in_flight -= 1
        if self._closing:
            self._stirred.set()
        exchange.end(outcome)

    def _fail(self, exchange: Exchange, fault: Fault, detail: str) -> None:
        self._dialing.discard(exchange)
        if not exchange.ended:
            self.ended(exchange, exchange.failure(fault, self._loop.time(), detail))

    def _review(self, now: float) -> bool:
        """End what is overdue, close what was idle too long; say whether anything is left to watch."""
        idle_before = now - self._idle_s
        for connection in tuple(self._connections):
            connection.review(now, idle_before)
        for exchange in [each for each in self._dialing if each.deadline_at <= now]:
            self._fail(exchange, Fault.TIMEOUT, "no connection within the deadline")
        return bool(self._connections or self._dialing)
