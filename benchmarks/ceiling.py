"""The ceiling: the same requests from the bare transport, without API, log or actors, in a process of its own.

python -m benchmarks.ceiling         reads its orders (Orders, as JSON) from stdin, prints a summary as JSON
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

import uvloop

from benchmarks.process import take_first_core
from benchmarks.receiver import STAMP
from daemon.clock import SystemClock
from daemon.signing import generate, signed_headers, signer
from daemon.target import Target
from daemon.transport import Guard, Resolver, Transport, client_tls
from events.endpoint import Endpoint
from events.outcome import Outcome


@dataclass
class Orders:
    """What to post."""

    urls: list[str]
    seconds: float
    concurrency: int = 64
    payload_bytes: int = 1000
    ca_file: str = ""


class Loop:
    """Posts the next request whenever one ends."""

    def __init__(self, orders: Orders, transport: Transport) -> None:
        key = signer(generate(b"k" * 24))
        stamp = time.monotonic_ns()
        self.body = b'{%b%019d","order":"%b"}' % (STAMP, stamp, b"x" * (orders.payload_bytes - 40))
        self.prepared = []
        for number, url in enumerate(orders.urls):
            target = Target(_endpoint(url), 10)
            head = target.head + signed_headers([key], f"msg_{number:027}", 1_700_000_000, self.body)
            self.prepared.append((target.destination, head))
        self.transport = transport
        self.posted = self.ended = self.failed = 0
        self.deadline = 0.0
        self.over = asyncio.Event()

    def post(self) -> None:
        destination, head = self.prepared[self.posted % len(self.prepared)]
        self.posted += 1
        self.transport.post(destination, head, self.body, 15.0, self.done)

    def done(self, outcome: Outcome) -> None:
        self.ended += 1
        self.failed += outcome.fault is not None
        if time.monotonic() < self.deadline:
            self.post()
        elif self.ended == self.posted:
            self.over.set()

    async def run(self, seconds: float, concurrency: int) -> tuple[int, float, float]:
        """Requests, seconds, CPU seconds."""
        self.over.clear()
        before, began, cpu = self.ended, time.monotonic(), time.process_time()
        self.deadline = began + seconds
        for _ in range(concurrency):
            self.post()
        await self.over.wait()
        return self.ended - before, time.monotonic() - began, time.process_time() - cpu


def _endpoint(url: str) -> Endpoint:
    now = SystemClock().now()
    return Endpoint(0, "ep_x", "app_x", url, None, "", None, None, {}, None, None, None, 1, "sec_x", now, now)


async def main() -> None:
    orders = Orders(**json.loads(sys.stdin.read()))
    take_first_core()
    resolver = Resolver()
    tasks = set()
    transport = Transport(
        guard=Guard((ip_network("127.0.0.0/8"),)),
        resolver=resolver,
        tls=client_tls(Path(orders.ca_file) if orders.ca_file else None),
        spawn=lambda _name, work: tasks.add(asyncio.get_running_loop().create_task(work)),
    )
    loop = Loop(orders, transport)
    await loop.run(0.5, max(orders.concurrency, len(orders.urls)))  # opens the connections
    count, seconds, cpu_s = await loop.run(orders.seconds, orders.concurrency)
    await transport.close(0)
    resolver.close()
    print(
        json.dumps(
            {
                "requests": count,
                "failed": loop.failed,
                "per_s": count / seconds,
                "cpu_us": cpu_s / count * 1e6,
            }
        )
    )


if __name__ == "__main__":
    uvloop.run(main())
