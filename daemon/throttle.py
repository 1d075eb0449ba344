"""A rate limit that says when, and never sleeps: the generic cell rate algorithm (ITU-T I.371). Pure."""


class Throttle:
    """At most `rate` a second, evenly; after a quiet second up to `burst` at once."""

    __slots__ = ("_full_at", "interval_s", "tolerance_s")

    def __init__(self, rate: int, burst: int | None = None) -> None:
        self.interval_s = 1 / rate
        self.tolerance_s = self.interval_s * ((burst or max(1, rate // 10)) - 1)
        self._full_at = 0.0

    def free_at(self) -> float:
        """The time, in the caller's seconds, from which on the next may go."""
        return self._full_at - self.tolerance_s

    def spend(self, now: float) -> None:
        """One goes now."""
        self._full_at = max(self._full_at, now) + self.interval_s
