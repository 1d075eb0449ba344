"""How fast a whole log is read again, and in how much memory: read → parse → decode → fold, on one core.

    uv run python -m benchmarks.replay --events 1000000
    uv run python -m benchmarks.replay --events 1000000 --events 5000000 --json out.json

Each log is made by `long_log` in a PostgreSQL of its own. Each way of reading it has a process of its own, on the
first core; PostgreSQL has the others. A way is run `--repeat` times and its quickest run counts, as everything that
disturbs a run makes it slower.

    copy     COPY log.event TO STDOUT, thrown away: what the others are held against
    read     the records of every partition, in order, thrown away
    parse    and taken apart
    fold     and decoded and folded into all states
    hash     and the hash of its leaf besides

Figures: events/s is wall time. `µs` is CPU time of the reading process for each event. Peak memory is of that
process, Python and libraries included.
"""

import argparse
import asyncio
import hashlib
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import asyncpg
import typer
import uvloop

from benchmarks import long_log
from benchmarks.process import share_cores, take_first_core
from benchmarks.report import Progress
from daemon.postgres.embedded import EmbeddedPostgres
from daemon.postgres.migrate import fix_partitions, migrate
from daemon.postgres.scripts import load_migrations, load_schema
from events import leaf, replay
from events.fold import Fold
from events.postgres import BY_INDEX

WAYS = ("copy", "read", "parse", "fold", "hash")
LEAF = b"\x00" + leaf.DOMAIN


@dataclass
class Run:
    """One way through one log."""

    way: str
    events: int
    seconds: float
    cpu_s: float
    peak_mib: float
    per_copy: float = 0.0  # its rate, over that of COPY

    @property
    def per_s(self) -> float:
        return self.events / self.seconds


async def measure(lengths: Sequence[int], repeat: int) -> list[Run]:
    """Every way through a log of each length."""
    runs = []
    for length in lengths:
        with typer.progressbar(length=length, label=f"making {length:,} events", file=sys.stderr) as bar:

            def tell(done: int, bar: Any = bar) -> None:
                bar.update(done - bar.pos)

            async with log_of(length, tell) as dsn:
                runs += await _measure(dsn, length, repeat)
    return runs


async def _measure(dsn: str, length: int, repeat: int) -> list[Run]:
    progress = Progress()
    found: list[Run] = []
    async with progress.shown():
        for way in WAYS:
            progress(f"{length:,} events: {way}")
            tries = [await apart(dsn, way) for _ in range(repeat)]
            best = min(tries, key=lambda run: run.seconds)
            best.peak_mib = max(run.peak_mib for run in tries)
            best.per_copy = best.per_s / (found[0] if found else best).per_s
            found.append(best)
    return found


@asynccontextmanager
async def log_of(events: int, tell: Callable[[int], None]) -> AsyncIterator[str]:
    """A database with such a log; `tell` hears how many events are made."""
    with tempfile.TemporaryDirectory(prefix="hookd-benchmark-") as folder:
        os.chmod(folder, 0o711)  # noqa: PTH101 - as root the database runs as another account, which must pass here
        postgres = EmbeddedPostgres(Path(folder) / "home")
        dsn = await postgres.start()
        try:
            connection = await asyncpg.connect(dsn, timeout=30)
            await migrate(connection, schema=load_schema(), migrations=load_migrations())
            await fix_partitions(connection)
            await connection.close()
            await long_log.fill(dsn, events, tell=tell)
            yield dsn
        finally:
            await postgres.stop()


async def apart(dsn: str, way: str) -> Run:
    """One way through the log, in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return await asyncio.get_running_loop().run_in_executor(process, _in_child, dsn, way)


def _in_child(dsn: str, way: str) -> Run:
    take_first_core()
    return uvloop.run(_run(dsn, way))


async def _run(dsn: str, way: str) -> Run:
    connection = await asyncpg.connect(dsn, timeout=30, server_settings=BY_INDEX)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            heads = await replay.heads(connection)
            began, cpu = time.perf_counter(), time.process_time()
            if way == "copy":
                await connection.copy_from_table("event", schema_name="log", output=_discard)
            else:
                fold = Fold(on_message=lambda _recorded, _message: None)
                take = _taker(way, fold)
                for partition, head in heads.items():
                    await replay.scan(connection, partition, take, upto=head)
                assert way in {"read", "parse"} or fold.positions == heads
            seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        return Run(way, sum(heads.values()), seconds, cpu, _peak_mib())
    finally:
        await connection.close()


async def _discard(_: Any) -> None:
    pass


def _taker(way: str, fold: Fold) -> Callable[[list[bytes]], Awaitable[None]]:
    parse, take_raw, sha256 = leaf.parse, fold.take_raw, hashlib.sha256

    async def parsing(records: list[bytes]) -> None:
        for record in records:
            parse(record)

    async def folding(records: list[bytes]) -> None:
        for record in records:
            take_raw(parse(record))

    async def hashing(records: list[bytes]) -> None:
        for record in records:
            take_raw(parse(record))
            sha256(LEAF + record).digest()

    return {"read": _discard, "parse": parsing, "fold": folding, "hash": hashing}[way]


def _peak_mib() -> float:
    """The most memory this process had; what getrusage says is no less than its parent's."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def table(runs: Sequence[Run]) -> str:
    """All runs, one a line."""
    lines = [f"{'events':>10}  {'way':6} {'events/s':>10} {'µs':>6} {'of COPY':>8} {'peak MiB':>9}"]
    lines += [
        f"{run.events:>10,}  {run.way:6} {run.per_s:>10,.0f} {run.cpu_s / run.events * 1e6:>6.2f} "
        f"{run.per_copy:>7.0%} {run.peak_mib:>9.1f}"
        for run in runs
    ]
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.replay", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, action="append", help="how long a log; repeatable (1,000,000)")
    parser.add_argument("--repeat", type=int, default=2, help="runs of each way")
    parser.add_argument("--json", type=Path, help="write all figures there")
    given = parser.parse_args()
    share_cores()
    runs = asyncio.run(measure(given.events or [1_000_000], given.repeat))
    print(f"{os.cpu_count()} cores: the reader on the first, PostgreSQL on the others")
    print(table(runs))
    if given.json:
        facts = {"python": platform.python_version(), "cores": os.cpu_count(), "load": os.getloadavg()}
        rows = [asdict(run) | {"per_s": run.per_s} for run in runs]
        given.json.write_text(json.dumps({"machine": facts, "repeat": given.repeat, "runs": rows}, indent=2))


if __name__ == "__main__":
    main()
