"""Healthy receivers; what differs is how messages come in and how far they spread."""

from benchmarks.bench import Bench, Skipped
from benchmarks.figures import Result

SINGLE_APPLICATIONS = 200
PIPELINE = 16
PIPELINED_CONNECTIONS = 8
BATCH_MESSAGES = 50


async def single(bench: Bench) -> list[Result]:
    """One message, one delivery, spread over many applications: what the aims are about."""
    seconds = bench.options.seconds
    group = await bench.group("single", SINGLE_APPLICATIONS, 1)
    return [await bench.row(group, seconds=seconds(4, 20), latency_s=seconds(4, 30))]


async def fanout_1(bench: Bench) -> list[Result]:
    """Everything to one endpoint."""
    return [await _fanout(bench, 1, 8_000)]


async def fanout_10(bench: Bench) -> list[Result]:
    """Each message to 10 endpoints."""
    return [await _fanout(bench, 10, 20_000)]


async def fanout_100(bench: Bench) -> list[Result]:
    """Each message to 100 endpoints."""
    return [await _fanout(bench, 100, 20_000)]


async def fanout_1000(bench: Bench) -> list[Result]:
    """Each message to 1,000 endpoints."""
    return [await _fanout(bench, 1_000, 20_000)]


async def _fanout(bench: Bench, endpoints: int, deliveries: int) -> Result:
    options = bench.options
    group = await bench.group(f"fanout_{endpoints}", 1, endpoints)
    messages = int(deliveries * options.seconds(1, 5) / endpoints)
    return await bench.row(group, messages=messages, latency_s=options.seconds(3, 15))


async def pipelined(bench: Bench) -> list[Result]:
    """Single messages on few connections, many requests written before the first is answered."""
    group = await bench.group("pipelined", SINGLE_APPLICATIONS, 1)
    seconds = bench.options.seconds(4, 15)
    return [await bench.row(group, seconds=seconds, pipeline=PIPELINE, connections=PIPELINED_CONNECTIONS)]


async def batch(bench: Bench) -> list[Result]:
    """Many messages with each request, by the route for batches."""
    group = await bench.group("batch", SINGLE_APPLICATIONS, 1)
    path = f"/api/v1/app/{group.applications[0]}/msg/batch"
    message = {"eventType": "order.paid", "payload": {}}
    status, answer = await bench.subject.call("POST", path, {"messages": [message]}, token=bench.subject.token())
    if status in {404, 405}:
        raise Skipped(f"there is no route for batches (answer {status})")
    if status != 202:
        raise Skipped(f"the route for batches answers {status}: {answer}")
    return [await bench.row(group, seconds=bench.options.seconds(4, 15), batch=BATCH_MESSAGES)]


async def watched(bench: Bench) -> list[Result]:
    """As `single`, first alone, then with somebody who reads the live stream."""
    group = await bench.group("watched", SINGLE_APPLICATIONS, 1)
    seconds = bench.options.seconds(3, 15)
    await bench.warm_up(group)
    alone = await bench.saturate(group, seconds=seconds, bare=False)
    async with bench.watched() as seen:
        result = await bench.row(group, seconds=seconds, latency_s=seconds)
    result.figures["alone_daemon_us"] = alone.figures["daemon_us"]
    result.figures["alone_per_s"] = alone.figures["per_s"]
    result.notes.append("watched: " + ", ".join(f"{value:,} {name}" for name, value in seen.items()))
    return [result]
