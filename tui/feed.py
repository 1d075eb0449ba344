"""Where frames come from. LiveFeed reads the daemon's stream, and comes back after it was lost, where it left off."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from random import Random
from typing import Final, Protocol

from tui.client import Client, Refused, Unreachable
from tui.frames import Frame, Link
from tui.sse import BadStream, Parser

BACKOFF_FIRST_S: Final = 0.5
BACKOFF_MAX_S: Final = 10.0
STREAM: Final = "/api/v1/live"


class Feed(Protocol):
    """A source of frames. One reader at a time."""

    def frames(self) -> AsyncIterator[Frame]:
        """All frames, without end unless the source has one. Never raises what the far side does."""
        ...

    def retry(self) -> None:
        """Try again now, if waiting."""
        ...


class LiveFeed:
    """The daemon's stream. What was missed while it was lost comes from the log, or as `Skipped`."""

    def __init__(self, client: Client, *, rate: int = 500, random: Random | None = None) -> None:
        self._client = client
        self._rate = rate
        self._random = random or Random()  # noqa: S311 - jitter
        self._wake = asyncio.Event()
        self._last_id = ""
        self._heard = False

    def retry(self) -> None:
        """See Feed."""
        self._wake.set()

    async def frames(self) -> AsyncIterator[Frame]:
        """See Feed."""
        pause_s, tries = BACKOFF_FIRST_S, 0
        while True:
            self._heard = False
            yield Link("connecting", tries=tries)
            try:
                async for frame in self._connected():
                    yield frame
                lost = Unreachable("the daemon ended the stream")
            except (Unreachable, BadStream) as error:
                lost = Unreachable(str(error))
            except Refused as refused:
                self._wake.clear()
                yield Link("refused", str(refused))
                await self._wait(None)
                continue
            if self._heard:
                pause_s, tries = BACKOFF_FIRST_S, 0
            tries += 1
            wait_s = self._random.uniform(BACKOFF_FIRST_S, pause_s)
            pause_s = min(BACKOFF_MAX_S, pause_s * 2)
            self._wake.clear()
            yield Link("lost", str(lost), time.monotonic() + wait_s, tries)
            await self._wait(wait_s)

    async def _connected(self) -> AsyncIterator[Frame]:
        parser = Parser(self._last_id)
        async with self._client.stream(STREAM, self._last_id, rate=self._rate) as chunks:
            yield Link("live")
            async for chunk in chunks:
                for frame in parser.feed(chunk):
                    self._heard = True
                    yield frame
                self._last_id = parser.last_id

    async def _wait(self, seconds: float | None) -> None:
        """Until somebody asks for another try, at most so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
