"""Two workers behind one port: whoever is asked tells of both."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from daemon.api.auth import Tokens
from daemon.clock import SystemClock
from tests.support.process import Command, Hookd
from tests.system.flood import Flood
from tests.system.sink import Sink

APPLICATIONS = 12  # on more than one partition of each worker
SHARED = """select count(*) from (
  select from log.head where owner is not null group by owner having count(*) = 8) each"""
ENDED = re.compile(r'^hookd_deliveries_ended_total\{process="(\d+)",state="delivered"\} (\S+)$', re.MULTILINE)


@pytest.fixture
async def crew(home: Path) -> AsyncIterator[Hookd]:
    """Two workers, who have equal shares."""
    async with Hookd(home, WORKERS="2") as hookd:
        connection = await asyncpg.connect(hookd.dsn, timeout=30)
        try:
            async with asyncio.timeout(30):
                while await connection.fetchval(SHARED) != 2:
                    pass
        finally:
            await connection.close()
        yield hookd


class Watch:
    """One reader of the live stream: all events, and what the stats add up to."""

    def __init__(self) -> None:
        self.stats: dict[str, Any] = {}
        self.delivered = 0
        self.targets: set[str] = set()
        self.seen: list[tuple[int, int]] = []
        self.successes = 0
        self._stirred = asyncio.Event()

    async def read(self, hookd: Hookd, token: str) -> None:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120), read_bufsize=1 << 22) as session,
            session.get(
                f"{hookd.url}/api/v1/live?rate=2000", headers={"Authorization": f"Bearer {token}"}
            ) as response,
        ):
            assert response.status == 200, await response.text()
            kind = ""
            async for line in response.content:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name == "event":
                    kind = value
                elif name == "data":
                    self._take(kind, json.loads(value))
                    self._stirred.set()

    def _take(self, kind: str, data: Any) -> None:
        assert kind != "skipped"
        if kind == "stats":
            self.stats = data
            self.delivered += data["delivered"]
            self.targets |= {each["endpoint"] for each in data["targets"]}
        elif kind == "events":
            self.seen += [(each["partition"], each["seq"]) for each in data]
            self.successes += sum(each["type"] == "AttemptSucceeded" for each in data)

    async def until(self, is_so: Any) -> None:
        try:
            async with asyncio.timeout(30):
                while not is_so():
                    self._stirred.clear()
                    await self._stirred.wait()
        except TimeoutError:
            raise AssertionError(self.__dict__) from None

    def both_told(self) -> bool:
        told = self.stats.get("processes", ())
        return len(told) == 2 and all(each["inFlight"] is not None for each in told)


async def test_one_connection_tells_of_both_processes(crew: Hookd, sink: Sink) -> None:
    token = Tokens(crew.secrets["SECRET_KEY"], SystemClock().now).mint_operator("ada", may_act=False)
    made = [await crew.create_endpoint(sink.url) for _ in range(APPLICATIONS)]
    watch = Watch()
    reading = asyncio.create_task(watch.read(crew, token))
    await watch.until(watch.both_told)
    before = watch.delivered
    async with Flood(crew, [application for application, _ in made]) as flood:
        await flood.more(300)
    sent = len(flood.accepted)
    await watch.until(lambda: watch.successes >= sent and watch.delivered - before >= sent)
    await _assert_told(crew, watch, token, made, sent)
    assert watch.delivered - before == watch.successes == sent
    reading.cancel()


async def _assert_told(crew: Hookd, watch: Watch, token: str, made: list[tuple[str, str]], sent: int) -> None:
    processes = watch.stats["processes"]
    assert [each["partitions"] for each in processes] == [8, 8]
    assert {each["owner"] for each in watch.stats["partitions"]} == {each["name"] for each in processes}
    assert watch.targets == {endpoint for _, endpoint in made}
    for partition in {number for number, _ in watch.seen}:
        seqs = [seq for number, seq in watch.seen if number == partition]
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    for _ in range(8):  # each on a connection of its own, so that both processes are asked
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
            async with session.get(f"{crew.url}/api/v1/overview") as response:
                overview = await response.json()
            assert {each["name"] for each in overview["processes"]} == {each["name"] for each in processes}
            async with session.get(f"{crew.url}/api/v1/targets") as response:
                targets = (await response.json())["data"]
            assert {each["endpoint"] for each in targets if each["counted"]} == {endpoint for _, endpoint in made}
            async with session.get(f"{crew.url}/readyz") as response:
                assert (await response.json())["checks"]["partitions"]["value"] == 16
            await _until_counted(session, crew, sent)


async def _until_counted(session: aiohttp.ClientSession, crew: Hookd, sent: int) -> None:
    """The other process tells its numbers once a second."""
    async with asyncio.timeout(10):
        while True:
            async with session.get(f"{crew.url}/metrics") as response:
                found = dict(ENDED.findall(await response.text()))
            if found.keys() == {"1", "2"} and sum(map(float, found.values())) == sent:
                return


async def test_doctor_names_both(crew: Hookd) -> None:
    command = await Command.start("doctor", cwd=crew.home.parent, environ=crew.environ)
    assert await command.ended() == 0, command.said_all
    assert (
        len(
            re.findall(
                r"^ok +process: \S+/\d+, 8 partitions, lease good for [34]\.\d s", command.output, re.MULTILINE
            )
        )
        == 2
    )
