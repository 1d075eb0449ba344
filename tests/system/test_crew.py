"""`hookd up --workers N`: equal processes under one parent, seen from outside."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psutil
import pytest

from tests.support.process import Hookd, until
from tests.system.flood import Flood
from tests.system.sink import Sink

OWNERS = "select count(distinct owner) from log.head"


async def shared(crew: Hookd) -> None:
    """Wait until each of two has its part."""

    async def by_two() -> bool:
        return bool(await crew.ask(OWNERS) == 2)

    await until(by_two)


@pytest.fixture
async def crew(home: Path) -> AsyncIterator[Hookd]:
    """Two workers."""
    async with Hookd(home, WORKERS="2") as hookd:
        yield hookd


async def test_each_worker_gets_a_share_and_the_end_is_in_order(crew: Hookd) -> None:
    assert len(crew.workers) == 2
    await shared(crew)
    assert await crew.down() == 0
    assert crew.postmaster is None


async def test_a_worker_that_dies_is_replaced_and_what_it_owned_goes_on_at_once(crew: Hookd, sink: Sink) -> None:
    applications = [(await crew.create_endpoint(sink.url))[0] for _ in range(4)]
    await shared(crew)
    before = set(crew.workers)
    os.kill(min(before), signal.SIGKILL)
    async with Flood(crew, applications) as flood:
        await flood.more(50)
    await sink.until(lambda: sink.arrivals.keys() >= set(flood.accepted))

    async def replaced() -> bool:
        await crew.ask("select 1")
        return len(crew.workers) == 2 and bool(set(crew.workers) - before)

    await until(replaced)
    await shared(crew)


async def test_what_one_worker_was_told_every_other_knows(crew: Hookd, sink: Sink) -> None:
    token, arrived = crew.token(), []
    for number in range(12):
        made = []
        steps = [
            ("/api/v1/app", {"name": "a", "uid": f"app-{number}"}),
            (f"/api/v1/app/app-{number}/endpoint", {"url": sink.url}),
            (f"/api/v1/app/app-{number}/msg", {"eventType": "a.b", "payload": {}}),
        ]
        for path, body in steps:  # each on a connection of its own, so to whichever worker gets it
            async with aiohttp.ClientSession(headers={"authorization": f"Bearer {token}"}) as session:
                async with session.post(crew.url + path, json=body) as reply:
                    made.append((await reply.json())["id"])
                    assert reply.ok, made
                async with session.get(crew.url + path + ("" if path.endswith("/app") else f"/{made[-1]}")) as reply:
                    assert reply.status == 200, await reply.text()
        arrived.append(made[-1])
    await sink.until(lambda: sink.arrivals.keys() >= set(arrived))


async def test_workers_end_when_nobody_is_above_them(crew: Hookd) -> None:
    workers = [psutil.Process(pid) for pid in crew.workers]
    await crew.down(signal.SIGKILL)
    loop = asyncio.get_running_loop()
    gone, alive = await loop.run_in_executor(None, lambda: psutil.wait_procs(workers, timeout=20))
    assert (len(gone), alive) == (2, [])
    await crew.up()


async def test_a_second_signal_ends_the_workers_at_once_too(home: Path, hole: Sink) -> None:
    async with Hookd(home, WORKERS="2", STOP_GRACE_S="60") as crew:
        application, _ = await crew.create_endpoint(hole.url)
        async with Flood(crew, [application]) as flood:
            await flood.more(5)
        await hole.until(lambda: hole.arrivals.total() >= 5)
        workers = [psutil.Process(pid) for pid in crew.workers]
        assert crew.command is not None
        crew.is_up.clear()
        crew.command.send(signal.SIGTERM)
        await crew.command.said("stopping; attempts under way may end")
        assert await crew.down(signal.SIGTERM) == -signal.SIGTERM
        loop = asyncio.get_running_loop()
        gone, alive = await loop.run_in_executor(None, lambda: psutil.wait_procs(workers, timeout=20))
        assert (len(gone), alive) == (2, [])


async def test_a_port_that_somebody_listens_on_is_not_shared(crew: Hookd, home: Path) -> None:
    port = crew.url.rpartition(":")[2]
    second = Hookd(home.with_name(home.name + "-second"), WORKERS="2", PORT=port)
    with pytest.raises(AssertionError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
        async with second:
            pass


async def test_a_worker_that_waits_for_its_last_attempts_holds_up_nothing_else(
    home: Path, sink: Sink, hole: Sink
) -> None:
    async with Hookd(home, WORKERS="2", STOP_GRACE_S="60", ATTEMPT_TIMEOUT_S="60") as crew:
        applications = [(await crew.create_endpoint(sink.url))[0] for _ in range(8)]
        slow, endpoint = await crew.create_endpoint(hole.url)
        await shared(crew)
        async with Flood(crew, [slow], senders=1) as flood:
            await flood.more(1)
        await hole.until(lambda: hole.arrivals.total() >= 1)
        owner = await crew.ask(
            "select h.owner from log.head h join state.endpoint e using (partition) where e.id = $1", endpoint
        )
        leaving = next(pid for pid in crew.workers if owner in psutil.Process(pid).cmdline())
        os.kill(leaving, signal.SIGTERM)
        await until(lambda: crew.ask("select count(*) = 1 from log.head where owner = $1", owner))
        others = await crew.ask(
            """select array_agg(a.id) from state.application a, state.endpoint slow
               where slow.id = $1 and a.partition <> slow.partition and a.id = any($2)""",
            endpoint,
            applications,
        )
        async with Flood(crew, others) as flood:
            await flood.more(50)
        await sink.until(lambda: sink.arrivals.keys() >= set(flood.accepted))
        assert leaving in crew.workers, "it waits for the answer"
        hole.answer_all()
        await until(lambda: crew.ask("select count(*) = 0 from log.head where owner = $1", owner))
