"""A feed from the past: a journey that plays, and the operator's hands on it.

The frames are the same as the daemon's stream says. What an operator asks for is done in the order in which it is
asked, between two ticks of the clock.
"""

import asyncio
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

import msgspec

from events.positions import spell
from tui.client import Refused, Unreachable
from tui.fields import moment
from tui.frames import Frame, Happened, Hello, Link
from tui.journey import Journey, Page, Place, Shot
from tui.recording import Recording
from tui.source import Answer
from tui.standing import Standing, standing_of

TICK_S: Final = 0.1

Order = Callable[[Journey], Awaitable[list[Frame]]]


class Tape:
    """A Feed. `journey` is there once the reel can be read; `trouble` is why the last move failed."""

    def __init__(self, *, ticks: Callable[[], float] = time.monotonic) -> None:
        self.journey: Journey | None = None
        self.trouble = ""
        self.busy = False  # on the way to another place
        self._ticks = ticks
        self._orders: asyncio.Queue[Order] = asyncio.Queue()

    def retry(self) -> None:
        """Nothing to try again: the next move does."""

    def ask(self, order: Order) -> None:
        """Have something done with the journey."""
        self._orders.put_nowait(order)

    async def done(self) -> None:
        """Wait until all that was asked has been done."""
        await self._orders.join()

    # --- what an operator does

    def pause(self) -> None:
        """Stand still, or go on."""
        self.ask(_at_once(Journey.pause))

    def faster(self, factor: float) -> None:
        """Change the speed."""
        self.ask(_at_once(lambda journey: journey.faster(factor)))

    def step(self, events: int) -> None:
        """So many events on, or back; playing stops."""
        self.ask(lambda journey: journey.step(events))

    def jump(self, seconds: float) -> None:
        """So many recorded seconds on, or back."""
        self.ask(lambda journey: journey.jump(seconds))

    def seek(self, at: datetime) -> None:
        """Go to a moment."""
        self.ask(lambda journey: journey.seek(at))

    def begin(self) -> None:
        """Go to the first event."""
        self.ask(Journey.begin)

    def end(self) -> None:
        """Go to the last event."""
        self.ask(Journey.end)

    # --- Feed

    async def frames(self) -> AsyncIterator[Frame]:
        """See Feed."""
        async for frame in self.opened():
            yield frame
        if self.journey is None:
            await asyncio.Event().wait()
        async for frame in self._played():
            yield frame

    async def opened(self) -> AsyncIterator[Frame]:
        """Make the journey; without one, the last frame says why."""
        raise NotImplementedError
        yield  # a generator

    async def _played(self) -> AsyncIterator[Frame]:
        assert self.journey is not None
        before = self._ticks()
        while True:
            ordered = False
            try:
                async with asyncio.timeout(TICK_S):
                    order = await self._orders.get()
                ordered = True
            except TimeoutError:
                now = self._ticks()
                order, before = _advance(now - before), now
            try:
                for frame in await self._move(self.journey, order):
                    yield frame
            finally:
                if ordered:
                    self._orders.task_done()

    async def _move(self, journey: Journey, order: Order) -> list[Frame]:
        self.busy = True
        try:
            moved = await order(journey)
        except (Unreachable, Refused) as error:
            self.trouble, journey.playing = str(error), False
            return [journey.link(), journey.clock()]
        finally:
            self.busy = False
        if moved:
            self.trouble = ""
        return moved


def _advance(seconds: float) -> Order:
    return lambda journey: journey.advance(seconds)


def _at_once(order: Callable[[Journey], list[Frame]]) -> Order:
    async def later(journey: Journey) -> list[Frame]:
        return order(journey)

    return later


class FileFeed(Tape):
    """Plays an exported log."""

    def __init__(self, path: Path, *, ticks: Callable[[], float] = time.monotonic) -> None:
        super().__init__(ticks=ticks)
        self._path = path
        self.recording: Recording | None = None
        self._read: tuple[int, int] = (0, 0)

    async def opened(self) -> AsyncIterator[Frame]:
        """See Tape."""
        name = self._path.name
        yield Link("connecting", f"reading {name}")
        reading = asyncio.get_running_loop().run_in_executor(None, Recording.open, self._path, self._progress)
        while not (await asyncio.wait({reading}, timeout=TICK_S))[0]:
            done, of = self._read
            share = f"{100 * done // of}%" if done else f"unpacked {of >> 20} MiB"
            yield Link("connecting", f"reading {name}: {share}")
        try:
            self.recording = reading.result()
        except (OSError, EOFError, zlib.error) as error:
            yield Link("refused", f"{name} cannot be read: {error.__class__.__name__}: {error}")
            return
        if self.recording.span is None:
            yield Link("refused", f"{name} holds no event of an export")
            return
        journey = Journey(self.recording)
        journey.playing = True
        yield Hello(process=name, now=self.recording.span[0])
        moved = await journey.begin()
        self.journey = journey
        for frame in moved:
            yield frame

    def _progress(self, done: int, of: int) -> None:
        self._read = done, of

    def close(self) -> None:
        """Let go of the file."""
        if self.recording is not None:
            self.recording.close()


@runtime_checkable
class Archive(Protocol):
    """A source that can be asked about the past."""

    async def log(self, **query: str | int) -> Answer:
        """A page of the log. Unreachable, Refused."""
        ...

    async def as_of(self, at: str) -> Answer:
        """Everything as of a place. Unreachable, Refused."""
        ...


class LogTape(Tape):
    """Plays the daemon's log, from a moment on, standing still at first."""

    def __init__(self, archive: Archive, at: datetime | None, *, ticks: Callable[[], float] = time.monotonic) -> None:
        super().__init__(ticks=ticks)
        self._archive = archive
        self._at = at

    async def opened(self) -> AsyncIterator[Frame]:
        """See Tape."""
        yield Link("connecting", "reading the log")
        journey = Journey(LogReel(self._archive))
        at = self._at
        moved = await self._move(journey, (lambda each: each.seek(at)) if at else Journey.end)
        while self.trouble:
            yield Link("connecting", self.trouble)
            order = await self._orders.get()
            moved = await self._move(journey, order)
            self._orders.task_done()
        self.journey = journey
        for frame in moved:
            yield frame


class LogReel:
    """The daemon's log as a reel: its tracks are the partitions, a place is the positions."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._span: tuple[datetime, datetime] | None = None

    @property
    def span(self) -> tuple[datetime, datetime] | None:
        """See Reel."""
        return self._span

    async def after(self, place: Place, count: int) -> Page:
        """See Reel."""
        return await self._page(limit=count, **{"from": spell(place)})

    async def before(self, place: Place | None, count: int) -> Page:
        """See Reel."""
        return await self._page(limit=count, **({} if place is None else {"before": spell(place)}))

    async def at(self, moment: datetime, count: int) -> Page:
        """See Reel."""
        return await self._page(limit=count, at=moment.isoformat())

    async def standing(self, place: Place) -> Standing:
        """See Reel."""
        return standing_of(await self._archive.as_of(spell(place)))

    async def _page(self, **query: Any) -> Page:
        answer = await self._archive.log(**query)
        try:
            events = msgspec.convert(answer.get("data"), list[Happened])
            begin, end = _place(answer.get("from")), _place(answer.get("to"))
        except (msgspec.ValidationError, ValueError) as error:
            raise Unreachable(f"the daemon's page of the log cannot be read: {error}") from None
        if any(not 0 <= each.partition < len(begin) for each in events) or len(begin) != len(end):
            raise Unreachable("the daemon's page of the log contradicts itself")
        first, last = moment(answer, "first"), moment(answer, "last")
        self._span = (first, last) if first and last else None
        return Page([Shot(each.partition, each) for each in events], begin, end)


def _place(text: object) -> Place:
    return tuple(map(int, str(text).split(".")))
