"""`hookd console`: the screen from which operators watch deliveries, live or from an exported log."""

import getpass
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.common import Refused, run, settings_or_refuse
from daemon.cli.token import _tokens

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
_Config = Annotated[Path | None, typer.Option(envvar="XDG_CONFIG_HOME", hidden=True)]

ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}


def console(
    url: _Url = None, token: _Token = None, write: _Write = False, file: _File = None, config_home: _Config = None
) -> None:
    """Watch deliveries, endpoints and the log, in the terminal."""
    if not sys.stdout.isatty() or not sys.stdin.isatty():
        raise Refused("the console needs a terminal")
    from tui.taste import Taste

    taste = Taste((config_home or Path.home() / ".config") / "hookd")
    if file is not None:
        run(_play(file, taste))
        return
    if url is not None and token is None:
        raise Refused("--url needs an operator's token: set HOOKD_TOKEN to what `hookd token --operator NAME` prints")
    if url is None or token is None:
        settings = settings_or_refuse()
        host = ANY_ADDRESS.get(settings.host, settings.host)
        url = f"http://{f'[{host}]' if ':' in host and host[0] != '[' else host}:{settings.port}"
        token = token or _tokens(settings).mint_operator(_name(), may_act=write)
    run(_watch(url, token, taste, write=write))


async def _watch(url: str, token: str, taste: "Taste", *, write: bool) -> None:
    from tui.app import ConsoleApp
    from tui.client import Client
    from tui.feed import LiveFeed
    from tui.source import LiveSource

    async with Client(url, token) as client:
        await ConsoleApp(LiveFeed(client), LiveSource(client), taste=taste, writable=write).run_async()


async def _play(file: Path, taste: "Taste") -> None:
    from tui.app import ConsoleApp
    from tui.recording import FileFeed, FileSource

    feed = FileFeed(file)
    await ConsoleApp(feed, FileSource(feed), taste=taste).run_async()


def _name() -> str:
    """Who sits here, as an operator's name."""
    try:
        name = re.sub(r"[^A-Za-z0-9._@+-]", "", getpass.getuser())[:64]
    except (KeyError, OSError):  # an account without a name
        name = ""
    return name or "console"
