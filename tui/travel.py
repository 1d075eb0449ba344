"""Being in the past: the board, the source and the slider of that moment, over a tape. Live goes on meanwhile."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from tui.board import Board
from tui.frames import Frame, Reset
from tui.source import Source
from tui.tape import FileFeed, Tape
from tui.widgets.slider import Slide

MINUTE_S: Final = 60.0
HOUR_S: Final = 3600.0
PAST: Final = "you are in the past: what was cannot be changed (t returns to live)"


class Travel:
    """One stay in the past. `source` answers as of the moment."""

    def __init__(self, tape: Tape, source: Source) -> None:
        self.tape = tape
        self.source = source
        self.board = Board()

    @property
    def ready(self) -> bool:
        """Whether there is a moment to show."""
        return self.tape.journey is not None

    @property
    def at(self) -> datetime | None:
        """Where one is."""
        return self.tape.journey.at if self.tape.journey else None

    async def run(self, ticks: Callable[[], float]) -> None:
        """Play, until cancelled."""
        async for frame in self.tape.frames():
            self.take(frame, ticks())

    def take(self, frame: Frame, now: float) -> None:
        """Fold a frame in; going back makes another board."""
        if isinstance(frame, Reset):
            link, self.board = self.board.link, Board()
            self.board.take(link, now)
        else:
            self.board.take(frame, now)


def slide(tape: Tape, clock: datetime | None) -> Slide:
    """What the slider shows. `clock` is the daemon's time, if there is one."""
    journey, of_file = tape.journey, isinstance(tape, FileFeed)
    ends, leaves = ("end", "") if of_file else ("now", "live")
    if journey is None:
        return Slide(clock, clock, clock, "connecting", 1.0, "", tape.trouble, ends, leaves)
    first, last = journey.reel.span or (journey.at, journey.at)
    now = last if of_file else max(last, clock or last)
    position = journey.last.position if journey.last else ""
    return Slide(first, now, journey.at, journey.link().state, journey.speed, position, tape.trouble, ends, leaves)


def play(tape: Tape, what: str) -> None:
    """Move: the names are those of the keys' actions."""
    match what:
        case "pause":
            tape.pause()
        case "next" | "back":
            tape.step(1 if what == "next" else -1)
        case "faster" | "slower":
            tape.faster(2.0 if what == "faster" else 0.5)
        case "minute" | "minute_back":
            tape.jump(MINUTE_S if what == "minute" else -MINUTE_S)
        case "hour" | "hour_back":
            tape.jump(HOUR_S if what == "hour" else -HOUR_S)
        case "begin":
            tape.begin()
        case "end":
            tape.end()
