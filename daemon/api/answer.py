"""An answer that is whole when it is begun: head and body leave in one write.

aiohttp's own Response can also be streamed, compressed and changed by hooks; what that costs on each answer is
more than all of a handler's work.
"""

import time
from collections.abc import Mapping
from email.utils import formatdate
from functools import cache
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDict

REQUEST_ID_HEADER: Final = "X-Request-Id"
NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})

_BODILESS: Final = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class Answer(web.StreamResponse):
    """A status, a body of one media type, and further headers. `request_id` is for the guard to set."""

    def __init__(
        self,
        status: int,
        body: bytes | None = None,
        media: str = "",
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> None:
        """Take an answer; without a body it has no media type either.

        The base class is not set up: all that the server asks of a response is answered here.
        """
        self._answer_status = status
        self._further = headers
        self._begun = False
        self._stays = True
        self.body = body
        self.media = "" if body is None else media
        self.request_id = ""

    @property
    def status(self) -> int:
        """The status."""
        return self._answer_status

    @property
    def headers(self) -> CIMultiDict[str]:
        """The headers that say something of the body, or were given, for a look."""
        shown = CIMultiDict(self._further)
        if self.media:
            shown[hdrs.CONTENT_TYPE] = self.media
        return shown

    @property
    def prepared(self) -> bool:
        """Whether it has gone out."""
        return self._begun

    @property
    def keep_alive(self) -> bool:
        """Whether the connection serves further requests."""
        return self._stays

    def __repr__(self) -> str:
        return f"<Answer {self._answer_status}>"

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        """Send it, whole. Raises ConnectionError if the client has left."""
        if not self._begun:
            await request.writer.write(self.begin(request))
        return request.writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to be sent."""
        assert not data

    def begin(self, request: web.BaseRequest) -> bytes:
        """Give the bytes to send, all at once: for whoever sends them now."""
        self._begun = True
        self._stays = request.keep_alive
        return self._written(request)

    def _written(self, request: web.BaseRequest) -> bytes:
        status, body = self._answer_status, self.body or b""
        head = f"{_opening(status, self.media)}{REQUEST_ID_HEADER}: {self.request_id}\r\nDate: {_dates.now()}\r\n"
        if self._further:
            head += "".join(_line(name, value) for name, value in self._further.items())
        if request.version != HttpVersion11 or not self._stays:
            head += f"Connection: {'keep-alive' if self._stays else 'close'}\r\n"
        if status in _BODILESS:
            return f"{head}\r\n".encode()
        head = f"{head}Content-Length: {len(body)}\r\n\r\n"
        return head.encode() if request.method == hdrs.METH_HEAD else head.encode() + body


class _Dates:
    """The Date header, spelt once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._spelt = ""

    def now(self) -> str:
        second = int(time.time())
        if second != self._second:
            self._second, self._spelt = second, formatdate(second, usegmt=True)
        return self._spelt


_dates: Final = _Dates()


@cache
def _opening(status: int, media: str) -> str:
    line = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
    return line + _line(hdrs.CONTENT_TYPE, media) if media else line


def _line(name: str, value: str) -> str:
    line = f"{name}: {value}"
    if not line.isprintable():
        raise ValueError(f"the header {name} would break the head of the answer")
    return f"{line}\r\n"
