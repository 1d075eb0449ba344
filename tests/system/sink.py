"""A receiver of webhooks on a real socket that only keeps what was received, so that it is fast enough for load."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Self

PATIENCE_S = 30.0
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class Sink:
    """Answers 200 to everything while `answering`; else it takes requests and is silent."""

    def __init__(self, *, answering: bool = True) -> None:
        self.answering = answering
        self.arrivals: Counter[str] = Counter()  # by webhook-id
        self.stamps: list[tuple[float, bytes]] = []  # when, and the body
        self._stirred = asyncio.Condition()
        self._waiting: list[asyncio.Transport] = []
        self._open: set[asyncio.Transport] = set()
        self._tellers: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Conversation(self), "127.0.0.1", 0, backlog=4096)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for transport in tuple(self._open):
            transport.abort()
        await asyncio.gather(*self._tellers)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """Where to post to."""
        return f"http://127.0.0.1:{self.port}/hook"

    async def until(self, happened: Callable[[], bool], within_s: float = PATIENCE_S) -> None:
        """Wait for something that depends on what arrived. TimeoutError."""
        async with asyncio.timeout(within_s), self._stirred:
            await self._stirred.wait_for(happened)

    def answer_all(self) -> None:
        """Answer what was left waiting, and everything from now on."""
        self.answering = True
        for transport in self._waiting:
            transport.write(_ANSWER)
        self._waiting.clear()

    def opened(self, transport: asyncio.Transport) -> None:
        """A connection came."""
        self._open.add(transport)

    def closed(self, transport: asyncio.Transport) -> None:
        """A connection went."""
        self._open.discard(transport)
        if transport in self._waiting:
            self._waiting.remove(transport)

    def take(self, transport: asyncio.Transport, head: bytes, body: bytes) -> None:
        """One whole request."""
        identity = head.partition(b"webhook-id: ")[2].partition(b"\r\n")[0].decode()
        self.arrivals[identity] += 1
        self.stamps.append((time.monotonic(), body))
        if self.answering:
            transport.write(_ANSWER)
        else:
            self._waiting.append(transport)
        if not self._tellers:
            teller = asyncio.get_running_loop().create_task(self._tell())
            self._tellers.add(teller)
            teller.add_done_callback(self._tellers.discard)

    async def _tell(self) -> None:
        async with self._stirred:
            self._stirred.notify_all()


class _Conversation(asyncio.Protocol):
    """One connection; hookd writes one request at a time."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._sink.opened(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._sink.closed(self._transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, found, rest = self._data.partition(b"\r\n\r\n")
        size = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        if found and len(rest) >= size:
            self._data = rest[size:]
            self._sink.take(self._transport, head, rest[:size])
