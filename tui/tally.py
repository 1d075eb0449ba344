"""Statistics made from events alone, for a recording: what the daemon would have said each second. Pure."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Final

import msgspec

from tui.fields import number
from tui.frames import Happened, Quantiles, Stats, TargetStats
from tui.standing import CONFIGURING, Standing, changed

SECOND: Final = timedelta(seconds=1)
TARGETS_MAX: Final = 1_000
_FROM_NOTHING: Final = Standing(undelivered={})


class Tally:
    """Takes events in order of time; `upto` answers the seconds that are over. It begins with how endpoints stood."""

    def __init__(self, standing: Standing = _FROM_NOTHING) -> None:
        self._begin: datetime | None = None
        self._accepted = 0
        self._spent: list[int] = []
        self._spent_at: dict[str, list[int]] = {}
        self._good: Counter[str] = Counter()
        self._bad: Counter[str] = Counter()
        self._counted = standing.undelivered is not None
        self._waiting: Counter[str] = Counter(standing.undelivered or {})
        self._targets = {each.endpoint: each for each in standing.targets}
        self._told: set[str] = set()  # endpoints that something happened to since the last second

    def take(self, event: Happened) -> None:
        """Count one event."""
        if self._begin is None:
            self._begin = event.at.replace(microsecond=0)
        body, endpoint = event.body, event.endpoint
        if event.type in CONFIGURING:
            self._configured(event)
            return
        match event.type:
            case "MessageAccepted":
                self._accepted += 1
                endpoints = body.get("endpoints")
                self._waits(list(map(str, endpoints)) if isinstance(endpoints, list) else [], 1)
            case "AttemptSucceeded" if endpoint:
                self._good[endpoint] += 1
                self._waits([endpoint], -1)
                self._took(endpoint, number(body, "duration_ms") or 0)
            case "AttemptFailed" if endpoint:
                self._bad[endpoint] += 1
                self._took(endpoint, number(body, "duration_ms") or 0)
            case "DeliveryExhausted" | "DeliveryGone" | "DeliveryCancelled" | "DeliveryExpired" if endpoint:
                self._waits([endpoint], -1)
            case "DeliveryResent" if endpoint:
                self._waits([endpoint], 1)

    def _took(self, endpoint: str, ms: int) -> None:
        self._spent.append(ms)
        self._spent_at.setdefault(endpoint, []).append(ms)

    def _waits(self, endpoints: list[str], more: int) -> None:
        for each in endpoints:
            self._waiting[each] = max(self._waiting[each] + more, 0)
        self._told.update(endpoints)

    def _configured(self, event: Happened) -> None:
        endpoint = event.stream
        if event.type == "EndpointDeleted":
            self._targets.pop(endpoint, None)
            self._told.discard(endpoint)
            return
        self._targets[endpoint] = changed(self._targets.get(endpoint) or TargetStats(endpoint), event)
        self._told.add(endpoint)

    def upto(self, at: datetime) -> list[Stats]:
        """The seconds that ended until then; of a long silence, only its last ones."""
        found: list[Stats] = []
        if self._begin is None:
            return found
        if at - self._begin > 120 * SECOND and not self._good and not self._bad and not self._accepted:
            self._begin = at.replace(microsecond=0) - 60 * SECOND
        while self._begin + SECOND <= at:
            self._begin += SECOND
            found.append(self._close(self._begin))
        return found

    def _close(self, at: datetime) -> Stats:
        touched = sorted(self._good.keys() | self._bad.keys() | self._told)[:TARGETS_MAX]
        good, bad = self._good.total(), self._bad.total()
        stats = Stats(
            at,
            "recording",
            accepted=self._accepted,
            attempts=good + bad,
            delivered=good,
            failed=bad,
            duration_ms=quantiles(self._spent),
            pending=self._waiting.total() if self._counted else None,
            targets=tuple(map(self._target, touched)),
            past=True,
        )
        self._accepted = 0
        self._spent.clear()
        self._spent_at.clear()
        self._good.clear()
        self._bad.clear()
        self._told.clear()
        self._waiting = +self._waiting
        return stats

    def _target(self, endpoint: str) -> TargetStats:
        good, bad = self._good[endpoint], self._bad[endpoint]
        return msgspec.structs.replace(
            self._targets.get(endpoint) or TargetStats(endpoint),
            attempts=good + bad,
            delivered=good,
            failed=bad,
            duration_ms=quantiles(self._spent_at.get(endpoint, [])),
            backlog=self._waiting[endpoint] if self._counted else 0,
            counted=self._counted,
        )


def quantiles(values: list[int]) -> Quantiles | None:
    """Of the values as they are; None of none."""
    if not values:
        return None
    values = sorted(values)
    return Quantiles(*(float(values[min(int(share * len(values)), len(values) - 1)]) for share in (0.5, 0.95, 0.99)))
