"""Starts, with nothing and with much; and what much costs in memory."""

import asyncio
import time
from collections.abc import Callable

import asyncpg

from benchmarks import long_log
from benchmarks.bench import Bench, Group
from benchmarks.figures import Result
from benchmarks.stock import Stock, offline
from benchmarks.subject import MIB, Subject
from benchmarks.tidy import tidy
from daemon.cli.token import DEFAULT_ORG
from daemon.postgres.embedded import running_dsn

IDLE_ENDPOINTS = 100_000
BACKLOG = 1_000_000
BACKLOG_ENDPOINTS = 100
WATCHED_S = 30
ARRIVAL_POLL_S = 0.002
CALM_WITHIN_S = 900.0
UNSEALED_MAX = 1000


async def start(bench: Bench) -> list[Result]:
    """From `hookd up` until it serves, has accepted and has delivered: with an empty log, and a long one."""
    subject = bench.subject
    bench.progress("start: a new home")
    fresh = Subject(
        bench.scratch / "fresh", workers=subject.worker_count, program=subject.program, **_settings(subject)
    )
    try:
        new_s = await fresh.up_s()
    finally:
        await fresh.__aexit__()
    group = await bench.group("start", 1, 1)
    await bench.warm_up(group, 10)
    await subject.down()
    bench.progress("start: an empty log")
    empty = await _first(bench, group)
    rss_mib = subject.rss_mib
    events = int(bench.options.seconds(200_000, 1_000_000))
    await subject.down()
    await fill(bench, long_log.Shape(), events)
    bench.progress(f"start: a log of {events:,} events")
    full = await _first(bench, group)
    figures = {"new_home_s": new_s, "rss_mib": rss_mib, "full_events": events, "full_rss_mib": subject.rss_mib}
    figures |= {f"empty_{name}": value for name, value in empty.items()}
    figures |= {f"full_{name}": value for name, value in full.items()}
    return [Result("start", figures)]


def _settings(subject: Subject) -> dict[str, str]:
    return {name: value for name, value in subject.environ.items() if name != "HOOKD_HOME"}


async def _first(bench: Bench, group: Group) -> dict[str, float]:
    """Start; seconds until it serves, until a message is accepted, until it has arrived."""
    subject = bench.subject
    await bench.receiver.ask("reset")
    began = time.monotonic()
    await subject.up()
    serves = time.monotonic()
    await subject.create_message(group.applications[0])
    accepted = time.monotonic()
    while not (await bench.receiver.ask("count"))["count"]:  # noqa: ASYNC110 - another process has no event
        await asyncio.sleep(ARRIVAL_POLL_S)
    arrived = time.monotonic()
    return {"serves_s": serves - began, "accepted_s": accepted - began, "delivered_s": arrived - began}


async def endpoints(bench: Bench) -> list[Result]:
    """What 100,000 registered, idle endpoints cost: memory, and time at the start."""
    count, subject = IDLE_ENDPOINTS, bench.subject
    bench.progress("endpoints: start without any")
    await subject.down()
    before_s = await subject.up_s()
    before_mib = subject.rss_mib
    await subject.down()
    async with offline(subject.home) as connection:
        stock = Stock(connection, subject.secrets["SEALING_KEYS"])
        await stock.begin()
        url = f"http://127.0.0.1:{await bench.listen()}/idle"
        tell = teller(bench, "endpoints: stocking", count)
        await stock.endpoints(DEFAULT_ORG, count, 100, lambda number: f"{url}/{number}", tell)
        await stock.end()
    bench.progress(f"endpoints: start with {count:,}")
    after_s = await subject.up_s()
    after_mib = subject.rss_mib
    figures = {
        "endpoints": count,
        "start_s": after_s,
        "start_empty_s": before_s,
        "rss_mib": after_mib,
        "rss_empty_mib": before_mib,
        "each_bytes": (after_mib - before_mib) * MIB / count,
    }
    return [Result("endpoints", figures)]


async def backlog(bench: Bench) -> list[Result]:
    """A million pending deliveries for endpoints that never answer: memory, and time at the start."""
    count, subject = BACKLOG, bench.subject
    hole = await bench.group("backlog", 1, BACKLOG_ENDPOINTS, silent=True)
    empty_mib = subject.rss_mib
    start_s = await stock_pending(bench, hole.applications[0], hole.endpoints[0], count)
    samples = []
    for second in range(WATCHED_S):
        bench.progress(f"backlog: watching memory, {WATCHED_S - second} s to go")
        samples.append(subject.rss_mib)
        await asyncio.sleep(1)
    figures = {
        "pending": count,
        "start_s": start_s,
        "rss_before_mib": empty_mib,
        "rss_at_start_mib": samples[0],
        "rss_most_mib": max(samples),
        "rss_at_end_mib": samples[-1],
    }
    return [Result("backlog", figures)]


async def stock_pending(bench: Bench, application: str, endpoint_ids: list[str], count: int) -> float:
    """Stop hookd, write the stock, start it again; answers how long the start took, in seconds."""
    subject = bench.subject
    await subject.down()
    async with offline(subject.home) as connection:
        stock = Stock(connection, subject.secrets["SEALING_KEYS"])
        await stock.begin()
        tell = teller(bench, "stocking pending deliveries", count)
        await stock.pending(application, endpoint_ids, count, 200, tell)
        await stock.end()
    bench.progress(f"starting with {count:,} pending deliveries")
    return await subject.up_s()


async def fill(bench: Bench, shape: long_log.Shape, events: int) -> None:
    """Let the log of a hookd that is down grow; nothing leaves this machine when it is up again."""
    home = bench.subject.home
    async with offline(home):
        dsn = running_dsn(home)
        assert dsn is not None
        url = f"http://127.0.0.1:{await bench.listen()}/long"
        tell = teller(bench, f"{bench.progress.text.partition(':')[0]}: filling the log", events)
        await long_log.fill(dsn, events, shape.at(url), tell)
        await tidy(home, bench.progress)


async def calm(bench: Bench, what: str) -> float:
    """Wait until the log is sealed and stands still: else that would be measured too. Answers for how long."""
    connection = await asyncpg.connect(bench.subject.dsn, timeout=30)
    began, before = time.monotonic(), -1
    try:
        while time.monotonic() < began + CALM_WITHIN_S:
            head, sealed = await connection.fetchrow(
                """select (select sum(seq)::bigint from log.head),
                          (select coalesce(sum(size), 0)::bigint
                             from (select max(size) as size from log.checkpoint group by partition) as each)"""
            )
            if head == before and head - sealed <= UNSEALED_MAX:
                break
            bench.progress(f"{what}: {head - sealed:,} events to be sealed")
            before = head
            await asyncio.sleep(1)
    finally:
        await connection.close()
    return time.monotonic() - began


def teller(bench: Bench, what: str, total: int) -> Callable[[int], None]:
    """Say how far it is."""
    return lambda done: bench.progress(f"{what}: {done:,} of {total:,}")
