"""Reads answers off a byte stream: a state machine around the parser, without any input or output.

It is driven by `feed` and asked for what it holds; one reader serves all answers of a connection in turn.
"""

from contextlib import suppress
from enum import IntEnum

import httptools

from events.outcome import RESPONSE_BYTES_MAX, Fault, Outcome

HEAD_BYTES_MAX = 32 * 1024  # still without a whole head; interim answers count, so a stream of them ends too
RESPONSE_BYTES_DROP = 256 * 1024  # nobody reads more of it: the connection goes instead

_INTERIM_BELOW = 200
_SWITCHING = 101
_SUCCESS_BELOW = 300

# Old and home-made servers write bare line feeds and control characters. That is safe here: one request at a time and
# no proxy between, so nobody else's answer could be mistaken for ours.
_LENIENT = {"lenient_headers": True, "lenient_optional_cr_before_lf": True, "lenient_spaces_after_chunk_size": True}


class Progress(IntEnum):
    """How far the answer has come."""

    WAITING = 0  # more must come
    WHOLE = 1  # read to its end
    DROPPED = 2  # too long to read on: it stands by its status
    BROKEN = 3  # not HTTP/1.1


WHOLE = Progress.WHOLE  # on the path of every answer, where Python 3.11 is slow to look up a member


class AnswerReader:
    """The parser's callbacks, and what they gathered. The `on_` methods are for the parser alone."""

    __slots__ = (
        "_body",
        "_complete",
        "_head",
        "_keep_alive",
        "_parser",
        "_status",
        "_surplus",
        "body_bytes",
        "problem",
        "received_bytes",
    )

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(**_LENIENT)
        self.reset()

    def reset(self) -> None:
        """Forget the last answer and wait for the next."""
        self._body = b""
        self._complete = False
        self._head = b""  # as received, perhaps with a beginning of the body
        self._keep_alive = False
        self._status = 0  # until the head is whole
        self._surplus = False
        self.body_bytes = 0
        self.problem = ""
        self.received_bytes = 0

    @property
    def reusable(self) -> bool:
        """Whether the connection may carry another request (RFC 9112 §9.3)."""
        return self._keep_alive and self._complete and not self._surplus

    def feed(self, data: bytes) -> Progress:
        """Read on. Never raises."""
        self.received_bytes += len(data)
        if not self._status:
            self._head += data
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._surplus = True
            self.problem = self.problem or str(error) or repr(error)
        if self._complete:
            return WHOLE
        if not self._status and self.received_bytes > HEAD_BYTES_MAX:
            self.problem = self.problem or f"the head is longer than {HEAD_BYTES_MAX} bytes"
        if self.problem:
            return Progress.BROKEN
        return Progress.DROPPED if self.received_bytes > RESPONSE_BYTES_DROP else Progress.WAITING

    def close(self) -> Progress:
        """Take note that the stream ended: for an answer without length that is its end (RFC 9112 §6.3)."""
        return Progress.WHOLE if self._status and not _Headers(self._head).sized else Progress.WAITING

    def outcome(self, duration_ms: int) -> Outcome:
        """Judge an answer that is whole, or dropped for its length."""
        fault = None if self._status < _SUCCESS_BELOW else Fault.STATUS
        return self._as_outcome(fault, duration_ms, "" if fault is None else f"HTTP status {self._status}")

    def failure(self, fault: Fault, duration_ms: int, detail: str) -> Outcome:
        """Say how far an answer came that was cut off."""
        return self._as_outcome(fault, duration_ms, detail)

    def _as_outcome(self, fault: Fault | None, duration_ms: int, detail: str) -> Outcome:
        retry_after = None if fault is None else _Headers(self._head).retry_after
        return Outcome(fault, duration_ms, self._status or None, self._body, self.body_bytes, retry_after, detail)

    # The parser's callbacks. What they raised would only come back as a parse error.

    def on_message_begin(self) -> None:
        """Note a second answer, which nobody asked for."""
        if self._complete:
            self._surplus = True

    def on_headers_complete(self) -> None:
        """Take the status, unless it is an interim one (RFC 9110 §15.2)."""
        if self._surplus:
            return
        status = self._parser.get_status_code()
        if status >= _INTERIM_BELOW:
            self._status = status
        elif status == _SWITCHING:
            self.problem = "the protocol was switched without being asked (101)"

    def on_body(self, data: bytes) -> None:
        """Count everything, keep the beginning."""
        if self._surplus:
            return
        if self.body_bytes < RESPONSE_BYTES_MAX:
            self._body += data[: RESPONSE_BYTES_MAX - self.body_bytes]
        self.body_bytes += len(data)

    def on_message_complete(self) -> None:
        """Take the verdict on keep-alive here: once the parser returns, it is gone."""
        if self._status and not self._complete:
            self._complete = True
            self._keep_alive = self._parser.should_keep_alive()


class _Headers:
    """The headers that matter now and then, read off the head once more when they do.

    The answer's own parser has no callback for headers: most answers have a dozen, and need none of them.
    """

    def __init__(self, head: bytes) -> None:
        self.retry_after: str | None = None
        self.sized = False
        self._whole = False
        self._parser = httptools.HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(**_LENIENT)
        with suppress(httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._parser.feed_data(head)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Pick what matters of the head; trailers do not (RFC 9110 §6.5.1)."""
        if self._whole:
            return
        match name.lower():
            case b"retry-after":
                self.retry_after = value.decode("latin-1")
            case b"content-length":
                self.sized = True
            case b"transfer-encoding":
                self.sized = value.lower().rstrip().endswith(b"chunked")

    def on_headers_complete(self) -> None:
        """Forget those of an interim answer."""
        self._whole = self._whole or self._parser.get_status_code() >= _INTERIM_BELOW
        if not self._whole:
            self.retry_after = None
            self.sized = False
