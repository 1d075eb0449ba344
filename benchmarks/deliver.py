"""Accept → durable → deliver → durable outcome, measured. See the package."""

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench, Lost, Options
from benchmarks.process import Helper, rss_bytes, share_cores
from benchmarks.report import Row, table
from benchmarks.stock import Stock, offline
from daemon.api.auth import Tokens
from daemon.cli.token import DEFAULT_ORG
from tests.support.process import Hookd

PRODUCT_BATCH_SIZE = 10
SINGLE_APPLICATIONS = 200
MIB = 1 << 20

Scenario = Callable[[Bench], Awaitable[Any]]


async def single(bench: Bench) -> Row:
    """One message, one delivery, spread over many applications: what the aim is about."""
    seconds = bench.options.seconds
    group = await bench.group("single", SINGLE_APPLICATIONS, 1)
    return await bench.row(group, seconds=seconds(4, 20), latency_s=seconds(4, 20))


async def fanout_1(bench: Bench) -> Row:
    """Everything to one endpoint."""
    return await _fanout(bench, 1, 8_000)


async def fanout_100(bench: Bench) -> Row:
    """Each message to 100 endpoints."""
    return await _fanout(bench, 100, 20_000)


async def fanout_1000(bench: Bench) -> Row:
    """Each message to 1,000 endpoints."""
    return await _fanout(bench, 1_000, 20_000)


async def _fanout(bench: Bench, endpoints: int, deliveries: int) -> Row:
    options = bench.options
    group = await bench.group(f"fanout_{endpoints}", 1, endpoints)
    messages = int(deliveries * options.seconds(1, 5) / endpoints)
    return await bench.row(group, messages=messages, latency_s=options.seconds(3, 15))


async def blackhole(bench: Bench) -> dict[str, Any]:
    """The latency of the healthy, without and with an endpoint that takes 100,000 deliveries and never answers."""
    seconds, backlog = bench.options.seconds(5, 30), 100_000
    healthy = await bench.group("healthy", SINGLE_APPLICATIONS, 1)
    hole = await bench.group("hole", 1, 1, silent=True)
    without = await bench.at_rate(healthy, seconds)
    await _stock_pending(bench, hole.applications[0], hole.endpoints[0], backlog)
    beside = await bench.at_rate(healthy, seconds, checked=False)
    return {"backlog": backlog, "without": asdict(without), "beside": asdict(beside)}


async def endpoints(bench: Bench) -> dict[str, Any]:
    """What 100,000 registered, idle endpoints cost: memory and time at the start."""
    count, hookd = 100_000, bench.hookd
    bench.progress("endpoints: start without any")
    await hookd.down()
    before_s = await _up(hookd)
    before = rss_bytes(hookd.pid)
    await hookd.down()
    async with offline(hookd.home) as connection:
        stock = Stock(connection, hookd.secrets["SEALING_KEYS"])
        await stock.begin()
        url = f"http://127.0.0.1:{bench.ports['port']}/idle"
        tell = _teller(bench, "endpoints: stocking", count)
        await stock.endpoints(DEFAULT_ORG, count, 100, lambda number: f"{url}/{number}", tell)
        await stock.end()
    bench.progress("endpoints: start with 100,000")
    after_s = await _up(hookd)
    after = rss_bytes(hookd.pid)
    return {
        "endpoints": count,
        "start_s": after_s,
        "start_empty_s": before_s,
        "rss_mib": after / MIB,
        "rss_empty_mib": before / MIB,
        "bytes_each": (after - before) / count,
    }


async def backlog(bench: Bench) -> dict[str, Any]:
    """A million pending deliveries for endpoints that never answer: memory and start."""
    count, hookd = 1_000_000, bench.hookd
    hole = await bench.group("backlog", 1, 100, silent=True)
    empty = rss_bytes(hookd.pid)
    start_s = await _stock_pending(bench, hole.applications[0], hole.endpoints[0], count)
    samples = []
    for second in range(30):
        bench.progress(f"backlog: watching memory, {30 - second} s to go")
        samples.append(rss_bytes(hookd.pid) / MIB)
        await asyncio.sleep(1)
    return {
        "pending": count,
        "start_s": start_s,
        "rss_before_mib": empty / MIB,
        "rss_at_start_mib": samples[0],
        "rss_max_mib": max(samples),
        "rss_after_30_s_mib": samples[-1],
    }


async def _stock_pending(bench: Bench, application: str, endpoint_ids: list[str], count: int) -> float:
    """Stop hookd, write the stock, start it again; answers how long the start took."""
    hookd = bench.hookd
    await hookd.down()
    async with offline(hookd.home) as connection:
        stock = Stock(connection, hookd.secrets["SEALING_KEYS"])
        await stock.begin()
        tell = _teller(bench, "stocking pending deliveries", count)
        await stock.pending(application, endpoint_ids, count, 200, tell)
        await stock.end()
    bench.progress(f"starting with {count:,} pending deliveries")
    return await _up(hookd)


async def _up(hookd: Hookd) -> float:
    began = time.monotonic()
    await hookd.up()
    return time.monotonic() - began


def _teller(bench: Bench, what: str, total: int) -> Callable[[int], None]:
    return lambda done: bench.progress(f"{what}: {done:,} of {total:,}")


TABLE: dict[str, Scenario] = {
    "single": single,
    "fanout_1": fanout_1,
    "fanout_100": fanout_100,
    "fanout_1000": fanout_1000,
}
HEAVY: dict[str, Scenario] = {"blackhole": blackhole, "endpoints": endpoints, "backlog": backlog}


async def measure(options: Options) -> dict[str, Any]:
    """Run what was asked for."""
    rows: list[Row] = []
    others: dict[str, Any] = {}
    names = options.only or (tuple(TABLE) if options.quick else (*TABLE, *HEAVY))
    # In the table's scenarios one daemon serves all; the heavy ones begin with a home of their own.
    light = [name for name in names if name in TABLE]
    if light:
        async with _bench(options) as bench:
            rows = [await TABLE[name](bench) for name in light]
    for name in names:
        if name in HEAVY:
            async with _bench(options) as bench:
                others[name] = await HEAVY[name](bench)
    return {"rows": rows, "others": others}


@asynccontextmanager
async def _bench(options: Options) -> AsyncIterator[Bench]:
    with _scratch() as scratch:
        receiver, ports = await Helper.start("benchmarks.receiver")
        hookd = Hookd(scratch / "home", TRIGGER_BATCH_SIZE=str(options.batch_size), STOP_GRACE_S="0.5")
        bench = Bench(hookd, receiver, ports, scratch, options)
        try:
            async with bench.progress.shown(), hookd, _watched(hookd, options):
                yield bench
        finally:
            await receiver.stop()


@asynccontextmanager
async def _watched(hookd: Hookd, options: Options) -> AsyncIterator[None]:
    """With `--watch`, one operator reads the live stream until hookd stops."""
    if not options.watch:
        yield
        return
    watch, _ = await Helper.start("benchmarks.watch")
    try:
        token = Tokens(hookd.secrets["SECRET_KEY"], lambda: datetime.now(UTC)).mint_operator("benchmark")
        await watch.ask(f"watch {hookd.url} {token}")
        yield
        print("watched:", ", ".join(f"{value:,} {name}" for name, value in (await watch.ask("count")).items()))
    finally:
        await watch.stop()


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hookd-benchmark-") as folder:
        Path(folder).chmod(0o711)  # as root the database runs as another account, which must be able to pass
        yield Path(folder)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.deliver", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under 40 s: the table only, short")
    parser.add_argument("--only", action="append", choices=[*TABLE, *HEAVY], default=[], help="repeatable")
    parser.add_argument("--json", type=Path, help="write all figures there")
    parser.add_argument("--batch-size", type=int, default=PRODUCT_BATCH_SIZE, help="TRIGGER_BATCH_SIZE of the daemon")
    parser.add_argument("--payload-bytes", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=64, help="of the load, in saturation")
    parser.add_argument("--watch", action="store_true", help="one reads the live stream all the while")
    given = parser.parse_args()
    share_cores()
    options = Options(
        given.quick,
        given.batch_size,
        given.payload_bytes,
        only=tuple(given.only),
        connections=given.connections,
        watch=given.watch,
    )
    try:
        found = asyncio.run(measure(options))
    except Lost as lost:
        sys.exit(f"LOST: {lost}")
    _show(options, found)
    if given.json:
        facts = {"python": platform.python_version(), "cores": os.cpu_count(), "load": os.getloadavg()}
        rows = [asdict(row) for row in found["rows"]]
        given.json.write_text(
            json.dumps({"machine": facts, "options": asdict(options), "rows": rows, **found["others"]}, indent=2)
        )


def _show(options: Options, found: dict[str, Any]) -> None:
    if found["rows"]:
        print(
            f"{options.payload_bytes} B payloads, TRIGGER_BATCH_SIZE {options.batch_size}, {options.connections} "
            f"connections; latency at {options.rate:g} deliveries/s; "
            f"{os.cpu_count()} cores: the daemon on the first, all else on the others"
        )
        print(table(found["rows"]))
        for row in found["rows"]:
            done = row.throughput
            if done.duplicates or set(done.statuses) != {"202"}:
                print(f"  {row.name}: {done.duplicates} arrived twice; answers {done.statuses}")
    for name, figures in found["others"].items():
        print(f"\n{name}")
        for key, value in figures.items():
            print(f"  {key:20} {_plain(value)}")


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(each)}" for key, each in value.items())
    return f"{value:,.1f}" if isinstance(value, float) else f"{value:,}"


if __name__ == "__main__":
    main()
