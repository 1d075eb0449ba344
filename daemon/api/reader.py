"""Reads requests off a byte stream: a state machine around the parser, without any input or output.

The parser is llhttp, and strict: whatever two parsers could understand differently (RFC 9112 §11.2) is no request.
Both a length and chunks, two lengths, bare line feeds, folded lines, blanks before a colon: all that is 400, and the
end of the connection.
"""

from collections import deque
from http import HTTPStatus
from typing import Final

import httptools

from daemon.api.errors import ApiError, from_status
from daemon.api.request import Request

TARGET_BYTES_MAX: Final = 8190
HEAD_BYTES_MAX: Final = 32 * 1024
HEADERS_MAX: Final = 128  # of different names: held in memory, a short one takes ten times its length
PIECE_BYTES_MAX: Final = 32 * 1024
"""What is fed at once at most, so that what a client sends in one go becomes a bounded number of requests."""

_METHODS: Final = {each.encode(): each for each in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")}
_LINE_BYTES: Final = 4  # of a header, beside its name and its value
_FRAMING: Final = (b"content-length", b"transfer-encoding")


class RequestReader:
    """The parser's callbacks, and what they gathered. The `on_` methods are for the parser alone.

    `whole` is what has come and nobody has taken yet. A request that is refused is there too, with its fault: at
    once, though more of it may be on its way. Nothing is read once this has `ended`.
    """

    __slots__ = (
        "_body",
        "_body_bytes_max",
        "_fed_bytes",
        "_head_bytes",
        "_headers",
        "_parser",
        "_request",
        "_target",
        "_upgrades",
        "discarding",
        "ended",
        "expects",
        "last",
        "received",
        "receiving",
        "whole",
    )

    def __init__(self, body_bytes_max: int) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._body_bytes_max = body_bytes_max
        self.whole: deque[Request] = deque()
        self.received = 0  # requests so far
        self.receiving = False  # a request has begun
        self.discarding = False  # it is refused, and what comes of it is let go
        self.expects = False  # its body comes when it is asked for (RFC 9110 §10.1.1)
        self.last = False  # nothing is read after it
        self.ended = False
        self._reset()

    def _reset(self) -> None:
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._head_bytes = 0
        self._fed_bytes = 0  # since anything came of it
        self._body: bytes | bytearray = b""
        self._request: Request | None = None  # once its head is whole
        self._upgrades = False

    def feed(self, data: bytes | memoryview) -> None:
        """Read on, at most PIECE_BYTES_MAX. Never raises."""
        if self.ended:
            return
        rest = data
        while rest:
            try:
                self._parser.feed_data(rest)
            except httptools.HttpParserUpgrade as upgrade:
                rest = self._framed(rest[upgrade.args[0] :])
                continue
            except httptools.HttpParserError as error:
                if not self.ended:
                    self._refuse(ApiError(400, "bad_request", f"This is no HTTP/1.1 request: {error}"))
            break
        if self.receiving:
            self._fed_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX or self._fed_bytes > HEAD_BYTES_MAX + PIECE_BYTES_MAX:
                self._refuse(from_status(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE))

    def finish(self) -> None:
        """Read what has begun to come, and nothing after it."""
        self.last = True
        self.ended = self.ended or not self.receiving

    def end(self) -> None:
        """Read nothing more: what has begun to come does not come."""
        self.ended = True
        self.receiving = self.expects = False

    def give_up(self) -> None:
        """Refuse what has begun to come: it takes too long (408)."""
        self._refuse(from_status(HTTPStatus.REQUEST_TIMEOUT))

    # --- refusals

    def _refuse(self, fault: ApiError) -> None:
        """Let this be the last request."""
        refused_before = self.discarding
        self.end()
        if not refused_before:
            self._take(self._request or self._begun(is_http_1_1=True, keep_alive=False), fault)
            self.whole[-1].keep_alive = False

    def _stop(self, fault: ApiError) -> None:
        """Refuse what is being parsed."""
        self._refuse(fault)
        raise fault  # it gets no further than to the parser, which ends there

    def _begun(self, *, is_http_1_1: bool, keep_alive: bool) -> Request:
        try:
            method = self._parser.get_method()
        except ValueError:  # pragma: no cover
            method = b""
        spelt = _METHODS.get(method) or method.decode("ascii", "replace")
        return Request(spelt, self._target, self._headers, is_http_1_1=is_http_1_1, keep_alive=keep_alive)

    def _take(self, request: Request, fault: ApiError | None) -> None:
        request.fault = fault
        self.received += 1
        self.whole.append(request)

    # --- the parser's callbacks. What they raise only comes back as a parse error.

    def on_message_begin(self) -> None:
        """Note that a request begins."""
        if self.ended:
            raise ValueError
        self.receiving = True

    def on_url(self, part: bytes) -> None:
        """Take the target, or the next part of it."""
        if self._request is not None:
            return
        self._target += part
        self._head_bytes = len(self._target)
        if self._head_bytes > TARGET_BYTES_MAX:
            self._target = b""
            self._stop(from_status(HTTPStatus.REQUEST_URI_TOO_LONG))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header. Trailers only count (RFC 9110 §6.5.1)."""
        self._head_bytes += len(name) + len(value) + _LINE_BYTES
        if self._request is None:
            name = name.lower()
            if name not in self._headers:
                if len(self._headers) >= HEADERS_MAX:
                    self._stop(from_status(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE))
                self._headers[name] = value
            elif name == b"host":
                self._stop(ApiError(400, "bad_request", "There are two Host headers"))

    def on_headers_complete(self) -> None:
        """Judge the head."""
        if self._request is not None:
            return
        parser, headers = self._parser, self._headers
        version = parser.get_http_version()
        self._request = self._begun(is_http_1_1=version == "1.1", keep_alive=parser.should_keep_alive())
        if self._head_bytes > HEAD_BYTES_MAX:
            self._stop(from_status(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE))
        if version != "1.1":
            self._judge_old(version)
        elif b"host" not in headers:
            self._stop(ApiError(400, "bad_request", "There is no Host header"))
        self._fed_bytes = 0
        expects = b"expect" in headers and version == "1.1" and headers[b"expect"].strip().lower() == b"100-continue"
        if b"content-length" in headers:
            if int(headers[b"content-length"]) > self._body_bytes_max:
                if expects:  # it may come now, or not at all (RFC 9110 §10.1.1)
                    self._stop(from_status(HTTPStatus.REQUEST_ENTITY_TOO_LARGE))
                self._discard()
        elif b"transfer-encoding" in headers and headers[b"transfer-encoding"].strip().lower() != b"chunked":
            self._stop(from_status(HTTPStatus.NOT_IMPLEMENTED))  # RFC 9112 §6.1
        if b"upgrade" in headers or self._request.method == "CONNECT":
            self._judge_upgrade()
        self.expects = expects

    def _judge_old(self, version: str) -> None:
        if version != "1.0":
            self._stop(from_status(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED))
        if b"transfer-encoding" in self._headers:  # RFC 9112 §6.1
            self._stop(ApiError(400, "bad_request", "HTTP/1.0 has no Transfer-Encoding"))

    def on_body(self, data: bytes) -> None:
        """Collect the body."""
        self._fed_bytes = 0
        if self.discarding:
            return
        if not self._body:
            self._body = data
        elif isinstance(self._body, bytes):
            self._body = bytearray(self._body + data)
        else:
            self._body += data
        if len(self._body) > self._body_bytes_max:
            self._discard()

    def _discard(self) -> None:
        """Refuse a body that is too long, and let go of what comes of it: it may be read off (RFC 9110 §15.5.14)."""
        assert self._request is not None
        self.discarding, self.expects, self._body = True, False, b""
        self._take(self._request, from_status(HTTPStatus.REQUEST_ENTITY_TOO_LARGE))

    def on_message_complete(self) -> None:
        """Hand the request over."""
        request = self._request
        if request is None or self._upgrades:
            return
        if b"transfer-encoding" in self._headers and not self._parser.should_keep_alive():  # a trailer may say so
            request.keep_alive = False
        if not self.discarding:
            body = self._body
            request.sent = body if type(body) is bytes else bytes(body)
            if body and b"content-encoding" in self._headers:
                request.packing = request.header(b"content-encoding"), self._body_bytes_max
            self._take(request, None)
        self.ended = self.last or not request.keep_alive
        self.receiving = self.discarding = self.expects = False
        self._reset()

    # --- upgrades: nobody is obliged to follow (RFC 9110 §7.8), and nobody is followed here

    def _judge_upgrade(self) -> None:
        """Expect the parser to stop after the head of who offers another protocol, without a look at its body."""
        assert self._request is not None
        if self._request.method == "CONNECT":
            self._stop(from_status(HTTPStatus.NOT_IMPLEMENTED))
        self._upgrades = self._parser.should_upgrade() and any(name in self._headers for name in _FRAMING)

    def _framed(self, rest: bytes | memoryview) -> bytes | memoryview:
        """Have the body read nevertheless, if there is one: as that of a head which offers nothing."""
        if not self._upgrades:
            return rest
        self._upgrades = False
        self._parser = httptools.HttpRequestParser(self)  # the other is through, if the client closes afterwards
        framing = b"".join(b"%b: %b\r\n" % (name, self._headers[name]) for name in _FRAMING if name in self._headers)
        return b"".join((b"POST / HTTP/1.1\r\n", framing, b"\r\n", rest))
