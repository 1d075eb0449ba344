"""`hookd doctor`: look at what hookd stands on, and say what to do about what is wrong."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import typer

from daemon.cli.common import Refused, run, sealer_of, settings_or_refuse, tilde

DISK_BYTES_MIN = 1 << 30


def doctor() -> None:
    """Check settings, data home, database, log and clock; exit status 1 if something needs attention."""
    settings = settings_or_refuse()
    typer.echo("ok    settings: every variable can be used")
    if not run(_examine(settings)):
        raise typer.Exit(1)


async def _examine(settings: Any) -> bool:
    well = True
    try:
        async for good, text in _findings(settings):
            well = well and good
            typer.echo(f"{'ok   ' if good else 'WRONG'} {text}")
    except Refused as refused:
        typer.echo(f"WRONG database: {refused}")
        return False
    return well


async def _findings(settings: Any) -> AsyncIterator[tuple[bool, str]]:
    from daemon.cli.database import opened
    from daemon.postgres.migrate import pending
    from daemon.postgres.scripts import load_migrations

    if settings.embedded:
        yield _home(settings.hookd_home)
    async with opened(settings, bare=True) as database, database.reading() as connection:
        version = await connection.fetchval("show server_version")
        yield True, f"database: PostgreSQL {version} answers"
        missing = await pending(connection, load_migrations())
        if missing:
            yield False, f"schema: {len(missing)} migrations are missing; `hookd up` applies them"
            return
        yield True, "schema: current"
        async for finding in _log(connection):
            yield finding
        async for finding in _seals(settings, database):
            yield finding


async def _log(connection: Any) -> AsyncIterator[tuple[bool, str]]:
    skew_s = await _clock_skew_s(connection)
    yield abs(skew_s) < 1, f"clock: {abs(skew_s):.3f} s {'behind' if skew_s > 0 else 'ahead of'} the database"
    gaps = await connection.fetchval(
        """select count(*) from log.head h where h.seq <>
           coalesce((select max(seq) from log.event e where e.partition = h.partition), 0)"""
    )
    yield gaps == 0, "log: every head stands at its last event" if not gaps else f"log: {gaps} heads are off"
    held = await connection.fetchrow(
        """select count(*) filter (where d.state = 'pending') as pending,
                  count(*) filter (where d.state <> 'pending') as ended
           from (select state from state.delivery limit 1000000) d"""
    )
    yield True, f"deliveries: {held['pending']} pending, {held['ended']} ended undelivered"
    async for finding in _processes(connection):
        yield finding


async def _processes(connection: Any) -> AsyncIterator[tuple[bool, str]]:
    """Who works on the log. That nobody does is no fault: hookd may be down."""
    processes = await connection.fetch(
        """select p.name, count(h.partition) as n,
                  extract(epoch from p.seen_until - clock_timestamp())::float8 as left_s
           from log.process p left join log.head h on h.owner = p.name group by p.name order by p.name"""
    )
    for row in processes:
        name, owned, left_s = row
        lease = f"lease good for {left_s:.1f} s" if left_s > 0 else f"lease ended {-left_s:.0f} s ago"
        yield left_s > 0 or not owned, f"process: {name}, {owned} partitions, {lease}"
    owned = sum(row["n"] for row in processes if row["left_s"] > 0)
    whole = await connection.fetchval("select count(*) from log.head")
    running = any(row["left_s"] > 0 for row in processes)
    free = f", {whole - owned} owned by nobody" if running and owned < whole else ""
    yield True, f"partitions: {owned} of {whole} owned by living processes{free}"


async def _seals(settings: Any, database: Any) -> AsyncIterator[tuple[bool, str]]:
    """Whether the trees stand as they were signed; `hookd audit verify` goes through every event."""
    from daemon.clock import SystemClock
    from daemon.notary import KeyLost, Notary
    from daemon.sealing import SealBroken

    notary = Notary(database.dedicated, sealer_of(settings), SystemClock())
    try:
        trees, wrong = await notary.examine()
    except (KeyLost, SealBroken) as error:
        yield False, f"seals: the log's key cannot be used: {error}"
        return
    finally:
        await notary.close()
    for partition, reason in wrong.items():
        yield False, f"seals: partition {partition} was tampered with: {reason}"
    unsealed = sum(max(tree.head - tree.size, 0) for tree in trees)
    if not wrong:
        yield True, f"seals: the last checkpoints hold, {unsealed} events wait for the next"


async def _clock_skew_s(connection: Any) -> float:
    from daemon.clock import SystemClock

    theirs = await connection.fetchval("select clock_timestamp()")
    skew: float = (theirs - SystemClock().now()).total_seconds()
    return skew


def _home(home: Path) -> tuple[bool, str]:
    free = shutil.disk_usage(home).free
    return free >= DISK_BYTES_MIN, f"data home: {tilde(home)}, {free / (1 << 30):.1f} GiB free"
