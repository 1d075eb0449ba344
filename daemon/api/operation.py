"""One operation: what is declared of it, and the handler aiohttp calls, made from the declaration."""

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, get_type_hints

from aiohttp import web
from pydantic import BaseModel, TypeAdapter, ValidationError

from daemon.api.body import body_reader
from daemon.api.errors import ApiError, invalid
from daemon.api.query import query_reader
from daemon.api.reply import JSON, encoder, responder

P = TypeVar("P")
P_co = TypeVar("P_co", covariant=True)
Q = TypeVar("Q")
S = TypeVar("S")

REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)

Handler = Callable[..., Awaitable[Any]]
Run = Callable[[web.Request], Awaitable[web.StreamResponse]]
Refused = Callable[[object], ApiError | None]

_PARAMETER = re.compile(r"\{(\w+)")


@dataclass(frozen=True, slots=True)
class Auth(Generic[P]):
    """Who may call: `check` gives the principal or raises Denied; the rest is for the documentation.

    All `schemes` are required together; each is an OpenAPI Security Scheme Object by its name.
    """

    check: Callable[[web.Request], P | Awaitable[P]]
    schemes: Mapping[str, Mapping[str, str]]
    statuses: tuple[int, ...] = (401,)


def both(first: Auth[P], second: Auth[Q]) -> Auth[tuple[P, Q]]:
    """Require two proofs, in this order."""

    async def check(request: web.Request) -> tuple[P, Q]:
        return await _settled(first.check(request)), await _settled(second.check(request))

    statuses = tuple(sorted({*first.statuses, *second.statuses}))
    return Auth(check, {**first.schemes, **second.schemes}, statuses)


@dataclass(frozen=True, slots=True)
class Call(Generic[P_co]):
    """One request on its way through a handler. `principal` is None where no auth is declared."""

    request: web.Request
    principal: P_co
    request_id: str

    def state(self, key: web.AppKey[S]) -> S:
        """Give what the application was started with."""
        return self.request.app[key]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A declaration; `also` are further successful statuses, `errors` those the handler answers with."""

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


def runner(operation: Operation, refused: Refused) -> Run:
    """Make the handler aiohttp calls. Everything it needs is looked up here, once."""
    handler = operation.handler
    principal_of = _principal_reader(operation.auth)
    read_path = _path_reader(operation.parameters)
    read_query = query_reader(operation.query) if operation.query else None
    read_body = body_reader(operation.body) if operation.body else None
    respond = responder(encoder(operation.out), operation.status, operation.media)

    async def run(request: web.Request) -> web.StreamResponse:
        call = Call(request, await principal_of(request), request[REQUEST_ID])
        arguments = read_path(request.match_info)
        if read_query is not None:
            arguments["query"] = read_query(request.query)
        if read_body is not None:
            arguments["body"] = read_body(await request.read())
        got = await handler(call, **arguments)
        if got is not None and (error := refused(got)) is not None:
            raise error
        return respond(got)

    return run


def _principal_reader(auth: Auth[Any] | None) -> Callable[[web.Request], Awaitable[Any]]:
    async def anyone(_request: web.Request) -> None:
        return None

    if auth is None:
        return anyone
    check = auth.check

    async def principal(request: web.Request) -> Any:
        return await _settled(check(request))

    return principal


async def _settled(value: P | Awaitable[P]) -> P:
    return await value if inspect.isawaitable(value) else value


def _path_reader(parameters: Mapping[str, Any]) -> Callable[[Mapping[str, str]], dict[str, Any]]:
    typed = {name: TypeAdapter(kind).validator for name, kind in parameters.items() if kind is not str}

    def read(found: Mapping[str, str]) -> dict[str, Any]:
        values: dict[str, Any] = dict(found)
        for name, validator in typed.items():
            try:
                values[name] = validator.validate_python(values[name])
            except ValidationError as error:
                raise invalid("path", error, (name,)) from None
        return values

    return read


def _hints(handler: Handler) -> dict[str, Any]:
    return get_type_hints(handler, include_extras=True)
