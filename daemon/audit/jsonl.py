"""An export as JSON Lines: each line a CloudEvent (events/cloudevent.py says what stands in it)."""

import gzip
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final, cast

from daemon.audit.files import GZIP, starts_with
from events import cloudevent
from events.cloudevent import End, Item, NotALine, Note
from events.leaf import RawEvent

LINE_BYTES_MAX: Final = 1 << 28


class Unreadable(ValueError):
    """The file ends in the middle, or a place in it is no part of an export; the words name the place."""


class JsonLines:
    """Writes an export line by line."""

    def __init__(self, file: BinaryIO, log_id: str | None) -> None:
        self._file = file
        self._log_id = log_id

    def event(self, raw: RawEvent) -> None:
        """Write an event."""
        self._file.write(cloudevent.encode(raw, cloudevent.source_of(raw.partition, self._log_id)))

    def note(self, note: Note) -> None:
        """Write a checkpoint, once the events that it covers are written."""
        self._file.write(cloudevent.encode_note(note, cloudevent.source_of(note.partition, self._log_id)))

    def end(self, end: End) -> None:
        """Write the last line."""
        self._file.write(cloudevent.encode_end(end, cloudevent.root_of(self._log_id)))


def read(file: BinaryIO) -> Iterator[tuple[str, Item]]:
    """(place, what stands there), line by line; gzip is unpacked. Unreadable."""
    lines = cast("BinaryIO", gzip.GzipFile(fileobj=file)) if starts_with(file, GZIP) else file
    number = 0
    while True:
        number += 1
        place = f"line {number}"
        try:
            line = lines.readline(LINE_BYTES_MAX)
        except (EOFError, OSError, zlib.error) as error:
            raise Unreadable(f"{place}: the file cannot be unpacked: {error}") from error
        if not line:
            return
        try:
            yield place, cloudevent.decode(line)
        except NotALine as error:
            raise Unreadable(f"{place}: {error}") from error
