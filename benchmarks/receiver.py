"""The customer's side: takes webhooks as fast as it can, and keeps which ones, and how old they were.

    python -m benchmarks.receiver        prints its ports as JSON, then obeys lines on stdin

`reset` forgets everything; `count` prints how many arrived; `report FILE` prints the ages in nanoseconds and
writes what arrived (id, then path) to FILE. There is a second port that takes everything and never answers.
"""

import asyncio
import json
import sys
import time
from array import array
from pathlib import Path
from typing import cast

import uvloop

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
STAMP = b'"at":"'
STAMP_DIGITS = 19


class Ledger:
    """What arrived."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.ages_ns = array("q")
        self.keys: list[bytes] = []

    def write(self, file: str) -> None:
        Path(file).write_bytes(b"\n".join(self.keys))
        Path(file + ".ages").write_bytes(self.ages_ns.tobytes())


class Conversation(asyncio.Protocol):
    """One kept connection. hookd sends one request at a time, names of headers in small letters."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

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
        self.transport.write(ANSWER)
        ledger = self.ledger
        name = data.find(b"webhook-id: ") + 12
        ledger.keys.append(data[name : data.find(b"\r", name)] + data[5 : data.find(b" ", 5)])
        stamp = data.find(STAMP, head) + len(STAMP)
        if stamp >= len(STAMP):
            ledger.ages_ns.append(now - int(data[stamp : stamp + STAMP_DIGITS]))


class Silence(asyncio.Protocol):
    """Takes everything, answers nothing."""


async def main() -> None:
    loop = asyncio.get_running_loop()
    ledger = Ledger()
    server = await loop.create_server(lambda: Conversation(ledger), "0.0.0.0", 0, backlog=8192)
    silent = await loop.create_server(Silence, "0.0.0.0", 0, backlog=8192)
    ports = [each.sockets[0].getsockname()[1] for each in (server, silent)]
    print(json.dumps({"port": ports[0], "silent_port": ports[1]}), flush=True)
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        order, _, file = line.decode().strip().partition(" ")
        if order == "reset":
            ledger.reset()
            print("{}", flush=True)
        elif order == "count":
            print(json.dumps({"count": len(ledger.keys)}), flush=True)
        elif order == "report":
            ledger.write(file)
            print(json.dumps({"count": len(ledger.keys)}), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
