"""Several processes share the work: killed, stopped beyond their lease and resumed, at random and under load."""

import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import asyncpg
import psutil
import pytest

from daemon.ownership import LEASE_S
from tests.support.process import Hookd, until
from tests.system.conftest import assert_history_is_whole
from tests.system.flood import Flood
from tests.system.sink import Sink

APPLICATIONS = 8

ENDS = """
  select e.stream, count(*) filter (where e.type = 'AttemptSucceeded'), count(*) filter (where e.type like 'Attempt%')
  from log.event e where e.endpoint is not null group by 1"""
UNEXPLAINED = """
  select a.stream from log.event a
  join (select partition, stream, max(seq) as seq, count(*) filter (where type like 'Attempt%') as attempts
        from log.event where endpoint is not null group by 1, 2) d using (partition, stream)
  where a.type = 'MessageAccepted' and a.stream = any($1) and not exists (
    select from log.event t
    where t.partition = a.partition and t.type = 'PartitionTaken' and t.seq > a.seq and t.seq < d.seq)"""


@pytest.fixture
async def crew(home: Path) -> AsyncIterator[Hookd]:
    """Three workers."""
    async with Hookd(home, WORKERS="3", LOG_LEVEL="info") as hookd:
        yield hookd


async def test_workers_killed_stopped_and_resumed_at_random_lose_nothing(crew: Hookd, sink: Sink, hole: Sink) -> None:
    random = Random(3)
    applications = [(await crew.create_endpoint(sink.url))[0] for _ in range(APPLICATIONS)]
    slow = [(await crew.create_endpoint(hole.url))[0] for _ in range(APPLICATIONS)]
    async with Flood(crew, applications, senders=8) as flood, Flood(crew, slow, senders=2) as slowly:
        for act in (_kill, _stop, _kill, _stop_and_kill_another):
            hole.answering = False
            await until(lambda: crew.ask("select count(distinct owner) = 3 from log.head"))
            await flood.more(random.randint(100, 400))
            await slowly.more(2 * APPLICATIONS)  # under way, wherever it is
            async with act(crew, random):
                await flood.more(random.randint(50, 200))
                hole.answer_all()
            await flood.more(100)
    await sink.until(lambda: sink.arrivals.keys() >= set(flood.accepted))
    await hole.until(lambda: hole.arrivals.keys() >= set(slowly.accepted))
    await _all_delivered(crew, flood.accepted + slowly.accepted)
    await _assert_told(crew, sink.arrivals + hole.arrivals)
    assert "outcomes_fenced" in crew.said_all, "nobody came back with outcomes that were not its own any more"
    await assert_history_is_whole(crew)


@asynccontextmanager
async def _kill(crew: Hookd, random: Random) -> AsyncIterator[None]:
    os.kill(random.choice(crew.workers), signal.SIGKILL)
    yield


@asynccontextmanager
async def _stop(crew: Hookd, random: Random) -> AsyncIterator[None]:
    """One stands still until others have taken over what it owned, and then goes on as if nothing had been."""
    stopped = random.choice(crew.workers)
    cmdline = psutil.Process(stopped).cmdline()
    name = cmdline[cmdline.index("worker") + 1]
    os.kill(stopped, signal.SIGSTOP)
    try:
        await until(lambda: crew.ask("select not exists (select from log.head where owner = $1)", name), LEASE_S * 4)
        yield
    finally:
        os.kill(stopped, signal.SIGCONT)


@asynccontextmanager
async def _stop_and_kill_another(crew: Hookd, random: Random) -> AsyncIterator[None]:
    async with _stop(crew, random), _kill(crew, random):
        yield


async def _all_delivered(crew: Hookd, accepted: list[str]) -> None:
    """What arrived is recorded too, once everybody has come to rest."""
    await until(lambda: crew.ask("select not exists (select from state.delivery)"))
    connection = await asyncpg.connect(crew.dsn, timeout=30)
    try:
        ends = {row[0]: row[1] for row in await connection.fetch(ENDS)}
    finally:
        await connection.close()
    assert all(ends.get(message) == 1 for message in accepted)


async def _assert_told(crew: Hookd, arrivals: Mapping[str, int]) -> None:
    """What arrived more often than attempts are recorded was under way when its partition changed hands."""
    connection = await asyncpg.connect(crew.dsn, timeout=30)
    try:
        attempts = {row[0]: row[2] for row in await connection.fetch(ENDS)}
        doubtful = [message for message, count in arrivals.items() if count > attempts[message]]
        assert not await connection.fetch(UNEXPLAINED, doubtful)
    finally:
        await connection.close()
