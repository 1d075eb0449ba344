"""A surface: operations declared under one prefix, in one dialect, and put onto one server.

messages = Surface("/api/v1", SvixDialect(), title="Messages", version="1")

@messages.op("POST", "/app/{app_id}/msg", body=MessageIn, out=MessageOut, status=202, auth=tokens.org)
async def create_message(call: Call[Org], app_id: str, body: MessageIn) -> MessageOut: ...

server = serve([messages], {DESK: desk}, body_bytes_max=2**21)
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel
from pydantic_core import to_json

from daemon.api.answer import Answer
from daemon.api.dialect import Dialect
from daemon.api.errors import ApiError
from daemon.api.guard import Guard, fresh_id
from daemon.api.openapi import document
from daemon.api.operation import Auth, Handler, Operation, Refused, Runner, State
from daemon.api.reply import JSON
from daemon.api.request import Request
from daemon.api.router import Route, Router, Run
from daemon.api.server import Server

H = TypeVar("H", bound=Handler)


def no_refusals(_value: object) -> ApiError | None:
    """Stand for the absence of refusals."""
    return None


class Surface:
    """A prefix, a dialect, and the operations declared.

    `refused` is the one place where a domain refusal becomes an error: it is shown whatever a handler
    returns (but None) and whatever unknown exception it raises, and gives the ApiError, or None.
    """

    def __init__(
        self,
        prefix: str,
        dialect: Dialect,
        *,
        title: str,
        version: str,
        refused: Refused = no_refusals,
        slashes: bool = False,
    ) -> None:
        """Begin a surface; with `slashes`, a path may end in one and means the same."""
        self.prefix = prefix
        self.dialect = dialect
        self.operations: list[Operation] = []
        self._title = title
        self._version = version
        self._refused = refused
        self._slashes = slashes

    def explain(self, value: object) -> ApiError | None:
        """Say what a refusal means on this surface; None if the value is none."""
        return self._refused(value)

    def op(
        self,
        method: str,
        path: str,
        *,
        body: type[BaseModel] | None = None,
        query: type[BaseModel] | None = None,
        out: Any = None,
        status: int = 200,
        also: tuple[int, ...] = (),
        errors: tuple[int, ...] = (),
        auth: Auth[Any] | None = None,
        tag: str = "",
        media: str = JSON,
        name: str | None = None,
    ) -> Callable[[H], H]:
        """Declare an operation; the handler stays as it is.

        The handler takes a Call, then by name: each path parameter, `body` and `query` where declared. It
        returns what `out` says, None, a Reply, a refusal, or an Answer of its own. One that has nothing to do but to
        ask the recorder is a plain function, see `Operation`. `name` is the operationId, the handler's name if not
        given. Raises TypeError if handler and declaration disagree.
        """

        def declare(handler: H) -> H:
            operation = Operation(
                method=method,
                path=path,
                handler=handler,
                name=name or handler.__name__,
                body=body,
                query=query,
                out=out,
                status=status,
                also=also,
                errors=errors,
                auth=auth,
                tag=tag,
                media=media,
            )
            self._add(operation)
            return handler

        return declare

    def openapi(self) -> bytes:
        """Write the surface's OpenAPI document, as JSON."""
        return to_json(document(self._title, self._version, self.prefix, self.operations, self.dialect))

    def routes(self, state: State) -> list[Route]:
        """Give the routes, and that of the document at `openapi.json`."""
        runs: list[tuple[str, str, Run]] = [
            (operation.method, operation.path, Runner(operation, self._refused, state))
            for operation in self.operations
        ]
        runs.append(("GET", "/openapi.json", _Constant(self.openapi())))
        return [
            Route(spelt, self.prefix + path + end, run)
            for method, path, run in runs
            for spelt in ((method, "HEAD") if method == "GET" else (method,))
            for end in (("", "/") if self._slashes else ("",))
        ]

    def _add(self, operation: Operation) -> None:
        if any(operation.name == other.name for other in self.operations):
            raise TypeError(f"two operations are named {operation.name}")
        self.operations.append(operation)


def serve(
    surfaces: Sequence[Surface],
    state: State,
    *,
    body_bytes_max: int,
    new_id: Callable[[], str] = fresh_id,
) -> web.Server:
    """Make the server that answers for the surfaces; the longest prefix speaks. A larger body is answered with 413.

    `state` is what handlers find with `call.state`.
    """
    router = Router([route for surface in surfaces for route in surface.routes(state)])
    return Server(Guard(surfaces, router, new_id), body_bytes_max=body_bytes_max)


class _Constant:
    """Answers the same each time."""

    at_once = True

    def __init__(self, content: bytes) -> None:
        self._answer = Answer(200, content, JSON)

    def begin(self, _request: Request) -> Answer:
        return self._answer

    def finish(self, _request: Request) -> Answer:
        return self._answer
