"""A request as it came: what its head says, and its body, whole."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from multidict import MultiMapping
from yarl import URL

from daemon.api.coding import unpacked
from daemon.api.errors import ApiError, from_status

NO_HEADERS: Final[Mapping[bytes, bytes]] = {}
_NO_URL: Final = (ValueError, IndexError)  # what yarl raises
_BLANKS: Final = b" \t"  # the parser leaves those after a value (RFC 9112 §5.1)


class Request:
    """A request, and how far it is answered.

    `headers` are by their names in lower case; of those that came twice the first stands. `fault` is why it is
    refused before anything else is looked at. What is set later than at its making is for the guard and the
    connection, but for `id` and `transport`, which handlers may ask for.
    """

    __slots__ = (
        "answer",
        "asked",
        "begun",
        "fault",
        "found",
        "headers",
        "id",
        "is_http_1_1",
        "keep_alive",
        "method",
        "packing",
        "run",
        "runs",
        "sent",
        "target",
        "transport",
    )

    def __init__(
        self,
        method: str,
        target: bytes,
        headers: Mapping[bytes, bytes] = NO_HEADERS,
        body: bytes = b"",
        *,
        is_http_1_1: bool = True,
        keep_alive: bool = True,
        fault: ApiError | None = None,
    ) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.sent = body  # as it came, or unpacked since
        self.packing: tuple[str, int] | None = None  # its coding, if it is packed, and the bytes it may unpack to
        self.is_http_1_1 = is_http_1_1
        self.keep_alive = keep_alive  # whether the client wants another answer on this connection
        self.fault = fault
        self.id = ""
        self.transport: asyncio.Transport
        self.run: Any  # what answers it
        self.found: dict[str, Any]  # what of its path has a name
        self.asked: Any  # what the recorder was asked, and what is to be made of the answer
        self.answer: Any = None  # once it is there
        self.begun = False  # the head of the answer is out already
        self.runs = False  # in a task, which may do whatever it likes

    def header(self, name: bytes, absent: str = "") -> str:
        """Give the value of a header, by its name in lower case."""
        value = self.headers.get(name)
        return absent if value is None else value.rstrip(_BLANKS).decode("utf-8", "surrogateescape")

    @property
    def body(self) -> bytes:
        """The body, unpacked. Raises ApiError: 400, 413, or 415 for a coding that is not known."""
        if self.packing is not None:
            self.sent, self.packing = unpacked(self.sent, *self.packing), None
        return self.sent

    @property
    def query(self) -> MultiMapping[str]:
        """The query, decoded. Raises ApiError (400)."""
        try:
            return _url(self.target).query
        except _NO_URL:
            raise from_status(400) from None

    @property
    def has_query(self) -> bool:
        """Whether a query may have come; False: none has."""
        return b"?" in self.target


def path_of(target: bytes) -> str:
    """Read the path, decoded but for %2F and %25. Raises ApiError (400)."""
    path = target.partition(b"?")[0]
    try:
        if path[:1] == b"/" and b"%" not in path and b"#" not in path:
            return path.decode("ascii")  # as all of a target is
        return _url(target).path_safe
    except _NO_URL:
        raise from_status(400) from None


def _url(target: bytes) -> URL:
    """Read a target: a path, or the URL that a proxy is sent (RFC 9112 §3.2). Raises _NO_URL."""
    given = target.decode("ascii")
    if given.startswith("/"):
        path, _, query = given.partition("#")[0].partition("?")
        return URL.build(path=path, query_string=query, encoded=True)
    url = URL(given, encoded=True)
    if url.scheme and not url.host:  # to look for it reads the port too
        raise ValueError(given)
    return url
