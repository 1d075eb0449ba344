"""One timer for everything that may become overdue, instead of one per request."""

import asyncio
from collections.abc import Callable

import structlog

log = structlog.get_logger()

_SECOND_LOOK_S = 0.001


class Sweep:
    """Calls `review` with the loop's time again and again, as long as that says there is more to watch."""

    def __init__(self, loop: asyncio.AbstractEventLoop, interval_s: float, review: Callable[[float], bool]) -> None:
        self._loop = loop
        self._interval_s = interval_s
        self._review = review
        self._handle: asyncio.TimerHandle | None = None
        self._due_at = 0.0

    def arm(self) -> None:
        """Begin, if it is not already running."""
        if self._handle is None:
            self._due_at = self._loop.time() + self._interval_s
            self._handle = self._loop.call_later(self._interval_s, self._run, False)

    def disarm(self) -> None:
        """Stop until armed again."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _run(self, second_look: bool) -> None:  # noqa: FBT001  # a timer passes no keywords
        now = self._loop.time()
        if now - self._due_at > self._interval_s and not second_look:
            # It was us who were late: let the answers that wait in the sockets be read first.
            self._handle = self._loop.call_later(_SECOND_LOOK_S, self._run, True)
            return
        self._handle = None
        if self._more(now):
            self.arm()

    def _more(self, now: float) -> bool:
        try:
            return self._review(now)
        except Exception:
            log.exception("sweep_failed")
            return True
