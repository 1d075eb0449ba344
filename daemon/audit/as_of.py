"""Everything there was at some moment: the fold of the log up to there, one partition after the other.

Memory holds one partition's configuration and undelivered deliveries, never the messages.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import datetime
from typing import Final

import asyncpg

from events import leaf, replay
from events.delivery import Delivery
from events.envelope import Recorded
from events.fold import Fold
from events.history import place
from events.leaf import RawEvent
from events.message import Message
from events.past import KINDS, State
from events.when import Position, When

Progress = Callable[[int], None]
"""Told of each page: so many events more have been read."""

_ORDER: Final = {kind: nth for nth, kind in enumerate(KINDS)}


async def positions(connection: asyncpg.Connection, when: When) -> dict[int, int]:
    """Up to where each partition is to be read; a position stands for its own partition alone. Misplaced."""
    if not isinstance(when, datetime):
        return {when.partition: (await place(connection, when.partition, when)).seq}
    return {partition: (await place(connection, partition, when)).seq for partition in await replay.heads(connection)}


async def everything(
    connection: asyncpg.Connection, upto: Mapping[int, int], progress: Progress
) -> AsyncIterator[tuple[Position, State]]:
    """Every live thing and every undelivered delivery, right after these positions. What Fold raises."""
    for partition, seq in upto.items():
        fold = bounded_fold()
        async for raw in events(connection, partition, 0, seq, progress):
            fold.take_raw(raw)
        for state in _living(fold):
            yield Position(partition, seq), state


async def events(
    connection: asyncpg.Connection, partition: int, after: int, upto: int, progress: Progress
) -> AsyncIterator[RawEvent]:
    """The events of a partition in order, `after` exclusive, `upto` inclusive."""
    if upto <= after:
        return
    async for page in replay.read(connection, partition, after, upto):
        for record in page:
            yield leaf.parse(record)
        progress(len(page))


def bounded_fold() -> Fold:
    """A fold that lets go of messages."""
    return Fold(on_message=_let_go)


def _let_go(_recorded: Recorded, _message: Message) -> None:
    return None


def _living(fold: Fold) -> Iterator[State]:
    living = [each for each in fold.entities.values() if getattr(each, "deleted_at", None) is None]
    yield from sorted(living, key=lambda each: (_ORDER[type(each)], each.id))
    yield from sorted(fold.deliveries.values(), key=_delivery_key)


def _delivery_key(delivery: Delivery) -> tuple[str, str]:
    return delivery.message, delivery.endpoint
