"""The command line: which scenarios, how often, what is shown and kept. See the package.

`python -m benchmarks` and `python -m benchmarks.deliver` are the same.
"""

import argparse
import asyncio
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.bench import Options
from benchmarks.compare import compared
from benchmarks.figures import Summary, summed_up
from benchmarks.process import share_cores
from benchmarks.report import Progress, remarks, table
from benchmarks.rounds import Rounds, in_turns, measure
from benchmarks.scenarios import SCENARIOS
from benchmarks.schedule import ARRIVALS
from benchmarks.subject import knows_workers

INTERRUPTED = 130


def main() -> None:
    """The command line."""
    given = _parser().parse_args()
    if given.list:
        for name, each in SCENARIOS.items():
            print(f"{name:12} {'quick' if each.quick else '':6} {each.about}")
        return
    if given.compare:
        print(compared(*(json.loads(file.read_text()) for file in given.compare)))
        return
    share_cores()
    options = _options(given)
    names = [name for name, each in SCENARIOS.items() if (name in given.only or not given.only)]
    if given.quick and not given.only:
        names = [name for name in names if SCENARIOS[name].quick]
    builds = in_turns(options, given.against)
    found: list[Rounds] = [[] for _ in builds]
    began, stopped = time.monotonic(), False
    try:
        asyncio.run(_shown(builds, names, given.repeat, found))
    except KeyboardInterrupt:
        stopped = True
    rows = [summed_up(each) for each in found]
    print(_lead(options, len(found[-1]), time.monotonic() - began))
    for letter, build, found_there in zip("AB", builds, rows, strict=False):
        label = f"{letter}: {build.program}" if given.against else ""
        print("\n".join(filter(None, (label, table(found_there), remarks(found_there)))))
    files = [kept(build, each, len(found[-1])) for build, each in zip(builds, rows, strict=True)]
    if given.against:
        print(compared(*files))
    if given.json:
        given.json.write_text(json.dumps(files[-1], indent=1))
        if given.against:
            given.json.with_suffix(".against.json").write_text(json.dumps(files[0], indent=1))
    if stopped:
        print("stopped: this is what was done until then", file=sys.stderr)
        sys.exit(INTERRUPTED)
    if any(row.lost or row.failed for each in rows for row in each):
        sys.exit(1)


async def _shown(builds: Sequence[Options], names: Sequence[str], rounds: int, found: Sequence[Rounds]) -> None:
    for build in builds:
        if build.workers is not None and not await knows_workers(build.program):
            sys.exit(f"`{build.program} up` knows no --workers")
    progress = Progress()
    async with progress.shown():
        await measure(builds, names, rounds, progress, found)


def _lead(options: Options, rounds: int, took_s: float) -> str:
    cores = os.cpu_count() or 1
    placed = "the daemon on the first, all else on the others" if cores > 1 else "shared by all"
    return (
        f"{options.payload_bytes} B payloads, {options.batch_size} at once an endpoint, {options.connections} "
        f"connections; latency at {options.rate:g}/s ({options.arrivals}, seed {options.seed})\n"
        f"{rounds} round{'s' * (rounds > 1)} in {took_s:.0f} s; {cores} cores: {placed}; "
        f"load {os.getloadavg()[0]:.1f}"
    )


def kept(options: Options, rows: Sequence[Summary], rounds: int) -> dict[str, Any]:
    """What `--json` writes and `--compare` reads."""
    return {
        "machine": {"python": platform.python_version(), "cores": os.cpu_count(), "load": os.getloadavg()},
        "options": asdict(options),
        "rounds": rounds,
        "scenarios": {row.name: asdict(row) for row in rows},
    }


def _options(given: argparse.Namespace) -> Options:
    return Options(
        quick=given.quick,
        batch_size=given.batch_size,
        payload_bytes=given.payload_bytes,
        rate=given.rate,
        arrivals=given.arrivals,
        seed=given.seed,
        connections=given.connections,
        only=tuple(given.only),
        watch=given.watch,
        workers=given.workers,
        cpu_quota=given.cpu_quota,
        settings=dict(given.setting),
    )


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"NAME=VALUE is wanted, not {text!r}")
    return name.upper(), value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks", description="Measures hookd from outside.")
    what = parser.add_argument_group("what is measured")
    what.add_argument("--quick", action="store_true", help="under a minute: the scenarios marked quick, all short")
    what.add_argument("--only", action="append", choices=SCENARIOS, default=[], metavar="SCENARIO", help="repeatable")
    what.add_argument("--list", action="store_true", help="say what scenarios there are, and end")
    what.add_argument("--repeat", type=int, default=1, metavar="N", help="rounds; medians are shown, all are kept")
    kept = parser.add_argument_group("what becomes of it")
    kept.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    kept.add_argument("--compare", type=Path, nargs=2, metavar=("A", "B"), help="show two such files, and end")
    what.add_argument(
        "--against", type=Path, metavar="HOOKD", help="the program of another build: both in turns, then compared (A)"
    )
    load = parser.add_argument_group("the load")
    load.add_argument("--connections", type=int, default=64, metavar="N", help="of the load (64)")
    load.add_argument("--payload-bytes", type=int, default=1000, metavar="N", help="(1000)")
    load.add_argument("--rate", type=float, default=1000, metavar="N", help="deliveries/s for latency (1000)")
    load.add_argument("--arrivals", choices=ARRIVALS, default=ARRIVALS[0], help="how they are spaced (poisson)")
    load.add_argument("--seed", type=int, default=1, metavar="N", help="of the spacing (1)")
    load.add_argument("--watch", action="store_true", help="somebody reads the live stream all the while")
    daemon = parser.add_argument_group("the daemon")
    daemon.add_argument("--batch-size", type=int, default=10, metavar="N", help="its TRIGGER_BATCH_SIZE (10)")
    daemon.add_argument("--workers", type=int, metavar="N", help="give `hookd up` this option")
    daemon.add_argument(
        "--setting", action="append", type=_setting, default=[], metavar="NAME=VALUE", help="repeatable"
    )
    daemon.add_argument("--cpu-quota", type=float, metavar="PERCENT", help="of a core, for each of its processes")
    return parser


if __name__ == "__main__":
    main()
