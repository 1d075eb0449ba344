"""Puts the stats together: what was counted, how the process is doing, who is busy."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from daemon.clock import Clock
from daemon.live.stats import StatsOut, TargetOut, Targets, Vitals, busiest, counted, sealed, standing, target_out
from daemon.live.tally import Tally
from daemon.recorder import Recorder
from daemon.target import Target
from events.endpoint import Endpoint
from events.log_views import Head
from events.world import World

TOP: Final = 50
ASKED_S: Final = 15.0
"""For so long things are counted after somebody asked, in case they ask again."""


class Reporter:
    """`name` is that of the process; `batch_size` the daemon's default."""

    def __init__(
        self,
        name: str,
        recorder: Recorder,
        world: World,
        targets: Targets,
        vitals: Vitals,
        clock: Clock,
        *,
        batch_size: int,
    ) -> None:
        self.name = name
        self.tally = Tally()
        self.heads: Sequence[Head] = ()
        self.targets = targets
        self.batch_size = batch_size
        self._recorder = recorder
        self._world = world
        self._vitals = vitals
        self._clock = clock
        self._asked_s = float("-inf")
        self._last = Tally()
        self._interval_s = 0.0

    def begin(self) -> None:
        """Begin to count."""
        self.tally, self._last, self._interval_s = Tally(), Tally(), 0.0

    def asked(self, now_s: float) -> None:
        """Somebody asks for the stats without watching."""
        self._asked_s = now_s

    def wanted(self, now_s: float) -> bool:
        """Whether somebody asked a moment ago."""
        return now_s - self._asked_s < ASKED_S

    def looked(self, heads: Sequence[Head]) -> None:
        """Take what the tables say of the partitions."""
        self.heads = heads

    def finish(self, interval_s: float) -> None:
        """An interval is over."""
        self._last, self._interval_s = self.tally, interval_s
        self.tally = Tally()
        self.tally.reasons = self._last.reasons

    def stats(self, top: int) -> StatsOut:
        """The last interval, and how things stand now."""
        return StatsOut.model_construct(**self.fields(top))

    def fields(self, top: int) -> Mapping[str, Any]:
        """The fields of the stats."""
        found, pending = busiest(self._last, self.targets, top)
        targets = [self._target(*each) for each in found]
        return {
            "at": self._clock.now(),
            "process": self.name,
            **counted(self._last, self._interval_s),
            **standing(self._vitals),
            "pending": pending,
            "standing_by": not self._recorder.epochs,
            **sealed(self.heads),
            "targets": [each for each in targets if each is not None],
        }

    def told(self, top: int) -> bytes:
        """The same as JSON."""
        return self.stats(top).model_dump_json(by_alias=True).encode()

    def target(self, endpoint: Endpoint, why: str | None = None) -> TargetOut:
        """An endpoint as it is doing."""
        known = why or self._last.reasons.get(endpoint.id)
        target = self.targets.target(endpoint.id)
        row = self._last.row(endpoint.id)
        return target_out(endpoint, target, row, self._clock.now(), self.batch_size, known)

    def _target(self, key: str, target: Target | None) -> TargetOut | None:
        endpoint = self._world.endpoint(key) or (target.endpoint if target else None)
        if endpoint is None:  # deleted meanwhile
            return None
        why = self._last.reasons.get(key)
        return target_out(endpoint, target, self._last.row(key), self._clock.now(), self.batch_size, why)
