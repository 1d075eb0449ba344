"""Server-sent events, as bytes (WHATWG HTML, section 9.2). Pure."""

from typing import Final

MEDIA: Final = "text/event-stream"
KEEP_ALIVE: Final = b": still here\n\n"


def frame(event: str, data: bytes, position: str = "") -> bytes:
    """One event. `data` is JSON on one line; `position` is what a reader who comes back begins after."""
    place = f"id: {position}\n" if position else ""
    return b"".join((f"{place}event: {event}\ndata: ".encode(), data, b"\n\n"))


def events(shown: list[bytes], position: str) -> bytes:
    """Events of the log, each one JSON object."""
    return frame("events", b"[" + b",".join(shown) + b"]", position)


def skipped(count: int, position: str) -> bytes:
    """Say that `count` events are left out, and that it goes on after `position`."""
    return frame("skipped", b'{"count":%d,"positions":"%b"}' % (count, position.encode()), position)
