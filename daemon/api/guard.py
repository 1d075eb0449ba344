"""Around every operation: each request has an id, and each error leaves in its surface's dialect."""

import secrets
from collections.abc import Callable, Sequence
from http import HTTPStatus
from itertools import count
from typing import Final, Protocol

import structlog
from aiohttp import web
from multidict import istr
from pydantic_core import to_json

from daemon.api.answer import REQUEST_ID_HEADER, Answer
from daemon.api.connection import Handle, Request
from daemon.api.dialect import Dialect
from daemon.api.errors import ApiError, Internal, from_http
from daemon.api.router import Router

log = structlog.get_logger()

REQUEST_ID_CHARS_MAX = 128

_GIVEN: Final = istr(REQUEST_ID_HEADER)
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


def guard(surfaces: Sequence[Speaker], router: Router, new_id: Callable[[], str] = fresh_id) -> Handle:
    """Make the server's one handler. A surface whose prefix is "" speaks wherever no other does."""
    speakers = sorted(surfaces, key=lambda surface: len(surface.prefix), reverse=True)
    find = router.find

    async def handle(request: Request) -> web.StreamResponse:
        given = request.headers.get(_GIVEN)
        request_id = given if given and is_sane(given) else new_id()
        response: web.StreamResponse
        try:
            run, found = find(request.method, request.rel_url.path_safe)
            response = await run(request, request_id, found)
        except Exception as raised:  # whatever it is, the client gets an answer it can read
            if isinstance(raised, web.HTTPException) and raised.status < HTTPStatus.BAD_REQUEST:
                raised.headers[REQUEST_ID_HEADER] = request_id
                raise  # a redirect
            response = _answer(_speaker(speakers, request.path), request, request_id, raised)
        if isinstance(response, Answer):
            response.request_id = request_id
        elif not response.prepared:  # the head of a stream has gone out already
            response.headers[REQUEST_ID_HEADER] = request_id
        return response

    return handle


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


def _answer(surface: Speaker, request: web.BaseRequest, request_id: str, raised: Exception) -> Answer:
    error = _known(surface, request, raised)
    if error is None:
        log.error(
            "request_failed",
            method=request.method,
            path=request.path,  # without the query: there may be secrets in it
            request_id=request_id,
            exc_info=raised,
        )
        error = Internal()
    if request.writer.output_size > 0 and request.transport is not None:
        request.transport.close()  # a part of some answer is out: no second one may follow it
    status, body = surface.dialect.say(error, request_id)
    return Answer(status, to_json(body), surface.dialect.media, error.headers)


def _known(surface: Speaker, request: web.BaseRequest, raised: Exception) -> ApiError | None:
    if isinstance(raised, ApiError):
        return raised
    if isinstance(raised, web.HTTPException):
        return from_http(raised)
    if isinstance(raised, web.RequestPayloadError) or (isinstance(raised, ConnectionError) and _gone(request)):
        return ApiError(400, "generic_error", "The body ended before it was whole")
    return surface.explain(raised)


def _gone(request: web.BaseRequest) -> bool:
    """Whether the client has left: no failure of ours, and nobody hears the answer."""
    return request.transport is None or request.transport.is_closing()
