"""All states, from the log alone: what the tables of `state` must hold. Pure.

The tables are written in the same transaction as the events, so a fold of the whole log and the tables are the same
thing told twice. Whoever wants to know whether the database is whole compares the two.

Memory grows with what is there (the configuration, what is undelivered), not with the length of the log, as long as
messages are handed over instead of kept. What was delivered is forgotten: should it be sent again, it comes back by
what that event says of it, and that it was accepted and delivered before is not checked here.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from events import codec, delivery
from events.append import DeliveryKey
from events.catalogue import DeliveryResent, Event, MessageAccepted, PartitionTaken
from events.delivery import MOVES, Delivery, DeliveryState, returned
from events.envelope import Recorded
from events.leaf import RawEvent
from events.message import Message, born
from events.world import EVOLVE, Entity

MessageKey = tuple[int, str, str]  # partition, application, message

_CHANGING: Final = frozenset({MessageAccepted, *EVOLVE, *(event for _, event in MOVES)})
"""The events that change a state: none of them may pass for one that does not."""

_DELIVERED_FROM: Final[Mapping[type[Event], tuple[DeliveryState, ...]]] = {
    event: tuple(
        before for (before, each), after in MOVES.items() if (each, after) == (event, DeliveryState.DELIVERED)
    )
    for _, event in MOVES
}
"""Event → the states out of which it delivers: what a delivery comes to then is not kept, so not worked out."""
_RETURN_VERSION_MIN: Final = 3  # accepted, delivered, sent again


class BrokenLog(AssertionError):
    """A position or a version is missing or repeated: the log was tampered with, or is not the whole of it."""


class Fold:
    """Takes the events of each partition in their order; partitions may come in any order, also mixed.

    With `on_message`, messages are handed over, each with the event that accepted it, and not kept: one that is
    accepted twice is then for the receiver to find, unless a delivery of the first is still there. `on_purge` hears
    of the facts that change no state (their version is 0).
    """

    def __init__(
        self,
        recorded: Iterable[Recorded] = (),
        *,
        on_message: Callable[[Recorded, Message], None] | None = None,
        on_purge: Callable[[Recorded], None] | None = None,
    ) -> None:
        self.positions: dict[int, int] = {}  # partition → the last event taken
        self.entities: dict[str, Entity] = {}  # deleted ones too: their rows stay
        self.messages: dict[MessageKey, Message] = {}  # none, when they are handed over
        self.deliveries: dict[DeliveryKey, Delivery] = {}  # delivered ones left out: their rows go
        self._born: dict[DeliveryKey, int] = {}  # not tried yet → where it was accepted
        self.accepted = 0
        self.delivered = 0  # and not sent again since
        self.purges = 0
        self._on_message = on_message or self._keep
        self._on_purge = on_purge
        for each in recorded:
            self.take(each)

    def untried(self, settled: Mapping[int, int]) -> set[DeliveryKey]:
        """Deliveries not tried yet that were accepted beyond these positions: these may have no row."""
        return {key for key, seq in self._born.items() if seq > settled.get(key[0], 0)}

    def take(self, recorded: Recorded) -> None:
        """Fold one event, the next of its partition. BrokenLog; delivery.IllegalMove."""
        self._advance(recorded)
        event = recorded.event
        if recorded.version == 0 and type(event) not in _CHANGING:
            self.purges += 1
            if self._on_purge is not None:
                self._on_purge(recorded)
        elif isinstance(event, MessageAccepted):
            self._accept(recorded, event)
        elif recorded.endpoint is not None:
            self._move(recorded, recorded.endpoint, event)
        elif not isinstance(event, PartitionTaken):  # ownership is not state: it lives in the head rows
            self._change(recorded, event)

    def take_raw(self, raw: RawEvent) -> None:
        """The same from a row; most events need no more than their row. codec.UnreadableEvent besides."""
        if raw.endpoint is None or raw.version == 0:
            self.take(raw.recorded())
        else:
            self._advance(raw)
            self._move(raw, raw.endpoint, codec.decode(raw.type, raw.schema, raw.body))

    def _advance(self, place: Recorded | RawEvent) -> None:
        expected = self.positions.get(place.partition, 0) + 1
        if place.seq != expected:
            raise BrokenLog(f"partition {place.partition}: {place.seq} stands where {expected} should")
        self.positions[place.partition] = expected

    def _accept(self, recorded: Recorded, event: MessageAccepted) -> None:
        message, deliveries = born(recorded, event, recorded.at)
        if recorded.version != 1:
            raise _wrong_version(recorded, event, 0)
        for each in deliveries:
            key = (each.partition, each.message, each.endpoint)
            if key in self.deliveries:
                raise BrokenLog(f"message {message.id} is accepted twice")
            self.deliveries[key] = each
            self._born[key] = recorded.seq
        self.accepted += 1
        self._on_message(recorded, message)

    def _keep(self, _: Recorded, message: Message) -> None:
        key = (message.partition, message.application, message.id)
        if key in self.messages:
            raise BrokenLog(f"message {message.id} is accepted twice")
        self.messages[key] = message

    def _move(self, place: Recorded | RawEvent, endpoint: str, event: Event) -> None:
        key = (place.partition, place.stream, endpoint)
        before = self.deliveries.get(key)
        if before is None:
            if isinstance(event, DeliveryResent) and place.version >= _RETURN_VERSION_MIN and self.delivered:
                self.deliveries[key] = returned(*key, place.version, event)
                self.delivered -= 1
                return
            raise BrokenLog(f"{_at(place, event)}: there is no such delivery, or it is delivered already")
        if place.version != before.version + 1:
            raise _wrong_version(place, event, before.version)
        self._born.pop(key, None)
        if before.state in _DELIVERED_FROM.get(type(event), ()):
            del self.deliveries[key]
            self.delivered += 1
        else:
            self.deliveries[key] = delivery.evolve(before, event)

    def _change(self, recorded: Recorded, event: Event) -> None:
        before = self.entities.get(recorded.stream)
        version = before.version if before is not None else 0
        if recorded.version != version + 1:
            raise _wrong_version(recorded, event, version)
        evolve = EVOLVE.get(type(event))
        if evolve is None:
            raise BrokenLog(f"{_at(recorded, event)}: it says nothing of the endpoint")
        self.entities[recorded.stream] = evolve(before, event, recorded.stream, recorded.partition, recorded.at)


def _wrong_version(place: Recorded | RawEvent, event: Event, before: int) -> BrokenLog:
    return BrokenLog(f"{_at(place, event)}: version {place.version} follows {before}")


def _at(place: Recorded | RawEvent, event: Event) -> str:
    return f"({place.partition}, {place.seq}) {type(event).__name__} of {place.stream}"
