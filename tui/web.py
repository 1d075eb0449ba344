"""The console in a browser, on this machine alone: textual-serve behind a check of our own.

textual-serve knows no login and no Origin, and whoever reaches its websocket gets a console. So before each of its
handlers stands a guard:

- the Host must be ours, or a page that rebinds its DNS name to 127.0.0.1 would be let in
- the Origin, where there is one, must be ours; a websocket must have one
- a cookie must be there, which is given to who comes with the token of the URL that was printed. Other sites can
  neither read it nor have it sent along (HttpOnly, SameSite=Strict)

Everything else is 403. Each browser tab is a process of its own, so there are at most SESSIONS_MAX.
"""

import secrets
import socket
from collections.abc import Awaitable, Callable
from hmac import compare_digest
from typing import Any, Final

from aiohttp import web
from textual_serve.server import Server

HOST: Final = "127.0.0.1"
ALIASES: Final = (HOST, "localhost")
COOKIE: Final = "hookd_console"
PARAMETER: Final = "token"
SESSIONS_MAX: Final = 8
_WEBSOCKET: Final = "/ws"
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; font-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Guard:
    """Decides on each request. The cookie is another secret than the token, which may stand in a history."""

    def __init__(self, port: int) -> None:
        self.token = secrets.token_urlsafe(32)
        self._cookie = secrets.token_urlsafe(32)
        self._port = port
        self._hosts = {f"{each}:{port}" for each in ALIASES}
        self._sessions = 0

    @property
    def url(self) -> str:
        """Where the console is, with the token."""
        return f"http://{HOST}:{self._port}/?{PARAMETER}={self.token}"

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a request through, or not: a middleware."""
        hosts = request.headers.getall("Host", [])
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return _no("this console is not at that address")
        origins = request.headers.getall("Origin", [])
        if any(each != f"http://{hosts[0]}" for each in origins) or (
            request.path == _WEBSOCKET and len(origins) != 1
        ):
            return _no("another site may not come here")
        if request.path == "/" and hosts[0] != f"{HOST}:{self._port}":  # the page names its parts by this address
            query = f"?{request.query_string}" if request.query_string else ""
            return web.Response(status=303, headers={"Location": f"http://{HOST}:{self._port}/{query}"})
        if request.path == "/" and (given := request.query.get(PARAMETER)) is not None:
            return self._welcome(given)
        if not _same(request.cookies.get(COOKIE, ""), self._cookie):
            return _no("open the URL that `hookd console --web` has printed")
        if request.path != _WEBSOCKET:
            return await handler(request)
        if self._sessions >= SESSIONS_MAX:
            return web.Response(status=503, text=f"there are {SESSIONS_MAX} consoles open already: close one")
        self._sessions += 1
        try:
            return await handler(request)
        finally:
            self._sessions -= 1

    def _welcome(self, given: str) -> web.StreamResponse:
        """The token becomes a cookie, and leaves the address bar."""
        if not _same(given, self.token):
            return _no("this token is not the one that `hookd console --web` has printed")
        answer = web.Response(status=303, headers={"Location": f"http://{HOST}:{self._port}/"})
        answer.set_cookie(COOKIE, self._cookie, httponly=True, samesite="Strict", path="/")
        return answer


class GuardedServer(Server):
    """textual-serve's server behind a guard, without its own greeting."""

    def __init__(self, command: str, guard: Guard, port: int) -> None:
        super().__init__(command, host=HOST, port=port, title="hookd", public_url=f"http://{HOST}:{port}")
        self._guard = guard

    async def application(self) -> web.Application:
        """The application, to be run by whoever asked for it."""
        app: web.Application = await self._make_app()
        app.middlewares.insert(0, self._guard.check)
        app.on_response_prepare.append(_protect)
        return app

    async def on_startup(self, app: Any) -> None:
        """Say nothing: the command has said where it is."""


async def serve(command: str, port: int, ready: Callable[[str], Any]) -> web.AppRunner:
    """Serve on loopback, port 0 being any that is free; `ready` is told the URL. OSError. Clean the runner up."""
    listening = socket.create_server((HOST, port))
    port = listening.getsockname()[1]
    guard = Guard(port)
    runner = web.AppRunner(await GuardedServer(command, guard, port).application(), access_log=None)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    ready(guard.url)
    return runner


def _same(given: str, wanted: str) -> bool:
    return compare_digest(given.encode("utf-8", "replace"), wanted.encode())


def _no(why: str) -> web.Response:
    return web.Response(status=403, text=f"403: {why}\n")


async def _protect(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)
