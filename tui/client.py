"""The daemon's API, as the console uses it: the one place that opens a connection. Errors are said in words."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, Self

import aiohttp
import msgspec

from tui.lines import clean

CONNECT_S: Final = 5.0
ANSWER_S: Final = 15.0
SILENCE_S: Final = 15.0
"""The stream says something every second: so long without a byte, and the connection is dead."""
ANSWER_BYTES_MAX: Final = 64 << 20
_DETAIL_CHARS_MAX: Final = 300
_REFUSED: Final = {
    401: "the daemon does not know this token (401): make another with `hookd token --operator NAME`",
    403: "this token may not do that (403): ask for one that may, `hookd token --operator NAME --write`",
    404: "not found (404)",
}


class Unreachable(Exception):
    """No answer, or one that ended early: it is worth trying again."""


class Refused(Exception):
    """The daemon answered, and the answer is no: trying again does not help. `status` is that of HTTP."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class Client:
    """Speaks to one daemon. Use as a context manager."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the session; nothing is connected yet."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S)
        self._session = aiohttp.ClientSession(headers=self._headers, timeout=timeout, read_bufsize=1 << 20)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def get(self, path: str, **query: str | int) -> Any:
        """The answer to a GET, decoded. Unreachable, Refused."""
        return await self._ask("GET", path, query)

    async def post(
        self, path: str, body: dict[str, Any] | None = None, *, within_s: float = ANSWER_S, **query: str | int
    ) -> Any:
        """The answer to a POST, decoded. Unreachable, Refused."""
        return await self._ask("POST", path, query, body or {}, within_s)

    @asynccontextmanager
    async def stream(self, path: str, last_id: str, **query: str | int) -> AsyncIterator[AsyncIterator[bytes]]:
        """The bytes of an event stream, as they arrive. Unreachable, Refused."""
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENCE_S)
        with _in_words(self.url):
            async with self._open().get(self.url + path, params=query, headers=headers, timeout=timeout) as answer:
                if answer.status != 200:  # noqa: PLR2004
                    raise refusal(answer.status, await answer.content.read(4096))
                yield answer.content.iter_any()

    async def _ask(
        self, method: str, path: str, query: dict[str, str | int], body: Any = None, within_s: float = ANSWER_S
    ) -> Any:
        with _in_words(self.url):
            async with self._open().request(
                method, self.url + path, params=query, json=body, timeout=aiohttp.ClientTimeout(within_s)
            ) as answer:
                data = bytearray()
                async for chunk in answer.content.iter_any():
                    data += chunk
                    if len(data) > ANSWER_BYTES_MAX:
                        raise Unreachable("the answer is longer than 64 MiB")
        if answer.status >= 400:  # noqa: PLR2004
            raise refusal(answer.status, bytes(data))
        try:
            return msgspec.json.decode(bytes(data))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Unreachable(f"{self.url} answered something that is not hookd's") from None

    def _open(self) -> aiohttp.ClientSession:
        assert self._session is not None, "use the client as a context manager"
        return self._session


def refusal(status: int, data: bytes) -> Refused | Unreachable:
    """What an answer of failure means."""
    detail = _detail(data)
    if status >= 500:  # noqa: PLR2004
        return Unreachable(f"the daemon answered {status}" + (f": {detail}" if detail else ""))
    words = _REFUSED.get(status)
    if words is None:
        return Refused(f"refused ({status})" + (f": {detail}" if detail else ""), status)
    return Refused(f"{words}; it says: {detail}" if detail and status != 401 else words, status)  # noqa: PLR2004


def _detail(data: bytes) -> str:
    try:
        answer = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    detail = answer.get("detail") if isinstance(answer, dict) else None
    return clean(detail, _DETAIL_CHARS_MAX) if isinstance(detail, str) else ""


class _in_words:  # noqa: N801 - reads as a word
    """Turns what a connection can throw into Unreachable."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Say it in words."""
        match error:
            case aiohttp.ClientConnectorError() | ConnectionRefusedError():
                raise Unreachable(f"nothing answers at {self._url}: is `hookd up` running there?") from error
            case asyncio.TimeoutError() | aiohttp.ServerTimeoutError():
                raise Unreachable("no answer in time") from error
            case aiohttp.InvalidURL():
                raise Unreachable(f"{self._url} is no address") from error
            case aiohttp.ClientError() | OSError():
                raise Unreachable(f"the connection ended: {clean(str(error), _DETAIL_CHARS_MAX)}") from error
