"""Does what hookd costs grow with its log? The log is filled step by step, and all is measured at every step.

    uv run python -m benchmarks.curve --million 0 --million 1 --million 3 --million 10
    uv run python -m benchmarks.curve --draw benchmarks/curve.json        draw what is there once more

At each step: CPU per delivery with single messages and with 100 endpoints a message (at saturation, medians of many
short turns), how long `hookd up` takes until it serves, and the memory of the daemon then. Turn and turn about the
same is measured on an empty log, so that a machine that is slower for a while is not taken for a log that costs more.
Before, the log's trees are signed up to the heads, every table is vacuumed and frozen and all pages are on disk; what
PostgreSQL does in the background is counted apart. What is there is written after every step: a long run can be
stopped. A million events take about 30 s to fill and 0.8 GB of disk.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import asyncpg

from benchmarks import long_log, svg
from benchmarks.bench import Bench, Group, Lost, Options
from benchmarks.counters import Counters
from benchmarks.deliver import INTERRUPTED
from benchmarks.process import Failed, share_cores
from benchmarks.report import Progress
from benchmarks.rounds import bench_of
from benchmarks.scenarios.starting import calm, fill
from benchmarks.scenarios.traffic import SINGLE_APPLICATIONS
from benchmarks.tidy import tidy

FANOUT: Final = 100
FANOUT_DELIVERIES: Final = 30_000
TURN_S: Final = 2.0  # short, and many: what else the machine does then touches both logs alike
TURNS: Final = 9
GROWTH_EVENTS_PER_S: Final = 2.0  # of the time told in the log: ten million in two months
STEPS_MILLIONS: Final = (0.0, 1.0, 3.0, 10.0)
MIB: Final = 1 << 20

Figures = dict[str, dict[str, float]]  # by group of endpoints, by name


@dataclass
class Step:
    """What was measured at one length of the log; `empty`: in turns with it, on an empty one. Medians."""

    events: int
    fill_s: float
    start_s: float
    rss_mib: float
    sealing_s: float
    database_mib: float
    here: Figures
    empty: Figures
    grown: dict[str, float]  # by group: CPU of a delivery, percent of that on an empty log right before or after


class Course:
    """A hookd with the endpoints that are measured."""

    def __init__(self, bench: Bench, groups: Sequence[Group]) -> None:
        self.bench = bench
        self._groups = groups
        self.found: dict[str, list[dict[str, float]]] = {}

    @classmethod
    async def laid(cls, bench: Bench) -> "Course":
        return cls(
            bench,
            [await bench.group("single", SINGLE_APPLICATIONS, 1), await bench.group("fanout_100", 1, FANOUT)],
        )

    async def warm_up(self) -> None:
        self.found = {group.name: [] for group in self._groups}
        for group in self._groups:
            await self.bench.warm_up(group, _messages(group))

    async def run(self) -> None:
        """Measure all once."""
        dsn = self.bench.subject.dsn
        for group in self._groups:
            seconds = 0 if _messages(group) else TURN_S
            before = await Counters.read(dsn)
            row = await self.bench.saturate(group, seconds=seconds, messages=_messages(group), bare=False)
            counted = (await Counters.read(dsn)).each(before, int(row.figures["deliveries"]))
            self.found[group.name].append(row.figures | counted)

    def against(self, other: "Course") -> dict[str, float]:
        """By group: CPU of a delivery, the daemon's and what PostgreSQL does for it; percent, the median of turns."""
        return {
            name: statistics.median(
                100 * _asked(mine) / _asked(theirs) for mine, theirs in zip(rows, other.found[name], strict=True)
            )
            for name, rows in self.found.items()
        }

    @property
    def medians(self) -> Figures:
        """Of all runs since it was warmed up."""
        return {
            name: {figure: statistics.median(each[figure] for each in rows) for figure in rows[0]}
            for name, rows in self.found.items()
        }


async def measure(millions: list[float], turns: int, options: Options, out: Path, picture: Path) -> list[Step]:
    """All steps, in order; each is written to `out` as soon as it is there. Lost."""
    progress, steps = Progress(), list[Step]()
    async with progress.shown(), bench_of(options, progress) as bench:
        course = await Course.laid(bench)
        filled, fill_s = 0, 0.0
        for million in sorted(millions):
            progress.lead = f"{million:g} million: "
            wanted = int(million * 1e6)
            await bench.subject.down()
            if wanted > filled:
                progress("filling: the log")
                started = time.monotonic()
                began = long_log.BEGAN + timedelta(seconds=filled / GROWTH_EVENTS_PER_S)
                span = timedelta(seconds=(wanted - filled) / GROWTH_EVENTS_PER_S)
                await fill(bench, long_log.Shape(began=began, span=span), wanted - filled)
                filled, fill_s = wanted, time.monotonic() - started
            steps.append(await _step(course, fill_s, turns))
            keep(steps, options, out, picture)
    return steps


async def _step(course: Course, fill_s: float, turns: int) -> Step:
    bench = course.bench
    subject, progress = bench.subject, bench.progress
    lead = progress.lead
    progress("starting")
    start_s = await subject.up_s()
    rss_mib = subject.rss_mib
    sealing_s = await calm(bench, "calm")
    async with bench_of(bench.options, progress) as other:
        courses = [course, await Course.laid(other)]
        await other.subject.down()
        await other.subject.up()  # as that on the long log: from its tables
        for each in courses:
            await each.warm_up()
            await tidy(each.bench.subject.home, progress)
        size, events = await _database(bench)
        for turn in range(turns):
            progress.lead = f"{lead}turn {turn + 1} of {turns}: "
            for each in courses if turn % 2 == 0 else reversed(courses):
                await each.run()
        here, empty = (each.medians for each in courses)
        grown = course.against(courses[1])
    return Step(events, fill_s, start_s, rss_mib, sealing_s, size / MIB, here, empty, grown)


def _messages(group: Group) -> int:
    """How many to send; 0: by time."""
    return 0 if group.fanout == 1 else FANOUT_DELIVERIES // group.fanout


def _serving(figures: dict[str, float]) -> float:
    """What PostgreSQL does for the daemon, not in the background."""
    return figures["postgres_us"] - figures["background_us"]


def _asked(figures: dict[str, float]) -> float:
    return figures["daemon_us"] + _serving(figures)


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
    xs = [_rounded(step.events) for step in steps]

    def line(name: str, values: Sequence[float]) -> svg.Series:
        return svg.Series(name, list(zip(xs, values, strict=True)))

    def costs(title: str, group: str) -> svg.Panel:
        rows = [step.here[group] for step in steps]
        return svg.Panel(
            title,
            "µs of CPU a delivery",
            [
                line("daemon", [row["daemon_us"] for row in rows]),
                line("PostgreSQL", [_serving(row) for row in rows]),
                line("in the background", [row["background_us"] for row in rows]),
            ],
        )

    panels = [
        costs("One message, one delivery", "single"),
        costs("One message, 100 deliveries", "fanout_100"),
        svg.Panel(
            "Measured in turns with an empty log",
            "% of its CPU",
            [
                line("1 delivery", [step.grown["single"] for step in steps]),
                line("100 deliveries", [step.grown["fanout_100"] for step in steps]),
            ],
        ),
        svg.Panel("From the start until it serves", "seconds", [line("start", [step.start_s for step in steps])]),
        svg.Panel("Memory of the daemon after its start", "MiB", [line("rss", [step.rss_mib for step in steps])]),
    ]
    return svg.picture("What hookd costs as its log grows", "events in the log (log scale)", panels)


def _rounded(events: int) -> float:
    """What the axis says: the measuring itself adds events, so that the empty log has some thousands, not none."""
    return 0 if events < 100_000 else float(f"{events:.1g}") if events < 1e6 else round(events / 1e6, 1) * 1e6


def table(steps: list[Step]) -> str:
    """All steps, with what was measured on an empty log in turns with each."""
    titles = [("events", 12), ("", 10), ("daemon", 7), ("PG µs", 6), ("behind", 6), ("of empty", 8), ("per s", 7)]
    titles += [("a commit", 8), ("WAL B", 6), ("images", 7), ("hits", 6), ("reads", 7)]
    lines = [" ".join(title.rjust(width) for title, width in titles)]
    for step in steps:
        lines.append(
            f"{step.events:>12,} filled in {step.fill_s:.0f} s, sealed in {step.sealing_s:.0f} s, "
            f"start {step.start_s:.1f} s, RSS {step.rss_mib:.0f} MiB, database {step.database_mib:,.0f} MiB"
        )
        for group, row in step.here.items():
            lines.append(_line(group, row, f"{step.grown[group]:.1f} %"))
            lines.append(_line("  empty", step.empty[group], ""))
    return "\n".join(lines)


def _line(label: str, row: dict[str, float], grown: str) -> str:
    return (
        f"{'':>12} {label:10} {row['daemon_us']:>7.1f} {_serving(row):>6.1f} {row['background_us']:>6.1f} "
        f"{grown:>8} {row['per_s']:>7,.0f} {1 / row['commits']:>8.1f} {row['wal_bytes']:>6,.0f} "
        f"{row['wal_page_images']:>7.4f} {row['page_hits']:>6.1f} {row['page_reads']:>7.4f}"
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.curve", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--million", type=float, action="append", metavar="N", help="how long a log; repeatable (0 1 3 10)"
    )
    parser.add_argument("--turns", type=int, default=TURNS, metavar="N", help=f"at each step ({TURNS})")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/curve.json"), metavar="FILE")
    parser.add_argument("--svg", type=Path, default=Path("benchmarks/curve.svg"), metavar="FILE")
    parser.add_argument("--draw", type=Path, metavar="FILE", help="measure nothing, draw these figures")
    given = parser.parse_args()
    if given.draw:
        steps = [Step(**each) for each in json.loads(given.draw.read_text())["steps"]]
        given.svg.write_text(draw(steps))
    else:
        share_cores()
        options = Options()
        try:
            steps = asyncio.run(
                measure(given.million or list(STEPS_MILLIONS), given.turns, options, given.json, given.svg)
            )
        except (Lost, Failed) as problem:
            sys.exit(f"{type(problem).__name__}: {problem}")
        except KeyboardInterrupt:
            print(f"stopped; the steps until now are in {given.json}", file=sys.stderr)
            sys.exit(INTERRUPTED)
    print(table(steps))


if __name__ == "__main__":
    main()
