"""The one reader of the wall clock."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where the daemon takes the time from: tests give it their own."""

    def now(self) -> datetime:
        """The moment, in UTC, with microseconds."""


class SystemClock:
    """The machine's clock, never stepping back: a correction makes it wait instead."""

    def __init__(self) -> None:
        self._last = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        """The moment, in UTC, never before one given out already."""
        self._last = max(self._last, datetime.now(UTC))
        return self._last
