"""What is not in the stream and is asked for: one delivery, one endpoint, one message, the list of targets.

Answers are the API's JSON as it came: `pages` reads it with care. A recording answers the same from its file.
"""

from typing import Any, Final, Protocol, runtime_checkable
from urllib.parse import quote

import msgspec

from tui.client import Client, Refused, Unreachable
from tui.frames import Targets, TargetStats

API: Final = "/api/v1"
PAGE_ROWS: Final = 250
TARGETS_MAX: Final = 10_000
ACT_S: Final = 40.0
"""An act on many deliveries is answered after 15 s, done or not."""

Answer = dict[str, Any]


class Source(Protocol):
    """Answers questions; raises Unreachable, or Refused when there is no such thing."""

    async def delivery(self, message: str, endpoint: str) -> Answer:
        """Everything about one delivery."""
        ...

    async def endpoint(self, endpoint: str) -> Answer:
        """Everything about one endpoint."""
        ...

    async def message(self, message: str) -> Answer:
        """Everything about one message."""
        ...

    async def targets(self) -> list[Targets]:
        """All endpoints, in pages."""
        ...

    async def overview(self) -> Answer:
        """Sizes and counts of the whole."""
        ...


@runtime_checkable
class Doer(Protocol):
    """A source at which something can be changed."""

    async def do(self, path: str, body: Answer, *, dry: bool) -> Answer:
        """Ask for an act; dry: only for what it would touch. Unreachable, Refused."""
        ...


class LiveSource:
    """Asks the daemon."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def delivery(self, message: str, endpoint: str) -> Answer:
        """See Source."""
        return await self._get(f"/deliveries/{quote(message, safe='')}/{quote(endpoint, safe='')}")

    async def endpoint(self, endpoint: str) -> Answer:
        """See Source."""
        return await self._get(f"/endpoints/{quote(endpoint, safe='')}")

    async def message(self, message: str) -> Answer:
        """See Source."""
        return await self._get(f"/messages/{quote(message, safe='')}")

    async def targets(self) -> list[Targets]:
        """See Source."""
        pages: list[Targets] = []
        iterator = ""
        while sum(len(each.targets) for each in pages) < TARGETS_MAX:
            query = {"limit": PAGE_ROWS} | ({"iterator": iterator} if iterator else {})
            page = await self._get("/targets", **query)
            pages.append(targets_of(page))
            iterator = str(page.get("iterator") or "")
            if page.get("done", True) or not iterator:
                break
        return pages

    async def overview(self) -> Answer:
        """See Source."""
        return await self._get("/overview")

    async def log(self, **query: str | int) -> Answer:
        """See tape.Archive."""
        return await self._get("/log", **query)

    async def as_of(self, at: str) -> Answer:
        """See tape.Archive."""
        return await self._get("/audit/as-of", at=at)

    async def do(self, path: str, body: Answer, *, dry: bool) -> Answer:
        """See Doer."""
        query = {"dryRun": "true"} if dry else {}
        return _read(await self._client.post(API + path, body, within_s=ACT_S, **query))

    async def _get(self, path: str, **query: Any) -> Answer:
        return _read(await self._client.get(API + path, **query))


def _read(answer: Any) -> Answer:
    if not isinstance(answer, dict):
        raise Unreachable("the daemon's answer cannot be read by this console")
    return answer


def targets_of(page: Answer) -> Targets:
    """A page of the API as a frame; rows that cannot be read are left out."""
    rows = page.get("data")
    found = []
    for row in rows if isinstance(rows, list) else []:
        try:
            found.append(msgspec.convert(row, TargetStats))
        except msgspec.ValidationError:
            continue
    return Targets(tuple(found))


__all__ = ["Answer", "Doer", "LiveSource", "Refused", "Source", "Unreachable", "targets_of"]
