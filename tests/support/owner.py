"""A hookd reduced to its embedded PostgreSQL, as a process that tests may kill.

    python -m tests.support.owner HOME [polite]

Prints the server's pid and address once it is ready, then waits. A polite one stops it on SIGTERM.
"""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.postgres.embedded import EmbeddedPostgres
from tests.support.databases import CRASH_SAFE

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Owner:
    """A running owner and the server it started."""

    process: subprocess.Popen[str]
    server_pid: int
    dsn: str

    def end(self, number: signal.Signals) -> None:
        """Send a signal and wait for the end of the owner."""
        self.process.send_signal(number)
        self.process.wait(60)


@contextmanager
def owner(
    home: Path,
    *arguments: str,
    python: str = sys.executable,
    env: Mapping[str, str] | None = None,
    **options: Any,
) -> Iterator[Owner]:
    """Start an owner; it is killed at the end if it still lives."""
    process = subprocess.Popen(
        [python, "-m", "tests.support.owner", str(home), *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env=env,
        **options,
    )
    try:
        assert process.stdout is not None
        pid, _, dsn = process.stdout.readline().strip().partition(" ")
        yield Owner(process, int(pid), dsn)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


async def main(home: str, *manners: str) -> None:
    """Own a server until told to stop."""
    stop = asyncio.Event()
    if "polite" in manners:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    postgres = EmbeddedPostgres(Path(home), settings=CRASH_SAFE)
    dsn = await postgres.start()
    print(postgres.pid, dsn, flush=True)  # noqa: T201 - this is how it speaks to the test
    await stop.wait()
    await postgres.stop()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
