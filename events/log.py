"""What the daemon asks of the log: appends, and ordered reads. `postgres.PostgresLog` answers it."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Protocol

import msgspec

from events.append import Append, DeliveryKey
from events.content import Body
from events.delivery import Delivery
from events.envelope import Recorded
from events.world import Entity


class Unavailable(Exception):
    """The database did not answer: whether the append happened is not known."""


class Stale(Exception):
    """A state or a name has moved on since it was read: read again, decide again."""


class Fenced(Exception):
    """These partitions have other owners by now: outcomes obtained before may not be recorded."""

    def __init__(self, partitions: frozenset[int]) -> None:
        super().__init__(f"partitions with other owners: {sorted(partitions)}")
        self.partitions = partitions


class Outdated(Exception):
    """In these partitions the configuration has moved on: learn it, decide again."""

    def __init__(self, partitions: frozenset[int]) -> None:
        super().__init__(f"partitions whose configuration has moved on: {sorted(partitions)}")
        self.partitions = partitions


class Blocked(Exception):
    """A table that is to go is used by somebody else just now: nothing was written, try again later."""


class Ownership(msgspec.Struct, frozen=True):
    """A partition taken: outcomes are recorded under `epoch`; `seq` is its last position at that moment."""

    partition: int
    epoch: int
    seq: int
    previous: str | None


class Head(msgspec.Struct, frozen=True):
    """How far a partition is, and who owns it. `config`: its last event of configuration."""

    partition: int
    seq: int
    config: int
    owner: str | None


class Roll(msgspec.Struct, frozen=True):
    """Who works on this log, by name in order, and on what. `asked`: another of them wants to know how all do."""

    processes: tuple[str, ...]
    heads: tuple[Head, ...]
    asked: bool = False


class Loaded(msgspec.Struct, frozen=True):
    """The configuration, and for each partition the position up to which all of it is in there."""

    entities: list[Entity]
    known: dict[int, int]


class SealedSecret(msgspec.Struct, frozen=True):
    """A secret as it lies in the table. Without `expires_at` it is current."""

    owner: str
    id: str
    sealed: bytes
    created_at: datetime
    expires_at: datetime | None


class Stored(msgspec.Struct, frozen=True):
    """What some messages of an application have of bodies. `until`: their highest id; `last`: accepted last."""

    until: str
    last: str
    bodies: tuple[Body, ...]


Stretch = tuple[int, int, int | None]
"""Of a partition, the events after a position and before another (None: to the end)."""


class Log(Protocol):
    """What the daemon asks of the log. Every method may raise Unavailable."""

    async def append(self, append: Append) -> list[Recorded]:
        """Write it all in one transaction, or nothing. Stale, Fenced, Outdated; Blocked if days are to be dropped."""

    async def load(self) -> Loaded:
        """Every entity of the configuration, deleted ones left out."""

    async def config(self, after: Mapping[int, int]) -> list[Recorded]:
        """Events of configuration after a position of their partition, in order."""

    async def read(self, stretches: Iterable[Stretch], limit: int) -> list[Recorded]:
        """The first `limit` events of each stretch of a partition, in order."""

    async def settle(self, partitions: Iterable[int] | None) -> None:
        """Give all deliveries of these partitions (None: all) that wait to be tried for the first time their rows.

        What reads rows here does so first, but for `due` and `ended`.
        """

    async def taken_event_ids(self, keys: Iterable[tuple[int, str, str]]) -> set[tuple[str, str]]:
        """Of (partition, application, event id), those (application, event id) that a message has already."""

    async def deliveries(self, keys: Iterable[DeliveryKey]) -> dict[DeliveryKey, Delivery]:
        """The rows of these deliveries; delivered ones have none."""

    async def stories(self, keys: Iterable[DeliveryKey]) -> dict[DeliveryKey, list[Recorded]]:
        """The events of these deliveries in order, those of their message before them."""

    async def ended(self, partition: int, endpoint: str, after: str, until: str, limit: int) -> list[Delivery]:
        """Deliveries of an endpoint that ended undelivered, `after` < message <= `until`, by message."""

    async def waiting(self, partition: int, endpoint: str) -> int:
        """How many deliveries of an endpoint are pending."""

    async def due(self, asked: Iterable[tuple[int, str, int]]) -> dict[str, list[Delivery]]:
        """Per (partition, endpoint, limit): its pending deliveries that have rows, soonest first, due or not."""

    async def pending(self, partitions: Iterable[int]) -> list[tuple[int, str, datetime]]:
        """(partition, endpoint, soonest due) of every endpoint with pending deliveries."""

    async def payloads(self, keys: Iterable[tuple[date, int, str]]) -> dict[str, bytes]:
        """Payloads by message; those that are gone are left out."""

    async def secrets(self, owners: Iterable[tuple[int, str]]) -> list[SealedSecret]:
        """The sealed secrets of these owners, newest first."""

    async def attend(
        self, name: str, lease_s: float, report: str | None = None, *, asks: bool = False, leaving: bool = False
    ) -> Roll:
        """Prolong the lease of a process; answers who else is there.

        `report` is JSON for those who ask another process; `asks` has all others give one. Whoever is `leaving` keeps
        what it owns until it gives it back, and is not on the roll.
        """

    async def told(self) -> dict[str, str]:
        """The last report of each process that is there and has given one, by name."""

    async def take(self, name: str, partitions: Iterable[int]) -> list[Ownership]:
        """Become the owner of those of these partitions that nobody alive owns."""

    async def release(self, name: str, partitions: Iterable[int]) -> None:
        """Give partitions back."""

    async def leave(self, name: str) -> None:
        """The process is gone: whatever it owned is free."""

    async def evict(self) -> None:
        """All processes are gone: whatever they owned is free."""

    async def hear(self, heard: Callable[[str], None]) -> None:
        """Pass on the news of other processes' appends, for ever."""

    async def prepare_days(self, days: Iterable[date]) -> int:
        """Make the tables of these days; answers how many were missing."""

    async def days(self) -> list[date]:
        """The days that have tables, in order."""

    async def count(self, day: date) -> dict[int, tuple[int, int]]:
        """Payloads and responses that lie under a day, by partition; those with none left out."""

    async def pending_until(self, day: date, partition: int, after: Delivery | None, limit: int) -> list[Delivery]:
        """Pending deliveries whose payload is kept no longer than `day`: a page, beyond the one given.

        Ordered by endpoint, moment due and message.
        """

    async def kept(self, asked: Iterable[Body]) -> list[Body]:
        """Those of these bodies that are there."""

    async def stored(self, partition: int, application: str, after: str, until: str, limit: int) -> Stored | None:
        """What the next `limit` messages of an application have of bodies: accepted behind `after`, id <= `until`.

        `after` is one of them, or empty. None: there are no more messages.
        """
