"""All states, from the log alone: what the tables of `state` must hold. Pure.

The tables are written in the same transaction as the events, so a fold of the whole log and the tables are the same
thing told twice. Whoever wants to know whether the database is whole compares the two.
"""

from collections.abc import Iterable

from events import delivery
from events.append import DeliveryKey
from events.catalogue import Event, MessageAccepted, PartitionTaken
from events.delivery import Delivery, DeliveryState
from events.envelope import Recorded
from events.message import Message, born
from events.world import EVOLVE, Entity

MessageKey = tuple[int, str, str]  # partition, application, message


class BrokenLog(AssertionError):
    """A position or a version is missing or repeated: the log was tampered with, or is not the whole of it."""


class Fold:
    """Takes the events of each partition in their order; partitions may come in any order, also mixed."""

    def __init__(self, recorded: Iterable[Recorded] = ()) -> None:
        self.positions: dict[int, int] = {}  # partition → the last event taken
        self.entities: dict[str, Entity] = {}  # deleted ones too: their rows stay
        self.messages: dict[MessageKey, Message] = {}
        self.deliveries: dict[DeliveryKey, Delivery] = {}  # delivered ones left out: their rows go
        self.delivered = 0
        for each in recorded:
            self.take(each)

    def take(self, recorded: Recorded) -> None:
        """Fold one event, the next of its partition. BrokenLog; delivery.IllegalMove."""
        expected = self.positions.get(recorded.partition, 0) + 1
        if recorded.seq != expected:
            raise BrokenLog(f"partition {recorded.partition}: {recorded.seq} stands where {expected} should")
        self.positions[recorded.partition] = recorded.seq
        match recorded.event:
            case PartitionTaken():
                pass  # ownership is not state: it lives in the head rows
            case MessageAccepted() as accepted:
                self._accept(recorded, accepted)
            case event if recorded.endpoint is not None:
                self._move(recorded, recorded.endpoint, event)
            case event:
                self._change(recorded, event)

    def _accept(self, recorded: Recorded, event: MessageAccepted) -> None:
        message, deliveries = born(recorded, event, recorded.at)
        _expect_version(recorded, 0)
        key = (message.partition, message.application, message.id)
        if key in self.messages:
            raise BrokenLog(f"message {message.id} is accepted twice")
        self.messages[key] = message
        for each in deliveries:
            self.deliveries[each.partition, each.message, each.endpoint] = each

    def _move(self, recorded: Recorded, endpoint: str, event: Event) -> None:
        key = (recorded.partition, recorded.stream, endpoint)
        before = self.deliveries.get(key)
        if before is None:
            raise BrokenLog(f"{_place(recorded)}: there is no such delivery, or it is delivered already")
        _expect_version(recorded, before.version)
        after = delivery.evolve(before, event)
        if after.state is DeliveryState.DELIVERED:
            del self.deliveries[key]
            self.delivered += 1
        else:
            self.deliveries[key] = after

    def _change(self, recorded: Recorded, event: Event) -> None:
        before = self.entities.get(recorded.stream)
        _expect_version(recorded, before.version if before is not None else 0)
        evolve = EVOLVE[type(event)]
        self.entities[recorded.stream] = evolve(before, event, recorded.stream, recorded.partition, recorded.at)


def _expect_version(recorded: Recorded, before: int) -> None:
    if recorded.version != before + 1:
        raise BrokenLog(f"{_place(recorded)}: version {recorded.version} follows {before}")


def _place(recorded: Recorded) -> str:
    return f"({recorded.partition}, {recorded.seq}) {type(recorded.event).__name__} of {recorded.stream}"
