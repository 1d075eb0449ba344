"""An app over a script: frames are given, the clock is a number, the source answers from a made-up world."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from tests.tui.world import World
from tui.app import ConsoleApp
from tui.frames import Events, Frame, Happened, Hello, Link, Skipped, Stats, Targets
from tui.source import Doer, targets_of


class ScriptFeed:
    """Yields what a test gives it."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Frame] = asyncio.Queue()
        self.retries = 0

    async def frames(self) -> AsyncIterator[Frame]:
        while True:
            yield await self.queue.get()
            self.queue.task_done()

    def retry(self) -> None:
        self.retries += 1


class WorldSource:
    """Answers from a world; `answers` overrides."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.answers: dict[str, Any] = {}
        self.error: Exception | None = None
        self.doer: Doer | None = None

    async def delivery(self, message: str, endpoint: str) -> dict:
        return self._answer("delivery", lambda: self.world.delivery(message, endpoint))

    async def endpoint(self, endpoint: str) -> dict:
        return self._answer("endpoint", lambda: self.world.endpoint(endpoint))

    async def message(self, message: str) -> dict:
        return self._answer("message", lambda: self.world.message_answer(message))

    async def targets(self) -> list[Targets]:
        return [targets_of(self.world.targets_page())]

    async def overview(self) -> dict:
        return self._answer("overview", lambda: self.world.last)

    async def do(self, path: str, body: dict, *, dry: bool) -> dict:
        assert self.doer is not None
        return await self.doer.do(path, body, dry=dry)

    def _answer(self, name: str, make: Any) -> dict:
        if self.error is not None:
            raise self.error
        return self.answers.get(name) or make()


def frames_of(events: list[dict], stats: dict | None = None, positions: str = "") -> list[Frame]:
    found: list[Frame] = (
        [Events(tuple(msgspec.convert(each, Happened) for each in events), positions)] if events else []
    )
    return found + ([msgspec.convert(stats, Stats)] if stats else [])


class Rig:
    """An app under test."""

    def __init__(self, world: World | None = None, **options: Any) -> None:
        self.world = world or World()
        self.feed = ScriptFeed()
        self.source = WorldSource(self.world)
        self.time = 1000.0
        self.app = ConsoleApp(self.feed, self.source, ticks=lambda: self.time, **options)

    async def give(self, pilot: Any, *frames: Frame) -> None:
        """Frames arrive, and are painted."""
        for frame in frames:
            self.feed.queue.put_nowait(frame)
        await self.feed.queue.join()
        await self.paint(pilot)

    async def paint(self, pilot: Any) -> None:
        self.app.paint()
        await pilot.pause()

    async def live(self, pilot: Any, seconds: int = 1, shown: int = 40) -> None:
        """The stream is there and says something."""
        if self.app.board.link.state != "live":
            await self.give(pilot, Link("live"), msgspec.convert(self.world.hello(), Hello))
        for _ in range(seconds):
            self.time += 1
            await self.give(pilot, *frames_of(*self.world.second(shown)))
        await self.settle(pilot)

    async def settle(self, pilot: Any) -> None:
        """What was asked of the source has been answered, and is painted."""
        await pilot.pause()
        if asked := [each for each in self.app.workers if each.group != "feed"]:
            await self.app.workers.wait_for_complete(asked)
        await self.paint(pilot)

    def text(self) -> str:
        """The screen, as text."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


__all__ = ["Rig", "ScriptFeed", "Skipped", "WorldSource", "frames_of"]
