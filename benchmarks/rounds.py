"""Round after round of the scenarios, each on a hookd that begins anew; two builds in turns, if wanted."""

import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import asyncpg

from benchmarks.bench import Bench, Lost, Options, Skipped
from benchmarks.figures import Result
from benchmarks.process import Failed, Helper
from benchmarks.quota import NoQuota, Quota
from benchmarks.report import Progress
from benchmarks.scenarios import SCENARIOS
from benchmarks.subject import Subject

Rounds = list[list[Result]]


async def measure(
    builds: Sequence[Options], names: Sequence[str], rounds: int, progress: Progress, found: Sequence[Rounds]
) -> None:
    """Every scenario, round after round, so that what changes on the machine touches all of them.

    `found` has a place for each build, which gets the rows of each round as they come: what is there when it is
    stopped is shown.
    """
    for number in range(rounds):
        for each in found:
            each.append([])
        for together in _shares(names):
            for letter, options, rows in zip("AB", builds, found, strict=False):
                progress.lead = f"round {number + 1} of {rounds}: " if rounds > 1 else ""
                progress.lead += f"{letter}: " if len(builds) > 1 else ""
                await _together(options, together, progress, rows[-1])


def _shares(names: Sequence[str]) -> list[list[str]]:
    """Those that run one after the other on one hookd."""
    groups = [(shared, list(group)) for shared, group in groupby(names, key=lambda name: SCENARIOS[name].shared)]
    return [each for shared, group in groups for each in ([group] if shared else [[name] for name in group])]


async def _together(options: Options, names: list[str], progress: Progress, rows: list[Result]) -> None:
    """These on one hookd; after one that fails, the rest on another."""
    done = 0
    try:
        async with bench_of(options, progress) as bench:
            for name in names:
                rows += await _run(bench, name)
                done += 1
    except (Failed, NoQuota, AssertionError, OSError, asyncpg.PostgresError) as error:
        rows.append(Result(names[min(done, len(names) - 1)], failed=f"{type(error).__name__}: {str(error).strip()}"))
        if rest := names[done + 1 :]:
            await _together(options, rest, progress, rows)


async def _run(bench: Bench, name: str) -> list[Result]:
    try:
        return await SCENARIOS[name].run(bench)
    except Skipped as why:
        return [Result(name, skipped=str(why))]
    except Lost as lost:
        return [Result(name, lost=str(lost))]


@asynccontextmanager
async def bench_of(options: Options, progress: Progress) -> AsyncIterator[Bench]:
    """A new hookd with its receiver; all of it is gone afterwards. NoQuota."""
    with _scratch() as scratch:
        progress("starting hookd")
        settings = {"TRIGGER_BATCH_SIZE": str(options.batch_size), "STOP_GRACE_S": "0.5"} | options.settings
        subject = Subject(scratch / "home", workers=options.workers, program=options.program, **settings)
        quota = None if options.cpu_quota is None else Quota(options.cpu_quota)
        receiver, _ = await Helper.start("benchmarks.receiver")
        bench = Bench(subject, receiver, scratch, options, progress)
        bench.quota = quota
        try:
            async with subject, AsyncExitStack() as stack:
                if options.watch:
                    await stack.enter_async_context(bench.watched())
                yield bench
                progress("stopping hookd")
        finally:
            if quota is not None:
                quota.clear()
            await receiver.stop()


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hookd-benchmark-") as folder:
        Path(folder).chmod(0o711)  # as root the database runs as another account, which must be able to pass
        yield Path(folder)


def in_turns(options: Options, other: Path | None) -> list[Options]:
    """The build that this is, and the other one."""
    return [options] if other is None else [replace(options, program=str(other)), options]
