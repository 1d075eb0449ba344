"""One client's connection: requests in, answers out, in their order.

A client may send requests without waiting for answers (pipelining, RFC 9112 §9.3.2). They are answered in order,
and each begins when those before it are answered; unless all of these only wait for their commit, and it asks for no
more than a commit itself: see `Asked`. Such a request has no task: it begins when its bytes are there, and is
answered when the recorder is done. Any other has a task of its own.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine
from functools import partial
from time import monotonic
from typing import Any, Final, Protocol, cast

import structlog
from aiohttp.tcp_helpers import tcp_keepalive

from daemon.api.answer import Answer
from daemon.api.asked import Asked
from daemon.api.reader import PIECE_BYTES_MAX, RequestReader
from daemon.api.request import Request

log = structlog.get_logger()

UNDER_WAY_MAX: Final = 64  # requests of one connection that wait for their commit together
UNDER_WAY_BODIES_MAX: Final = 4  # of the greatest bodies
BEGUN_MAX: Final = 64  # requests of one connection that are begun in one turn of the loop
BEGIN_S: Final = 0.005  # none is begun in a turn that has taken so long: a batch takes as long as many messages
WAITING_MAX: Final = 64  # requests of one connection that are read and not begun
KEEP_ALIVE_S: Final = 3630.0  # longer than a proxy's, which so is never the one surprised
REQUEST_S: Final = 60.0  # from its first byte to its last, and for each part of the answers to be taken
LINGER_S: Final = 10.0  # for what nobody wants to be read off, so that the client may read why

_NOTHING: Final = memoryview(b"")
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

Finished = Answer | Coroutine[Any, Any, Answer]
Begun = Finished | Asked


class Guard(Protocol):
    """What answers requests, whatever they are."""

    def begin(self, request: Request, *, alone: bool) -> Begun | None:
        """Begin. None: not before those ahead of it are answered, if it is not `alone`."""

    def finish(self, request: Request) -> Finished:
        """Go on with one that was `Asked`, now that its answer is there."""


class Owner(Protocol):
    """Who knows all connections."""

    def connection_made(self, connection: Any, transport: Any) -> None:
        """Learn of a new one."""

    def connection_lost(self, connection: Any, exc: BaseException | None = None) -> None:
        """Forget one that is over, with all it had to do."""


class Connection(asyncio.Protocol):
    """Serves the requests of one client."""

    __slots__ = (
        "_body_bytes_max",
        "_guard",
        "_held_bytes",
        "_held_bytes_max",
        "_idle",
        "_leaving",
        "_loop",
        "_lost",
        "_owner",
        "_paused",
        "_reader",
        "_reads",
        "_rest",
        "_since",
        "_state",
        "_stuck",
        "_tasks",
        "_transport",
        "_under_way",
    )

    def __init__(self, owner: Owner, guard: Guard, loop: asyncio.AbstractEventLoop, body_bytes_max: int) -> None:
        self._owner = owner
        self._guard = guard
        self._loop = loop
        self._reader = RequestReader(body_bytes_max)
        self._body_bytes_max = body_bytes_max
        self._rest = _NOTHING  # received, and to be read when those before it have begun
        self._reads = False  # it goes on in the next turn of the loop
        self._under_way: deque[Request] = deque()  # begun and not answered, in their order
        self._held_bytes = 0  # by them and those answered since there were none; it comes back to the client, mostly
        self._held_bytes_max = UNDER_WAY_BODIES_MAX * body_bytes_max
        self._tasks: set[asyncio.Task[None]] = set()
        self._paused = False  # nothing is received: too much waits
        self._stuck = False  # the client does not take what it is sent
        self._leaving = False
        self._lost = False
        self._idle: asyncio.Future[None] | None = None  # for whoever waits until nothing is left to do
        self._state: object = None  # when it was looked at last
        self._since = loop.time()  # it was first seen so
        self._transport: asyncio.Transport

    # --- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        tcp_keepalive(self._transport)
        self._owner.connection_made(self, self._transport)

    def data_received(self, data: bytes) -> None:
        """Read on, and begin what is whole."""
        try:
            if self._reads or self._rest or len(data) > PIECE_BYTES_MAX:
                self._rest = memoryview(bytes(self._rest) + data if self._rest else data)
                if self._reads:
                    self._mind_the_queue()
                else:
                    self._read_rest()
                return
            self._reader.feed(data)
            self._go_on()
            if self._reader.whole:
                self._mind_the_queue()
        except Exception as error:  # noqa: BLE001 the guard answers all that can be answered
            self._break_off(error)

    def pause_writing(self) -> None:
        """Begin nothing more: the client does not take what it was sent."""
        self._stuck = True

    def resume_writing(self) -> None:
        """Go on."""
        self._stuck = False
        try:
            self._write_what_is_answered()
        except Exception as error:  # noqa: BLE001 as above
            self._break_off(error)

    def eof_received(self) -> bool:
        """Answer what has come: the client sends no more, and may listen still. Whoever reads a stream has left."""
        self._reader.end()
        if self._under_way and self._under_way[0].begun:
            return False
        self.close()
        return not self._transport.is_closing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what nobody would read. What runs, runs to its end."""
        self._lost = True
        self._reader.end()
        self._reader.whole.clear()
        self._under_way.clear()
        self._rest = _NOTHING
        if not self._tasks:
            self._forget(exc)

    def _forget(self, exc: BaseException | None = None) -> None:
        self._owner.connection_lost(self, exc)
        self._rest_if_nothing_is_left()

    def _break_off(self, error: BaseException) -> None:
        log.error("connection_failed", exc_info=error)
        self._transport.abort()

    # --- requests

    def _go_on(self) -> None:
        """Begin what may begin: so many that others get their turn, and the rest in the next."""
        whole, under_way = self._reader.whole, self._under_way
        begun, until = 0, 0.0
        while whole and not self._stuck:
            if under_way and (
                under_way[-1].runs or len(under_way) >= UNDER_WAY_MAX or self._held_bytes >= self._held_bytes_max
            ):
                return
            if self._transport.is_closing():
                whole.clear()
                return
            if begun == 0:
                until = monotonic() + BEGIN_S
            elif begun >= BEGUN_MAX or monotonic() > until:
                self._read_later()
                return
            begun += 1
            request = whole.popleft()
            if not self._begin(request):
                whole.appendleft(request)
                return
        if not under_way and not whole and (self._reader.expects or self._reader.ended):
            self._nothing_waits()

    def _begin(self, request: Request) -> bool:
        """Begin a request; False if it has to wait for its turn."""
        under_way = self._under_way
        request.transport = self._transport
        begun = self._guard.begin(request, alone=not under_way)
        if type(begun) is Asked:
            request.asked = begun
            self._held_bytes += len(request.sent)
            under_way.append(request)
            begun.answer.add_done_callback(partial(self._committed, request))
        elif isinstance(begun, Answer):
            if under_way:
                request.answer = begun
                self._held_bytes += len(request.sent)
                under_way.append(request)
            else:
                self._write(request, begun)
        elif begun is None:
            return False
        else:
            under_way.append(request)
            self._run(request, cast("Coroutine[Any, Any, Answer]", begun))
        return True

    def _run(self, request: Request, coroutine: Coroutine[Any, Any, Answer]) -> None:
        """Answer a request in a task of its own."""
        request.runs = True
        task = self._loop.create_task(self._answer(request, coroutine))
        self._tasks.add(task)
        task.add_done_callback(self._ran)

    async def _answer(self, request: Request, coroutine: Coroutine[Any, Any, Answer]) -> None:
        request.answer = await coroutine
        self._write_what_is_answered()

    def _ran(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            if not self._transport.is_closing():
                self._break_off(asyncio.CancelledError())  # nobody would answer this request, nor those after it
        elif (error := task.exception()) is not None:
            self._break_off(error)
        if self._lost and not self._tasks:
            self._forget()

    def _committed(self, request: Request, answered: "asyncio.Future[Any]") -> None:
        """Go on with a request whose command is answered."""
        if self._transport.is_closing():
            if not answered.cancelled():
                answered.exception()  # else it would be said that nobody has asked
            return
        try:
            answer = self._guard.finish(request)
            if isinstance(answer, Answer):
                request.answer = answer
                self._write_what_is_answered()
            else:
                self._run(request, answer)
        except Exception as error:  # noqa: BLE001 the guard answers all that can be answered
            self._break_off(error)

    # --- answers

    def _write_what_is_answered(self) -> None:
        """Write the answers whose turn it is, begin what waited for that, and receive again if there is room now."""
        under_way = self._under_way
        while under_way and under_way[0].answer is not None:
            request = under_way.popleft()
            self._write(request, request.answer)
        if not under_way:
            self._held_bytes = 0
        self._go_on()
        if self._paused and not self._reads:
            self._read_rest()

    def _write(self, request: Request, answer: Answer) -> None:
        transport = self._transport
        if transport.is_closing():
            return
        stays = request.keep_alive and not answer.closes and not (self._leaving and self._is_last)
        if not request.begun:
            transport.write(answer.written(request, stays=stays))
        if not stays:
            self._close()

    @property
    def _is_last(self) -> bool:
        """Whether nothing is to be answered after what is written now."""
        return self._reader.ended and not self._under_way and not self._reader.whole

    def _nothing_waits(self) -> None:
        """Ask for a body that its client holds back until then; or close, if nothing can come any more."""
        reader = self._reader
        if self._transport.is_closing():
            return
        if reader.expects:
            reader.expects = False
            self._transport.write(_CONTINUE)
        elif reader.ended:
            self._close()

    def _close(self) -> None:
        """Close when all that was written has left."""
        self._reader.end()
        self._reader.whole.clear()
        self._rest = _NOTHING
        self._transport.close()

    # --- flow control

    def _read_rest(self) -> None:
        """Read what was received as long as it can be begun: a piece in each turn of the loop, others wait too."""
        self._reads = False
        try:
            if self._rest and not self._is_full():
                piece, self._rest = self._rest[:PIECE_BYTES_MAX], self._rest[PIECE_BYTES_MAX:]
                self._reader.feed(piece)
            self._go_on()
            if self._rest and not self._is_full():
                self._read_later()
            self._mind_the_queue()
        except Exception as error:  # noqa: BLE001 as above
            self._break_off(error)

    def _read_later(self) -> None:
        if not self._reads:
            self._reads = True
            self._loop.call_soon(self._read_rest)

    def _is_full(self) -> bool:
        waiting = self._reader.whole
        return len(waiting) >= WAITING_MAX or sum(len(each.sent) for each in waiting) >= self._body_bytes_max

    def _mind_the_queue(self) -> None:
        """Receive no more while too much waits."""
        if self._transport.is_closing():
            return
        too_much = self._reads or bool(self._rest) or self._is_full()
        if too_much is not self._paused:
            self._paused = too_much
            (self._transport.pause_reading if too_much else self._transport.resume_reading)()

    # --- time

    def review(self, now: float) -> None:
        """Close a connection on which nothing happens any more. `now` is the loop's time, in seconds."""
        try:
            if not self._lost:
                self._review(now)
        except Exception as error:  # noqa: BLE001 as above, and others are to be looked at
            self._break_off(error)

    def _review(self, now: float) -> None:
        reader, under_way, closing = self._reader, self._under_way, self._transport.is_closing()
        unsent = self._transport.get_write_buffer_size() if self._stuck or closing else 0
        state = (reader.received, reader.receiving, unsent, len(under_way), closing)
        if state != self._state:
            self._state, self._since = state, now
            return
        quiet_s = now - self._since
        if closing:
            if quiet_s >= REQUEST_S:
                self._transport.abort()  # the client does not take the last of its answers
        elif self._stuck:
            if quiet_s >= REQUEST_S and not (under_way and under_way[0].begun):
                self._transport.abort()
        elif under_way or reader.whole:
            return
        elif not reader.receiving:
            if quiet_s >= KEEP_ALIVE_S:
                self._close()
        elif quiet_s >= (LINGER_S if reader.discarding else REQUEST_S):
            reader.give_up()
            self._go_on()

    # --- the end

    def close(self) -> None:
        """Serve what has begun to come, and nothing after it."""
        self._leaving = True
        self._reader.finish()
        if not self._under_way and not self._reader.whole:
            self._nothing_waits()

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109
        """Let what is under way end, and end what does not. `timeout` is in seconds."""
        self.close()
        if not self._is_idle:
            self._idle = self._loop.create_future()
            await asyncio.wait((self._idle,), timeout=timeout)
        for task in self._tasks:
            task.cancel()
        self._transport.abort()

    @property
    def _is_idle(self) -> bool:
        return self._lost and not self._tasks

    def _rest_if_nothing_is_left(self) -> None:
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)
