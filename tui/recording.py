"""An exported log, played: the same frames as the daemon's stream says, at any speed, paused, step by step.

The file is read once, for an index of moments and places (16 bytes an event), so that partitions that stand one
after the other in it are played as one story; a .gz file is unpacked beside it first. Going back makes the board anew
from the events before: nothing is ever taken back.
"""

import asyncio
import gzip
import shutil
import tempfile
import threading
import time
import zlib
from array import array
from bisect import bisect_right
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from events.cloudevent import NotALine, decode
from events.leaf import RawEvent, at_us
from tui.client import Refused
from tui.frames import Clock, Events, Frame, Happened, Hello, Link, Reset, Targets
from tui.pages import Answer
from tui.tally import Tally

TICK_S: Final = 0.1
LOOK_BACK: Final = 5_000
"""Events before a place that are shown when it is gone to."""
FOUND_MAX: Final = 2_000
BURST: Final = 2_000
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)  # of at_us, as of PostgreSQL
_EARLIEST_US: Final = at_us(datetime(1970, 1, 1, tzinfo=UTC))
_LATEST_US: Final = at_us(datetime(9000, 1, 1, tzinfo=UTC))
"""A log that was tampered with may hold any moment."""


class Recording:
    """The events of a file, in order of time. `unreadable` counts the lines that are none."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._lock = threading.Lock()
        self.unreadable = 0
        moments, places = array("q"), array("q")
        place = 0
        for each in file:
            if each.strip():
                try:
                    raw = decode(each)
                except NotALine:
                    self.unreadable += 1
                else:
                    if isinstance(raw, RawEvent):
                        moments.append(min(max(raw.at_us, _EARLIEST_US), _LATEST_US))
                        places.append(place)
            place += len(each)
        order = sorted(range(len(moments)), key=moments.__getitem__)
        self._moments = array("q", (moments[at] for at in order))
        self._places = array("q", (places[at] for at in order))

    @classmethod
    def open(cls, path: Path) -> "Recording":
        """Index a .jsonl or .jsonl.gz file. OSError, EOFError, zlib.error."""
        with path.open("rb") as opened:
            packed = opened.read(2) == b"\x1f\x8b"
        if not packed:
            return cls(path.open("rb"))  # kept open, to be read from
        unpacked = tempfile.TemporaryFile()  # noqa: SIM115 - kept open
        try:
            with gzip.open(path) as source:
                shutil.copyfileobj(source, unpacked)
        except (OSError, EOFError, zlib.error):
            unpacked.close()
            raise
        unpacked.seek(0)
        return cls(unpacked)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def __len__(self) -> int:
        return len(self._moments)

    def at(self, index: int) -> datetime:
        """The moment of an event."""
        return _EPOCH + timedelta(microseconds=self._moments[index])

    def index(self, at: datetime) -> int:
        """How many events there are up to a moment, that moment included."""
        return bisect_right(self._moments, (at - _EPOCH) // timedelta(microseconds=1))

    def read(self, begin: int, end: int) -> Iterator[Happened]:
        """Events, by their place in the order of time."""
        for place in self._places[begin:end]:
            raw = decode(self._line(place))
            if isinstance(raw, RawEvent):
                yield happened(raw)

    def _line(self, place: int) -> bytes:
        with self._lock:  # a search reads in a thread while the play goes on
            self._file.seek(place)
            return self._file.readline()

    def mentioning(self, identifier: str) -> list[Happened]:
        """The events that name an id, the last ones if there are very many."""
        wanted = identifier.encode()
        found: list[Happened] = []
        for place in self._places:
            each = self._line(place)
            if wanted in each and isinstance(raw := decode(each), RawEvent):
                found.append(happened(raw))
        return found[-FOUND_MAX:]


def happened(raw: RawEvent) -> Happened:
    """A line of an export as the stream would say it."""
    try:
        body: Any = msgspec.json.decode(raw.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = {"unreadable": raw.body.decode("utf-8", "replace")}
    return Happened(
        raw.partition,
        raw.seq,
        _EPOCH + timedelta(microseconds=min(max(raw.at_us, _EARLIEST_US), _LATEST_US)),
        raw.stream,
        raw.type,
        raw.version,
        raw.actor,
        body if isinstance(body, dict) else {"value": body},
        raw.endpoint,
        raw.request,
    )


class Player:
    """The place in a recording, and how fast it moves. It has no clock: `advance` is told how much time passed."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.speed = 1.0
        self.playing = True
        self.next = 0
        self.at = recording.at(0) if len(recording) else _EPOCH
        self._tally = Tally()

    @property
    def ended(self) -> bool:
        """Whether all has been played."""
        return self.next >= len(self.recording)

    def link(self) -> Link:
        """How it stands, in a frame."""
        speed = f"x{self.speed:g}"
        return Link("ended" if self.ended else "playing" if self.playing else "paused", speed)

    def clock(self) -> Clock:
        """The time from now on."""
        return Clock(self.at, self.speed if self.playing and not self.ended else 0.0)

    def advance(self, seconds: float) -> list[Frame]:
        """What happens in so many seconds of the spectator."""
        if not self.playing or self.ended:
            return []
        return self._play_to(self.at + timedelta(seconds=seconds * self.speed))

    def step(self, events: int = 1) -> list[Frame]:
        """The next events, however far away; back with a negative number."""
        if events < 0:
            return self._place(max(self.next + events, 0))
        end = min(self.next + events, len(self.recording))
        if end == self.next:
            return []
        return self._play_to(self.recording.at(end - 1), end)

    def seek(self, at: datetime) -> list[Frame]:
        """Go to a moment."""
        frames = self._place(self.recording.index(at))
        self.at = at
        return [*frames, self.clock()]

    def _place(self, index: int) -> list[Frame]:
        self._tally = Tally()
        self.next = max(index - LOOK_BACK, 0)
        frames: list[Frame] = [Reset()]
        if index:
            frames += self._play_to(self.recording.at(index - 1), index)
        else:
            self.at = self.recording.at(0) if len(self.recording) else _EPOCH
        return [*frames, self.link(), self.clock()]

    def _play_to(self, at: datetime, end: int | None = None) -> list[Frame]:
        end = self.recording.index(at) if end is None else end
        frames: list[Frame] = []
        while self.next < end:
            upto = min(self.next + BURST, end)
            batch: list[Happened] = []
            for each in self.recording.read(self.next, upto):
                if seconds := self._tally.upto(each.at):
                    frames += [Events(tuple(batch)), *seconds[-60:]] if batch else seconds[-60:]
                    batch = []
                self._tally.take(each)
                batch.append(each)
            if batch:
                frames.append(Events(tuple(batch)))
            self.next = upto
        self.at = at
        frames += self._tally.upto(at)[-60:]
        return [*frames, *([self.link()] if self.ended else []), self.clock()]


class FileFeed:
    """A Feed over a file. `player` is there once the file has been read; whoever moves it calls `told`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.player: Player | None = None
        self._queue: asyncio.Queue[list[Frame]] = asyncio.Queue()

    def retry(self) -> None:
        """Nothing to try again."""

    def told(self, frames: list[Frame]) -> None:
        """Show what moving the player answered."""
        self._queue.put_nowait(frames)

    # --- what an operator does

    def pause(self) -> None:
        """Stand still, or go on."""
        if self.player is not None:
            self.player.playing = not self.player.playing
            self.told([self.player.link(), self.player.clock()])

    def faster(self, factor: float) -> None:
        """Change the speed."""
        if self.player is not None:
            self.player.speed = min(max(self.player.speed * factor, 0.125), 4096.0)
            self.told([self.player.link(), self.player.clock()])

    def step(self, events: int) -> None:
        """So many events on, or back; playing stops."""
        if self.player is not None:
            self.player.playing = False
            self.told([*self.player.step(events), self.player.link(), self.player.clock()])

    def seek(self, seconds: float) -> None:
        """So many recorded seconds on, or back."""
        if self.player is not None:
            self.told(self.player.seek(self.player.at + timedelta(seconds=seconds)))

    async def frames(self) -> AsyncIterator[Frame]:
        """See Feed."""
        yield Link("connecting", f"reading {self._path.name}")
        try:
            recording = await asyncio.to_thread(Recording.open, self._path)
        except (OSError, EOFError, zlib.error) as error:
            yield Link("refused", f"{self._path.name} cannot be read: {error.__class__.__name__}: {error}")
            await asyncio.Event().wait()
            return
        try:
            async for frame in self._play(recording):
                yield frame
        finally:
            recording.close()

    async def _play(self, recording: Recording) -> AsyncIterator[Frame]:
        if not len(recording):
            yield Link("refused", f"{self._path.name} holds no event of an export")
            await asyncio.Event().wait()
        self.player = Player(recording)
        yield Hello(process=self._path.name, now=self.player.at)
        yield self.player.link()
        yield self.player.clock()
        before = time.monotonic()
        while True:
            try:
                async with asyncio.timeout(TICK_S):
                    moved = await self._queue.get()
            except TimeoutError:
                now = time.monotonic()
                moved, before = self.player.advance(now - before), now
            for frame in moved:
                yield frame


class FileSource:
    """A Source that answers from a recording what the log alone can tell."""

    def __init__(self, feed: FileFeed) -> None:
        self._feed = feed

    async def delivery(self, message: str, endpoint: str) -> Answer:
        """See Source."""
        events = [each for each in await self._find(message) if each.endpoint in {endpoint, None}]
        attempts = [_attempt(each) for each in events if each.type in {"AttemptSucceeded", "AttemptFailed"}]
        return {"message": message, "endpoint": endpoint, "attempts": attempts, "trail": _trail(events)}

    async def endpoint(self, endpoint: str) -> Answer:
        """See Source."""
        events = await self._find(endpoint)
        own = [each for each in events if each.stream == endpoint]
        config: Answer = next(
            (each.body["config"] for each in reversed(own) if isinstance(each.body.get("config"), dict)), {}
        )
        attempts = [
            _attempt(each) | {"message": each.stream}
            for each in reversed(events[-50:])
            if each.endpoint == endpoint and each.type in {"AttemptSucceeded", "AttemptFailed"}
        ]
        return {"endpoint": endpoint, "url": config.get("url"), "configuration": config, "attempts": attempts}

    async def message(self, message: str) -> Answer:
        """See Source."""
        events = await self._find(message)
        accepted = next((each for each in events if each.type == "MessageAccepted"), None)
        body = accepted.body if accepted else {}
        return {
            "id": message,
            "eventType": body.get("event_type"),
            "application": body.get("application"),
            "acceptedAt": accepted.at.isoformat() if accepted else None,
            "size": body.get("size"),
            "digest": body.get("digest"),
            "payloadGone": "an export holds no payloads",
            "deliveries": [{"endpoint": each, "state": "waiting"} for each in body.get("endpoints", ())],
        }

    async def targets(self) -> list[Targets]:
        """See Source: what the events tell is all there is."""
        return []

    async def overview(self) -> Answer:
        """See Source."""
        return {}

    async def _find(self, identifier: str) -> list[Happened]:
        if self._feed.player is None:
            raise Refused("the recording is still being read", 404)
        found = await asyncio.to_thread(self._feed.player.recording.mentioning, identifier)
        if not found:
            raise Refused(f"the recording does not tell of {identifier}", 404)
        return found


def _attempt(event: Happened) -> Answer:
    body = event.body
    return {
        "position": event.position,
        "at": event.at.isoformat(),
        "attempt": body.get("attempt"),
        "status": body.get("status"),
        "fault": body.get("fault"),
        "detail": body.get("detail"),
        "durationMs": body.get("duration_ms"),
        "responseBytes": body.get("response_bytes"),
    }


def _trail(events: list[Happened]) -> list[Answer]:
    return [
        {
            "at": each.at.isoformat(),
            "type": each.type,
            "actor": each.actor,
            "partition": each.partition,
            "seq": each.seq,
        }
        for each in events
    ]
