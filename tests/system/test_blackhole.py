"""An endpoint that takes and never answers is its own problem, not its neighbours'."""

import json
import time
from pathlib import Path

import pytest

from benchmarks.stock import Stock, offline
from tests.support.process import Hookd
from tests.system.flood import Flood
from tests.system.sink import Sink

BACKLOG = 100_000
SAMPLES = 1_500


@pytest.mark.timeout(60)
async def test_100_000_deliveries_into_a_black_hole_do_not_slow_the_others(
    home: Path, sink: Sink, hole: Sink, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Hookd(home, STOP_GRACE_S="0.2") as hookd:
        healthy, _ = await hookd.create_endpoint(sink.url)
        dead, dead_endpoint = await hookd.create_endpoint(hole.url)
        without_s = await _p99_s(hookd, healthy, sink)
        await hookd.down()
        await _stock(hookd, dead, dead_endpoint)
        await hookd.up()
        await hole.until(lambda: hole.arrivals.total() > 0)
        beside_s = await _p99_s(hookd, healthy, sink)
        assert hole.arrivals.total() < BACKLOG
    with capsys.disabled():
        print(f"\np99 {1000 * without_s:.1f} ms alone, {1000 * beside_s:.1f} ms beside a black hole")  # noqa: T201
    assert beside_s <= 5 * without_s + 0.05


async def _p99_s(hookd: Hookd, application: str, sink: Sink) -> float:
    """From before the request to the API until the webhook is read."""
    sink.stamps.clear()
    async with Flood(hookd, [application], senders=4) as flood:
        await flood.more(SAMPLES)
    await sink.until(lambda: sink.arrivals.keys() >= set(flood.accepted))
    ages_s = sorted(arrived - json.loads(body)["at"] for arrived, body in sink.stamps)
    assert ages_s[-1] < time.monotonic()
    return ages_s[int(len(ages_s) * 0.99)]


async def _stock(hookd: Hookd, application: str, endpoint: str) -> None:
    async with offline(hookd.home) as connection:
        stock = Stock(connection, hookd.secrets["SEALING_KEYS"])
        await stock.begin()
        await stock.pending(application, [endpoint], BACKLOG, 200, lambda _: None)
        await stock.end()
