"""A webhook endpoint on a real loopback socket that answers as told, badly if need be.

    async with Receiver(reply(), hang_up) as receiver:
        ...  # the first request gets 200, every later one an end of file
        assert receiver.requests[0].body == b"{}"

Answers go by the order of requests over all connections; the last one repeats.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Self

_PATIENCE_S = 10.0  # only bounds a failing test
_LINGER_NONE = struct.pack("ii", 1, 0)  # closing then sends RST


@dataclass
class Request:
    """One request as it came."""

    head: bytes
    body: bytes
    connection: int  # counted from 0, in the order they were accepted

    @property
    def headers(self) -> dict[str, str]:
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}


@dataclass
class Turn:
    """A request and the means to answer it."""

    request: Request
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def end(self) -> None:
        """Close in good order: all that was sent arrives, then the end of file."""
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    def reset(self) -> None:
        """Close with RST."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
        self.writer.transport.abort()


Answer = Callable[[Turn], Awaitable[None]]


def reply(status: int = 200, body: bytes = b"ok", headers: str = "") -> Answer:
    """Answer well; `headers` are lines that end in CRLF."""
    head = f"HTTP/1.1 {status} Whatever\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return raw(head.encode("latin-1") + body)


def raw(*pieces: bytes, then: Answer | None = None) -> Answer:
    """Send these bytes, whatever they are, each with a write of its own."""

    async def answer(turn: Turn) -> None:
        for piece in pieces:
            await turn.send(piece)
        if then is not None:
            await then(turn)

    return answer


async def hang_up(turn: Turn) -> None:
    """End the connection in good order."""
    await turn.end()


async def reset(turn: Turn) -> None:
    """End the connection with RST."""
    turn.reset()


async def hang(turn: Turn) -> None:
    """Send nothing more, until the client goes."""
    await turn.reader.read()


def drip(head: bytes, drop: bytes, every_s: float) -> Answer:
    """Answer, and never come to an end of it."""

    async def answer(turn: Turn) -> None:
        await turn.send(head)
        while True:
            await turn.send(drop)
            await asyncio.sleep(every_s)

    return answer


def when(gate: asyncio.Event, then: Answer) -> Answer:
    """Answer once the gate is open."""

    async def answer(turn: Turn) -> None:
        await gate.wait()
        await then(turn)

    return answer


class Receiver:
    """See the module. `greeting` goes out on every new connection, before a request is read."""

    def __init__(
        self,
        *answers: Answer,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        greeting: bytes = b"",
    ) -> None:
        self.answers = answers or (reply(),)
        self.tls = tls
        self.host = host
        self.greeting = greeting
        self.requests: list[Request] = []
        self.resumed: list[bool] = []  # per TLS connection
        self.accepted = 0
        self.ended = 0
        self._stirred = asyncio.Event()
        self._conversations: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, self.host, 0, ssl=self.tls, backlog=1024)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        for conversation in self._conversations:
            conversation.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """Where to post to."""
        return self.url_for(f"[{self.host}]" if ":" in self.host else self.host)

    def url_for(self, name: str) -> str:
        """The same, under another name."""
        return f"{'https' if self.tls else 'http'}://{name}:{self.port}/hook"

    async def until(self, happened: Callable[[], bool]) -> None:
        """Wait for something that this receiver counts or records."""
        async with asyncio.timeout(_PATIENCE_S):
            while not happened():
                self._stirred.clear()
                await self._stirred.wait()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversation = asyncio.get_running_loop().create_task(self._converse(self.accepted, reader, writer))
        self.accepted += 1
        self._stirred.set()
        self._writers.add(writer)
        self._conversations.add(conversation)
        conversation.add_done_callback(self._conversations.discard)

    async def _converse(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.tls is not None:
            self.resumed.append(bool(writer.get_extra_info("ssl_object").session_reused))
        try:
            writer.write(self.greeting)
            while not writer.transport.is_closing():
                await self._answer(number, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client went
        finally:
            self.ended += 1
            self._stirred.set()
            self._writers.discard(writer)
            writer.transport.abort()

    async def _answer(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        request = Request(head, b"", number)
        request.body = await reader.readexactly(int(request.headers.get("content-length", "0")))
        answer = self.answers[min(len(self.requests), len(self.answers) - 1)]
        self.requests.append(request)
        self._stirred.set()
        await answer(Turn(request, reader, writer))
