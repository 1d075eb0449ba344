"""What one process tells those who ask another: its counts since it began to count, and how it stands. Pure.

Counts only grow, so whoever reads them now and then takes the difference, and nothing is counted twice or missed
however often it reads.
"""

from typing import Any, Self

import msgspec

from daemon.live.tally import BOUNDS, SPAN, Tally

Buckets = tuple[int, ...]


class Counts(msgspec.Struct, frozen=True):
    """What was counted; `durations` and `delays` by the buckets of the tally."""

    accepted: int = 0
    appends: int = 0
    rows: int = 0
    delivered: int = 0
    failed: int = 0
    durations: Buckets = (0,) * SPAN
    delays: Buckets = (0,) * (len(BOUNDS) + 1)

    def __post_init__(self) -> None:
        if len(self.durations) != SPAN or len(self.delays) != len(BOUNDS) + 1:
            raise ValueError("these buckets are not ours")

    @classmethod
    def of(cls, tally: Tally) -> Self:
        """Those of a tally, over all its targets."""
        total = tally.total()
        return cls(
            tally.accepted,
            tally.appends,
            tally.rows,
            total.delivered,
            total.failed,
            tuple(total.durations),
            tuple(tally.delays),
        )

    def plus(self, other: "Counts") -> "Counts":
        """Both together."""
        return self._with(other, 1)

    def since(self, before: "Counts") -> "Counts":
        """What came after `before`."""
        return self._with(before, -1)

    def _with(self, other: "Counts", sign: int) -> "Counts":
        numbers = ("accepted", "appends", "rows", "delivered", "failed")
        fields: dict[str, Any] = {name: getattr(self, name) + sign * getattr(other, name) for name in numbers}
        for name in ("durations", "delays"):
            pairs = zip(getattr(self, name), getattr(other, name), strict=True)
            fields[name] = tuple([mine + sign * theirs for mine, theirs in pairs])
        return Counts(**fields)


class TargetTold(msgspec.Struct, frozen=True, array_like=True):
    """Of a target, what only the process knows that delivers there: its last interval, and how it stands."""

    endpoint: str
    attempts: int = 0
    delivered: int = 0
    failed: int = 0
    p50: float | None = None
    p95: float | None = None
    in_flight: int = 0
    backlog: int = 0
    backlog_more: bool = False
    ramp: bool = False
    reason: str | None = None


class Told(msgspec.Struct, frozen=True):
    """One process. `began_ms`: when it began to count (Unix); with another one the counts begin anew."""

    began_ms: int
    counts: Counts
    in_flight: int
    queue: int
    oldest_due_s: float | None
    loop_lag_ms: float
    pending: int
    targets: tuple[TargetTold, ...] = ()


_DECODER = msgspec.json.Decoder(Told)


def parse(figures: Any) -> Told | None:
    """What a process told; None when it is not in this form, as another release may speak."""
    if not figures:
        return None
    try:
        return _DECODER.decode(figures)
    except (msgspec.DecodeError, ValueError):
        return None
