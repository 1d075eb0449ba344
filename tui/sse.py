"""Server-sent events, as a browser reads them (HTML, section 9.2.6), and what hookd's stream says with them. Pure."""

from collections.abc import Iterator
from typing import Final

import msgspec

from tui.frames import Events, Frame, Happened, Hello, Skipped, Stats

EVENT_BYTES_MAX: Final = 16 << 20

_happened: Final = msgspec.json.Decoder(tuple[Happened, ...])
_hello: Final = msgspec.json.Decoder(Hello)
_skipped: Final = msgspec.json.Decoder(Skipped)
_stats: Final = msgspec.json.Decoder(Stats)


class BadStream(Exception):
    """What came is not hookd's live stream; the text says what it was."""


class Parser:
    """Bytes in, frames out. `last_id` is where to resume."""

    def __init__(self, last_id: str = "") -> None:
        self.last_id = last_id
        self._rest = b""
        self._name = ""
        self._data: list[bytes] = []
        self._bytes = 0

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Take what arrived. BadStream when it cannot be hookd's."""
        lines = (self._rest + chunk).split(b"\n") if self._rest else chunk.split(b"\n")
        self._rest = lines.pop()
        self._bytes += len(chunk)
        if self._bytes > EVENT_BYTES_MAX:
            raise BadStream("an event of more than 16 MiB")
        for each in lines:
            if each.strip():
                self._field(each.rstrip(b"\r"))
            elif self._data or self._name:
                frame = self._dispatch()
                if frame is not None:
                    yield frame
        if not self._rest and not self._data:
            self._bytes = 0

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._name = value.decode("utf-8", "replace")
        elif name == b"id" and b"\0" not in value:
            self.last_id = value.decode("ascii", "replace")

    def _dispatch(self) -> Frame | None:
        name, data = self._name, b"\n".join(self._data)
        self._name, self._data, self._bytes = "", [], 0
        try:
            return decode(name, data, self.last_id)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadStream(f"an event {name!r} that cannot be read: {error}") from error


def decode(name: str, data: bytes, positions: str = "") -> Frame | None:
    """The frame of one event; None for a kind that this console does not know."""
    match name:
        case "events":
            return Events(_happened.decode(data), positions)
        case "stats":
            return _stats.decode(data)
        case "skipped":
            return _skipped.decode(data)
        case "hello":
            return _hello.decode(data)
    return None
