"""Puts the stats together: what was counted, how the processes are doing, who is busy.

Of the other processes there is what they told; of this one, what it tells them is made here too.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from daemon.clock import Clock
from daemon.live import stats, told
from daemon.live.neighbours import Report
from daemon.live.stats import StatsOut, TargetOut, Targets, Vitals
from daemon.live.tally import Tally
from daemon.live.told import Counts, TargetTold, Told
from daemon.recorder import Recorder
from daemon.target import Target
from events.endpoint import Endpoint
from events.log_views import Head
from events.world import World

TOP: Final = 50
ASKED_S: Final = 15.0
"""For so long things are counted after somebody asked, in case they ask again."""
ELSEWHERE_S: Final = 3.0
"""The same, when another process asks: it does so every second."""
TOLD_TARGETS: Final = 50


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
        self._asked_s = self._elsewhere_s = float("-inf")
        self._names: Sequence[str] = (name,)
        self._owners: Mapping[int, str | None] = {}
        self._heard: dict[str, Told] = {}  # what the others told last
        self._heard_before: dict[str, Told] = {}  # and at the end of the last interval
        self._theirs: dict[str, TargetTold] = {}
        self.begin()

    def begin(self) -> None:
        """Begin to count."""
        self.tally, self._last, self._interval_s = Tally(), Tally(), 0.0
        self._began_ms = int(self._clock.now().timestamp() * 1000)
        self._whole = self._others = Counts()

    def asked(self, now_s: float) -> None:
        """Somebody asks for the stats without watching."""
        self._asked_s = now_s

    def asked_elsewhere(self, now_s: float) -> None:
        """Somebody asks another process."""
        self._elsewhere_s = now_s

    def asked_here(self, now_s: float) -> bool:
        """Whether somebody asked this process a moment ago."""
        return now_s - self._asked_s < ASKED_S

    def wanted(self, now_s: float) -> bool:
        """Whether somebody asked any process a moment ago."""
        return self.asked_here(now_s) or now_s - self._elsewhere_s < ELSEWHERE_S

    def looked(self, heads: Sequence[Head]) -> None:
        """Take what the tables say of the partitions."""
        self.heads = heads

    def finish(self, interval_s: float) -> None:
        """An interval is over."""
        self._last, self._interval_s = self.tally, interval_s
        self._whole = self._whole.plus(Counts.of(self._last))
        self.tally = Tally()
        self.tally.reasons = self._last.reasons
        self._others = Counts()
        for name, now in self._heard.items():
            before = self._heard_before.get(name)
            if before is not None and before.began_ms == now.began_ms:
                self._others = self._others.plus(now.counts.since(before.counts))
        self._heard_before |= self._heard

    # --- the other processes

    def figures(self) -> bytes:
        """What this process tells them, as JSON."""
        found, pending = stats.busiest(self._last, self.targets, TOLD_TARGETS)
        rows = [
            stats.target_told(key, target, self._last.row(key), self._last.reasons.get(key)) for key, target in found
        ]
        counts = self._whole.plus(Counts.of(self.tally))
        return msgspec.json.encode(stats.told_by(self._vitals, self._began_ms, counts, pending, rows))

    def hear(self, names: Sequence[str], owners: Mapping[int, str | None], reports: Mapping[str, Report]) -> None:
        """Take what the others told. `names`: all processes there are, this one too; `owners`: by partition."""
        self._names, self._owners = names, owners
        told_now = {name: told.parse(report.figures) for name, report in reports.items()}
        self._heard = {name: each for name, each in told_now.items() if each is not None and name in names}
        self._heard_before = {name: each for name, each in self._heard_before.items() if name in names}
        self._theirs = {}
        for name, each in self._heard.items():
            for target in each.targets:
                endpoint = self._world.endpoint(target.endpoint)
                owns = endpoint is not None and owners.get(endpoint.partition) == name
                if owns or target.endpoint not in self._theirs:
                    self._theirs[target.endpoint] = target

    # --- what is shown

    def stats(self, top: int) -> StatsOut:
        """The last interval, and how things stand now."""
        return StatsOut.model_construct(**self.fields(top))

    def fields(self, top: int) -> Mapping[str, Any]:
        """The fields of the stats."""
        found, pending = stats.busiest(self._last, self.targets, top)
        mine = stats.told_by(self._vitals, self._began_ms, Counts.of(self._last), pending)
        return {
            "at": self._clock.now(),
            "process": self.name,
            "processes": stats.processes(self._names, {**self._heard, self.name: mine}, self.heads),
            **stats.counted(mine.counts.plus(self._others), self._interval_s),
            **stats.standing([mine, *self._heard.values()]),
            "database": self._vitals.database_ok,
            "standing_by": not self._recorder.epochs,
            **stats.sealed(self.heads),
            "targets": self._busiest([key for key, _ in found], top),
        }

    def told(self, top: int) -> bytes:
        """The same as JSON."""
        return self.stats(top).model_dump_json(by_alias=True).encode()

    def target(self, endpoint: Endpoint, why: str | None = None) -> TargetOut:
        """An endpoint as it is doing, wherever it is delivered to."""
        if endpoint.partition in self._recorder.epochs or len(self._names) == 1:
            return self._mine(endpoint, self.targets.target(endpoint.id), why)
        found = self._theirs.get(endpoint.id)
        if found is None and (owner := self._heard.get(self._owners.get(endpoint.partition) or "")) is not None:
            # Who has told of fewer than it may has nothing to tell of the rest.
            found = None if len(owner.targets) >= TOLD_TARGETS else TargetTold(endpoint.id)
        if found is not None and why is not None:
            found = msgspec.structs.replace(found, reason=why)
        return stats.target_of_another(endpoint, found, self._clock.now(), self.batch_size)

    def _mine(self, endpoint: Endpoint, target: Target | None, why: str | None = None) -> TargetOut:
        why = why or self._last.reasons.get(endpoint.id)
        row = self._last.row(endpoint.id)
        return stats.target_out(endpoint, target, row, self._clock.now(), self.batch_size, why)

    def _busiest(self, mine: Sequence[str], top: int) -> list[TargetOut]:
        """Of those here, which come as the busiest, and of all that others told of."""
        shown = []
        for key in dict.fromkeys([*mine, *self._theirs]):
            target = self.targets.target(key)
            endpoint = self._world.endpoint(key) or (target.endpoint if target else None)
            if endpoint is None:  # deleted meanwhile
                continue
            theirs = key in self._theirs and endpoint.partition not in self._recorder.epochs
            shown.append(self.target(endpoint) if theirs else self._mine(endpoint, target))
        if self._theirs:
            shown.sort(key=lambda each: (each.attempts or 0, each.backlog or 0), reverse=True)
        return shown[:top]
