"""`hookd worker`: one of the processes that `hookd up` starts. Nobody calls it by hand."""

import asyncio
import os
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

STDIN = 0


def worker(name: _Name, host: _Host, port: _Port, home: _Home = None) -> None:
    """One of the processes of `hookd up`: ends when the parent does."""
    settings = settings_or_refuse(host=host, port=port, hookd_home=home)
    import structlog

    from daemon.assembly import Daemon, Worker
    from daemon.logs import configure

    configure(settings.log_level, settings.log_format)
    structlog.contextvars.bind_contextvars(process=name)
    run(_work(Daemon(settings, worker=Worker(name, _dsn(settings)))))


def _dsn(settings: "Settings") -> str:
    from daemon.postgres.embedded import running_dsn

    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    assert settings.hookd_home is not None
    dsn = running_dsn(settings.hookd_home)
    if dsn is None:
        raise Refused(f"no database runs in {settings.hookd_home}: start hookd with `hookd up`")
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
    """Stop when stdin ends: whoever holds its other end is gone."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        if not os.read(STDIN, 4096):
            loop.remove_reader(STDIN)
            stop.set()

    if not sys.stdin.isatty():
        loop.add_reader(STDIN, read)
