"""Around every operation: each request has an id, and each error leaves in its surface's dialect."""

import secrets
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from itertools import count
from typing import Final, Protocol

import structlog
from pydantic_core import to_json

from daemon.api.answer import REQUEST_ID_HEADER, Answer
from daemon.api.asked import Asked
from daemon.api.connection import Begun, Finished
from daemon.api.dialect import Dialect
from daemon.api.errors import ApiError, Internal
from daemon.api.request import Request, path_of
from daemon.api.router import Found, Router

log = structlog.get_logger()

REQUEST_ID_CHARS_MAX = 128
TARGETS_KEPT: Final = 1024  # those that are sent again and again are looked up once
TARGET_BYTES_KEPT: Final = 256

_GIVEN: Final = REQUEST_ID_HEADER.lower().encode()
_PROCESS: Final = secrets.token_hex(8)
_count: Final = count()


class Speaker(Protocol):
    """What the guard knows of a surface."""

    @property
    def prefix(self) -> str:
        """The start of the surface's paths, without a slash at its end."""

    @property
    def dialect(self) -> Dialect:
        """How the surface says no."""

    def explain(self, value: object) -> ApiError | None:
        """Say what a refusal means on this surface; None if the value is none."""


def fresh_id() -> str:
    """Make a request id: 64 random bits that stand for this process, and a count. It is unique, and no secret."""
    return f"{_PROCESS}{next(_count):012x}"


class Guard:
    """What answers every request. A surface whose prefix is "" speaks wherever no other does."""

    def __init__(self, surfaces: Sequence[Speaker], router: Router, new_id: Callable[[], str] = fresh_id) -> None:
        self._speakers = sorted(surfaces, key=lambda surface: len(surface.prefix), reverse=True)
        self._router = router
        self._find_again = lru_cache(TARGETS_KEPT)(self._find)
        self._new_id = new_id

    def begin(self, request: Request, *, alone: bool) -> Begun | None:
        """Begin. None: not before those ahead of it are answered, if it is not `alone`."""
        request.id = self._new_id()
        if _GIVEN in request.headers and is_sane(given := request.header(_GIVEN)):
            request.id = given
        try:
            if request.fault is not None:
                log.info("request_malformed", status=int(request.fault.status), request_id=request.id)
                return self._failed(request, request.fault)
            target = request.target
            find = self._find_again if len(target) <= TARGET_BYTES_KEPT else self._find
            run, found = find(request.method, target)
            if not alone and not run.at_once:
                return None
            request.run, request.found = run, found.copy()
            begun = run.begin(request)
        except Exception as raised:  # noqa: BLE001 whatever it is, the client gets an answer it can read
            return self._failed(request, raised)
        return begun if isinstance(begun, Asked | Answer) else self._guarded(request, begun)

    def _find(self, method: str, target: bytes) -> Found:
        return self._router.find(method, path_of(target))

    def finish(self, request: Request) -> Finished:
        """Go on with one that was `Asked`, now that its answer is there."""
        try:
            finished = request.run.finish(request)
        except (Exception, CancelledError) as raised:  # noqa: BLE001 as above; what was asked was cancelled
            return self._failed(request, raised)
        return finished if isinstance(finished, Answer) else self._guarded(request, finished)

    async def _guarded(self, request: Request, coroutine: Awaitable[Answer]) -> Answer:
        try:
            return await coroutine
        except Exception as raised:  # noqa: BLE001 as above
            return self._failed(request, raised)

    def _failed(self, request: Request, raised: BaseException) -> Answer:
        path = _shown_path(request)
        surface = _speaker(self._speakers, path)
        error = raised if isinstance(raised, ApiError) else surface.explain(raised)
        if error is None:
            if not (isinstance(raised, ConnectionError) and request.transport.is_closing()):  # else nobody hears it
                log.error("request_failed", method=request.method, path=path, request_id=request.id, exc_info=raised)
            error = Internal()
        if request.begun:
            request.transport.close()  # a part of some answer is out: no second one may follow it
        status, body = surface.dialect.say(error, request.id)
        return Answer(status, to_json(body), surface.dialect.media, error.headers)


def _shown_path(request: Request) -> str:
    """The path without the query: there may be secrets in that."""
    try:
        return path_of(request.target)
    except ApiError:
        return ""


def is_sane(request_id: str) -> bool:
    """Whether an id may go into a header and a log as it came: visible ASCII, and short."""
    return len(request_id) <= REQUEST_ID_CHARS_MAX and request_id.isascii() and _visible(request_id)


def _visible(text: str) -> bool:
    return text.isprintable() and " " not in text


def _speaker(speakers: Sequence[Speaker], path: str) -> Speaker:
    for surface in speakers:
        if path.startswith(f"{surface.prefix}/") or path == surface.prefix:
            return surface
    return speakers[-1]
