"""Counts what was committed: per target one row of fixed buckets, so that an attempt costs one step. Pure.

A row has a bucket for each range of durations, once for attempts that succeeded and once for those that failed: one
increment says that there was an attempt, how it ended, and how long it took. Up to 8 ms the buckets are exact, beyond
they grow by a quarter each, so a percentile is off by an eighth at most.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from events.catalogue import AttemptAbandoned, AttemptFailed, AttemptSucceeded, BreakerOpened, MessageAccepted
from events.envelope import Recorded

_GROWTH: Final = 1.25
_EXACT_MS: Final = 8
_MAX_MS: Final = 10 * 86_400_000.0
_TABLE_MS: Final = 1 << 16
REASONS_MAX: Final = 1000


def _bounds() -> list[float]:
    bounds = [float(n) for n in range(_EXACT_MS + 1)]
    while bounds[-1] < _MAX_MS:
        bounds.append(bounds[-1] * _GROWTH)
    return bounds


BOUNDS: Final = _bounds()
"""The largest value of each bucket, in milliseconds."""
_BUCKET_OF: Final = bytes(bisect_left(BOUNDS, ms) for ms in range(_TABLE_MS))
SPAN: Final = _BUCKET_OF[-1] + 1
"""Buckets for durations: longer ones than 65 s count as such."""

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PAIRS: Final = {high + low: n * 62 + m for n, high in enumerate(_DIGITS) for m, low in enumerate(_DIGITS)}
_DRAWN: Final = 62**19
_EPOCH_MS: Final = 1_400_000_000_000


def arrived_ms(message: str) -> int:
    """When a message arrived, in milliseconds since 1970, to 4 ms: its id tells. KeyError when it is no id.

    The same as `ids.minted_at`, from the first 8 of its 27 digits alone: it is done for every delivery.
    """
    pairs = _PAIRS
    lead = ((pairs[message[4:6]] * 3844 + pairs[message[6:8]]) * 3844 + pairs[message[8:10]]) * 3844 + pairs[
        message[10:12]
    ]
    unit = lead * _DRAWN >> 120
    return _EPOCH_MS + (unit >> 8) * 1000 + (unit & 0xFF) * 4


def percentile(buckets: Sequence[int], share: float) -> float | None:
    """The value below which `share` of all lie, in milliseconds: the middle of its bucket. None: there is none."""
    total = sum(buckets)
    if not total:
        return None
    nth = next(n for n, seen in enumerate(accumulate(buckets)) if seen >= share * total)
    if nth <= _EXACT_MS:
        return BOUNDS[nth]
    return round((BOUNDS[nth - 1] + BOUNDS[nth]) / 2, 1)


class Row:
    """What was tried at one target within the interval."""

    __slots__ = ("attempts", "delivered", "durations", "failed")

    def __init__(self, counts: Sequence[int] | None, abandoned: int) -> None:
        counts = counts or [0] * (2 * SPAN)
        self.delivered = sum(counts[:SPAN])
        self.failed = sum(counts[SPAN:]) + abandoned
        self.attempts = self.delivered + self.failed
        self.durations = [well + ill for well, ill in zip(counts[:SPAN], counts[SPAN:], strict=True)]


class Tally:
    """Counts within one interval."""

    def __init__(self) -> None:
        self.accepted = 0
        self.appends = 0
        self.rows = 0
        self.targets: dict[str, list[int]] = {}  # endpoint → buckets of successes, then of failures
        self.all = [0] * (2 * SPAN)
        self.abandoned: dict[str, int] = {}
        self.delays = [0] * (len(BOUNDS) + 1)
        self.reasons: dict[str, str] = {}  # endpoint → why its breaker opened, as far as seen

    def count(self, events: Sequence[Recorded]) -> None:
        """Count one append."""
        self.appends += 1
        self.rows += len(events)
        targets, every, delays = self.targets, self.all, self.delays
        at_ms = events[0].at.timestamp() * 1000
        last, bucket = "", 0
        for recorded in events:
            event = recorded.event
            kind = type(event)
            if kind is AttemptSucceeded:
                row = targets.get(recorded.endpoint)  # type: ignore[arg-type]
                if row is None:
                    row = targets[recorded.endpoint] = [0] * (2 * SPAN)  # type: ignore[index]
                ms = event.duration_ms  # type: ignore[attr-defined]
                nth = _BUCKET_OF[ms] if ms < _TABLE_MS else SPAN - 1
                row[nth] += 1
                every[nth] += 1
                if recorded.stream != last:  # one message to many endpoints, mostly
                    last, bucket = recorded.stream, _delay_bucket(recorded.stream, at_ms)
                delays[bucket] += 1
            elif kind is MessageAccepted:
                self.accepted += 1
            elif kind is AttemptFailed:
                row = targets.setdefault(recorded.endpoint or "", [0] * (2 * SPAN))
                nth = SPAN + _BUCKET_OF[min(event.duration_ms, _TABLE_MS - 1)]  # type: ignore[attr-defined]
                row[nth] += 1
                every[nth] += 1
            elif kind is AttemptAbandoned:
                key = recorded.endpoint or ""
                self.abandoned[key] = self.abandoned.get(key, 0) + 1
            elif kind is BreakerOpened:
                self._note(recorded)

    def _note(self, recorded: Recorded) -> None:
        event = recorded.event
        assert isinstance(event, BreakerOpened)
        if len(self.reasons) >= REASONS_MAX:
            self.reasons.clear()
        self.reasons[recorded.stream] = reason(event)

    def row(self, endpoint: str) -> Row:
        """What was tried at a target."""
        return Row(self.targets.get(endpoint), self.abandoned.get(endpoint, 0))

    def total(self) -> Row:
        """What was tried at all targets."""
        return Row(self.all, sum(self.abandoned.values()))

    def attempts(self) -> dict[str, int]:
        """How often something was sent to each endpoint, of those that something was sent to."""
        counts = {endpoint: sum(row) for endpoint, row in self.targets.items()}
        for endpoint, times in self.abandoned.items():
            counts[endpoint] = counts.get(endpoint, 0) + times
        return counts


def reason(event: BreakerOpened) -> str:
    """Why a breaker opened, in a few words."""
    return f"{event.fault} {event.status}" if event.status else str(event.fault)


def _delay_bucket(message: str, at_ms: float) -> int:
    try:
        return bisect_left(BOUNDS, at_ms - arrived_ms(message))
    except KeyError:
        return 0
