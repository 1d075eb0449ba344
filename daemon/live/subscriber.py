"""One who watches: what was sent, what was left out because it was not taken, and when it is over."""

import asyncio
from typing import Final, Protocol

from daemon.live import frames
from daemon.live.group import Wanted
from events.positions import Positions

BUFFER_BYTES_MAX: Final = 1 << 20
"""So much may wait to be taken; then the reader is skipped forward."""
RESUME_BYTES_MAX: Final = 256 << 10
KEEP_ALIVE_S: Final = 15.0


class Connection(Protocol):
    """A connection that is written to; asyncio.Transport is one."""

    def write(self, data: bytes) -> None:
        """Have it sent, some time."""

    def get_write_buffer_size(self) -> int:
        """Bytes that wait."""

    def is_closing(self) -> bool:
        """Whether the other side is gone."""


class Subscriber:
    """A reader. `top` is how many targets the stats are to show; None: no stats."""

    def __init__(self, connection: Connection, wanted: Wanted, top: int | None, now_s: float) -> None:
        self.wanted = wanted
        self.top = top
        self.live = False  # takes part in what everybody gets
        self.ahead: Positions | None = None  # has read in the log beyond what everybody was told
        self.ended = asyncio.Event()
        self._connection = connection
        self._stirred = asyncio.Event()
        self._left_out = 0
        self._wrote_at_s = now_s

    @property
    def gone(self) -> bool:
        """Whether the reader has left."""
        return self._connection.is_closing()

    def end(self) -> None:
        """Have the stream end."""
        self.ended.set()
        self._stirred.set()

    def tell(self, data: bytes, count: int, before: str, now_s: float) -> None:
        """Send a chunk that stands for `count` events after `before`, or leave them all out."""
        if not data:
            return
        if self.gone:
            return
        if self._connection.get_write_buffer_size() > BUFFER_BYTES_MAX:
            self._left_out += count
            return
        if self._left_out:
            data = frames.skipped(self._left_out, before) + data
            self._left_out = 0
        self._connection.write(data)
        self._wrote_at_s = now_s

    def look(self, position: str, now_s: float) -> None:
        """Once a tick: say what was left out when the reader has caught up, and keep a silent connection alive."""
        if self.gone:
            self.end()
            return
        waiting = self._connection.get_write_buffer_size()
        if waiting <= RESUME_BYTES_MAX:
            self._stirred.set()
        if self._left_out and waiting <= BUFFER_BYTES_MAX:
            data = frames.skipped(self._left_out, position)
            self._left_out = 0
        elif now_s - self._wrote_at_s >= KEEP_ALIVE_S and not waiting:
            data = frames.KEEP_ALIVE
        else:
            return
        self._connection.write(data)
        self._wrote_at_s = now_s

    async def ready(self) -> None:
        """Wait until what was written is taken, mostly, or the stream is over."""
        while self._connection.get_write_buffer_size() > RESUME_BYTES_MAX and not self.ended.is_set():
            self._stirred.clear()
            await self._stirred.wait()
