"""Everything that differs between two moments, found by one pass over the log.

Memory holds one partition's configuration and undelivered deliveries, and the keys of those that changed in between.
"""

from collections import Counter
from collections.abc import AsyncIterator, Mapping

import asyncpg
import msgspec

from daemon.audit.as_of import Progress, bounded_fold, events, positions
from events.append import DeliveryKey
from events.catalogue import MessageAccepted, PartitionTaken
from events.delivery import DeliveryState
from events.envelope import Recorded
from events.fold import Fold
from events.history import place
from events.past import KINDS, plain
from events.when import Position, When
from events.world import Entity

NEW = "new"
"""Where a delivery stood before it was: in no state at all."""


class Step(msgspec.Struct, frozen=True, gc=False):
    """An event, by its envelope."""

    position: str
    at: str
    actor: str
    type: str


class Changed(msgspec.Struct, frozen=True):
    """A thing that came, went, or reads otherwise. `how`: created, changed, deleted, created and deleted."""

    partition: int
    kind: str
    id: str
    how: str
    fields: dict[str, tuple[object, object]]  # name → before, after
    by: list[Step]


class Moved(msgspec.Struct, frozen=True):
    """Deliveries to one endpoint that are in another state than before."""

    partition: int
    endpoint: str
    moves: dict[str, list[str]]  # "pending → delivered" → the messages

    @property
    def counts(self) -> Counter[str]:
        """How many of each."""
        return Counter({move: len(messages) for move, messages in self.moves.items()})


async def bounds(connection: asyncpg.Connection, start: When, end: When) -> tuple[dict[int, int], dict[int, int]]:
    """From where to where in each partition; if one of the two is a position, in that partition alone. Misplaced."""
    named = next((each.partition for each in (start, end) if isinstance(each, Position)), None)
    if named is None:
        return await positions(connection, start), await positions(connection, end)
    first, last = await place(connection, named, start), await place(connection, named, end)
    return {named: first.seq}, {named: last.seq}


async def everything(
    connection: asyncpg.Connection, start: Mapping[int, int], end: Mapping[int, int], progress: Progress
) -> AsyncIterator[Changed | Moved]:
    """What differs between two positions of each partition. What Fold raises."""
    for partition, last in end.items():
        fold, first = bounded_fold(), start.get(partition, 0)
        async for raw in events(connection, partition, 0, first, progress):
            fold.take_raw(raw)
        between = _Between(fold)
        async for raw in events(connection, partition, first, last, progress):
            between.take(raw.recorded())
        for changed in between.changed():
            yield changed
        for moved in between.moved():
            yield moved


class _Between:
    """Goes on with a fold and notes what was before."""

    def __init__(self, fold: Fold) -> None:
        self._fold = fold
        self._entities: dict[str, Entity | None] = {}
        self._by: dict[str, list[Step]] = {}
        self._deliveries: dict[DeliveryKey, str] = {}

    def take(self, recorded: Recorded) -> None:
        fold, event = self._fold, recorded.event
        if recorded.version == 0 or isinstance(event, PartitionTaken):
            pass  # changes no state
        elif isinstance(event, MessageAccepted):
            for endpoint in event.endpoints:
                self._deliveries[recorded.partition, recorded.stream, endpoint] = NEW
        elif recorded.endpoint is not None:
            key = (recorded.partition, recorded.stream, recorded.endpoint)
            if key not in self._deliveries and (before := fold.deliveries.get(key)) is not None:
                self._deliveries[key] = before.state
        else:
            self._entities.setdefault(recorded.stream, fold.entities.get(recorded.stream))
            place, kind = f"{recorded.partition}/{recorded.seq}", type(event).__name__
            step = Step(place, recorded.at.isoformat(), recorded.actor, kind)
            self._by.setdefault(recorded.stream, []).append(step)
        fold.take(recorded)

    def changed(self) -> list[Changed]:
        found = []
        for identifier, before in self._entities.items():
            after = self._fold.entities[identifier]
            how, fields = _how(before, after), _fields(before, after)
            found.append(Changed(after.partition, KINDS[type(after)], identifier, how, fields, self._by[identifier]))
        return sorted(found, key=lambda each: (each.kind, each.id))

    def moved(self) -> list[Moved]:
        partition, by_endpoint = 0, dict[str, dict[str, list[str]]]()
        for key, before in self._deliveries.items():
            now = self._fold.deliveries.get(key)
            after = DeliveryState.DELIVERED if now is None else now.state
            if after == before:
                continue
            partition, message, endpoint = key
            by_endpoint.setdefault(endpoint, {}).setdefault(f"{before} → {after}", []).append(message)
        return [Moved(partition, endpoint, moves) for endpoint, moves in sorted(by_endpoint.items())]


def _how(before: Entity | None, after: Entity) -> str:
    gone = getattr(after, "deleted_at", None) is not None
    if before is None:
        return "created and deleted" if gone else "created"
    return "deleted" if gone else "changed"


def _fields(before: Entity | None, after: Entity) -> dict[str, tuple[object, object]]:
    was, now = {} if before is None else plain(before), plain(after)
    return {name: (was.get(name), value) for name, value in now.items() if was.get(name) != value}
