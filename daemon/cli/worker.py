"""`hookd worker`: one of the processes that `hookd up` starts. Nobody calls it by hand."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.common import Refused, run, settings_or_refuse
from daemon.cli.up import calm_collector, started, stop_signal

if TYPE_CHECKING:
    from daemon.assembly import Daemon
    from daemon.settings import Settings

_Name = Annotated[str, typer.Argument(help="What the log knows this process by.")]
_Host = Annotated[str, typer.Option(help="Address to listen on.")]
_Port = Annotated[int, typer.Option(help="Port that is shared.")]
_Home = Annotated[Path | None, typer.Option(help="Data home of the embedded database.")]
_Dsn = Annotated[str | None, typer.Option(help="Address of the embedded database.")]

STDIN = 0


def worker(name: _Name, host: _Host, port: _Port, home: _Home = None, dsn: _Dsn = None) -> None:
    """One of the processes of `hookd up`: ends when the parent does."""
    settings = settings_or_refuse(host=host, port=port, hookd_home=home)
    import structlog

    from daemon.assembly import Daemon, Worker
    from daemon.logs import configure

    configure(settings.log_level, settings.log_format)
    structlog.contextvars.bind_contextvars(process=name)
    run(_work(Daemon(settings, worker=Worker(name, _address(settings, dsn)))))


def _address(settings: "Settings", dsn: str | None) -> str:
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    if dsn is None:
        raise Refused("a worker is told where the database is by whoever starts it: use `hookd up`")
    return dsn


async def _work(daemon: "Daemon") -> None:
    stop = stop_signal()
    _end_with_parent(stop)
    await started(daemon)
    calm_collector()
    print("ready", flush=True)
    await stop.wait()
    print(await daemon.stop(), flush=True)


def _end_with_parent(stop: asyncio.Event) -> None:
    """Stop when stdin ends: whoever holds its other end is gone. Where that happens while stopping, at once."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        if not os.read(STDIN, 4096):
            loop.remove_reader(STDIN)
            if stop.is_set():
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                signal.raise_signal(signal.SIGTERM)
            stop.set()

    if not sys.stdin.isatty():
        loop.add_reader(STDIN, read)
