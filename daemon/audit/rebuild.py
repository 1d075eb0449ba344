"""Folds the whole log into fresh state tables beside the live ones, compares, and swaps them when asked.

All of it is one transaction in one snapshot: it leaves everything new behind, or nothing. It appends nothing and
sends nothing. A swap locks the heads first and wants no daemon at work: one that runs has the old state in memory,
and its deliveries would wait all the while.
"""

from collections.abc import Callable
from typing import Final

import asyncpg
import msgspec

from daemon.audit import shadow, state_rows
from daemon.audit.snapshot import PATIENT, Connect
from events import leaf, replay
from events.append import DeliveryKey
from events.fold import BrokenLog, Fold
from events.message import Message, named
from events.world import Entity

_LOCK: Final = "select from log.head order by partition for update"
_OWNERS: Final = """
  select distinct h.owner from log.head h join log.process p on p.name = h.owner
  where p.seen_until > now() order by 1"""
_MENTION: Final = f"""
  insert into {shadow.SCHEMA}.mention
  select m.* from log.head h cross join lateral log.mentions(h.partition, 0, h.seq) m"""  # noqa: S608
# Sorting and hashing whole tables is the work here, unlike in the daemon's own sessions.
_WORKING: Final = {
    **PATIENT,
    "enable_seqscan": "on",
    "enable_hashjoin": "on",
    "enable_sort": "on",
    "work_mem": "64MB",
}


class InUse(Exception):
    """A daemon is at work on this database; the text names it."""


class Rebuilt(msgspec.Struct):
    """What was folded, and by table how many rows only the live one had, and only the fold."""

    events: int = 0
    messages: int = 0
    undelivered: int = 0
    entities: int = 0
    differences: dict[str, tuple[int, int]] = {}
    swapped: bool = False


async def rebuild(
    connect: Connect, *, swap: bool = False, progress: Callable[[int, int], None] = lambda _done, _all: None
) -> Rebuilt:
    """Fold, compare, and swap if asked. InUse; BrokenLog and IllegalMove when the log itself does not hold.

    `progress` hears (events done, all).
    """
    writing = await connect(_WORKING)
    try:
        streaming = await connect(PATIENT)
        try:
            return await _within(writing, streaming, swap=swap, progress=progress)
        finally:
            await streaming.close()
    finally:
        await writing.close()


async def _within(
    writing: asyncpg.Connection, streaming: asyncpg.Connection, *, swap: bool, progress: Callable[[int, int], None]
) -> Rebuilt:
    transaction = writing.transaction(isolation="repeatable_read")
    await transaction.start()
    try:
        if swap:
            await _exclude(writing)
        name = await writing.fetchval("select pg_export_snapshot()")
        async with streaming.transaction(isolation="repeatable_read", readonly=True):
            await streaming.execute(f"set transaction snapshot '{name}'")
            names = await shadow.make(writing)
            rebuilt = await _fold(writing, streaming, progress)
        await writing.execute(_MENTION)
        await shadow.index(writing)
        rebuilt.differences = await shadow.differences(writing, names)
        if swap:
            await shadow.swap(writing, names)
            rebuilt.swapped = True
    except BaseException:
        await transaction.rollback()
        raise
    await (transaction.commit() if swap else transaction.rollback())
    return rebuilt


async def _exclude(writing: asyncpg.Connection) -> None:
    """Nobody appends from here to the end. The first statement: the snapshot must see what was appended before."""
    await writing.execute(_LOCK)
    owners = [row[0] for row in await writing.fetch(_OWNERS)]
    if owners:
        raise InUse(
            f"{', '.join(owners)} is at work on this database: stop it first, it keeps the old state in memory"
        )


async def _without_rows(writing: asyncpg.Connection, untried: set[DeliveryKey]) -> set[DeliveryKey]:
    """Those of them that need no row and have none: only the tail of a log can have such."""
    return {key for key in untried if not await state_rows.has_delivery(writing, key)}


async def _fold(
    writing: asyncpg.Connection, streaming: asyncpg.Connection, progress: Callable[[int, int], None]
) -> Rebuilt:
    """Partition by partition: memory grows with what is undelivered in one, not with the log."""
    rebuilt = Rebuilt()
    heads, settled = await replay.heads(writing), await replay.settled(writing)
    entities: list[Entity] = []
    accepted: list[Message] = []
    for partition in heads:
        fold = Fold(on_message=lambda _, message: accepted.append(message))

        async def take(records: list[bytes], fold: Fold = fold) -> None:
            for record in records:
                fold.take_raw(leaf.parse(record))
            rebuilt.events += len(records)
            rebuilt.messages += len(accepted)
            await state_rows.write(writing, named(accepted), shadow.SCHEMA)
            accepted.clear()
            progress(rebuilt.events, sum(heads.values()))

        await replay.scan(streaming, partition, take)
        rowless = await _without_rows(writing, fold.untried(settled))
        await state_rows.write(
            writing, (each for key, each in fold.deliveries.items() if key not in rowless), shadow.SCHEMA
        )
        rebuilt.undelivered += len(fold.deliveries)
        entities += fold.entities.values()
    for message in await replay.accepted_twice(writing):
        raise BrokenLog(f"message {message} is accepted twice")
    rebuilt.entities = len(entities)
    for kind in {type(each) for each in entities}:
        await state_rows.write(writing, [each for each in entities if type(each) is kind], shadow.SCHEMA)
    return rebuilt
