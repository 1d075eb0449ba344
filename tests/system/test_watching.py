"""Somebody watches the live stream while hookd delivers, stops, and comes back."""

import asyncio
import json
import signal
from typing import Any

import aiohttp

from daemon.api.auth import Tokens
from daemon.clock import SystemClock
from tests.support.process import Command, Hookd
from tests.system.flood import Flood
from tests.system.sink import Sink


class Watch:
    """Reads a stream until it ends, and remembers where it was."""

    def __init__(self, hookd: Hookd, token: str) -> None:
        self.hookd = hookd
        self.token = token
        self.position = ""
        self.seen: list[tuple[int, int]] = []
        self.delivered: set[tuple[str, str]] = set()
        self.skipped = 0
        self.counted = 0
        self.began = asyncio.Event()
        self.stirred = asyncio.Event()

    async def read(self) -> None:
        """Once, to its end."""
        headers = {"Authorization": f"Bearer {self.token}"}
        if self.position:
            headers["Last-Event-ID"] = self.position
        timeout = aiohttp.ClientTimeout(total=60)
        async with (
            aiohttp.ClientSession(timeout=timeout, read_bufsize=1 << 22) as session,
            session.get(f"{self.hookd.url}/api/v1/live?rate=2000", headers=headers) as response,
        ):
            assert response.status == 200, await response.text()
            kind = ""
            async for line in response.content:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name == "id":
                    self.position = value
                elif name == "event":
                    kind = value
                elif name == "data":
                    self.take(kind, json.loads(value))

    def take(self, kind: str, data: Any) -> None:
        self.stirred.set()
        if kind == "hello":
            self.began.set()
        elif kind == "skipped":
            self.skipped += data["count"]
        elif kind == "stats":
            self.counted += data["delivered"]
        elif kind == "events":
            for each in data:
                self.seen.append((each["partition"], each["seq"]))
                if each["type"] == "AttemptSucceeded":
                    self.delivered.add((each["stream"], each["endpoint"]))


async def test_a_restart_loses_and_repeats_nothing(hookd: Hookd, sink: Sink) -> None:
    minted = await Command.start("token", "--operator", "ada", cwd=hookd.home.parent, environ=hookd.environ)
    assert await minted.ended() == 0
    watch = Watch(hookd, minted.output.strip())
    application, endpoint = await hookd.create_endpoint(sink.url)
    async with Flood(hookd, [application]) as flood:
        for _ in range(2):
            watch.began.clear()
            reading = asyncio.create_task(watch.read())
            await watch.began.wait()
            await flood.more(100)
            # Stopping, it ends the stream before it waits for attempts: the reader hears of it at once.
            assert await hookd.down(signal.SIGTERM) == 0
            await reading
            await hookd.up()
            await flood.more(20)
    await sink.until(lambda: sink.arrivals.keys() >= set(flood.accepted))
    reading = asyncio.create_task(watch.read())
    async with asyncio.timeout(30):
        while {message for message, _ in watch.delivered} < set(flood.accepted):
            watch.stirred.clear()
            await watch.stirred.wait()
    assert await hookd.down(signal.SIGTERM) == 0
    await reading
    assert watch.skipped == 0
    assert {each for _, each in watch.delivered} == {endpoint}
    assert len(watch.seen) == len(set(watch.seen))
    for partition in {number for number, _ in watch.seen}:
        seqs = [seq for number, seq in watch.seen if number == partition]
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))


async def test_what_the_command_line_prints_is_an_operators_token(hookd: Hookd) -> None:
    async def printed(*arguments: str) -> tuple[int, Command]:
        command = await Command.start("token", *arguments, cwd=hookd.home.parent, environ=hookd.environ)
        return await command.ended(), command

    tokens = Tokens(hookd.secrets["SECRET_KEY"], SystemClock().now)
    for arguments, may_act in (
        (("--operator", "ada"), False),
        (("--operator", "ada", "--write", "--days", "3"), True),
    ):
        status, command = await printed(*arguments)
        assert status == 0, command.said_all
        principal = tokens.verify(command.output.strip())
        assert (getattr(principal, "name", ""), getattr(principal, "may_act", None)) == ("ada", may_act)
        answer = await hookd.call("GET", "/api/v1/overview", token=command.output.strip())
        assert answer[0] == 200
    for wrong in (("--write",), ("--operator", "a b"), ("--operator", "ada", "--app", "app_1"), ("--days", "3")):
        status, command = await printed(*wrong)
        assert status != 0
        assert "Traceback" not in command.said_all
