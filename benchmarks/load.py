"""The platform's side: sends messages to the API over kept connections, from requests built beforehand.

    python -m benchmarks.load            reads its orders (Orders, as JSON) from stdin, prints a summary as JSON

Closed loop: each connection sends the next message when the last one is answered. Open loop (`rate`): the moments of
sending are fixed in advance; a request that must wait for a free connection is as old as it is.
"""

import asyncio
import json
import re
import sys
import time
from array import array
from collections import Counter, deque
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import uvloop

from benchmarks.receiver import STAMP, STAMP_DIGITS

_ID = re.compile(rb'"id":\s*"(msg_[0-9A-Za-z]+)"')
_TICK_S = 0.001


@dataclass
class Orders:
    """What to send."""

    host: str
    port: int
    token: str
    applications: list[str]
    file: str  # gets the ids of all messages accepted, one a line with the index of the application
    connections: int = 64
    seconds: float = 0.0  # how long; 0: until `count`
    count: int = 0  # how many; 0: no end but the time
    rate: float = 0.0  # a second; 0: closed loop
    payload_bytes: int = 1000


class Load:
    """Everything that is under way."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.loop = asyncio.get_running_loop()
        self.requests = [self._request(each) for each in orders.applications]
        self.idle: deque[Connection] = deque()
        self.due: deque[int] = deque()  # moments, in nanoseconds
        self.sent = 0
        self.answered = 0
        self.accepted: list[tuple[bytes, int]] = []
        self.statuses: Counter[bytes] = Counter()
        self.answer_ns = array("q")
        self.late_ns = array("q")
        self.stopped = False
        self.done = asyncio.Event()

    def _request(self, application: str) -> tuple[bytes, bytes]:
        """The request before and after its stamp."""
        orders = self.orders
        lead = b'{"eventType":"order.paid","payload":{' + STAMP
        tail = b'","order":"' + b"x" * max(0, orders.payload_bytes - 40) + b'"}}'
        length = len(lead) + STAMP_DIGITS + len(tail)
        head = (
            f"POST /api/v1/app/{application}/msg HTTP/1.1\r\nhost: {orders.host}:{orders.port}\r\n"
            f"authorization: Bearer {orders.token}\r\ncontent-type: application/json\r\n"
            f"content-length: {length}\r\n\r\n"
        )
        return head.encode() + lead, tail

    async def run(self) -> None:
        orders = self.orders
        for _ in range(orders.connections):
            await self.loop.create_connection(lambda: Connection(self), orders.host, orders.port)
        self.began_ns = time.monotonic_ns()
        if orders.seconds:
            self.loop.call_later(orders.seconds, self.stop)
        if orders.rate:
            await self._keep_rate()
        else:
            while self.idle and not self.stopped:
                self.send(self.idle.popleft(), time.monotonic_ns())
        await self.done.wait()
        self.ended_ns = time.monotonic_ns()

    async def _keep_rate(self) -> None:
        step_ns = 1e9 / self.orders.rate
        number = 0
        while not self.stopped:
            now = time.monotonic_ns()
            while (moment := int(self.began_ns + number * step_ns)) <= now:
                self.due.append(moment)
                number += 1
            while self.due and self.idle and not self.stopped:
                self.send(self.idle.popleft(), self.due.popleft())
            await asyncio.sleep(_TICK_S)

    def send(self, connection: "Connection", moment_ns: int) -> None:
        index = self.sent % len(self.requests)
        self.sent += 1
        if self.sent == self.orders.count:
            self.stop()
        lead, tail = self.requests[index]
        connection.send(lead + b"%019d" % moment_ns + tail, index, moment_ns)

    def answer(self, connection: "Connection", data: bytes) -> None:
        self.answered += 1
        status = data[9:12]
        self.statuses[status] += 1
        self.answer_ns.append(time.monotonic_ns() - connection.moment_ns)
        if status == b"202":
            found = _ID.search(data)
            assert found, data
            self.accepted.append((found[1], connection.index))
        if self.stopped:
            if self.answered == self.sent:
                self.done.set()
        elif self.orders.rate:
            if self.due:
                self.send(connection, self.due.popleft())
            else:
                self.idle.append(connection)
        else:
            self.send(connection, time.monotonic_ns())

    def stop(self) -> None:
        self.stopped = True
        if self.answered == self.sent:
            self.done.set()


class Connection(asyncio.Protocol):
    """One kept connection, one request at a time."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.load.idle.append(self)

    def send(self, request: bytes, index: int, moment_ns: int) -> None:
        self.index = index
        self.moment_ns = moment_ns
        self.load.late_ns.append(time.monotonic_ns() - moment_ns)
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        data = self.data + data
        head = data.find(b"\r\n\r\n")
        length = data.lower().find(b"content-length:", 0, head)
        if head < 0 or length < 0 or len(data) < head + 4 + int(data[length + 15 : data.find(b"\r", length)]):
            self.data = data
            return
        self.data = b""
        self.load.answer(self, data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.load.done.is_set():
            print(f"the API closed a connection: {exc!r}", file=sys.stderr)
            self.load.loop.stop()


async def main() -> Load:
    load = Load(Orders(**json.loads(sys.stdin.read())))
    await load.run()
    return load


def summary(load: Load) -> dict[str, object]:
    """What the figures need; ids and samples go into files."""
    Path(load.orders.file).write_bytes(b"\n".join(b"%b %d" % each for each in load.accepted))
    Path(load.orders.file + ".answers").write_bytes(load.answer_ns.tobytes())
    return {
        "sent": load.sent,
        "accepted": len(load.accepted),
        "statuses": {status.decode(): count for status, count in load.statuses.items()},
        "began_s": load.began_ns / 1e9,
        "seconds": (load.ended_ns - load.began_ns) / 1e9,
        "sent_late_p99_ms": sorted(load.late_ns)[int(len(load.late_ns) * 0.99)] / 1e6,
    }


if __name__ == "__main__":
    print(json.dumps(summary(uvloop.run(main()))))
