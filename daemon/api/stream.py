"""An answer that has no end of its own: the head leaves at once, the rest is written by whoever has something to say.

It ends with its connection, so each write is the bytes themselves, the same for every reader: nothing is framed,
compressed or awaited on the way.
"""

from typing import Final

from aiohttp import hdrs, web

from daemon.api.answer import Answer

_NEVER_KEPT: Final = {hdrs.CACHE_CONTROL: "no-store", "X-Accel-Buffering": "no"}


class Stream(Answer):
    """An open answer of one media type. A client that only wants the head gets it."""

    def __init__(self, media: str, request_id: str) -> None:
        super().__init__(200, headers=_NEVER_KEPT)
        self.media = media
        self.request_id = request_id

    @property
    def keep_alive(self) -> bool:
        """Never: the end of the connection is the end of the answer."""
        return False

    async def write_eof(self, data: bytes = b"") -> None:
        """Let it end; what is written leaves before the connection closes."""
        assert not data

    def _written(self, request: web.BaseRequest) -> bytes:
        self._stays = False
        head = super()._written(request)
        return head.replace(b"Content-Length: 0\r\n", b"", 1)
