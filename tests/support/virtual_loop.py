"""An asyncio loop whose clock jumps to the next timer as soon as nobody has anything to do.

A test of a schedule of days then takes no time and always runs in the same order. Nothing may come from outside
(no sockets, threads, signals): waiting for such a thing without a timer is a `Deadlock`, and callbacks that keep
each other busy without an end are a `Livelock`. Neither ever hangs a test.

    def test_patience():
        run(patient())            # or: with VirtualTime() as time: time.run(…)
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, TypeVar

T = TypeVar("T")

START = datetime(2026, 1, 1, tzinfo=UTC)
_TURNS_WITHOUT_TIME_MAX = 50_000


class Deadlock(AssertionError):
    """Every task waits and no timer is set: nothing could ever happen again."""


class Livelock(AssertionError):
    """The loop goes round and round, and time stands still."""


class _Jumping(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Sleeps by setting the clock forward."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.turns = 0

    def select(self, timeout: float | None = None) -> Any:
        self.turns += 1
        if self.turns > _TURNS_WITHOUT_TIME_MAX:
            self.turns = 0
            raise Livelock(Livelock.__doc__)
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None:
            raise Deadlock(Deadlock.__doc__)
        self.now += timeout
        self.turns = 0
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """See the module."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)
        self._clock_resolution = 1e-7  # below the microsecond that VirtualClock knows

    def time(self) -> float:
        return self._jumping.now


class VirtualClock:
    """The wall clock of a virtual loop: microseconds, UTC. `skew_s` sets it apart from the loop's."""

    def __init__(self, start: datetime = START) -> None:
        self.start = start
        self.skew_s = 0.0
        self._loop = asyncio.get_running_loop()

    def now(self) -> datetime:
        return self.start + timedelta(seconds=self._loop.time() + self.skew_s)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end on a virtual loop."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


def virtual(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Make an async test run on a virtual loop of its own, instead of pytest's."""

    @wraps(test)
    def on_virtual_time(*arguments: Any, **named: Any) -> None:
        run(test(*arguments, **named))

    return on_virtual_time
