"""A request as it came: what its head says, and its body, whole."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from multidict import MultiMapping
from yarl import URL

from daemon.api.errors import ApiError, from_status

NO_HEADERS: Final[Mapping[bytes, bytes]] = {}
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
        "body",
        "fault",
        "found",
        "headers",
        "id",
        "is_http_1_1",
        "keep_alive",
        "method",
        "run",
        "runs",
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
        self.body = body
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
    def query(self) -> MultiMapping[str]:
        """The query, decoded. Raises ApiError (400)."""
        return _url(self.target).query

    @property
    def has_query(self) -> bool:
        """Whether a query may have come; False: none has."""
        return b"?" in self.target


def path_of(target: bytes) -> str:
    """Read the path, decoded but for %2F and %25. Raises ApiError (400)."""
    path = target.partition(b"?")[0]
    if path[:1] == b"/" and b"%" not in path and b"#" not in path:
        return path.decode("ascii")  # as all of a target is
    return _url(target).path_safe


def _url(target: bytes) -> URL:
    """Read a target: a path, or the URL that a proxy is sent (RFC 9112 §3.2)."""
    given = target.decode("ascii")
    try:
        if not given.startswith("/"):
            return URL(given, encoded=True)
        path, _, query = given.partition("#")[0].partition("?")
        return URL.build(path=path, query_string=query, encoded=True)
    except ValueError:
        raise from_status(400) from None
