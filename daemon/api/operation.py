"""One operation: what is declared of it, and what runs for a request, made from the declaration."""

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar, get_type_hints

import msgspec
from aiohttp import web
from pydantic import BaseModel, TypeAdapter, ValidationError

from daemon.api.answer import Answer
from daemon.api.asked import Asked
from daemon.api.body import body_reader
from daemon.api.connection import Begun, Finished
from daemon.api.errors import ApiError, invalid
from daemon.api.query import query_reader
from daemon.api.reply import JSON, Reply, encoder, responder
from daemon.api.request import Request

P = TypeVar("P")
P_co = TypeVar("P_co", covariant=True)
S = TypeVar("S")

State = Mapping[web.AppKey[Any], Any]
Handler = Callable[..., Any]
Refused = Callable[[object], ApiError | None]

FRESHEN: web.AppKey[Callable[[], Awaitable[bool]]] = web.AppKey("freshen")
"""Has this process learn what others have changed; whether that was anything."""
_NOT_KNOWN: Final = frozenset({401, 404})

_PARAMETER = re.compile(r"\{(\w+)")


@dataclass(frozen=True, slots=True)
class Auth(Generic[P]):
    """Who may call: `check` gives the principal or raises Denied; the rest is for the documentation.

    All `schemes` are required together; each is an OpenAPI Security Scheme Object by its name.
    """

    check: Callable[[Request], P]
    schemes: Mapping[str, Mapping[str, str]]
    statuses: tuple[int, ...] = (401,)


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

    A handler is a coroutine function; or a plain one that gives what it `Asked`, or a coroutine where there is more
    to do. Only a request for a plain one may begin while those before it on the connection wait for their commit.
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


class Runner:
    """What answers the requests for one operation. Everything it needs is looked up here, once."""

    def __init__(self, operation: Operation, refused: Refused, state: State) -> None:
        self.at_once = not inspect.iscoroutinefunction(operation.handler)
        self._handler = operation.handler
        self._refused = refused
        self._state = state
        self._check: Callable[[Request], Any] = operation.auth.check if operation.auth else _anyone
        self._read_path = _path_reader(operation.parameters)
        self._read_query = query_reader(operation.query) if operation.query else None
        self._unasked = _unasked(operation.query)
        self._read_body = body_reader(operation.body) if operation.body else None
        self._respond = responder(encoder(operation.out), operation.status, operation.media)
        self._freshen = state.get(FRESHEN)

    def begin(self, request: Request) -> Begun:
        """Begin to answer. What it raises is for the guard."""
        try:
            got = self._handled(request)
        except Exception as raised:
            if not self._may_be_news(raised):
                raise
            return self._again(request, raised)
        return got if type(got) is Asked else self._awaited(request, got)

    def finish(self, request: Request) -> Finished:
        """Go on with a request whose command is answered. What it raises is for the guard."""
        asked = request.asked
        try:
            return self._answer(asked.finish(asked.answer.result()))
        except Exception as raised:
            if not self._may_be_news(raised):
                raise
            return self._again(request, raised)

    def _handled(self, request: Request) -> Any:
        """Read what was sent, and give what the handler gives: what it asked, or a coroutine."""
        principal, found = self._check(request), request.found
        if self._read_path is not None:
            self._read_path(found)
        if self._read_query is not None:
            asked = self._unasked is None or request.has_query
            found["query"] = self._read_query(request.query) if asked else self._unasked
        if self._read_body is not None:
            found["body"] = self._read_body(request.body)
        return self._handler(Call(request, principal, request.id, self._state), **found)

    async def _awaited(self, request: Request, got: Awaitable[Any]) -> Answer:
        try:
            return self._answer(await _settled(got))
        except Exception as raised:
            if not self._may_be_news(raised):
                raise
            return await self._again(request, raised)

    async def _again(self, request: Request, raised: Exception) -> Answer:
        """Try once more, if another process has just made what was not known."""
        assert self._freshen is not None
        if not await self._freshen():
            raise raised
        return self._answer(await _settled(self._handled(request)))

    def _may_be_news(self, raised: Exception) -> bool:
        """Whether somebody or something was not known, perhaps not known yet."""
        if self._freshen is None:
            return False
        error = raised if isinstance(raised, ApiError) else self._refused(raised)
        return error is not None and error.status in _NOT_KNOWN

    def _answer(self, got: Any) -> Answer:
        if got is not None and type(got) is not Reply and (error := self._refused(got)) is not None:
            raise error
        return self._respond(got)


def _anyone(_request: Request) -> None:
    return None


async def _settled(got: Any) -> Any:
    """Wait for what a handler gives, and for what it asked."""
    if type(got) is not Asked:
        got = await got
    return await got.finished() if type(got) is Asked else got


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
