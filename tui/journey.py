"""A place in the log's past, and how it moves: by events, by time, back and forth. It has no clock of its own.

A journey knows the events around its place: those behind it, from which the board of that moment is made, and those
ahead. It begins with how the endpoints stood before the events behind; going back makes the board anew from there,
nothing is ever taken back. What it reads from (a reel) is the daemon's log in pages, or a file.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, Protocol

from tui.frames import Clock, Events, Frame, Happened, Link, LinkState, Reset, Targets
from tui.standing import Standing
from tui.tally import Tally

WINDOW: Final = 1_000
"""Events behind a place that are shown when it is gone to; and events of a page."""
KEPT_MAX: Final = 5_000
BURST: Final = 2_000
"""Events that are played at once at most: time goes slower then than it should."""
SPEED_MIN: Final = 0.125
SPEED_MAX: Final = 4096.0
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)

Place = tuple[int, ...]
"""How many events of each track (a partition, or a stretch of a file) are behind."""


class Shot(NamedTuple):
    """An event and the track it stands in."""

    track: int
    event: Happened


class Page(NamedTuple):
    """Events in order of time, the place before the first of them, and that after the last."""

    shots: Sequence[Shot]
    begin: Place
    end: Place


class Reel(Protocol):
    """What is read. Every method may raise Unreachable or Refused."""

    @property
    def span(self) -> tuple[datetime, datetime] | None:
        """When the first and the last event happened, as far as is known by now; None of nothing."""
        ...

    async def after(self, place: Place, count: int) -> Page:
        """What follows a place."""
        ...

    async def before(self, place: Place | None, count: int) -> Page:
        """The last ones up to a place; None: of all."""
        ...

    async def at(self, moment: datetime, count: int) -> Page:
        """The last ones up to a moment, that moment included."""
        ...

    async def standing(self, place: Place) -> Standing:
        """How the endpoints stood there."""
        ...


class Journey:
    """See the module. Begin with `seek`, `begin` or `end`. All that moves answers frames for the board."""

    def __init__(self, reel: Reel, *, window: int = WINDOW) -> None:
        self.reel = reel
        self.speed = 1.0
        self.playing = False
        self.ended = False  # nothing follows, as of the last look
        self.place: Place = ()
        self.at = _EPOCH
        self.standing = Standing()
        self._window = window
        self._begin: Place | None = None  # before what is behind; None: not all of it was kept
        self._behind: deque[Shot] = deque()
        self._ahead: deque[Shot] = deque()
        self._front: list[int] = []  # after what was read ahead
        self._tally = Tally()

    @property
    def last(self) -> Happened | None:
        """The event right before the place."""
        return self._behind[-1].event if self._behind else None

    @property
    def behind(self) -> Iterator[Happened]:
        """The events behind that are at hand, the oldest first."""
        return (shot.event for shot in self._behind)

    def link(self) -> Link:
        """How it stands, in a frame."""
        state: LinkState = "ended" if self.ended and self.playing else "playing" if self.playing else "paused"
        return Link(state, f"x{self.speed:g}")

    def clock(self) -> Clock:
        """The time from now on."""
        return Clock(self.at, self.speed if self.playing and not self.ended else 0.0)

    # --- standing still, and how fast

    def pause(self) -> list[Frame]:
        """Stand still, or go on."""
        self.playing = not self.playing or self.ended
        self.ended = False
        return self._told()

    def faster(self, factor: float) -> list[Frame]:
        """Change the speed."""
        self.speed = min(max(self.speed * factor, SPEED_MIN), SPEED_MAX)
        return self._told()

    def _told(self) -> list[Frame]:
        return [self.link(), self.clock()]

    # --- moving. Unreachable, Refused

    async def begin(self) -> list[Frame]:
        """Go to the first event."""
        if self.reel.span is None:
            await self.reel.before(None, 1)  # its answer tells the span
        return [] if self.reel.span is None else await self.seek(self.reel.span[0])

    async def end(self) -> list[Frame]:
        """Go to the last event that there is by now."""
        page = await self.reel.before(None, self._window)
        return await self._go(page, page.shots[-1].event.at if page.shots else self.at)

    async def seek(self, at: datetime) -> list[Frame]:
        """Go to a moment; before the first and after the last event there is nothing to see."""
        if self.reel.span is not None:
            first, last = self.reel.span
            at = min(max(at, first), max(first, last))
        return await self._go(await self.reel.at(at, self._window), at)

    async def jump(self, seconds: float) -> list[Frame]:
        """So many recorded seconds on, or back."""
        return await self.seek(self.at + timedelta(seconds=seconds))

    async def step(self, events: int) -> list[Frame]:
        """So many events on, or back; playing stops."""
        self.playing = False
        moved = await (self._on(events) if events > 0 else self._back(-events))
        return [*moved, *self._told()]

    async def advance(self, seconds: float) -> list[Frame]:
        """What happens in so many seconds of the spectator."""
        if not self.playing or self.ended or seconds <= 0:
            return []
        at = self.at + timedelta(seconds=seconds * self.speed)
        shots: list[Shot] = []
        while len(shots) < BURST and await self._look():
            if self._ahead[0].event.at > at:
                break
            shots.append(self._ahead.popleft())
        if len(shots) >= BURST:
            at = max(self.at, shots[-1].event.at)
        if not self._ahead and self.ended:
            at = max(self.at, shots[-1].event.at) if shots else self.at
            return [*self._play(shots, at), self.link()]
        return self._play(shots, at)

    async def _on(self, events: int) -> list[Frame]:
        self.ended = False
        shots: list[Shot] = []
        while len(shots) < events and await self._look():
            shots.append(self._ahead.popleft())
        return self._play(shots, max(self.at, shots[-1].event.at)) if shots else []

    async def _back(self, events: int) -> list[Frame]:
        if not any(self.place):
            return []
        self.ended = False
        place, at = list(self.place), self.at
        for _ in range(events):
            if not self._behind:
                await self._reach_back(tuple(place))
                if not self._behind:
                    break
            shot = self._behind.pop()
            self._ahead.appendleft(shot)
            place[shot.track] -= 1
        self.place = tuple(place)
        if self._begin is None or (len(self._behind) < self._window // 2 and any(self._begin)):
            await self._reach_back(self.place)
        while len(self._ahead) > KEPT_MAX:
            self._front[self._ahead.pop().track] -= 1
        self.at = self.last.at if self.last else at if self.reel.span is None else self.reel.span[0]
        return self._anew()

    async def _reach_back(self, place: Place) -> None:
        page = await self.reel.before(place, self._window)
        self.standing, self._begin = await self.reel.standing(page.begin), page.begin
        self._behind = deque(page.shots)

    async def _look(self) -> bool:
        """Whether there is something ahead."""
        if not self._ahead:
            page = await self.reel.after(tuple(self._front), self._window)
            self._ahead.extend(page.shots)
            self._front = list(page.end)
            self.ended = not page.shots
        return bool(self._ahead)

    async def _go(self, page: Page, at: datetime) -> list[Frame]:
        standing = await self.reel.standing(page.begin)
        self.standing, self._begin, self.place, self.at = standing, page.begin, page.end, at
        self._behind, self._ahead, self.ended = deque(page.shots), deque(), False
        self._front = list(page.end)
        return [*self._anew(), *self._told()]

    def _anew(self) -> list[Frame]:
        self._tally = Tally(self.standing)
        return [
            Reset(),
            Targets(self.standing.targets),
            *self._frames([each.event for each in self._behind], self.at),
            self.link(),
        ]

    def _play(self, shots: list[Shot], at: datetime) -> list[Frame]:
        place = list(self.place)
        for shot in shots:
            place[shot.track] += 1
        self.place, self.at = tuple(place), at
        self._behind.extend(shots)
        while len(self._behind) > KEPT_MAX:
            self._behind.popleft()
            self._begin = None
        return self._frames([each.event for each in shots], at)

    def _frames(self, events: list[Happened], at: datetime) -> list[Frame]:
        frames: list[Frame] = []
        batch: list[Happened] = []
        for each in events:
            if seconds := self._tally.upto(each.at):
                frames += [Events(tuple(batch))] if batch else []
                frames += seconds[-60:]
                batch = []
            self._tally.take(each)
            batch.append(each)
        if batch:
            frames.append(Events(tuple(batch)))
        return [*frames, *self._tally.upto(at)[-60:], self.clock()]
