"""The customer's side: takes webhooks as fast as it can, and keeps which ones, and how old they were.

    python -m benchmarks.receiver        obeys lines on stdin, answers each with a line of JSON

`listen JSON` opens a port that behaves so (Manner) and answers its number; `reset` forgets everything that arrived;
`count` says how many were taken; `report FILE` tells all and writes what was taken (id, then path) to FILE.
"""

import asyncio
import json
import random
import ssl
import sys
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import uvloop

from benchmarks.histogram import Histogram
from benchmarks.stalls import Slots

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
LAST_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
REFUSAL = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"
STAMP = b'"at":"'
STAMP_DIGITS = 19
BACKLOG = 8192


@dataclass
class Manner:
    """How a port behaves; at most one of the first three."""

    silent: bool = False  # takes everything, never answers
    slow_s: tuple[float, float] = (0.0, 0.0)  # answers after so long, least and most
    refused: float = 0.0  # this share of the deliveries is answered 500 once or twice before it is taken
    closing: bool = False  # one request a connection
    certificate: str = ""  # PEM of key and certificate: TLS
    tickets: bool = True  # lets TLS sessions be resumed

    def tls(self) -> ssl.SSLContext | None:
        if not self.certificate:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        if not self.tickets:
            context.num_tickets = 0
            context.options |= ssl.OP_NO_TICKET
        return context


class Ledger:
    """What arrived."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.ages_ns = Histogram()
        self.slots = Slots()
        self.taken: list[bytes] = []
        self.refusals: dict[bytes, int] = {}
        self.refused = self.connections = self.resumed = 0

    def report(self, file: str) -> dict[str, Any]:
        Path(file).write_bytes(b"\n".join(self.taken))
        return {
            "count": len(self.taken),
            "refused": self.refused,
            "connections": self.connections,
            "resumed": self.resumed,
            "ages": self.ages_ns.dump(),
            "slots": self.slots.dump(),
        }


class Conversation(asyncio.Protocol):
    """One kept connection. hookd sends one request at a time, names of headers in small letters."""

    def __init__(self, ledger: Ledger, manner: Manner) -> None:
        self.ledger = ledger
        self.manner = manner
        self.data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.ledger.connections += 1
        if self.manner.certificate:
            self.ledger.resumed += bool(transport.get_extra_info("ssl_object").session_reused)

    def data_received(self, data: bytes) -> None:
        if self.data:
            data = self.data + data
        head = data.find(b"\r\n\r\n")
        length = data.find(b"content-length: ") + 16
        if head < 0 or len(data) < head + 4 + int(data[length : data.find(b"\r", length)]):
            self.data = data
            return
        self.data = b""
        now = time.monotonic_ns()
        name = data.find(b"webhook-id: ") + 12
        key = data[name : data.find(b"\r", name)] + data[5 : data.find(b" ", 5)]
        stamp = data.find(STAMP, head) + len(STAMP)
        due_ns = int(data[stamp : stamp + STAMP_DIGITS]) if stamp >= len(STAMP) else 0
        self.take(key, now, due_ns)

    def take(self, key: bytes, now_ns: int, due_ns: int) -> None:
        self.transport.write(ANSWER)
        self.note(key, now_ns, due_ns)

    def note(self, key: bytes, now_ns: int, due_ns: int) -> None:
        self.ledger.taken.append(key)
        if due_ns:
            self.ledger.ages_ns.record(now_ns - due_ns)
            self.ledger.slots.note(due_ns, now_ns - due_ns)


class Closing(Conversation):
    """One request, and goodbye."""

    def take(self, key: bytes, now_ns: int, due_ns: int) -> None:
        self.transport.write(LAST_ANSWER)
        self.transport.close()
        self.note(key, now_ns, due_ns)


class Slow(Conversation):
    """Thinks before it answers; its webhooks count when they are read."""

    def take(self, key: bytes, now_ns: int, due_ns: int) -> None:
        self.note(key, now_ns, due_ns)
        asyncio.get_running_loop().call_later(random.uniform(*self.manner.slow_s), self._answer)

    def _answer(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(ANSWER)


class Failing(Conversation):
    """Refuses a share of the deliveries at first, always the same ones. Their age is that of the first attempt."""

    def take(self, key: bytes, now_ns: int, due_ns: int) -> None:
        drawn = zlib.crc32(key)
        before = self.ledger.refusals.get(key, 0)
        if drawn % 1000 < self.manner.refused * 1000 and before < 1 + (drawn >> 16) % 2:
            self.transport.write(REFUSAL)
            self.ledger.refused += 1
            self.ledger.refusals[key] = before + 1
            if not before:
                self.ledger.ages_ns.record(now_ns - due_ns)
        else:
            self.transport.write(ANSWER)
            self.note(key, now_ns, 0 if before else due_ns)


class Silence(asyncio.Protocol):
    """Takes everything, answers nothing."""


async def listen(ledger: Ledger, manner: Manner) -> int:
    """Open a port; answers its number."""

    def converse() -> asyncio.Protocol:
        if manner.silent:
            return Silence()
        kind = (
            Slow if manner.slow_s[1] else Failing if manner.refused else Closing if manner.closing else Conversation
        )
        return kind(ledger, manner)

    server = await asyncio.get_running_loop().create_server(converse, "0.0.0.0", 0, backlog=BACKLOG, ssl=manner.tls())
    port: int = server.sockets[0].getsockname()[1]
    _SERVERS.append(server)
    return port


_SERVERS: list[asyncio.Server] = []  # kept open until the end


async def main() -> None:
    """Obey until the input ends."""
    ledger = Ledger()
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    print(json.dumps({"ready": True}), flush=True)
    while line := await lines.readline():
        order, _, rest = line.decode().strip().partition(" ")
        if order == "reset":
            ledger.reset()
            print("{}", flush=True)
        elif order == "count":
            print(json.dumps({"count": len(ledger.taken)}), flush=True)
        elif order == "report":
            print(json.dumps(ledger.report(rest)), flush=True)
        elif order == "listen":
            print(json.dumps({"port": await listen(ledger, Manner(**json.loads(rest)))}), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
