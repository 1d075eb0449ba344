"""Statistics made from events alone, for a recording: what the daemon would have said each second. Pure."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Final

from tui.fields import moment, number, text
from tui.frames import Happened, Quantiles, Stats, TargetStats

SECOND: Final = timedelta(seconds=1)
TARGETS_MAX: Final = 1_000


class Tally:
    """Takes events in order of time; `upto` answers the seconds that are over."""

    def __init__(self) -> None:
        self._begin: datetime | None = None
        self._accepted = 0
        self._spent: list[int] = []
        self._good: Counter[str] = Counter()
        self._bad: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()
        self._breakers: dict[str, tuple[str, datetime | None, str | None]] = {}
        self._disabled: dict[str, str] = {}

    def take(self, event: Happened) -> None:
        """Count one event."""
        if self._begin is None:
            self._begin = event.at.replace(microsecond=0)
        body, endpoint = event.body, event.endpoint
        match event.type:
            case "MessageAccepted":
                self._accepted += 1
                endpoints = body.get("endpoints")
                self._waiting.update(map(str, endpoints) if isinstance(endpoints, list) else ())
            case "AttemptSucceeded" if endpoint:
                self._good[endpoint] += 1
                self._waiting[endpoint] -= 1
                self._spent.append(number(body, "duration_ms") or 0)
            case "AttemptFailed" if endpoint:
                self._bad[endpoint] += 1
                self._spent.append(number(body, "duration_ms") or 0)
            case "DeliveryExhausted" | "DeliveryGone" | "DeliveryCancelled" | "DeliveryExpired" if endpoint:
                self._waiting[endpoint] -= 1
            case "BreakerOpened":
                self._breakers[event.stream] = ("open", moment(body, "until"), text(body, "fault") or None)
            case "BreakerClosed":
                self._breakers.pop(event.stream, None)
            case "EndpointDisabled":
                self._disabled[event.stream] = text(body, "reason")
            case "EndpointEnabled":
                self._disabled.pop(event.stream, None)

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
        touched = self._good.keys() | self._bad.keys() | self._breakers.keys() | self._disabled.keys()
        targets = tuple(self._target(each) for each in list(touched)[:TARGETS_MAX])
        good, bad = self._good.total(), self._bad.total()
        stats = Stats(
            at,
            "recording",
            accepted=self._accepted,
            attempts=good + bad,
            delivered=good,
            failed=bad,
            duration_ms=quantiles(self._spent),
            pending=max(sum(each for each in self._waiting.values() if each > 0), 0),
            targets=targets,
        )
        self._accepted = 0
        self._spent.clear()
        self._good.clear()
        self._bad.clear()
        self._waiting = +self._waiting
        return stats

    def _target(self, endpoint: str) -> TargetStats:
        good, bad = self._good[endpoint], self._bad[endpoint]
        state, until, why = self._breakers.get(endpoint, ("closed", None, None))
        return TargetStats(
            endpoint,
            attempts=good + bad,
            delivered=good,
            failed=bad,
            backlog=max(self._waiting[endpoint], 0),
            breaker=state,
            breaker_until=until,
            breaker_reason=why,
            disabled=self._disabled.get(endpoint),
        )


def quantiles(values: list[int]) -> Quantiles | None:
    """Of the values as they are; None of none."""
    if not values:
        return None
    values = sorted(values)
    return Quantiles(*(float(values[min(int(share * len(values)), len(values) - 1)]) for share in (0.5, 0.95, 0.99)))
