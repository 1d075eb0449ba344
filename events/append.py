"""What one append writes, gathered: facts, and the states they lead to. Pure.

Several steps of one delivery or entity in the same append become one row: the version it had, its last state.
"""

from collections.abc import Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Final

import msgspec

from events.content import Body
from events.delivery import Delivery, DeliveryState
from events.envelope import Fact, Recorded, is_config
from events.message import Message
from events.world import Entity

DeliveryKey = tuple[int, str, str]  # partition, message, endpoint
Birth = tuple[int, datetime, int]  # of an acceptance: position, moment, retention days
Births = Mapping[tuple[str, str], Birth]
"""Deliveries without a row, by message and endpoint."""
Waiting = tuple[int, str, str, datetime, int]
"""A delivery that gets its row: its key, moment and retention days of its acceptance."""
NO_ROWS: Final[Births] = MappingProxyType({})
UNKNOWN: Final = -1
_DELIVERED: Final = DeliveryState.DELIVERED  # on the path of every delivery, where Python 3.11 is slow to look it up


class Caused(msgspec.Struct, frozen=True, gc=False):
    """A fact, who caused it, and the request that led to it."""

    fact: Fact
    actor: str
    request: str | None


class Append:
    """One transaction's worth of facts and states."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.caused: list[Caused] = []
        self.epochs: dict[int, int] = {}  # partition → the epoch its outcomes were obtained under
        self.known: dict[int, int] = {}  # partition → the position up to which its configuration was known
        self.config: dict[int, int] = {}  # partition → the place among its new events of the last of configuration
        self.news: str | None = None  # what other processes are told
        self.settled: dict[int, int] = {}  # partition → up to where all have rows, as far as known; then: indeed
        self.untried: Mapping[int, Births] = MappingProxyType({})  # partition → its deliveries beyond that
        self.settle: dict[int, int] = {}  # partition → up to where all of them get their rows now
        self.waiting: list[Waiting] = []  # those and others
        self.accepted: list[tuple[Message, bytes]] = []
        self.payload_bytes = 0
        self.births = 0  # deliveries
        self.moved: dict[DeliveryKey, tuple[int, Delivery]] = {}  # → the version it had, its state now
        self.returned: dict[DeliveryKey, tuple[int, Delivery]] = {}  # the same; delivered before, so without a row
        self.entities: dict[str, tuple[int, Entity]] = {}  # id → the version it had (0: new), its state now
        self.responses: list[tuple[int, date, bytes]] = []  # index into `caused`, the last day it is kept, body
        self.secrets: list[tuple[int, str, str, bytes]] = []  # partition, owner, id, sealed
        self.retired: list[tuple[int, str, str, datetime]] = []  # partition, owner, id, until when it is still good
        self.expunged: list[Body] = []  # are there still, and go
        self.dropped: list[date] = []  # days that are over: all that lies under them goes
        self._counts: dict[int, int] = {}  # partition → how many events it gets

    def __len__(self) -> int:
        """Rows, roughly: what bounds a batch."""
        return len(self.caused) + self.births + len(self.expunged) + len(self.dropped)

    def add(self, fact: Fact, actor: str, request: str | None) -> None:
        """A fact, in the order in which it is to stand in the log."""
        self.caused.append(Caused(fact, actor, request))
        partition = fact.partition
        self._counts[partition] = nth = self._counts.get(partition, 0) + 1
        if is_config(fact):
            self.config[partition] = nth

    def accept(self, message: Message, payload: bytes) -> None:
        """A message comes into the world, with what it carries."""
        self.accepted.append((message, payload))
        self.births += message.deliveries
        self.payload_bytes += len(payload)

    def move(self, before: Delivery, after: Delivery) -> None:
        """A delivery goes from one state to another."""
        key = (before.partition, before.message, before.endpoint)
        if key in self.moved:
            self.moved[key] = (self.moved[key][0], after)
        elif before.state is not _DELIVERED and key not in self.returned:
            self.moved[key] = (before.version, after)
        else:
            was = self.returned[key][0] if key in self.returned else before.version
            self.returned[key] = (was, after)

    def latest(self, delivery: Delivery) -> Delivery:
        """Where a delivery stands by now: this append may have moved it on since it was read."""
        key = (delivery.partition, delivery.message, delivery.endpoint)
        moved = self.moved.get(key) or (self.returned.get(key) if self.returned else None)
        return moved[1] if moved else delivery

    def change(self, before: Entity | None, after: Entity) -> None:
        """An entity of the configuration goes from one state to another."""
        known = self.entities.get(after.id)
        was = known[0] if known else before.version if before else 0
        self.entities[after.id] = (was, after)

    def delivered(self) -> list[tuple[int, Delivery]]:
        """Deliveries whose row goes: the version it had, and the last state."""
        return [pair for pair in self.moved.values() if pair[1].state is _DELIVERED]

    def undelivered(self) -> list[tuple[int, Delivery]]:
        """Deliveries whose row stays: the version it had, and the new state."""
        return [pair for pair in self.moved.values() if pair[1].state is not _DELIVERED]

    def back(self) -> list[tuple[int, Delivery]]:
        """Deliveries that had no row: the version they had when they were delivered, and the new state.

        One that is delivered once more in the same append gets no row either.
        """
        return list(self.returned.values())

    def is_untried(self, delivery: Delivery) -> bool:
        """Whether it had no row before this append, as far as known."""
        return (delivery.message, delivery.endpoint) in self.untried.get(delivery.partition, NO_ROWS)

    def accepts(self, delivery: Delivery) -> bool:
        """Whether its message is accepted here."""
        return any(message.id == delivery.message for message, _ in self.accepted)

    def days(self) -> set[date]:
        """The days under which its bodies are to lie."""
        return {message.last_day for message, _ in self.accepted} | {day for _, day, _ in self.responses}

    def heads(self) -> dict[int, int]:
        """How many events each partition gets, in the order in which their head rows are to be locked."""
        counts = self._counts
        if self.settle or self.waiting:
            counts = dict.fromkeys((*self.settle, *(each[0] for each in self.waiting)), 0) | counts
        return dict(sorted(counts.items()))

    def recorded(self, base: dict[int, int]) -> list[Recorded]:
        """The facts as they stand in the log. `base`: partition → the position before its first new event."""
        position = dict(base)
        out = []
        for caused in self.caused:
            fact = caused.fact
            seq = position[fact.partition] = position[fact.partition] + 1
            out.append(
                Recorded(
                    fact.partition,
                    seq,
                    self.now,
                    fact.stream,
                    fact.endpoint,
                    fact.version,
                    caused.actor,
                    caused.request,
                    fact.event,
                )
            )
        return out
