"""Told to stop, hookd stops: in time, in stages, and with nothing lost."""

import asyncio
import signal
from pathlib import Path

import pytest

from tests.support.process import Hookd
from tests.system.conftest import assert_history_is_whole
from tests.system.flood import Flood
from tests.system.sink import Sink

GRACE_S = 1.0
# Beside the attempts: closing the API, recording what is left, stopping PostgreSQL.
REST_S = 10.0


async def test_a_stop_under_load_ends_well_and_in_time(hookd: Hookd, sink: Sink) -> None:
    application, _ = await hookd.create_endpoint(sink.url)
    async with Flood(hookd, [application]) as flood:
        await flood.more(300)
        assert await hookd.down(signal.SIGTERM) == 0
        assert "Traceback" not in hookd.said_all
        assert hookd.postmaster is None
        await hookd.up()
        await flood.more(1)
    await sink.until(lambda: sink.arrivals.keys() >= set(flood.accepted))
    await assert_history_is_whole(hookd)


async def test_attempts_without_an_answer_are_cut_short_at_the_deadline_and_repeated(home: Path, hole: Sink) -> None:
    async with Hookd(home, STOP_GRACE_S=f"{GRACE_S}") as hookd:
        application, _ = await hookd.create_endpoint(hole.url)
        async with Flood(hookd, [application]) as flood:
            await flood.more(50)
        await hole.until(lambda: hole.arrivals.total() >= 10)
        began = asyncio.get_running_loop().time()
        assert await hookd.down(signal.SIGTERM, within_s=GRACE_S + REST_S) == 0
        assert asyncio.get_running_loop().time() - began >= GRACE_S
        assert "10 attempts were cut short and will be repeated" in hookd.said_all
        hole.answer_all()
        await hookd.up()
        repeated = lambda: sum(times > 1 for times in hole.arrivals.values())  # noqa: E731
        await hole.until(lambda: hole.arrivals.keys() >= set(flood.accepted) and repeated() >= 10)
        assert repeated() == 10
        await assert_history_is_whole(hookd)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_it_at_once(home: Path, hole: Sink, number: signal.Signals) -> None:
    async with Hookd(home, STOP_GRACE_S="60") as hookd:
        application, _ = await hookd.create_endpoint(hole.url)
        async with Flood(hookd, [application]) as flood:
            await flood.more(5)
        await hole.until(lambda: hole.arrivals.total() >= 5)
        assert hookd.command is not None
        hookd.is_up.clear()
        hookd.command.send(number)
        await hookd.command.said("stopping; attempts under way may end")
        hookd.command.send(number)
        assert await hookd.command.ended(within_s=5) == -number
        assert "stopped at once" in hookd.said_all
