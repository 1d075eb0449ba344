"""Whatever is killed, and whenever: what was accepted is delivered, and the log is whole."""

import os
import signal
from pathlib import Path
from random import Random

from tests.support.process import Hookd
from tests.system.conftest import assert_history_is_whole
from tests.system.flood import Flood
from tests.system.sink import Sink

ROUNDS = 4
APPLICATIONS = 3


async def test_what_hookd_accepted_is_delivered_however_often_it_is_killed(home: Path, sink: Sink) -> None:
    random = Random(1)
    async with Hookd(home) as hookd:
        applications = [(await hookd.create_endpoint(sink.url))[0] for _ in range(APPLICATIONS)]
        async with Flood(hookd, applications) as flood:
            for _ in range(ROUNDS):
                await _moment(random, flood, sink)
                assert await hookd.down(signal.SIGKILL) == -signal.SIGKILL
                await hookd.up()
            await flood.more(1)
        await sink.until(lambda: sink.arrivals.keys() >= set(flood.accepted))
        await assert_history_is_whole(hookd)


async def test_hookd_outlives_its_postgres_and_loses_nothing(hookd: Hookd, sink: Sink) -> None:
    random = Random(2)
    applications = [(await hookd.create_endpoint(sink.url))[0] for _ in range(APPLICATIONS)]
    daemon = hookd.pid
    async with Flood(hookd, applications) as flood:
        for _ in range(ROUNDS):
            await _moment(random, flood, sink)
            postmaster = hookd.postmaster
            assert postmaster is not None
            os.kill(postmaster, signal.SIGKILL)
            # Its backends may go on for a moment without it: wait for what its successor accepts.
            while hookd.postmaster in {None, postmaster}:
                await flood.more(1)
            await flood.more(1)
    assert hookd.pid == daemon
    await sink.until(lambda: sink.arrivals.keys() >= set(flood.accepted))
    await assert_history_is_whole(hookd)


async def _moment(random: Random, flood: Flood, sink: Sink) -> None:
    """Some moment under load: just after something was accepted, or just after something arrived."""
    if random.random() < 0.5:
        await flood.more(random.randint(20, 600))
    else:
        goal = sink.arrivals.total() + random.randint(20, 600)
        await sink.until(lambda: sink.arrivals.total() >= goal)
