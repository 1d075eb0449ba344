"""A surface: operations declared under one prefix, in one dialect, and put onto one application.

messages = Surface("/api/v1", SvixDialect(), title="Messages", version="1")

@messages.op("POST", "/app/{app_id}/msg", body=MessageIn, out=MessageOut, status=202, auth=tokens.org)
async def create_message(call: Call[Org], app_id: str, body: MessageIn) -> MessageOut: ...

install(app, [messages])
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel
from pydantic_core import to_json

from daemon.api.dialect import Dialect
from daemon.api.errors import ApiError
from daemon.api.guard import fresh_id, guard
from daemon.api.openapi import document
from daemon.api.operation import Auth, Handler, Operation, Refused, Run, runner
from daemon.api.reply import JSON

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
        returns what `out` says, None, a Reply, a refusal, or a stream of its own. `name` is the operationId,
        the handler's name if not given. Raises TypeError if handler and declaration disagree.
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

    def mount(self, app: web.Application) -> None:
        """Add the routes, and the document at `openapi.json`."""
        runs = [(operation.method, operation.path, runner(operation, self._refused)) for operation in self.operations]
        runs.append(("GET", "/openapi.json", _constant(self.openapi())))
        for method, path, run in runs:
            self._route(app, method, self.prefix + path, run)
        if self._slashes:  # after all others, so that the usual spelling is not searched for among these
            for method, path, run in runs:
                self._route(app, method, f"{self.prefix}{path}/", run)

    def _add(self, operation: Operation) -> None:
        if any(operation.name == other.name for other in self.operations):
            raise TypeError(f"two operations are named {operation.name}")
        self.operations.append(operation)

    def _route(self, app: web.Application, method: str, path: str, run: Run) -> None:
        app.router.add_route(method, path, run)
        if method == "GET":
            app.router.add_route("HEAD", path, run)


def install(
    app: web.Application,
    surfaces: Sequence[Surface],
    *,
    new_id: Callable[[], str] = fresh_id,
) -> None:
    """Mount surfaces and the middleware that answers in their dialects. The longest prefix speaks."""
    for surface in surfaces:
        surface.mount(app)
    app.middlewares.append(guard(surfaces, new_id))


def _constant(content: bytes) -> Run:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=content, content_type=JSON)

    return answer
