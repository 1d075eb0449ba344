"""Calls targets up at their moment: one heap and one timer for all that wait."""

import asyncio
import heapq
from collections.abc import Callable
from datetime import datetime
from itertools import count
from typing import Final

from daemon.clock import Clock
from daemon.target import Target

TIMER_S_MAX: Final = 30.0


class Alarms:
    """`ring` is called with each target whose moment has come. A target has one alarm, its earliest."""

    def __init__(self, clock: Clock, ring: Callable[[Target], None]) -> None:
        self._clock = clock
        self._ring = ring
        self._loop = asyncio.get_running_loop()
        self._set: list[tuple[datetime, int, Target]] = []
        self._numbers = count()
        self._timer: asyncio.TimerHandle | None = None

    def set(self, target: Target, moment: datetime) -> None:
        """Call this target up at `moment`, unless it is called up before."""
        if target.timer_at is not None and target.timer_at <= moment:
            return
        target.timer_at = moment
        heapq.heappush(self._set, (moment, next(self._numbers), target))
        if self._set[0][2] is target:
            self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._set:
            delay_s = (self._set[0][0] - self._clock.now()).total_seconds()
            # The loop's clock stands still while the machine sleeps: look at the wall's now and then.
            self._timer = self._loop.call_later(min(max(0.0, delay_s), TIMER_S_MAX), self._look)

    def _look(self) -> None:
        self._timer = None
        now = self._clock.now()
        while self._set and self._set[0][0] <= now:
            _, _, target = heapq.heappop(self._set)
            target.timer_at = None
            self._ring(target)
        self._arm()
