"""One client's connection: what lies between aiohttp's parser and the guard.

aiohttp's own loop makes a task and a writer for each request. Here one task serves the requests of a connection, and
an answer that is whole leaves in one write. Parsing, limits, flow control and idle connections are aiohttp's.

A client may send requests without waiting for answers (pipelining, RFC 9112 §9.3.2). They are answered in order, and
each begins when the one before it is answered; unless that one made way, see `Request.make_way`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, cast

from aiohttp import StreamReader, web
from aiohttp.http import RawRequestMessage, StreamWriter
from aiohttp.web_protocol import ERROR

from daemon.api.answer import Answer

UNDER_WAY_MAX: Final = 64  # requests of one connection that wait for their commit together

Handle = Callable[["Request"], Awaitable[web.StreamResponse]]


class Request(web.BaseRequest):
    """A request, and its place among those of its connection."""

    def __init__(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        connection: "Connection",
        handle: Handle,
        before: "Request | None",
    ) -> None:
        loop, size = connection.loop, connection.body_bytes_max
        task: Any = None  # for it nobody asks, and it would be a reference cycle
        super().__init__(
            message, payload, connection, StreamWriter(connection, loop), task, loop, client_max_size=size
        )
        self.connection = connection
        self.handle = handle
        self.before = before  # as long as that one is not answered
        self.made_way = False
        self.followed = False
        self.answered: asyncio.Future[None] | None = None

    def make_way(self) -> None:
        """Let the next request of the connection begin before this one is answered.

        Only for a handler whose next step is to ask the recorder, with no await before it, and that changes nothing
        afterwards. Then its command is in the recorder's queue before the next request is even looked at, and that
        queue is first in, first out: effects come in the order of the requests, and what is shared is the wait for
        the commit. Only operations declared as `pipelined` go on at once; any other waits for its `turn` first, so it
        finds done whatever was asked before it.
        """
        self.made_way = True
        self.connection.hand_on()

    async def turn(self) -> None:
        """Wait until every request before this one is answered."""
        if self.before is not None:
            self.before.answered = self.connection.loop.create_future()
            await self.before.answered


class Connection(web.RequestHandler):
    """Serves the requests of one client.

    Of its tasks the latest takes the next request; those before it only finish what they have begun.
    """

    __slots__ = ("_tasks", "_under_way", "body_bytes_max", "loop")

    def __init__(self, server: web.Server, loop: asyncio.AbstractEventLoop, body_bytes_max: int) -> None:
        super().__init__(server, loop=loop, access_log=None)  # type: ignore[arg-type]
        self.loop = loop
        self.body_bytes_max = body_bytes_max
        self._under_way: list[Request] = []  # in their order
        self._tasks: set[asyncio.Task[None]] = set()  # all but the latest

    def data_received(self, data: bytes) -> None:
        """Take what has arrived."""
        super().data_received(data)
        self.hand_on()

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002
        """Read on, if reading was stopped; the reader of a body asks for it each time."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109
        """Let what is under way end, and end what does not."""
        try:
            await super().shutdown(timeout)
        finally:
            for task in self._tasks:
                task.cancel()

    def hand_on(self) -> None:
        """Have a task of its own serve the next request, if the latest made way and the next one is here whole."""
        under_way = self._under_way
        if not under_way or not under_way[-1].made_way or not self._messages or not self._messages[0][1].is_eof():
            return
        older = self._task_handler  # None: one of those before ends the connection, with its answer or without
        if len(under_way) >= UNDER_WAY_MAX or self._close or self._force_close or older is None:
            return
        under_way[-1].followed = True
        self._tasks.add(older)
        older.add_done_callback(self._tasks.discard)
        self._task_handler = self.loop.create_task(self._serve_on(self._take()))

    # --- the loop

    async def start(self) -> None:
        """Serve one request after the other."""
        await self._serve_on(None)

    async def _serve_on(self, request: Request | None) -> None:
        """Serve a request and those after it, until the connection ends or another task serves the next one."""
        try:
            while True:
                if request is None:
                    if not self._messages and not self._close:
                        self._waiter = self.loop.create_future()
                        await self._waiter
                        self._waiter = None
                    if self._close or self._force_close:
                        break
                    request = self._take()
                if not await self._serve(request):
                    break
                if request.followed:
                    return
                request = None
                self._idle_from_now()
        except ConnectionError:
            pass  # the client has left
        except Exception as error:  # noqa: BLE001 the guard answers all that can be answered
            self.log_exception("Unhandled exception", exc_info=error)
            self.force_close()
        except BaseException:
            if request is not None:
                self.force_close()
            raise
        if not self._force_close:
            self._task_handler = None
            if self.transport is not None:
                self.transport.close()

    def _idle_from_now(self) -> None:
        """Set the time at which aiohttp closes the connection, if nothing arrives."""
        self._next_keepalive_close_time = self.loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = self.loop.call_at(self._next_keepalive_close_time, self._process_keepalive)

    def _take(self) -> Request:
        message, payload = self._messages.popleft()
        handle: Any = self._request_handler
        if not isinstance(message, RawRequestMessage):  # the parser found that it is none
            handle, message = self._make_error_handler(message), ERROR
        under_way = self._under_way
        request = Request(message, payload, self, handle, under_way[-1] if under_way else None)
        under_way.append(request)
        self._current_request = request
        self._request_in_progress = True
        assert self._parser is not None
        assert self._manager is not None
        self._manager.requests_count += 1
        self._parser.message_consumed()
        if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
            self._resume_reading_if_drained()
        return request

    async def _serve(self, request: Request) -> bool:
        """Serve one request; whether the connection stays."""
        response: web.StreamResponse
        try:
            try:
                response = await request.handle(request)
            except web.HTTPException as raised:  # a redirect
                response = raised
            if request.before is not None:
                await request.turn()
            if not isinstance(response, Answer) or self._upgraded:
                _, gone = await self.finish_response(request, response, None)
            else:
                gone = not self._send(request, response)
                if self._paused:
                    await self._drain_helper()
            self._keepalive = bool(response.keep_alive) and not gone
            payload = request.content
            return self._keepalive and (payload.is_eof() or await self._is_read_off(payload))
        finally:
            self._end(request)

    def _send(self, request: Request, answer: Answer) -> bool:
        transport = self.transport
        if transport is None or transport.is_closing():
            return False
        if not answer.prepared:
            transport.write(answer.begin(request))
        return True

    async def _is_read_off(self, payload: StreamReader) -> bool:
        """Read for a while what nobody wanted, so that the client may read its answer; whether all of it came."""
        if self._force_close:
            return False
        with suppress(TimeoutError):
            async with asyncio.timeout(self._lingering_time):
                while not payload.is_eof():
                    await payload.readany()
        return payload.is_eof()

    def _end(self, request: Request) -> None:
        """Strike a request off: it is answered, or never will be."""
        under_way = self._under_way
        under_way.remove(request)
        if request.answered is not None and not request.answered.done():
            request.answered.set_result(None)
        if under_way:
            if under_way[0].before is request:
                under_way[0].before = None
            self.hand_on()
            return
        self._current_request = None
        self._request_in_progress = False
        if self._handler_waiter is not None and not self._handler_waiter.done():
            self._handler_waiter.set_result(None)


class Server(web.Server):
    """Makes a connection for each client."""

    def __init__(self, handle: Handle, *, body_bytes_max: int) -> None:
        """Take the handler of every request; `Request.read` refuses a larger body."""
        super().__init__(cast("Any", handle))
        self._body_bytes_max = body_bytes_max

    def __call__(self) -> web.RequestHandler:
        """Serve one more client."""
        return Connection(self, asyncio.get_running_loop(), self._body_bytes_max)
