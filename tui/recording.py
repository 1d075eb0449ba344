"""An exported log, as a reel: read once for an index, then from any place in both directions.

The index holds a mark (moment and offset) every so many events, so it stays small however long the file is.
Partitions that stand one after the other are told as one story: the file is cut into stretches in which time does not
go back, and these are merged. A .gz file is unpacked beside it first.
"""

import asyncio
import gzip
import heapq
import tempfile
import threading
import zlib
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from events.cloudevent import NotALine, decode
from events.leaf import RawEvent, at_us
from tui.frames import Happened
from tui.journey import Page, Place, Shot
from tui.standing import CONFIGURING, Standing, standing_after

EVERY: Final = 256
"""Events from one mark to the next."""
STRETCHES_MAX: Final = 256
"""A file in which time goes back more often is told in the order of its lines from there on."""
CONFIGURING_MAX: Final = 100_000
FOUND_MAX: Final = 2_000
PROGRESS_BYTES: Final = 1 << 20
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)  # of at_us, as of PostgreSQL
_EARLIEST_US: Final = at_us(datetime(1970, 1, 1, tzinfo=UTC))
_LATEST_US: Final = at_us(datetime(9000, 1, 1, tzinfo=UTC))
"""A log that was tampered with may hold any moment."""
_PREFIX: Final = "hookd."
_NO_EVENTS: Final = frozenset({"hookd.checkpoint", "hookd.export"})
_CONFIGURING: Final = frozenset(_PREFIX + each for each in CONFIGURING)

Progress = Callable[[int, int], None]
"""Told now and then: so many bytes of so many are read."""


class _Head(msgspec.Struct, gc=False):
    """As much of a line as the index needs."""

    type: str
    partition: int | None = None
    time: datetime | None = None
    atus: str | None = None


_Ordered = tuple[tuple[int, ...], Shot]
_heads: Final = msgspec.json.Decoder(_Head)


class _Stretch:
    """A part of the file in which time does not go back."""

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.moments = array("q")  # of each mark's event: the latest so far
        self.offsets = array("q")
        self.count = 0
        self.latest = _EARLIEST_US
        self.end = 0  # offset

    def add(self, moment: int, offset: int, end: int) -> None:
        self.latest = max(self.latest, moment)
        if self.count % EVERY == 0:
            self.moments.append(self.latest)
            self.offsets.append(offset)
        self.count += 1
        self.end = end


class Recording:
    """The events of a file, in order of time. `unreadable` counts the lines that are none. A Reel.

    Reading is quick, but it reads from a disk: the methods of a Reel do it in a thread.
    """

    def __init__(self, file: IO[bytes], size: int = 0, progress: Progress = lambda _done, _of: None) -> None:
        self._file = file
        self._lock = threading.Lock()
        self.unreadable = 0
        self._stretches: list[_Stretch] = []
        self._configuring: deque[tuple[int, int, int]] = deque(maxlen=CONFIGURING_MAX)
        place, told = 0, 0
        for each in file:
            if each.strip():
                self._index(each, place)
            place += len(each)
            if place - told >= PROGRESS_BYTES:
                told = place
                progress(place, max(size, place))

    def _index(self, line: bytes, offset: int) -> None:
        moment, head = _moment_of(line)
        if head is None:
            self.unreadable += 1
            return
        if moment is None:
            return
        stretches = self._stretches
        last = stretches[-1] if stretches else None
        partition = head.partition or 0
        goes_back = last is not None and last.partition != partition and moment < last.latest
        if last is None or (goes_back and len(stretches) < STRETCHES_MAX):
            last = _Stretch(partition)
            stretches.append(last)
        last.partition = partition
        last.add(moment, offset, offset + len(line))
        if head.type in _CONFIGURING:
            self._configuring.append((len(stretches) - 1, last.count, offset))

    @classmethod
    def open(cls, path: Path, progress: Progress = lambda _done, _of: None) -> "Recording":
        """Index a .jsonl or .jsonl.gz file. OSError, EOFError, zlib.error."""
        with path.open("rb") as opened:
            packed = opened.read(2) == b"\x1f\x8b"
        if not packed:
            return cls(path.open("rb"), path.stat().st_size, progress)  # kept open, to be read from
        unpacked = tempfile.TemporaryFile()  # noqa: SIM115 - kept open
        try:
            with gzip.open(path) as source:
                while chunk := source.read(PROGRESS_BYTES):
                    unpacked.write(chunk)
                    progress(0, unpacked.tell())
        except (OSError, EOFError, zlib.error):
            unpacked.close()
            raise
        size = unpacked.tell()
        unpacked.seek(0)
        return cls(unpacked, size, progress)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def __len__(self) -> int:
        return sum(each.count for each in self._stretches)

    # --- Reel

    @property
    def span(self) -> tuple[datetime, datetime] | None:
        """See Reel."""
        if not self._stretches:
            return None
        first = min(each.moments[0] for each in self._stretches)
        return _at(first), _at(max(each.latest for each in self._stretches))

    async def after(self, place: Place, count: int) -> Page:
        """See Reel."""
        return await asyncio.to_thread(self.following, place, count)

    async def before(self, place: Place | None, count: int) -> Page:
        """See Reel."""
        return await asyncio.to_thread(self.leading, self.end() if place is None else place, count)

    async def at(self, moment: datetime, count: int) -> Page:
        """See Reel."""
        return await asyncio.to_thread(lambda: self.leading(self.place_at(moment), count))

    async def standing(self, place: Place) -> Standing:
        """See Reel. The file may begin anywhere, so what waited is known at its begin only."""
        return await asyncio.to_thread(self._standing, place)

    # --- the same, at once

    def end(self) -> Place:
        """The place after everything."""
        return tuple(each.count for each in self._stretches)

    def place_at(self, moment: datetime) -> Place:
        """The place after all that happened up to a moment."""
        wanted = (moment - _EPOCH) // timedelta(microseconds=1)
        place = []
        for number, each in enumerate(self._stretches):
            mark = bisect_right(each.moments, wanted) - 1
            count = 0
            if mark >= 0:
                count = mark * EVERY + sum(1 for key, _ in self._block(number, mark) if key[0] <= wanted)
            place.append(count)
        return tuple(place)

    def following(self, place: Place, count: int) -> Page:
        """The next events."""
        tracks = [self._forwards(number, begin) for number, begin in enumerate(place)]
        shots = [shot for _, shot in islice(heapq.merge(*tracks, key=_key), count)]
        return Page(shots, place, _moved(place, shots, 1))

    def leading(self, place: Place, count: int) -> Page:
        """The events before."""
        tracks = [self._backwards(number, end) for number, end in enumerate(place)]
        shots = [shot for _, shot in islice(heapq.merge(*tracks, key=_key, reverse=True), count)]
        shots.reverse()
        return Page(shots, _moved(place, shots, -1), place)

    def _forwards(self, number: int, begin: int) -> Iterator[_Ordered]:
        for mark in range(begin // EVERY, len(self._stretches[number].offsets)):
            block = self._block(number, mark)
            yield from block[begin - mark * EVERY :] if mark == begin // EVERY else block

    def _backwards(self, number: int, end: int) -> Iterator[_Ordered]:
        for mark in range((end - 1) // EVERY, -1, -1):
            yield from reversed(self._block(number, mark)[: end - mark * EVERY])

    def _block(self, number: int, mark: int) -> list[_Ordered]:
        """The events from a mark to the next, each with what they are ordered by."""
        stretch = self._stretches[number]
        begin = stretch.offsets[mark]
        end = stretch.offsets[mark + 1] if mark + 1 < len(stretch.offsets) else stretch.end
        with self._lock:  # a search reads in a thread while the play goes on
            self._file.seek(begin)
            data = self._file.read(end - begin)
        found: list[_Ordered] = []
        latest = stretch.moments[mark]
        for line in data.split(b"\n"):
            moment, _ = _moment_of(line)
            if moment is not None:
                latest = max(latest, moment)
                found.append(((latest, number, mark, len(found)), Shot(number, _event(line))))
        return found

    def _standing(self, place: Place) -> Standing:
        lines = []
        with self._lock:
            for number, nth, offset in self._configuring:
                if nth <= place[number]:
                    self._file.seek(offset)
                    lines.append(self._file.readline())
        events = sorted(map(_event, lines), key=lambda each: each.at)
        return standing_after(events, whole=not any(place))

    def mentioning(self, identifier: str) -> list[Happened]:
        """The events that name an id, the last ones if there are very many."""
        wanted = identifier.encode("utf-8", "surrogatepass")
        found: list[Happened] = []
        for stretch in self._stretches:
            for mark, begin in enumerate(stretch.offsets):
                end = stretch.offsets[mark + 1] if mark + 1 < len(stretch.offsets) else stretch.end
                with self._lock:
                    self._file.seek(begin)
                    data = self._file.read(end - begin)
                if wanted in data:
                    lines = (line for line in data.split(b"\n") if wanted in line)
                    found += [_event(line) for line in lines if _moment_of(line)[0] is not None]
        return sorted(found, key=lambda each: each.at)[-FOUND_MAX:]


def happened(raw: RawEvent) -> Happened:
    """A line of an export as the stream would say it."""
    try:
        body: Any = msgspec.json.decode(raw.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = {"unreadable": raw.body.decode("utf-8", "replace")}
    return Happened(
        raw.partition,
        raw.seq,
        _at(raw.at_us),
        raw.stream,
        raw.type,
        raw.version,
        raw.actor,
        body if isinstance(body, dict) else {"value": body},
        raw.endpoint,
        raw.request,
    )


def _moment_of(line: bytes) -> tuple[int | None, _Head | None]:
    """When the event of a line happened, None if it is another line; and its head, None if it is no line at all."""
    try:
        head = _heads.decode(line)
        if head.type in _NO_EVENTS:
            return None, head
        moment = at_us(head.time) if head.time is not None else int(head.atus or "")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError, TypeError):
        return None, None
    if head.partition is None or not head.type.startswith(_PREFIX):
        return None, None
    return _bounded(moment), head


def _event(line: bytes) -> Happened:
    """The event of a line that has a moment."""
    try:
        raw = decode(line)
    except NotALine as error:
        return _damaged(line, str(error))
    return happened(raw) if isinstance(raw, RawEvent) else _damaged(line, "no event")


def _damaged(line: bytes, why: str) -> Happened:
    moment, head = _moment_of(line)
    type_ = head.type.removeprefix(_PREFIX) if head else "?"
    return Happened(head.partition or 0 if head else 0, 0, _at(moment or 0), "", type_, body={"unreadable": why})


def _bounded(moment: int) -> int:
    return min(max(moment, _EARLIEST_US), _LATEST_US)


def _at(moment: int) -> datetime:
    return _EPOCH + timedelta(microseconds=_bounded(moment))


def _key(item: _Ordered) -> tuple[int, ...]:
    return item[0]


def _moved(place: Place, shots: list[Shot], by: int) -> Place:
    moved = list(place)
    for shot in shots:
        moved[shot.track] += by
    return tuple(moved)
