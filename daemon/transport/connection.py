"""One connection: writes a request, feeds the answer to its reader, and tells its owner how it went.

No task, no future and no timer belong to a request: the owner's sweep calls `review` instead.
"""

import asyncio
import ssl
from typing import Protocol, cast

import structlog

from daemon.transport.answer import WHOLE, AnswerReader, Progress
from daemon.transport.destination import Origin
from daemon.transport.exchange import Exchange
from events.outcome import Fault, Outcome

log = structlog.get_logger()


class Owner(Protocol):
    """Who keeps connections and answers for exchanges."""

    def answered_first(self, connection: "Connection") -> None:
        """Learn what a new connection has to teach, before anything else is done with it."""

    def released(self, connection: "Connection") -> None:
        """Take a connection back that can carry another request."""

    def gone(self, connection: "Connection") -> None:
        """Forget a connection. May come more than once."""

    def stale(self, exchange: Exchange) -> None:
        """Send a request again: its kept connection had ended unnoticed."""

    def ended(self, exchange: Exchange, outcome: Outcome) -> None:
        """Pass on how a request ended."""


class Connection(asyncio.Protocol):
    """Carries one request at a time (no pipelining, RFC 9112 §9.3.2)."""

    __slots__ = (
        "_answer",
        "_early_end",
        "_exchange",
        "_loop",
        "_owner",
        "_transport",
        "idle_since",
        "origin",
        "served",
        "tls_name",
    )

    def __init__(self, origin: Origin, tls_name: str, owner: Owner, loop: asyncio.AbstractEventLoop) -> None:
        self.origin = origin
        self.tls_name = tls_name
        self.served = 0
        self.idle_since = loop.time()
        self._answer = AnswerReader()
        self._exchange: Exchange | None = None
        self._loop = loop
        self._owner = owner
        self._early_end: tuple[Fault, str] | None = None  # it ended before its first request was written
        self._transport: asyncio.Transport

    @property
    def busy(self) -> bool:
        """Whether a request is on its way."""
        return self._exchange is not None

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS side of the connection, None on plain TCP."""
        return cast("ssl.SSLObject | None", self._transport.get_extra_info("ssl_object"))

    def send(self, exchange: Exchange) -> None:
        """Write a request in one piece. Only on a connection that is not busy."""
        self._exchange = exchange
        if self._early_end is not None:
            self.fail(*self._early_end)
            return
        try:
            self._transport.write(exchange.request)
        except Exception as error:  # noqa: BLE001  # uvloop raises on a handle it has just closed
            self._cut(error)

    def review(self, now: float, idle_before: float) -> None:
        """End a request past its deadline; close a connection idle since before `idle_before`."""
        exchange = self._exchange
        if exchange is None:
            if self.idle_since <= idle_before:
                self.abort()
        elif exchange.deadline_at <= now:
            seconds = exchange.deadline_at - exchange.began_at
            self.fail(Fault.TIMEOUT, f"no whole answer within {seconds:.3g} s")

    def fail(self, fault: Fault, detail: str) -> None:
        """End the request under way, if any, and the connection with it."""
        exchange, self._exchange = self._exchange, None
        self.abort()
        if exchange is not None:
            duration_ms = exchange.duration_ms(self._loop.time())
            self._owner.ended(exchange, self._answer.failure(fault, duration_ms, detail))

    def abort(self) -> None:
        """Close at once. Under TLS a farewell is said, and none waited for."""
        self._owner.gone(self)
        self._transport.abort()

    # What the event loop calls. An exception here would end in its logs, and the request in limbo.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: the handshake, if any, is over."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        """Read on. Bytes that nobody asked for make the connection worthless (RFC 9112 §9.2)."""
        try:
            if self._exchange is None:
                self._end_early(Fault.PROTOCOL, "bytes came that were no answer to a request")
                return
            progress = self._answer.feed(data)
            if progress is WHOLE or progress is Progress.DROPPED:
                self._finish(self._exchange)
            elif progress is Progress.BROKEN:
                self.fail(Fault.PROTOCOL, self._answer.problem)
        except Exception as error:
            log.exception("connection_failed", origin=self.origin)
            self.fail(Fault.INTERNAL, repr(error))

    def eof_received(self) -> bool:
        """Take the peer's end of sending as the end: nothing more can come."""
        self._cut(None)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """End what is still under way."""
        self._cut(exc)

    def _finish(self, exchange: Exchange) -> None:
        """Free the connection first: the caller may post again from within its callback."""
        answer = self._answer
        now = self._loop.time()
        outcome = answer.outcome(exchange.duration_ms(now))
        # A request only half written when its answer comes would be the beginning of the next one.
        reusable = answer.reusable and not self._transport.get_write_buffer_size()
        self.served += 1
        if self.served == 1:
            self._owner.answered_first(self)
        self._exchange = None
        if reusable:
            self.idle_since = now
            answer.reset()
            self._owner.released(self)
        else:
            self.abort()
        self._owner.ended(exchange, outcome)

    def _cut(self, reason: Exception | None) -> None:
        """The connection ended, by the peer or by the network."""
        exchange = self._exchange
        if exchange is None:
            self._end_early(*self._diagnosis(reason))
        elif reason is None and self._answer.close() is WHOLE:
            self._finish(exchange)
        elif self.served and not exchange.retried and not self._answer.received_bytes:
            self._exchange = None
            self.abort()
            self._owner.stale(exchange)
        else:
            self.fail(*self._diagnosis(reason))

    def _end_early(self, fault: Fault, detail: str) -> None:
        """End while idle. A new connection may do so before its request is there, which then must know."""
        if self._early_end is None:
            self._early_end = (fault, detail)
            self.abort()

    def _diagnosis(self, reason: Exception | None) -> tuple[Fault, str]:
        before = self._answer.received_bytes == 0
        # In TLS 1.3 a refused client hears of it only after its own handshake is over.
        fault = Fault.TLS if before and isinstance(reason, ssl.SSLError) else Fault.RESET
        place = "before the answer" if before else "in the middle of the answer"
        return fault, f"the connection ended {place}: {reason!r}" if reason else f"closed {place}"
