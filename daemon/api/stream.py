"""An answer that has no end of its own: the head leaves at once, the rest is written by whoever has something to say.

It ends with its connection, so each write is the bytes themselves, the same for every reader: nothing is framed,
compressed or awaited on the way.
"""

from typing import Final

from aiohttp import hdrs

from daemon.api.answer import Answer
from daemon.api.request import Request

_NEVER_KEPT: Final = {hdrs.CACHE_CONTROL: "no-store", "X-Accel-Buffering": "no"}


class Stream(Answer):
    """An open answer of one media type. A client that only wants the head gets it."""

    __slots__ = ()

    closes = True

    def __init__(self, media: str) -> None:
        super().__init__(200, headers=_NEVER_KEPT)
        self.media = media

    def begin(self, request: Request) -> None:
        """Send the head; what is written to the request's transport from now on is the body.

        Raises ConnectionResetError if the client has left.
        """
        if request.transport.is_closing():
            raise ConnectionResetError
        request.begun = True
        request.transport.write(self.written(request, stays=False))

    def written(self, request: Request, *, stays: bool) -> bytes:  # noqa: ARG002
        """Give the head."""
        return f"{self.head(request, stays=False)}\r\n".encode()
