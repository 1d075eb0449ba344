"""`hookd demo`: the whole of hookd with receivers of different tempers and steady traffic, until Ctrl-C.

On a terminal the console opens on it, and may change things; elsewhere, or with --plain, each delivery is a line.
"""

import asyncio
import hashlib
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count, cycle
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli.common import run, settings_or_refuse
from daemon.cli.console import Config, operator, taste_of, watch
from daemon.cli.token import _tokens

if TYPE_CHECKING:
    from daemon.assembly import Daemon
    from daemon.recorder import Committed

_Rate = Annotated[float, typer.Option(min=0.1, max=1000, help="Messages a second.")]
_Port = Annotated[int, typer.Option(help="Port of the API, 0 for a free one.")]
_Plain = Annotated[bool, typer.Option("--plain", help="Print each delivery instead of opening the console.")]

LOG_FILE = "hookd.log"
TYPES = ("order.created", "order.paid", "invoice.sent", "user.updated")
RETRY_DELAYS_S = (1.0, 2.0, 4.0, 8.0)
TEMPERS = {
    "healthy": "answers 200 at once",
    "slow": "answers 200 after half a second",
    "flaky": "answers 503 every third time",
    "dead": "takes no connection",
}


def demo(rate: _Rate = 2.0, port: _Port = 0, plain: _Plain = False, config_home: Config = None) -> None:
    """Start everything, send messages to four receivers, show each delivery as it happens. Nothing is kept."""
    watched = not plain and sys.stdout.isatty() and sys.stdin.isatty()
    with scratch_home() as home:
        settings = settings_or_refuse(
            hookd_home=home, port=port, retry_delays_s=RETRY_DELAYS_S, database_url="", breaker_failures_max=5
        )
        from daemon.assembly import Daemon
        from daemon.logs import configure

        if not watched:
            configure("error", settings.log_format)
            run(_print(Daemon(settings), rate))
            return
        with (home / LOG_FILE).open("a", encoding="utf-8") as log:
            configure("warning", "json", log)  # the screen is the console's
            token = _tokens(settings).mint_operator(operator(), may_act=True)
            run(_watch(Daemon(settings), rate, token, config_home))


@contextmanager
def scratch_home() -> Iterator[Path]:
    """A data home for the length of the block."""
    with tempfile.TemporaryDirectory(prefix="hookd-demo-") as folder:
        Path(folder).chmod(0o711)  # as root the database runs as another account, which must be able to pass
        yield Path(folder)


@asynccontextmanager
async def traffic(daemon: "Daemon", rate: float, followed: Any = None) -> AsyncIterator[None]:
    """Hookd, its receivers, and messages to them, for the length of the block."""
    from daemon.cli.up import started

    print("starting PostgreSQL and hookd …", file=sys.stderr)
    await started(daemon)
    receivers = Receivers()
    urls = await receivers.start()
    names = await _register(daemon, urls)
    if followed is not None:
        daemon.recorder.followers.append(followed(names).follow)
    traffic = daemon.supervisor.service("traffic", lambda: _send(daemon, rate))
    try:
        yield
    finally:
        await daemon.supervisor.stop(traffic)
        print("stopping …", file=sys.stderr)
        await daemon.stop(grace_s=1)
        await receivers.stop()


async def _watch(daemon: "Daemon", rate: float, token: str, config_home: Path | None) -> None:
    from daemon.cli.up import stop_signal

    def ended_by_signals(leave: Callable[[], None]) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, leave)

    stop = stop_signal()
    async with traffic(daemon, rate):
        if not stop.is_set():
            await watch(daemon.url, token, taste_of(config_home), write=True, leave=ended_by_signals)


async def _print(daemon: "Daemon", rate: float) -> None:
    from daemon.cli.up import stop_signal

    stop = stop_signal()
    async with traffic(daemon, rate, Printer):
        _introduce(daemon, rate)
        await stop.wait()
        print()


def _introduce(daemon: "Daemon", rate: float) -> None:
    print(f"\nhookd runs at {daemon.url}, with four receivers:")
    for temper, text in TEMPERS.items():
        print(f"  {temper:8} {text}")
    print(f"\nA message goes to all of them {rate:g} times a second. Ctrl-C ends.\n", flush=True)


async def _register(daemon: "Daemon", urls: dict[str, str]) -> dict[str, str]:
    """An application with one endpoint a receiver; answers the receivers' names by endpoint."""
    from daemon import signing
    from events.application import CreateApplication
    from events.catalogue import EndpointConfig
    from events.endpoint import RegisterEndpoint

    desk = daemon.desk
    application = desk.mint("app")
    await desk.ask(CreateApplication(application, "org_demo", "demo"), "demo", None)
    names = {}
    for temper, url in urls.items():
        endpoint = desk.mint("ep")
        key = signing.generate(desk.entropy(signing.GENERATED_KEY_BYTES))
        sealed = desk.sealer.seal(key.encode(), endpoint)
        config = EndpointConfig(url=url, description=temper)
        await desk.ask(RegisterEndpoint(endpoint, application, config, desk.mint("sec"), sealed), "demo", None)
        names[endpoint] = temper
    return names


async def _send(daemon: "Daemon", rate: float) -> None:
    from events.message import AcceptMessage

    desk = daemon.desk
    application = next(iter(desk.world.applications("org_demo"))).id
    for number, event_type in zip(count(1), cycle(TYPES), strict=False):
        payload = b'{"order": %d, "status": "paid"}' % number
        digest = hashlib.sha256(payload).hexdigest()
        await desk.ask(AcceptMessage(desk.mint("msg"), application, event_type, payload, digest), "demo", None)
        await asyncio.sleep(1 / rate)


class Printer:
    """Prints what is committed, one line each: a sign, a word, and colour only beside them."""

    def __init__(self, names: dict[str, str]) -> None:
        from daemon.settings import wants_colour

        self._names = names
        self._colour = wants_colour(terminal=sys.stdout.isatty())

    def follow(self, committed: "Committed") -> None:
        """Print the deliveries among these events."""
        from events.wording import describe, moment

        for recorded in committed.events:
            name = self._names.get(recorded.endpoint or recorded.stream)
            if name is not None:
                message = recorded.stream[-6:] if recorded.endpoint else "-"
                sign, colour = _sign(recorded.event)
                line = f"{moment(recorded.at)[11:]}  {sign} {name:8} {message:6}  {describe(recorded.event)}"
                print(typer.style(line, fg=colour) if self._colour else line, flush=True)


def _sign(event: object) -> tuple[str, str | None]:
    match type(event).__name__:
        case "AttemptSucceeded" | "BreakerClosed":
            return "✓", "green"
        case "AttemptFailed" | "AttemptAbandoned":
            return "✗", "yellow"
        case "DeliveryExhausted" | "BreakerOpened":
            return "■", "red"
    return "·", None


class Receivers:
    """Four little servers on loopback."""

    def __init__(self) -> None:
        self._random = Random(7)  # noqa: S311
        self._runners: list[Any] = []

    async def start(self) -> dict[str, str]:
        """URLs by temper."""
        urls = {}
        for temper in TEMPERS:
            port = await self._serve(temper)
            urls[temper] = f"http://127.0.0.1:{port}/{temper}"
        dead = self._runners.pop()  # its port was free a moment ago: now nobody listens there
        await dead.cleanup()
        return urls

    async def _serve(self, temper: str) -> int:
        from aiohttp import web

        async def answer(_request: web.Request) -> web.Response:
            if temper == "slow":
                await asyncio.sleep(0.5)
            if temper == "flaky" and self._random.random() < 1 / 3:
                return web.Response(status=503, headers={"retry-after": "1"}, text="try again")
            return web.Response(text="thanks")

        application = web.Application()
        application.router.add_post("/{path:.*}", answer)
        runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self._runners.append(runner)
        port: int = runner.addresses[0][1]
        return port

    async def stop(self) -> None:
        """Close them."""
        for runner in self._runners:
            await runner.cleanup()
