"""Does what hookd costs grow with its log? The log is filled step by step, and all is measured at every step.

    uv run python -m benchmarks.curve --million 0 --million 1 --million 5 --million 10
    uv run python -m benchmarks.curve --draw benchmarks/curve.json        draw what is there once more

At each step: CPU per delivery with single messages and with 100 endpoints a message (at saturation, `--repeat` times,
medians), how long `hookd up` takes until it serves, and the memory of the daemon then. Measuring waits until the
log's trees are signed up to the heads. What is there is written after every step: a long run can be stopped.
A million events take about 20 s to fill and 0.4 GB of disk.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg

from benchmarks import long_log, svg
from benchmarks.bench import Bench, Lost, Options
from benchmarks.deliver import INTERRUPTED
from benchmarks.process import Failed, share_cores
from benchmarks.report import Progress
from benchmarks.rounds import bench_of
from benchmarks.scenarios.starting import calm, fill
from benchmarks.scenarios.traffic import SINGLE_APPLICATIONS

FANOUT: Final = 100
FANOUT_DELIVERIES: Final = 20_000
GROWTH_EVENTS_PER_S: Final = 2.0  # of the time told in the log: ten million in two months
STEPS_MILLIONS: Final = (0.0, 1.0, 5.0, 10.0)
MIB: Final = 1 << 20


@dataclass
class Step:
    """What was measured at one length of the log."""

    events: int
    start_s: float
    rss_mib: float
    sealing_s: float
    database_mib: float
    single_daemon_us: float
    single_postgres_us: float
    fanout_100_daemon_us: float
    fanout_100_postgres_us: float
    single_per_s: float
    fanout_100_per_s: float


async def measure(millions: list[float], repeat: int, options: Options, out: Path, picture: Path) -> list[Step]:
    """All steps, in order; each is written to `out` as soon as it is there. Lost."""
    progress, steps = Progress(), list[Step]()
    async with progress.shown(), bench_of(options, progress) as bench:
        single = await bench.group("single", SINGLE_APPLICATIONS, 1)
        fanout = await bench.group("fanout_100", 1, FANOUT)
        filled = 0
        for million in sorted(millions):
            progress.lead = f"{million:g} million: "
            wanted = int(million * 1e6)
            await bench.subject.down()
            if wanted > filled:
                progress("filling: the log")
                began = long_log.BEGAN + timedelta(seconds=filled / GROWTH_EVENTS_PER_S)
                span = timedelta(seconds=(wanted - filled) / GROWTH_EVENTS_PER_S)
                await fill(bench, long_log.Shape(began=began, span=span), wanted - filled)
                filled = wanted
            steps.append(await _step(bench, [single, fanout], repeat))
            keep(steps, options, out, picture)
    return steps


async def _step(bench: Bench, groups: list[Any], repeat: int) -> Step:
    subject, progress = bench.subject, bench.progress
    progress("starting")
    start_s = await subject.up_s()
    rss_mib = subject.rss_mib
    sealing_s = await calm(bench, "calm")
    size, events = await _database(bench)
    found: dict[str, list[dict[str, float]]] = {group.name: [] for group in groups}
    for group in groups:
        messages = 0 if group.fanout == 1 else FANOUT_DELIVERIES // FANOUT
        await bench.warm_up(group, messages)
        seconds = 0 if messages else bench.options.seconds(4, 10)
        for _ in range(repeat):
            row = await bench.saturate(group, seconds=seconds, messages=messages, bare=False)
            found[group.name].append(row.figures)

    def median(name: str, figure: str) -> float:
        return statistics.median(each[figure] for each in found[name])

    return Step(
        events,
        start_s,
        rss_mib,
        sealing_s,
        size / MIB,
        median("single", "daemon_us"),
        median("single", "postgres_us"),
        median("fanout_100", "daemon_us"),
        median("fanout_100", "postgres_us"),
        median("single", "per_s"),
        median("fanout_100", "per_s"),
    )


async def _database(bench: Bench) -> tuple[int, int]:
    """Bytes, and events."""
    connection = await asyncpg.connect(bench.subject.dsn, timeout=30)
    try:
        found = await connection.fetchrow(
            "select pg_database_size(current_database()), (select sum(seq)::bigint from log.head)"
        )
    finally:
        await connection.close()
    return found[0], found[1]


def keep(steps: list[Step], options: Options, out: Path, picture: Path) -> None:
    """Write figures and picture."""
    facts = {"python": platform.python_version(), "cores": os.cpu_count(), "load": os.getloadavg()}
    given = {name: value for name, value in asdict(options).items() if name != "program"}
    told = {"machine": facts, "options": given, "steps": [asdict(step) for step in steps]}
    out.write_text(json.dumps(told, indent=1) + "\n")
    picture.write_text(draw(steps))


def draw(steps: list[Step]) -> str:
    """The picture."""

    def line(name: str, figure: str) -> svg.Series:
        return svg.Series(name, [(_rounded(step.events), getattr(step, figure)) for step in steps])

    panels = [
        svg.Panel(
            "One message, one delivery",
            "µs of CPU a delivery",
            [line("daemon", "single_daemon_us"), line("PostgreSQL", "single_postgres_us")],
        ),
        svg.Panel(
            "One message, 100 deliveries",
            "µs of CPU a delivery",
            [line("daemon", "fanout_100_daemon_us"), line("PostgreSQL", "fanout_100_postgres_us")],
        ),
        svg.Panel("From the start until it serves", "seconds", [line("start", "start_s")]),
        svg.Panel("Memory of the daemon after its start", "MiB", [line("resident", "rss_mib")]),
    ]
    return svg.picture("What hookd costs as its log grows", "events in the log (log scale)", panels)


def _rounded(events: int) -> float:
    """What the axis says: the measuring itself adds events, so that the empty log has some thousands, not none."""
    return 0 if events < 50_000 else float(f"{events:.1g}") if events < 1e6 else round(events / 1e6, 1) * 1e6


def table(steps: list[Step]) -> str:
    """All steps, one a line."""
    titles = [("events", 12), ("start s", 8), ("RSS MiB", 8), ("DB MiB", 8), ("single µs", 15)]
    titles += [("fanout_100 µs", 15), ("sealed s", 9)]
    lines = [" ".join(title.rjust(width) for title, width in titles)]
    lines += [
        f"{step.events:>12,} {step.start_s:>8.1f} {step.rss_mib:>8.0f} {step.database_mib:>8,.0f} "
        f"{step.single_daemon_us:>8.1f} + {step.single_postgres_us:>4.1f} "
        f"{step.fanout_100_daemon_us:>8.1f} + {step.fanout_100_postgres_us:>4.1f} {step.sealing_s:>9.0f}"
        for step in steps
    ]
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.curve", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--million", type=float, action="append", metavar="N", help="how long a log; repeatable (0 1 5 10)"
    )
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="measurements at each step (3)")
    parser.add_argument("--quick", action="store_true", help="4 s a measurement, not 10")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/curve.json"), metavar="FILE")
    parser.add_argument("--svg", type=Path, default=Path("benchmarks/curve.svg"), metavar="FILE")
    parser.add_argument("--draw", type=Path, metavar="FILE", help="measure nothing, draw these figures")
    given = parser.parse_args()
    if given.draw:
        steps = [Step(**each) for each in json.loads(given.draw.read_text())["steps"]]
        given.svg.write_text(draw(steps))
    else:
        share_cores()
        options = Options(quick=given.quick)
        try:
            steps = asyncio.run(
                measure(given.million or list(STEPS_MILLIONS), given.repeat, options, given.json, given.svg)
            )
        except (Lost, Failed) as problem:
            sys.exit(f"{type(problem).__name__}: {problem}")
        except KeyboardInterrupt:
            print(f"stopped; the steps until now are in {given.json}", file=sys.stderr)
            sys.exit(INTERRUPTED)
    print(table(steps))


if __name__ == "__main__":
    main()
