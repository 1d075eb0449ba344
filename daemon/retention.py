"""Drops what need not be kept any longer: once a day, whole tables; and makes the tables of the days to come.

A day that cannot be dropped, because somebody uses its tables or the database is away, stays, with the reason, and
is tried again soon.
"""

import asyncio
from datetime import date, timedelta
from typing import Final

import structlog

from daemon.clock import Clock
from daemon.recorder import Busy, Recorder
from events.catalogue import DeliveryExpired
from events.content import ExpireContent
from events.decide import Rules
from events.delivery import EndDelivery
from events.log import Blocked, Log, Unavailable
from events.world import World

log = structlog.get_logger()

LOOK_S: Final = 3600.0
AGAIN_S: Final = 60.0
PAGE: Final = 1000
DAYS_AHEAD: Final = 4
# An append that was decided just before midnight may still put a response under the day that ended.
GRACE: Final = timedelta(minutes=5)


class Retention:
    """Keeps each body for as long as was said, and no longer. `turn` is shared with those who remove on request."""

    def __init__(
        self, log: Log, recorder: Recorder, world: World, rules: Rules, clock: Clock, turn: asyncio.Lock
    ) -> None:
        self._log = log
        self._recorder = recorder
        self._world = world
        self._rules = rules
        self._clock = clock
        self._turn = turn
        self.stuck: dict[date, str] = {}  # days that should be gone, and why they are not

    # --- days to come

    def days_ahead(self) -> set[date]:
        """The days that messages accepted today or soon will be kept until, by the settings of all applications."""
        today = self._clock.now().date()
        spans = {each.retention_days for each in self._world.applications() if each.retention_days is not None}
        return {
            today + timedelta(days=ahead + span)
            for span in {self._rules.retention_days, *spans}
            for ahead in range(DAYS_AHEAD)
        }

    async def prepare(self) -> None:
        """Make their tables. Unavailable."""
        await self._log.prepare_days(self.days_ahead())

    # --- days that are over

    async def run(self) -> None:
        """Look every hour, and sooner while something is stuck, for ever."""
        while True:
            await self.sweep()
            await asyncio.sleep(AGAIN_S if self.stuck else LOOK_S)

    async def sweep(self) -> None:
        """Drop every day that is over, the oldest first. Of several processes the owner of partition 0 does so."""
        if 0 not in self._recorder.epochs:
            self.stuck.clear()
            return
        today = (self._clock.now() - GRACE).date()
        try:
            days = [day for day in await self._log.days() if day < today]
        except Unavailable as error:
            self.stuck.setdefault(today, str(error))
            log.warning("retention_postponed", reason=str(error))
            return
        self.stuck = {day: reason for day, reason in self.stuck.items() if day in days}
        for day in days:
            try:
                await self._expire(day)
            except (Unavailable, Blocked, Busy) as error:
                self.stuck[day] = str(error)
                log.warning("day_not_dropped", day=str(day), reason=str(error), again_s=AGAIN_S)
            else:
                self.stuck.pop(day, None)

    async def _expire(self, day: date) -> None:
        ended = 0
        for partition in range(self._world.partitions):
            ended += await self._end_pending(day, partition)
        async with self._turn:
            counts = await self._log.count(day)
            await self._recorder.ask(ExpireContent(day, counts), "hookd")
        payloads, responses = (sum(each) for each in zip(*counts.values(), strict=True)) if counts else (0, 0)
        log.info("day_dropped", day=str(day), payloads=payloads, responses=responses, deliveries_ended=ended)

    async def _end_pending(self, day: date, partition: int) -> int:
        """End what would be delivered without its payload; held deliveries too."""
        ended, last = 0, None
        while page := await self._log.pending_until(day, partition, last, PAGE):
            await self._recorder.ask_all(
                [
                    EndDelivery(each, DeliveryExpired(reason=f"its retention of {each.retention_days} days is over"))
                    for each in page
                ]
            )
            ended, last = ended + len(page), page[-1]
        return ended
