"""Where frames come from. LiveFeed reads the daemon's stream, and comes back after it was lost, where it left off."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from random import Random
from typing import Final, Protocol

import msgspec

from tui.client import Client, Refused, Unreachable
from tui.frames import Events, Frame, Happened, Hello, Link
from tui.sse import BadStream, Parser

BACKOFF_FIRST_S: Final = 0.5
BACKOFF_MAX_S: Final = 10.0
STREAM: Final = "/api/v1/live"
LOG: Final = "/api/v1/log"
SEED_EVENTS: Final = 500
SEED_S: Final = 5.0


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
        parser, first = Parser(self._last_id), not self._last_id
        async with self._client.stream(STREAM, self._last_id, rate=self._rate) as chunks:
            yield Link("live")
            async for chunk in chunks:
                for frame in parser.feed(chunk):
                    self._heard, self._last_id = True, parser.last_id
                    yield frame
                    if first and isinstance(frame, Hello) and (lately := await self._lately(frame.positions)):
                        yield lately

    async def _lately(self, positions: str) -> Events | None:
        """What happened last before the stream begins, up to where it begins: nothing between, nothing twice.

        It is worth a look, not a failure: the stream is there without it.
        """
        try:
            async with asyncio.timeout(SEED_S):
                page = await self._client.get(LOG, before=positions, limit=SEED_EVENTS)
            events = msgspec.convert(page["data"], tuple[Happened, ...])
        except (TimeoutError, Unreachable, Refused, msgspec.ValidationError, KeyError, TypeError):
            return None
        return Events(events, positions) if events else None

    async def _wait(self, seconds: float | None) -> None:
        """Until somebody asks for another try, at most so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
