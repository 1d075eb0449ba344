"""`hookd up`: start the daemon, say what a newcomer needs, run until told to stop."""

import asyncio
import gc
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.common import Refused, run, settings_or_refuse, tilde

if TYPE_CHECKING:
    from daemon.assembly import Daemon
    from daemon.crew import Crew
    from daemon.settings import Settings

GC_THRESHOLD = 50_000  # new containers; most of a delivery's are gone by reference counting

_Host = Annotated[str | None, typer.Option(help="Address to listen on (HOST).")]
_Port = Annotated[int | None, typer.Option(help="Port to listen on, 0 for a free one (PORT).")]
_Home = Annotated[Path | None, typer.Option(help="Data home of the embedded database (HOOKD_HOME).")]
_Workers = Annotated[
    int | None, typer.Option(help="Processes that share the work; 0: one a core, up to 8 (WORKERS).")
]


def up(host: _Host = None, port: _Port = None, home: _Home = None, workers: _Workers = None) -> None:
    """Start hookd: API, deliveries, and PostgreSQL unless DATABASE_URL names one."""
    settings = settings_or_refuse(host=host, port=port, hookd_home=home, workers=workers)
    from daemon.assembly import Daemon
    from daemon.crew import Crew
    from daemon.logs import configure

    configure(settings.log_level, settings.log_format)
    alone = settings.processes == 1
    run(_up(Daemon(settings, _tell) if alone else Crew(settings, partial(_command, settings), _tell)))


def _tell(text: str) -> None:
    print(f"hookd: {text}", file=sys.stderr)


def _command(settings: "Settings", name: str, port: int, dsn: str) -> list[str]:
    """How a worker is started. The address of the embedded database holds no secret; DATABASE_URL may."""
    inside = ["--home", str(settings.hookd_home), "--dsn", dsn] if settings.embedded else []
    return [sys.executable, "-m", "daemon.cli", "worker", name, "--host", settings.host, "--port", str(port), *inside]


async def _up(daemon: "Daemon | Crew") -> None:
    stop = stop_signal()
    await started(daemon)
    calm_collector()
    print(welcome(daemon), flush=True)
    await stop.wait()
    print("hookd: stopping; attempts under way may end (again Ctrl-C: at once)", file=sys.stderr)
    abandoned = await daemon.stop()
    if abandoned:
        print(f"hookd: {abandoned} attempts were cut short and will be repeated", file=sys.stderr)


async def started(daemon: "Daemon | Crew") -> None:
    """Start the daemon; what commonly goes wrong is said in words. Refused."""
    from daemon.assembly import CannotListen
    from daemon.crew import WorkerFailed
    from daemon.notary import KeyLost
    from daemon.postgres.errors import DatabaseUnavailable, EmbeddedPostgresError, MigrationError
    from daemon.sealing import SealBroken
    from events.log import Unavailable

    try:
        await daemon.start()
    except SealBroken as error:
        raise Refused(f"SEALING_KEYS: {error}") from None
    except (EmbeddedPostgresError, MigrationError, DatabaseUnavailable, Unavailable, KeyLost) as error:
        raise Refused(str(error)) from None
    except CannotListen as error:
        raise Refused(str(error)) from None
    except WorkerFailed:
        raise Refused("a worker process could not start") from None


def calm_collector() -> None:
    """What start-up made stays for good, so the collector need not look at it again; and it looks more rarely."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 20, 50)


def stop_signal() -> asyncio.Event:
    """Set by the first SIGTERM or Ctrl-C; the second ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(number: int) -> None:
        if stop.is_set():
            sys.stderr.write("hookd: stopped at once; what was under way will be repeated\n")
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    return stop


def welcome(daemon: "Daemon | Crew") -> str:
    """What a newcomer needs to know: where, with what, and one thing to try."""
    from daemon.postgres.account import default_home
    from daemon.settings import call_of

    settings, url = daemon.settings, daemon.url
    hookd = call_of(settings, default_home)
    if settings.embedded:
        assert settings.hookd_home is not None
        data = f"{tilde(settings.hookd_home)} (PostgreSQL inside; secrets in secrets.env)"
    else:
        data = "the PostgreSQL of DATABASE_URL"
    return f"""
hookd is up.
  API      {url}/api  and  {url}/api/v1  (openapi.json beside each)
  data     {data}
  log in   every call of /api takes the header admin-id, which `{hookd} admin id` prints;
           /api/v1 takes a bearer token, which `{hookd} token` prints
  try      curl {url}/api/health
           curl -H "admin-id: $({hookd} admin id)" -d '{{"username":"ada","password":"correct horse"}}' \\
                {url}/api/admin/create
  stop     Ctrl-C
"""
