"""One hookd under measurement, with its receiver and its load."""

import asyncio
import math
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from json import dumps
from pathlib import Path
from typing import Any

import asyncpg

from benchmarks import ceiling, load
from benchmarks.figures import Result
from benchmarks.histogram import Histogram
from benchmarks.process import Helper, run_helper
from benchmarks.quota import Quota
from benchmarks.receiver import Manner
from benchmarks.report import Progress
from benchmarks.stalls import worst
from benchmarks.subject import Subject
from daemon.api.auth import Tokens
from tests.support.process import PROGRAM

DRAIN_S = 180.0
POLL_S = 0.02
SETUP_AT_ONCE = 16


@dataclass
class Options:
    """What the command line asks for."""

    quick: bool = False
    batch_size: int = 10
    payload_bytes: int = 1000
    rate: float = 1000.0  # deliveries a second, where latency is measured
    arrivals: str = "poisson"
    seed: int = 1
    connections: int = 64
    only: tuple[str, ...] = ()
    watch: bool = False  # have somebody read the live stream all the while
    workers: int | None = None
    cpu_quota: float | None = None  # percent of a core, for each process of the daemon
    settings: dict[str, str] = field(default_factory=dict)
    program: str = PROGRAM  # `hookd` of the build

    def seconds(self, quick: float, full: float) -> float:
        return quick if self.quick else full


@dataclass
class Group:
    """Applications with the same number of endpoints each."""

    name: str
    applications: list[str]
    endpoints: list[list[str]]  # ids, an application
    urls: list[list[str]]  # of each application
    ca_file: str = ""

    @property
    def fanout(self) -> int:
        return len(self.urls[0])

    @property
    def flat_urls(self) -> list[str]:
        return [url for urls in self.urls for url in urls]


@dataclass
class Sent:
    """What became of one load."""

    summary: dict[str, Any]  # what the load says
    report: dict[str, Any]  # what the receiver says
    elapsed_s: float  # from the first request until the last outcome was committed
    duplicates: int  # deliveries taken more than once
    deliveries: int

    def notes(self) -> list[str]:
        """What is out of the ordinary."""
        said = [f"{self.duplicates:,} arrived twice"] if self.duplicates else []
        if set(self.summary["statuses"]) != {"202"}:
            said.append(f"answers {self.summary['statuses']}")
        return said


class Lost(Exception):
    """An id that was accepted did not arrive, or its outcome is not in the log."""


class Skipped(Exception):
    """A scenario cannot be measured here; the text says why."""


class Bench:
    """See the module."""

    def __init__(
        self, subject: Subject, receiver: Helper, scratch: Path, options: Options, progress: Progress
    ) -> None:
        self.subject = subject
        self.receiver = receiver
        self.scratch = scratch
        self.options = options
        self.progress = progress
        self.quota: Quota | None = None
        self.last_report: dict[str, Any] = {}  # of the receiver, on the last load
        self._ports: dict[str, int] = {}
        self._hosts = 0

    # --- setting up

    async def listen(self, **manner: Any) -> int:
        """A port of the receiver that behaves so."""
        order = dumps(asdict(Manner(**manner)))
        if order not in self._ports:
            self._ports[order] = (await self.receiver.ask(f"listen {order}"))["port"]
        return self._ports[order]

    async def group(
        self,
        name: str,
        applications: int,
        fanout: int,
        *,
        places: Sequence[str] = (),
        ca_file: str = "",
        **manner: Any,
    ) -> Group:
        """Register through the API; every endpoint is a host of its own, unless `places` (origins) are given."""
        self.progress(f"{name}: registering {applications * fanout} endpoints")
        port = await self.listen(**manner)
        group = Group(name, [], [], [], ca_file)
        for number in range(applications):
            paths = [f"/{name}/{number}/{n}" for n in range(fanout)]
            group.urls.append([self._origin(places, port, number * fanout + n) + paths[n] for n in range(fanout)])
        slots = asyncio.Semaphore(SETUP_AT_ONCE)
        made = await asyncio.gather(*(self._application(slots, urls) for urls in group.urls))
        for application, endpoints in made:
            group.applications.append(application)
            group.endpoints.append(endpoints)
        return group

    def _origin(self, places: Sequence[str], port: int, number: int) -> str:
        if places:
            return places[number % len(places)]
        self._hosts += 1
        return f"http://127.1.{self._hosts // 250}.{self._hosts % 250 + 1}:{port}"

    async def _application(self, slots: asyncio.Semaphore, urls: Sequence[str]) -> tuple[str, list[str]]:
        application = (await self._create(slots, "/api/v1/app", {"name": "benchmark"}))["id"]
        path = f"/api/v1/app/{application}/endpoint"
        made = await asyncio.gather(*(self._create(slots, path, {"url": url}) for url in urls))
        return application, [endpoint["id"] for endpoint in made]

    async def _create(self, slots: asyncio.Semaphore, path: str, body: dict[str, Any]) -> dict[str, Any]:
        async with slots:
            return await self.subject.create(path, body)

    def settle(self) -> None:
        """Put the daemon's processes where they are measured; after each of its starts."""
        if self.quota is not None:
            family = self.subject.family
            self.subject.take_cores(math.ceil(len(family) * self.quota.percent / 100))
            self.quota.put(family)
        else:
            self.subject.take_cores()

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[dict[str, int]]:
        """One operator reads the live stream; what was read is in the dictionary afterwards."""
        watch, _ = await Helper.start("benchmarks.watch")
        seen: dict[str, int] = {}
        try:
            key = self.subject.secrets["SECRET_KEY"]
            token = Tokens(key, lambda: datetime.now(UTC)).mint_operator("benchmark")
            await watch.ask(f"watch {self.subject.url} {token}")
            yield seen
            seen |= await watch.ask("count")
        finally:
            await watch.stop()

    # --- measuring

    async def row(
        self, group: Group, *, seconds: float = 0, messages: int = 0, latency_s: float = 0, **how: Any
    ) -> Result:
        """Both halves of a scenario: as fast as it goes, then at a rate. `how`: more orders for the load."""
        await self.warm_up(group, messages)
        result = await self.saturate(group, seconds=seconds, messages=messages, **how)
        if latency_s:
            late = await self.at_rate(group, latency_s)
            result.figures |= late.figures
            result.notes += late.notes
            result.histograms |= late.histograms
        return result

    async def warm_up(self, group: Group, messages: int = 0) -> None:
        """Open the connections, fill the caches."""
        self.progress(f"{group.name}: warming up")
        await self.send(group, seconds=0 if messages else 1, count=messages and max(1, messages // 10))

    async def saturate(
        self, group: Group, *, seconds: float = 0, messages: int = 0, bare: bool = True, **how: Any
    ) -> Result:
        """As fast as it goes, until the last outcome is committed; `bare`: and the same without hookd."""
        self.settle()
        self.progress(f"{group.name}: saturation")
        before = self.subject.usage
        sent = await self.send(group, seconds=seconds, count=messages, **how)
        used = self.subject.usage - before
        count = sent.deliveries
        figures = {
            "deliveries": count,
            "per_s": count / sent.elapsed_s,
            "daemon_us": used.daemon_s / count * 1e6,
            "postgres_us": used.postgres_s / count * 1e6,
            "background_us": used.background_s / count * 1e6,  # of PostgreSQL's, what no client asked for
            "core_pct": 100 * used.daemon_s / sent.elapsed_s,
            "duplicates": sent.duplicates,
        }
        if bare:
            without = await self._bare(group)
            figures |= {
                "bare_us": without["cpu_us"],
                "bare_per_s": without["per_s"],
                "of_bare_rate_pct": 100 * figures["per_s"] / without["per_s"],
                "of_bare_cpu_pct": 100 * without["cpu_us"] / figures["daemon_us"],
            }
        return Result(group.name, figures, sent.notes())

    async def at_rate(
        self, group: Group, seconds: float, *, rate: float | None = None, checked: bool = True
    ) -> Result:
        """Deliveries at a fixed rate, the moments fixed in advance."""
        self.settle()
        rate = self.options.rate if rate is None else rate
        self.progress(f"{group.name}: latency at {rate:g} deliveries/s")
        sent = await self.send(group, seconds=seconds, rate=rate / group.fanout, checked=checked)
        ages, answers = Histogram.load(sent.report["ages"]), Histogram.load(sent.summary["answers"])
        figures = {
            "rate_per_s": rate,
            "samples": ages.count,
            "p50_ms": ages.percentile(0.5) / 1e6,
            "p99_ms": ages.percentile(0.99) / 1e6,
            "p999_ms": ages.percentile(0.999) / 1e6,
            "max_ms": ages.most / 1e6,
            "answer_p50_ms": answers.percentile(0.5) / 1e6,
            "answer_p99_ms": answers.percentile(0.99) / 1e6,
            "sent_late_p99_ms": Histogram.load(sent.summary["late"]).percentile(0.99) / 1e6,
        }
        when = worst(sent.report["slots"], sent.summary["began_s"])
        told = ", ".join(f"{took_ms:.1f} ms at {at_s:.1f} s" for at_s, took_ms in when)
        histograms = {"received_ns": ages.dump(), "answered_ns": answers.dump()}
        return Result(group.name, figures, [*sent.notes(), f"worst of {seconds:g} s: {told}"], histograms)

    async def send(
        self,
        group: Group,
        *,
        seconds: float = 0,
        count: int = 0,
        rate: float = 0,
        checked: bool = True,
        **how: Any,
    ) -> Sent:
        """Send, wait until all is delivered and recorded, look everything up. Lost.

        `checked`: nothing else goes on, so that the log can be counted too.
        """
        await self.receiver.ask("reset")
        connection = await asyncpg.connect(self.subject.dsn, timeout=30)
        try:
            head = await _head(connection)
            orders = self._orders(group, seconds=seconds, count=count, rate=rate, **how)
            summary = await run_helper("benchmarks.load", orders)
            deliveries = summary["accepted"] * group.fanout
            if not deliveries:
                raise Lost(f"nothing was accepted: answers {summary['statuses']}")
            await self._received(deliveries)
            if checked:
                refused = (await self._report())["refused"]
                await self._recorded(connection, head + summary["accepted"] + deliveries + refused)
            elapsed_s = time.monotonic() - summary["began_s"]
        finally:
            await connection.close()
        report, duplicates = await self._look_up(group)
        self.last_report = report
        return Sent(summary, report, elapsed_s, duplicates, deliveries)

    def _orders(self, group: Group, **how: Any) -> load.Orders:
        options = self.options
        host, port = re.fullmatch(r"http://(.+):(\d+)", self.subject.url).groups()  # type: ignore[union-attr]
        given: dict[str, Any] = {
            "connections": options.connections,
            "arrivals": options.arrivals,
            "seed": options.seed,
            "payload_bytes": options.payload_bytes,
        }
        file = str(self.scratch / "accepted")
        return load.Orders(host, int(port), self.subject.token(), group.applications, file, **given | how)

    async def _bare(self, group: Group) -> dict[str, Any]:
        self.progress(f"{group.name}: bare transport")
        options = self.options
        at_once = min(options.connections, options.batch_size * len(group.flat_urls))
        orders = ceiling.Orders(group.flat_urls, options.seconds(1, 3), at_once, options.payload_bytes, group.ca_file)
        return await run_helper("benchmarks.ceiling", orders)

    async def _received(self, count: int) -> None:
        deadline = time.monotonic() + DRAIN_S
        doing = self.progress.text
        while (found := (await self.receiver.ask("count"))["count"]) < count:
            self.progress(f"{doing}, {count - found:,} still to arrive")
            if time.monotonic() > deadline:
                raise Lost(f"{count - found} of {count} did not arrive within {DRAIN_S:g} s")
            await asyncio.sleep(POLL_S)
        self.progress(doing)

    async def _recorded(self, connection: asyncpg.Connection, head: int) -> None:
        """Wait until the log is this long: an event a message and one an attempt."""
        deadline = time.monotonic() + DRAIN_S
        while (found := await _head(connection)) < head:
            if time.monotonic() > deadline:
                raise Lost(f"{head - found} events are missing in the log after {DRAIN_S:g} s")
            await asyncio.sleep(POLL_S)

    async def _report(self) -> dict[str, Any]:
        return await self.receiver.ask(f"report {self.scratch / 'received'}")

    async def _look_up(self, group: Group) -> tuple[dict[str, Any], int]:
        """Every id accepted, at every endpoint; answers the receiver's report, and what arrived again."""
        wanted = set(wanted_keys((self.scratch / "accepted").read_bytes(), group.name, group.fanout))
        deadline = time.monotonic() + DRAIN_S
        while True:
            report = await self._report()
            arrived = (self.scratch / "received").read_bytes().split(b"\n")
            found = set(arrived)
            if not (missing := wanted - found):
                return report, len(arrived) - len(found)
            if time.monotonic() > deadline:
                raise Lost(f"{len(missing)} were accepted and did not arrive, {min(missing).decode()} among them")
            await asyncio.sleep(1)  # what arrived twice had been counted for one that is still to come


def wanted_keys(accepted: bytes, name: str, fanout: int) -> list[bytes]:
    """What must arrive: lines of id and index of the application, times the endpoints of each."""
    lines = (line.partition(b" ") for line in accepted.split(b"\n") if line)
    return [
        b"%b/%b/%b/%d" % (identity, name.encode(), index, n) for identity, _, index in lines for n in range(fanout)
    ]


async def _head(connection: asyncpg.Connection) -> int:
    total: int = await connection.fetchval("select sum(seq)::bigint from log.head")
    return total
