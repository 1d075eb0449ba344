"""An answer that is whole when it is begun: head and body leave in one write."""

import time
from collections.abc import Mapping
from email.utils import formatdate
from functools import cache
from http import HTTPStatus
from types import MappingProxyType
from typing import ClassVar, Final

from aiohttp import hdrs

from daemon.api.request import Request

REQUEST_ID_HEADER: Final = "X-Request-Id"
NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})

_BODILESS: Final = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class Answer:
    """A status, a body of one media type, and further headers."""

    __slots__ = ("body", "headers", "media", "status")

    closes: ClassVar[bool] = False  # the end of the connection is the end of the answer

    def __init__(
        self,
        status: int,
        body: bytes | None = None,
        media: str = "",
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> None:
        """Take an answer; without a body it has no media type either."""
        self.status = status
        self.body = body
        self.media = "" if body is None else media
        self.headers = headers

    def __repr__(self) -> str:
        return f"<Answer {self.status}>"

    def written(self, request: Request, *, stays: bool) -> bytes:
        """Give the bytes to send; `stays`: the connection takes further requests."""
        body = self.body or b""
        head = self.head(request, stays=stays)
        if self.status in _BODILESS:
            return f"{head}\r\n".encode()
        head = f"{head}Content-Length: {len(body)}\r\n\r\n"
        return head.encode() if request.method == hdrs.METH_HEAD else head.encode() + body

    def head(self, request: Request, *, stays: bool) -> str:
        """Write the head, but for what tells the length of the body, and its last line."""
        opening = _opening(self.status, self.media)
        head = f"{opening}{REQUEST_ID_HEADER}: {request.id}\r\nDate: {_dates.now()}\r\n"
        if self.headers:
            head += "".join(_line(name, value) for name, value in self.headers.items())
        if not (stays and request.is_http_1_1):
            head += f"Connection: {'keep-alive' if stays else 'close'}\r\n"
        return head


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
