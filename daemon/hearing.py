"""Hears what other processes append, and has it looked at: a notification is fast, the roll once a second is sure."""

import asyncio
from collections.abc import Iterable
from typing import Final

import structlog

from daemon.following import Follower
from daemon.recorder import Recorder
from events.log import Log, Roll, Unavailable
from events.news import parse
from events.world import World

log = structlog.get_logger()

RETRY_S: Final = 1.0


class Hearing:
    """`name` is that of this process: its own news is no news."""

    def __init__(self, log: Log, recorder: Recorder, world: World, follower: Follower, name: str) -> None:
        self._log = log
        self._recorder = recorder
        self._world = world
        self._follower = follower
        self._name = name
        self._outdated: set[int] = set()
        self._wake = asyncio.Event()

    async def listen(self) -> None:
        """Take in news, for ever."""
        while True:
            try:
                await self._log.hear(self.heard)
            except Unavailable as error:
                log.info("news_interrupted", reason=str(error))
                await asyncio.sleep(RETRY_S)

    def heard(self, text: str) -> None:
        """One notification."""
        news = parse(text)
        if news is None or news.sender == self._name:
            return
        self._recorder.shared = True
        self._follower.heard(None if news.events is None or news.config is None else news.events | news.config)
        self._outdate(range(self._world.partitions) if news.config is None else news.config)

    def looked(self, roll: Roll) -> None:
        """How far the log is, whatever was heard."""
        positions, known = self._follower.positions, self._world.known
        self._follower.heard(
            [each.partition for each in roll.heads if each.seq > positions.get(each.partition, each.seq)]
        )
        self._outdate([each.partition for each in roll.heads if each.config > known.get(each.partition, 0)])

    def _outdate(self, partitions: Iterable[int]) -> None:
        self._outdated.update(partitions)
        if self._outdated:
            self._wake.set()

    async def learn(self) -> None:
        """Learn configuration that others have decided, for ever."""
        while True:
            if not self._outdated:
                self._wake.clear()
                await self._wake.wait()
            outdated, self._outdated = self._outdated, set()
            try:
                await self._recorder.learn(outdated)
            except Unavailable:
                self._outdated |= outdated
                await asyncio.sleep(RETRY_S)
