"""The platform's side: sends messages to the API over kept connections, from requests built beforehand.

    python -m benchmarks.load            reads its orders (Orders, as JSON) from stdin, prints a summary as JSON

Closed loop: each connection sends the next request when one is answered; with `pipeline`, so many are under way on
each. Open loop (`rate`): the moments of sending are fixed in advance (`schedule`); a request that must wait for a
free connection is as old as it is, and all that were due are sent.
"""

import asyncio
import json
import re
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import uvloop

from benchmarks.alarm import Alarm
from benchmarks.histogram import Histogram
from benchmarks.receiver import STAMP, STAMP_DIGITS
from benchmarks.schedule import moments

_ID = re.compile(rb'"id":\s*"(msg_[0-9A-Za-z]+)"')
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


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
    count: int = 0  # how many requests; 0: no end but the time
    rate: float = 0.0  # requests a second; 0: closed loop
    arrivals: str = "poisson"
    seed: int = 1
    pipeline: int = 1  # requests under way on each connection
    batch: int = 0  # messages a request; 0: the route for one message
    payload_bytes: int = 1000


class Load:
    """Everything that is under way."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.loop = asyncio.get_running_loop()
        self.requests = [self._request(each) for each in orders.applications]
        self.connections: list[Connection] = []
        self.idle: deque[Connection] = deque()  # as often as it may take another request
        self.due: deque[int] = deque()  # moments, in nanoseconds
        self.sent = 0
        self.answered = 0
        self.accepted: list[tuple[bytes, int]] = []
        self.statuses: Counter[bytes] = Counter()
        self.answer_ns = Histogram()
        self.late_ns = Histogram()
        self.all_due = False  # of an open loop
        self.stopped = False
        self.done = asyncio.Event()

    def _request(self, application: str) -> tuple[bytes, bytes, bytes]:
        """The head, and the message before and after its stamp."""
        orders = self.orders
        lead = b'{"eventType":"order.paid","payload":{' + STAMP
        tail = b'","order":"' + b"x" * max(0, orders.payload_bytes - 40) + b'"}}'
        length = len(lead) + STAMP_DIGITS + len(tail)
        if orders.batch:
            length = orders.batch * (length + 1) - 1 + len(b'{"messages":[]}')
        head = (
            f"POST /api/v1/app/{application}/msg{'/batch' if orders.batch else ''} HTTP/1.1\r\n"
            f"host: {orders.host}:{orders.port}\r\n"
            f"authorization: Bearer {orders.token}\r\ncontent-type: application/json\r\n"
            f"content-length: {length}\r\n\r\n"
        )
        return head.encode(), lead, tail

    async def run(self) -> None:
        orders = self.orders
        for _ in range(orders.connections):
            _, made = await self.loop.create_connection(lambda: Connection(self), orders.host, orders.port)
            self.connections.append(made)
        self.idle.extend(self.connections * orders.pipeline)
        self.began_ns = time.monotonic_ns()
        if orders.rate:
            self._keep_rate()
        else:
            if orders.seconds:
                self.loop.call_later(orders.seconds, self.stop)
            for connection in self.connections:
                self.send_more(connection, orders.pipeline)
        await self.done.wait()
        self.ended_ns = time.monotonic_ns()

    def _keep_rate(self) -> None:
        """Send what is due when it is due; all that was due is sent, as old as it may be by then."""
        orders = self.orders
        ahead = moments(orders.rate, orders.seconds, orders.arrivals, orders.seed)
        next_ns = next(ahead, None)

        def ring() -> None:
            nonlocal next_ns
            while next_ns is not None and self.began_ns + next_ns <= time.monotonic_ns():
                self.due.append(self.began_ns + next_ns)
                next_ns = next(ahead, None)
            while self.due and self.idle:
                self.send(self.idle.popleft(), [self.due.popleft()])
            if next_ns is not None:
                alarm.set(self.began_ns + next_ns)
                return
            alarm.close()
            self.all_due = True
            self._stop_when_sent()

        alarm = Alarm(self.loop, ring)
        ring()

    def _stop_when_sent(self) -> None:
        if self.all_due and not self.due:
            self.stop()

    def send_more(self, connection: "Connection", count: int) -> None:
        """In a closed loop: this connection may take so many more."""
        if self.stopped:
            return
        if self.orders.count:
            count = min(count, self.orders.count - self.sent)
        if count:
            self.send(connection, [time.monotonic_ns()] * count)
        if self.sent == self.orders.count:
            self.stop()

    def send(self, connection: "Connection", moments_ns: list[int]) -> None:
        """Requests that were due at these moments, in one write."""
        pieces = []
        for moment_ns in moments_ns:
            index = self.sent % len(self.requests)
            self.sent += 1
            head, lead, tail = self.requests[index]
            message = lead + b"%019d" % moment_ns + tail
            if self.orders.batch:
                message = b'{"messages":[' + b",".join([message] * self.orders.batch) + b"]}"
            connection.under_way.append((index, moment_ns))
            self.late_ns.record(time.monotonic_ns() - moment_ns)
            pieces.append(head + message)
        connection.transport.write(b"".join(pieces))

    def answer(self, connection: "Connection", data: bytes) -> None:
        """Take note of one answer."""
        index, moment_ns = connection.under_way.popleft()
        self.answered += 1
        status = data[9:12]
        self.statuses[status] += 1
        self.answer_ns.record(time.monotonic_ns() - moment_ns)
        if status == b"202":
            if self.orders.batch:
                found = _ID.findall(data)
                self.accepted.extend((each, index) for each in found)
                if refused := self.orders.batch - len(found):
                    self.statuses[b"refused in a batch"] += refused
            else:
                one = _ID.search(data)
                assert one, data
                self.accepted.append((one[1], index))

    def answered_all(self, connection: "Connection", count: int) -> None:
        """So many answers came at once: the connection has room again."""
        if self.stopped:
            if self.answered == self.sent:
                self.done.set()
        elif self.orders.rate:
            for _ in range(count):
                if self.due:
                    self.send(connection, [self.due.popleft()])
                else:
                    self.idle.append(connection)
            self._stop_when_sent()
        else:
            self.send_more(connection, count)

    def stop(self) -> None:
        self.stopped = True
        if self.answered == self.sent:
            self.done.set()


class Connection(asyncio.Protocol):
    """One kept connection; its answers come in the order of its requests."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.data = b""
        self.under_way: deque[tuple[int, int]] = deque()  # index of the application, moment

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self.data:
            data = self.data + data
        start = count = 0
        while (head := data.find(b"\r\n\r\n", start)) >= 0:
            found = _LENGTH.search(data, start, head)
            end = head + 4 + (int(found[1]) if found else 0)
            if len(data) < end:
                break
            self.load.answer(self, data[start:end])
            start = end
            count += 1
        self.data = data[start:]
        if count:
            self.load.answered_all(self, count)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.load.done.is_set():
            print(f"the API closed a connection: {exc!r}", file=sys.stderr)
            self.load.loop.stop()


async def main() -> Load:
    load = Load(Orders(**json.loads(sys.stdin.read())))
    await load.run()
    return load


def summary(load: Load) -> dict[str, Any]:
    """What the figures need; the ids go into a file."""
    Path(load.orders.file).write_bytes(b"\n".join(b"%b %d" % each for each in load.accepted))
    return {
        "sent": load.sent,
        "accepted": len(load.accepted),
        "statuses": {status.decode(): count for status, count in load.statuses.items()},
        "began_s": load.began_ns / 1e9,
        "seconds": (load.ended_ns - load.began_ns) / 1e9,
        "answers": load.answer_ns.dump(),
        "late": load.late_ns.dump(),
    }


if __name__ == "__main__":
    print(json.dumps(summary(uvloop.run(main()))))
