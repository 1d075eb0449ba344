"""One operation: what is declared of it, and what runs for a request, made from the declaration."""

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar, get_type_hints

import msgspec
from aiohttp import web
from pydantic import BaseModel, TypeAdapter, ValidationError

from daemon.api.body import at_once, body_reader, received
from daemon.api.connection import Request
from daemon.api.errors import ApiError, invalid
from daemon.api.query import query_reader
from daemon.api.reply import JSON, Reply, encoder, responder
from daemon.api.router import Run

P = TypeVar("P")
P_co = TypeVar("P_co", covariant=True)
Q = TypeVar("Q")
S = TypeVar("S")

State = Mapping[web.AppKey[Any], Any]
Handler = Callable[..., Awaitable[Any]]
Refused = Callable[[object], ApiError | None]

FRESHEN: web.AppKey[Callable[[], Awaitable[bool]]] = web.AppKey("freshen")
"""Has this process learn what others have changed; whether that was anything."""
_NOT_KNOWN: Final = frozenset({401, 404})

_PARAMETER = re.compile(r"\{(\w+)")


@dataclass(frozen=True, slots=True)
class Auth(Generic[P]):
    """Who may call: `check` gives the principal or raises Denied; the rest is for the documentation.

    `check` is a function or a coroutine function. All `schemes` are required together; each is an OpenAPI Security
    Scheme Object by its name.
    """

    check: Callable[[web.BaseRequest], P | Awaitable[P]]
    schemes: Mapping[str, Mapping[str, str]]
    statuses: tuple[int, ...] = (401,)


def both(first: Auth[P], second: Auth[Q]) -> Auth[tuple[P, Q]]:
    """Require two proofs, in this order."""

    async def check(request: web.BaseRequest) -> tuple[P, Q]:
        return await _settled(first.check(request)), await _settled(second.check(request))

    statuses = tuple(sorted({*first.statuses, *second.statuses}))
    return Auth(check, {**first.schemes, **second.schemes}, statuses)


class Call(msgspec.Struct, Generic[P_co], frozen=True):
    """One request on its way through a handler. `principal` is None where no auth is declared."""

    request: Request
    principal: P_co
    request_id: str
    started_with: State

    def state(self, key: web.AppKey[S]) -> S:
        """Give what the server was started with."""
        found: S = self.started_with[key]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A declaration; `also` are further successful statuses, `errors` those the handler answers with.

    `pipelined`: it may begin while those before it on the connection wait for their commit, see `Request.make_way`.
    """

    method: str
    path: str
    handler: Handler
    name: str
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    out: Any = None
    status: int = 200
    also: tuple[int, ...] = ()
    errors: tuple[int, ...] = ()
    auth: Auth[Any] | None = None
    tag: str = ""
    media: str = JSON
    pipelined: bool = False

    def __post_init__(self) -> None:
        """Find at the declaration what else the first request would find. Raises TypeError."""
        hints = _hints(self.handler)
        wanted = {*self.parameters, *(("body",) if self.body else ()), *(("query",) if self.query else ())}
        taken = set(list(inspect.signature(self.handler).parameters)[1:])
        if wanted != taken:
            raise TypeError(f"{self.name} takes {sorted(taken)}, but is declared with {sorted(wanted)}")
        for name in ("body", "query"):
            if hints.get(name) is not getattr(self, name):
                raise TypeError(f"{self.name}: {name} is annotated other than declared")

    @property
    def parameters(self) -> dict[str, Any]:
        """The path's parameters in order, each with its annotated type."""
        hints = _hints(self.handler)
        return {name: hints.get(name, str) for name in _PARAMETER.findall(self.path)}


def runner(operation: Operation, refused: Refused, state: State) -> Run:
    """Make what runs for a request. Everything it needs is looked up here, once."""
    handler = operation.handler
    check: Callable[[web.BaseRequest], Any] = operation.auth.check if operation.auth else _anyone
    late = inspect.iscoroutinefunction(check)
    read_path = _path_reader(operation.parameters)
    read_query = query_reader(operation.query) if operation.query else None
    unasked = _unasked(operation.query)
    read_body = body_reader(operation.body) if operation.body else None
    pipelined = operation.pipelined
    respond = responder(encoder(operation.out), operation.status, operation.media)
    freshen = state.get(FRESHEN)

    async def is_news(raised: Exception) -> bool:
        """Whether somebody or something was only not known yet: another process has just made it."""
        error = raised if isinstance(raised, ApiError) else refused(raised)
        return error is not None and error.status in _NOT_KNOWN and freshen is not None and await freshen()

    async def answer(call: Call[Any], found: dict[str, Any]) -> Any:
        got = await handler(call, **found)
        if got is not None and type(got) is not Reply and (error := refused(got)) is not None:
            raise error
        return got

    async def run(request: Request, request_id: str, found: dict[str, Any]) -> web.StreamResponse:
        if request.before is not None and not pipelined:
            await request.turn()
        try:
            principal = await check(request) if late else check(request)
        except ApiError as denied:
            if not await is_news(denied):
                raise
            principal = await check(request) if late else check(request)
        if read_path is not None:
            read_path(found)
        if read_query is not None:
            asked = unasked is None or request.rel_url.raw_query_string
            found["query"] = read_query(request.query) if asked else unasked
        if read_body is not None:
            body = at_once(request)
            found["body"] = read_body(await received(request) if body is None else body)
        call = Call(request, principal, request_id, state)
        try:
            return respond(await answer(call, found))
        except Exception as raised:
            if not await is_news(raised):
                raise
        return respond(await answer(call, found))

    return run


def _anyone(_request: web.BaseRequest) -> None:
    return None


async def _settled(value: P | Awaitable[P]) -> P:
    return await value if inspect.isawaitable(value) else value


def _path_reader(parameters: Mapping[str, Any]) -> Callable[[dict[str, Any]], None] | None:
    """Make the reader of what is not text in a path, if there is any; it reads in place."""
    typed = {name: TypeAdapter(kind).validator for name, kind in parameters.items() if kind is not str}

    def read(found: dict[str, Any]) -> None:
        for name, validator in typed.items():
            try:
                found[name] = validator.validate_python(found[name])
            except ValidationError as error:
                raise invalid("path", error, (name,)) from None

    return read if typed else None


def _unasked(model: type[BaseModel] | None) -> BaseModel | None:
    """Give what a request without a query string asks for, if that is the same each time."""
    if model is None or not model.model_config.get("frozen"):
        return None
    if any(field.is_required() or field.default_factory for field in model.model_fields.values()):
        return None
    return model()


def _hints(handler: Handler) -> dict[str, Any]:
    return get_type_hints(handler, include_extras=True)
