"""Receivers that are slow, refuse at first, or never answer."""

from benchmarks.bench import Bench
from benchmarks.figures import Result
from benchmarks.scenarios.starting import stock_pending
from benchmarks.scenarios.traffic import SINGLE_APPLICATIONS

SLOW_S = (0.2, 2.0)
SLOW_RATE = 300.0  # of what 200 endpoints at 1.1 s and 10 at once can take
REFUSED = 0.3
RETRY_DELAYS_S = "0.2,0.2,0.5,1,1,1,1,1"
HOLE_DELIVERIES = 100_000


async def slow(bench: Bench) -> list[Result]:
    """Receivers that answer after 0.2 to 2 s: what waiting costs, and whether it holds up anybody."""
    group = await bench.group("slow", SINGLE_APPLICATIONS, 1, slow_s=SLOW_S)
    messages = int(bench.options.seconds(3_000, 15_000))
    result = await bench.saturate(group, messages=messages, bare=False)
    late = await bench.at_rate(group, bench.options.seconds(4, 20), rate=SLOW_RATE)
    result.figures |= late.figures
    result.notes += late.notes
    return [result]


async def failing(bench: Bench) -> list[Result]:
    """Three in ten deliveries are answered 500 once or twice, retried, and at last delivered."""
    await restart(bench, RETRY_DELAYS_S=RETRY_DELAYS_S, BREAKER_FAILURES_MAX="10000")
    group = await bench.group("failing", SINGLE_APPLICATIONS, 1, refused=REFUSED)
    seconds = bench.options.seconds
    result = await bench.saturate(group, seconds=seconds(4, 15), bare=False)
    attempts = result.figures["deliveries"] + bench.last_report["refused"]
    result.figures["attempts"] = attempts
    result.figures["daemon_an_attempt_us"] = result.figures["daemon_us"] * result.figures["deliveries"] / attempts
    late = await bench.at_rate(group, seconds(4, 20))
    result.figures |= late.figures
    result.notes += [*late.notes, "latency is that of first attempts"]
    return [result]


async def blackhole(bench: Bench) -> list[Result]:
    """The latency of the healthy, alone and beside an endpoint that holds 100,000 deliveries and never answers."""
    seconds = bench.options.seconds(5, 30)
    healthy = await bench.group("hole_apart", SINGLE_APPLICATIONS, 1)
    hole = await bench.group("hole", 1, 1, silent=True)
    await bench.warm_up(healthy)
    alone = await bench.at_rate(healthy, seconds)
    await stock_pending(bench, hole.applications[0], hole.endpoints[0], HOLE_DELIVERIES)
    beside = await bench.at_rate(healthy, seconds, checked=False)
    beside.name = "hole_beside"
    return [alone, beside]


async def restart(bench: Bench, **environ: str) -> None:
    """Stop hookd and start it with these settings besides."""
    await bench.subject.down()
    bench.subject.environ |= environ
    await bench.subject.up()
