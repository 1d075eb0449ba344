"""How far a long command is: one line on a terminal's stderr, once it has taken two seconds."""

import sys
import time
from collections.abc import Callable
from typing import Self, TextIO

PATIENCE_S = 2.0
EVERY_S = 0.2
BAR_CHARS = 24


class Progress:
    """A bar of `total` steps; on anything but a terminal it says nothing. Ends with the block."""

    def __init__(
        self, what: str, total: int, out: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._what = what
        self._total = max(total, 1)
        self._out = sys.stderr if out is None else out
        self._clock = clock
        self._began = clock()
        self._next = self._began + PATIENCE_S
        self._done = 0
        self._shown = False

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Take the line away."""
        self.clear()

    def clear(self) -> None:
        """Take the line away, before something else is printed that may go to the same terminal."""
        if self._shown:
            self._shown = False
            print("\r\x1b[K", end="", file=self._out, flush=True)

    def advance(self, steps: int) -> None:
        """So many steps more are done."""
        self._done += steps
        now = self._clock()
        if now < self._next or not self._out.isatty():
            return
        self._next, self._shown = now + EVERY_S, True
        print(f"\r{self.line(now)}\x1b[K", end="", file=self._out, flush=True)

    def reach(self, done: int, total: int) -> None:
        """So many of so many are done; it never goes back."""
        self._total = max(total, 1)
        self.advance(max(done - self._done, 0))

    def line(self, now: float) -> str:
        """What is shown, at most 80 columns."""
        part = min(self._done / self._total, 1.0)
        bar = "#" * int(part * BAR_CHARS)
        elapsed = now - self._began
        left = f", {elapsed / part - elapsed:.0f} s left" if part else ""
        return f"{self._what} [{bar:<{BAR_CHARS}}] {part:4.0%} of {self._total:,}{left}"[:80]
