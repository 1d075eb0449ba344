"""How the daemon is doing, by progress and not by pulse: what waits, since when, and whether the loop keeps up."""

import asyncio
from typing import Final

from daemon.clock import Clock
from daemon.dispatcher import Dispatcher
from daemon.notary import Seals
from daemon.recorder import Recorder
from events.log import Roll

LAG_PERIOD_S: Final = 0.5
LAG_KEPT: Final = 20  # samples: the last ten seconds


class Vitals:
    """Read by /readyz and /metrics."""

    def __init__(self, recorder: Recorder, dispatcher: Dispatcher, clock: Clock, seals: Seals) -> None:
        self._recorder = recorder
        self._dispatcher = dispatcher
        self._clock = clock
        self._seals = seals
        self._lags = [0.0]
        self.stopping = False
        self._served = 0

    def looked(self, roll: Roll) -> None:
        """Learn which partitions are owned by whom."""
        self._served = sum(head.owner in roll.processes for head in roll.heads)

    async def watch(self) -> None:
        """Measure how late the loop wakes who sleeps, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            await asyncio.sleep(LAG_PERIOD_S)
            self._lags = [*self._lags[-LAG_KEPT + 1 :], max(0.0, loop.time() - began - LAG_PERIOD_S)]

    @property
    def database_ok(self) -> bool:
        """Whether the last word of the database was a good one."""
        return self._recorder.available

    @property
    def oldest_due_s(self) -> float | None:
        """Age of the delivery that has waited longest for its turn, in seconds."""
        oldest = self._dispatcher.oldest_due()
        return None if oldest is None else (self._clock.now() - oldest).total_seconds()

    @property
    def loop_lag_s(self) -> float:
        """The worst delay of the event loop lately, in seconds."""
        return max(self._lags)

    @property
    def in_flight(self) -> int:
        """Attempts under way."""
        return self._dispatcher.in_flight

    @property
    def queue(self) -> int:
        """Commands waiting to be recorded."""
        return len(self._recorder)

    @property
    def owned_partitions(self) -> int:
        """Partitions this process delivers for."""
        return len(self._recorder.epochs)

    @property
    def served_partitions(self) -> int:
        """Partitions that some living process delivers for, as last seen."""
        return max(self._served, self.owned_partitions)

    @property
    def sealed_age_s(self) -> float | None:
        """Seconds since the whole log was last found sealed; None when it never was in this process."""
        sealed_at = self._seals.sealed_at
        return None if sealed_at is None else (self._clock.now() - sealed_at).total_seconds()

    @property
    def unsealed(self) -> int:
        """Events that no checkpoint covers yet."""
        return self._seals.unsealed

    @property
    def barred_trees(self) -> int:
        """Partitions whose log disagrees with what was signed, so that nothing more is signed over it."""
        return len(self._seals.barred)
