"""`hookd up --workers N`: equal processes under one parent, seen from outside."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from tests.support.process import Hookd
from tests.system.flood import Flood
from tests.system.sink import Sink

OWNERS = "select count(distinct owner) from log.head"


@pytest.fixture
async def crew(home: Path) -> AsyncIterator[Hookd]:
    """Two workers."""
    async with Hookd(home, WORKERS="2") as hookd:
        yield hookd


async def test_each_worker_gets_a_share_and_the_end_is_in_order(crew: Hookd) -> None:
    assert len(crew.workers) == 2
    await _until(crew, OWNERS, 2)
    assert await crew.down() == 0
    assert crew.postmaster is None


async def test_a_worker_that_dies_is_replaced_and_what_it_owned_goes_on_at_once(crew: Hookd, sink: Sink) -> None:
    applications = [(await crew.create_endpoint(sink.url))[0] for _ in range(4)]
    await _until(crew, OWNERS, 2)
    before = set(crew.workers)
    os.kill(min(before), signal.SIGKILL)
    async with Flood(crew, applications) as flood:
        await flood.more(50)
    await sink.until(lambda: sink.arrivals.keys() >= set(flood.accepted))
    async with asyncio.timeout(20):
        while len(crew.workers) < 2 or not set(crew.workers) - before:
            await asyncio.sleep(0)
    await _until(crew, OWNERS, 2)


async def test_workers_end_when_nobody_is_above_them(crew: Hookd) -> None:
    workers = [psutil.Process(pid) for pid in crew.workers]
    await crew.down(signal.SIGKILL)
    loop = asyncio.get_running_loop()
    gone, alive = await loop.run_in_executor(None, lambda: psutil.wait_procs(workers, timeout=20))
    assert (len(gone), alive) == (2, [])
    await crew.up()


async def test_a_port_that_somebody_listens_on_is_not_shared(crew: Hookd, home: Path) -> None:
    port = crew.url.rpartition(":")[2]
    second = Hookd(home.with_name(home.name + "-second"), WORKERS="2", PORT=port)
    with pytest.raises(AssertionError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
        async with second:
            pass


async def _until(crew: Hookd, question: str, answer: int) -> None:
    connection = await asyncpg.connect(crew.dsn, timeout=30)
    try:
        async with asyncio.timeout(20):
            while await connection.fetchval(question) != answer:
                await asyncio.sleep(0)
    finally:
        await connection.close()
