"""`hookd console`: the screen from which operators watch deliveries, live or from an exported log."""

import asyncio
import getpass
import re
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.common import Refused, run, settings_or_refuse
from daemon.cli.token import _tokens
from daemon.settings import hand_down

if TYPE_CHECKING:
    from tui.taste import Taste

_Url = Annotated[str | None, typer.Option(envvar="HOOKD_URL", help="The hookd to watch; unset: this machine's.")]
_Token = Annotated[
    str | None, typer.Option(envvar="HOOKD_TOKEN", help="An operator's token, from `hookd token --operator NAME`.")
]
_Write = Annotated[bool, typer.Option("--write", help="May change things, too: else the console only reads.")]
_File = Annotated[
    Path | None, typer.Option("--file", exists=True, dir_okay=False, help="Play an exported log (.jsonl, .jsonl.gz).")
]
_Web = Annotated[bool, typer.Option("--web", help="Show it in a browser on this machine instead.")]
_Port = Annotated[int, typer.Option(min=0, max=65535, help="With --web: where; 0 is any port that is free.")]
_Served = Annotated[bool, typer.Option("--served", hidden=True)]
Config = Annotated[Path | None, typer.Option(envvar="XDG_CONFIG_HOME", hidden=True)]

ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}


def console(
    url: _Url = None,
    token: _Token = None,
    write: _Write = False,
    file: _File = None,
    web: _Web = False,
    port: _Port = 0,
    served: _Served = False,
    config_home: Config = None,
) -> None:
    """Watch deliveries, endpoints and the log, live, as of any moment, or from a file."""
    if not web and not served and not (sys.stdout.isatty() and sys.stdin.isatty()):
        raise Refused("the console needs a terminal")
    if web and file is not None:
        run(_serve(_command("--file", str(file.absolute())), port))
        return
    taste = taste_of(config_home)
    if file is not None:
        run(_play(file, taste))
        return
    if url is not None and token is None:
        raise Refused("--url needs an operator's token: set HOOKD_TOKEN to what `hookd token --operator NAME` prints")
    if url is None or token is None:
        settings = settings_or_refuse()
        host = ANY_ADDRESS.get(settings.host, settings.host)
        url = f"http://{f'[{host}]' if ':' in host and host[0] != '[' else host}:{settings.port}"
        token = token or _tokens(settings).mint_operator(operator(), may_act=write)
    if web:
        hand_down(HOOKD_URL=url, HOOKD_TOKEN=token)
        run(_serve(_command(*(["--write"] if write else [])), port))
        return
    run(watch(url, token, taste, write=write))


def _command(*options: str) -> str:
    """How the process behind each tab of the browser is started; it finds the token in its environment."""
    start = "from daemon.cli import main; main()"
    return shlex.join([sys.executable, "-P", "-c", start, "console", "--served", *options])


async def _serve(command: str, port: int) -> None:
    try:
        from tui.web import serve
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] != "textual_serve":
            raise
        raise Refused("--web needs textual-serve: pip install 'hookd[web]'") from None
    stop = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    try:
        runner = await serve(command, port, _tell)
    except OSError as error:
        raise Refused(f"port {port} cannot be had: {error.strerror}") from None
    try:
        await stop.wait()
    finally:
        await runner.cleanup()


def _tell(url: str) -> None:
    print(f"The console is at\n\n  {url}\n\nfor this machine's browsers only. Ctrl+C ends it.", flush=True)


def taste_of(config_home: Path | None) -> "Taste":
    """What the operator likes, from where such things are kept."""
    from tui.taste import Taste

    return Taste((config_home or Path.home() / ".config") / "hookd")


async def watch(
    url: str, token: str, taste: "Taste", *, write: bool, leave: Callable[[Callable[[], None]], None] | None = None
) -> None:
    """Open the console on a daemon until it is quit. `leave` is handed what ends it from outside."""
    from tui.app import ConsoleApp
    from tui.client import Client
    from tui.feed import LiveFeed
    from tui.source import LiveSource

    async with Client(url, token) as client:
        app = ConsoleApp(LiveFeed(client), LiveSource(client), taste=taste, writable=write)
        if leave is not None:
            leave(app.exit)
        await app.run_async()


async def _play(file: Path, taste: "Taste") -> None:
    from tui.app import ConsoleApp
    from tui.tape import FileFeed
    from tui.then import FileSource

    feed = FileFeed(file)
    await ConsoleApp(feed, FileSource(feed), taste=taste).run_async()


def operator() -> str:
    """Who sits here, as an operator's name."""
    try:
        name = re.sub(r"[^A-Za-z0-9._@+-]", "", getpass.getuser())[:64]
    except (KeyError, OSError):  # an account without a name
        name = ""
    return name or "console"
