"""One hookd under measurement, with its receiver and its load."""

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from benchmarks import ceiling, load
from benchmarks.process import Helper, Usage, run_helper, take_first_core, usage
from benchmarks.report import Latency, Progress, Row, Throughput, latency, read_ages
from tests.support.process import Hookd

DRAIN_S = 180.0
POLL_S = 0.02
SETUP_AT_ONCE = 16


@dataclass
class Options:
    """What the command line asks for."""

    quick: bool
    batch_size: int
    payload_bytes: int
    rate: float = 500.0
    connections: int = 64
    only: tuple[str, ...] = ()
    watch: bool = False  # have somebody read the live stream all the while

    def seconds(self, quick: float, full: float) -> float:
        return quick if self.quick else full


@dataclass
class Group:
    """Applications with the same number of endpoints each."""

    name: str
    applications: list[str]
    endpoints: list[list[str]]  # ids, an application
    urls: list[list[str]]  # of each application

    @property
    def fanout(self) -> int:
        return len(self.urls[0])

    @property
    def flat_urls(self) -> list[str]:
        return [url for urls in self.urls for url in urls]


class Lost(Exception):
    """An id that was accepted did not arrive, or its outcome is not in the log."""


class Bench:
    """See the module."""

    def __init__(
        self, hookd: Hookd, receiver: Helper, ports: dict[str, int], scratch: Path, options: Options
    ) -> None:
        self.hookd = hookd
        self.receiver = receiver
        self.ports = ports
        self.scratch = scratch
        self.options = options
        self.progress = Progress()
        self._hosts = 0

    # --- setting up

    async def group(self, name: str, applications: int, fanout: int, *, silent: bool = False) -> Group:
        """Register through the API; every endpoint is a host of its own."""
        self.progress(f"{name}: registering {applications * fanout} endpoints")
        port = self.ports["silent_port" if silent else "port"]
        group = Group(name, [], [], [])
        for number in range(applications):
            group.urls.append([self._url(port, f"/{name}/{number}/{n}") for n in range(fanout)])
        slots = asyncio.Semaphore(SETUP_AT_ONCE)
        made = await asyncio.gather(*(self._application(slots, urls) for urls in group.urls))
        for application, endpoints in made:
            group.applications.append(application)
            group.endpoints.append(endpoints)
        return group

    def _url(self, port: int, path: str) -> str:
        self._hosts += 1
        return f"http://127.1.{self._hosts // 250}.{self._hosts % 250 + 1}:{port}{path}"

    async def _application(self, slots: asyncio.Semaphore, urls: Sequence[str]) -> tuple[str, list[str]]:
        application = (await self._create(slots, "/api/v1/app", {"name": "benchmark"}))["id"]
        path = f"/api/v1/app/{application}/endpoint"
        made = await asyncio.gather(*(self._create(slots, path, {"url": url}) for url in urls))
        return application, [endpoint["id"] for endpoint in made]

    async def _create(self, slots: asyncio.Semaphore, path: str, body: dict[str, Any]) -> dict[str, Any]:
        async with slots:
            status, answer = await self.hookd.call("POST", path, body, token=self.hookd.token())
        if status not in {200, 201}:
            raise SystemExit(f"POST {path}: {status} {answer}")
        created: dict[str, Any] = answer
        return created

    # --- measuring

    async def row(self, group: Group, *, seconds: float = 0, messages: int = 0, latency_s: float) -> Row:
        """Both halves of a scenario."""
        self.progress(f"{group.name}: warming up")
        await self.send(group, seconds=0 if messages else 1, count=messages and max(1, messages // 10))
        return Row(
            group.name,
            await self.saturate(group, seconds=seconds, messages=messages),
            await self.at_rate(group, latency_s),
        )

    async def saturate(self, group: Group, *, seconds: float = 0, messages: int = 0) -> Throughput:
        """As fast as it goes, until the last outcome is committed."""
        take_first_core(self.hookd.pid)
        self.progress(f"{group.name}: saturation")
        before = self._usage()
        sent, elapsed_s, duplicates = await self.send(group, seconds=seconds, count=messages)
        used = self._usage() - before
        deliveries = sent["accepted"] * group.fanout
        bare = await self._bare(group)
        return Throughput(
            deliveries,
            elapsed_s,
            used.daemon_s / deliveries * 1e6,
            used.postgres_s / deliveries * 1e6,
            duplicates,
            sent["statuses"],
            bare["cpu_us"],
            bare["per_s"],
        )

    async def at_rate(self, group: Group, seconds: float, *, checked: bool = True) -> Latency:
        """Deliveries at a fixed rate, the moments fixed in advance."""
        take_first_core(self.hookd.pid)
        self.progress(f"{group.name}: latency at {self.options.rate:g} deliveries/s")
        rate = self.options.rate / group.fanout
        sent, _, _ = await self.send(group, seconds=seconds, rate=rate, checked=checked)
        return latency(read_ages(self.scratch / "received.ages"), self.options.rate, sent["sent_late_p99_ms"])

    async def send(
        self, group: Group, *, seconds: float = 0, count: int = 0, rate: float = 0, checked: bool = True
    ) -> tuple[dict[str, Any], float, int]:
        """Send, wait until all is delivered and recorded, look everything up.

        Answers the load's summary, the time it all took, and how often something arrived twice. `checked`: nothing
        else goes on, so that the log can be counted too.
        """
        await self.receiver.ask("reset")
        dsn = self.hookd.dsn
        connection = await asyncpg.connect(dsn, timeout=30)
        try:
            head = await _head(connection)
            sent = await run_helper("benchmarks.load", self._orders(group, seconds, count, rate))
            await self._received(sent["accepted"] * group.fanout)
            if checked:
                await self._recorded(connection, head + sent["accepted"] * (1 + group.fanout))
            elapsed_s = time.monotonic() - sent["began_s"]
        finally:
            await connection.close()
        return sent, elapsed_s, await self._look_up(group)

    def _orders(self, group: Group, seconds: float, count: int, rate: float) -> load.Orders:
        host, port = re.fullmatch(r"http://(.+):(\d+)", self.hookd.url).groups()  # type: ignore[union-attr]
        return load.Orders(
            host,
            int(port),
            self.hookd.token(),
            group.applications,
            str(self.scratch / "accepted"),
            connections=self.options.connections,
            seconds=seconds,
            count=count,
            rate=rate,
            payload_bytes=self.options.payload_bytes,
        )

    def _usage(self) -> Usage:
        return usage(self.hookd.pid, self.hookd.home)

    async def _bare(self, group: Group) -> dict[str, Any]:
        self.progress(f"{group.name}: bare transport")
        at_once = min(self.options.connections, self.options.batch_size * len(group.flat_urls))
        return await run_helper(
            "benchmarks.ceiling",
            ceiling.Orders(group.flat_urls, self.options.seconds(1, 3), at_once, self.options.payload_bytes),
        )

    async def _received(self, count: int) -> None:
        deadline = time.monotonic() + DRAIN_S
        while (found := (await self.receiver.ask("count"))["count"]) < count:
            self.progress(f"{self.progress.text.partition(',')[0]}, {count - found:,} still to arrive")
            if time.monotonic() > deadline:
                raise Lost(f"{count - found} of {count} did not arrive within {DRAIN_S:g} s")
            await asyncio.sleep(POLL_S)

    async def _recorded(self, connection: asyncpg.Connection, head: int) -> None:
        """Wait until the log is this long: without failures, an event a message and one a delivery."""
        deadline = time.monotonic() + DRAIN_S
        while (found := await _head(connection)) < head:
            if time.monotonic() > deadline:
                raise Lost(f"{head - found} events are missing in the log after {DRAIN_S:g} s")
            await asyncio.sleep(POLL_S)

    async def _look_up(self, group: Group) -> int:
        await self.receiver.ask(f"report {self.scratch / 'received'}")
        arrived = (self.scratch / "received").read_bytes().split(b"\n")
        received = set(arrived)
        for line in filter(None, (self.scratch / "accepted").read_bytes().split(b"\n")):
            identity, _, index = line.partition(b" ")
            for n in range(group.fanout):
                if identity + b"/%b/%b/%d" % (group.name.encode(), index, n) not in received:
                    raise Lost(f"{identity.decode()} was accepted and did not arrive at endpoint {n}")
        return len(arrived) - len(received)


async def _head(connection: asyncpg.Connection) -> int:
    total: int = await connection.fetchval("select sum(seq)::bigint from log.head")
    return total
