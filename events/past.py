"""What one thing was, and how it changed: the fold of its own stream alone, up to some position. Pure.

Unlike the fold of the whole log it keeps delivered deliveries, and it takes the events of one stream only, so it
cannot see whether the log has gaps.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import msgspec
from msgspec.structs import fields

from events import delivery
from events.admin import Admin
from events.application import Application
from events.catalogue import Event, MessageAccepted
from events.delivery import Delivery
from events.endpoint import Endpoint
from events.envelope import Recorded
from events.event_type import EventType
from events.message import Message, born
from events.world import EVOLVE, Entity

State = Entity | Message | Delivery

KINDS: Final[Mapping[type[State], str]] = {
    Application: "application",
    Endpoint: "endpoint",
    EventType: "event_type",
    Admin: "admin",
    Message: "message",
    Delivery: "delivery",
}
BY_ENDPOINT: Final = "by_endpoint"
_KEYS: Final = frozenset(
    {"partition", "message", "endpoint"}
)  # a delivery's, which its message's state need not repeat


class Standing(StrEnum):
    """Whether there is such a thing."""

    NOT_YET = "not_yet"
    LIVE = "live"
    DELETED = "deleted"


class Thing(msgspec.Struct, frozen=True):
    """Something that has a history: a stream, a delivery (its message's stream and its endpoint), or an attempt."""

    partition: int
    stream: str
    endpoint: str | None = None
    seq: int | None = None  # of an attempt: where it stands

    @property
    def id(self) -> str:
        """How people name it; of an attempt, its delivery."""
        return self.stream if self.endpoint is None else f"{self.stream}/{self.endpoint}"


class Past:
    """Takes the events of one stream in order; for a delivery, its message's acceptance and its own events."""

    def __init__(self, thing: Thing, recorded: Iterable[Recorded] = ()) -> None:
        self.thing = thing
        self.first: Recorded | None = None
        self.last: Recorded | None = None
        self.entity: Entity | None = None
        self.message: Message | None = None
        self.deliveries: dict[str, Delivery] = {}  # by endpoint, delivered ones too
        for each in recorded:
            self.take(each)

    @property
    def standing(self) -> Standing:
        """Whether it is there."""
        if self._subject is None:
            return Standing.NOT_YET
        return Standing.LIVE if self.deleted_at is None else Standing.DELETED

    @property
    def deleted_at(self) -> datetime | None:
        """When it was deleted."""
        return getattr(self._subject, "deleted_at", None)

    @property
    def kind(self) -> str | None:
        """What it is, in one word; None while there is nothing."""
        return None if self._subject is None else KINDS[type(self._subject)]

    @property
    def state(self) -> dict[str, Any] | None:
        """Its fields as JSON has them; a message's deliveries stand in `by_endpoint`. Never a secret: only ids."""
        if self._subject is None:
            return None
        written = plain(self._subject)
        if isinstance(self._subject, Message):
            written[BY_ENDPOINT] = {
                endpoint: {name: value for name, value in plain(each).items() if name not in _KEYS}
                for endpoint, each in self.deliveries.items()
            }
        return written

    @property
    def _subject(self) -> State | None:
        if self.thing.endpoint is not None:
            return self.deliveries.get(self.thing.endpoint)
        return self.message or self.entity

    def take(self, recorded: Recorded) -> list[str]:
        """Fold one event; answers the fields it changed, as `flat` names them. IllegalMove; AssertionError."""
        if self.first is None:
            self.first = recorded
        self.last = recorded
        match recorded.event:
            case _ if recorded.version == 0:  # a fact that changes no state
                return []
            case MessageAccepted() as accepted:
                return self._accept(recorded, accepted)
            case event if recorded.endpoint is not None:
                return self._move(recorded.endpoint, event)
            case event if type(event) in EVOLVE:
                before, kind = self.entity, EVOLVE[type(event)]
                self.entity = kind(before, event, recorded.stream, recorded.partition, recorded.at)
                return _differing(before, self.entity)
        return []

    def _accept(self, recorded: Recorded, event: MessageAccepted) -> list[str]:
        self.message, deliveries = born(recorded, event, recorded.at)
        self.deliveries = {each.endpoint: each for each in deliveries if self.thing.endpoint in (None, each.endpoint)}
        return list(flat(self.state))

    def _move(self, endpoint: str, event: Event) -> list[str]:
        before = self.deliveries.get(endpoint)
        if before is None:
            raise delivery.IllegalMove(
                f"{type(event).__name__} of {self.thing.stream}/{endpoint}, which is no delivery"
            )
        self.deliveries[endpoint] = after = delivery.evolve(before, event)
        prefix = "" if self.thing.endpoint is not None else f"{BY_ENDPOINT}.{endpoint}."
        return [prefix + name for name in _differing(before, after)]


class Change(msgspec.Struct, frozen=True):
    """A field that reads otherwise than before, and the events that wrote it in between."""

    field: str
    before: Any
    after: Any
    by: list[Recorded]


class Difference(msgspec.Struct, frozen=True):
    """One thing at two positions, and every event in between."""

    was: Standing
    now: Standing
    kind: str | None
    changes: list[Change]
    events: list[Recorded]


def difference(thing: Thing, recorded: Iterable[Recorded], after: int) -> Difference:
    """How a thing differs from what it was at position `after`; `recorded` are its events up to where it is now."""
    past, events = Past(thing), list(recorded)
    for each in events:
        if each.seq <= after:
            past.take(each)
    was, before = past.standing, flat(past.state)
    since = [each for each in events if each.seq > after]
    by: dict[str, list[Recorded]] = {}
    for each in since:
        for name in past.take(each):
            by.setdefault(name, []).append(each)
    now = flat(past.state)
    names = dict.fromkeys((*now, *before))
    changes = [
        Change(name, before.get(name), now.get(name), by.get(name, []))
        for name in names
        if before.get(name) != now.get(name)
    ]
    return Difference(was, past.standing, past.kind, changes, since)


def plain(state: State) -> dict[str, Any]:
    """A state as JSON has it: moments as text (RFC 3339), tuples as lists."""
    written: dict[str, Any] = msgspec.to_builtins(state)
    return written


def flat(state: Mapping[str, Any] | None) -> dict[str, Any]:
    """A state without depth: what stands within a message's deliveries is named `by_endpoint.<endpoint>.<field>`."""
    return dict(_flat(state or {}))


def _flat(state: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in state.items():
        if name != BY_ENDPOINT:
            yield name, value
            continue
        for endpoint, of_delivery in value.items():
            for field, inner in of_delivery.items():
                yield f"{BY_ENDPOINT}.{endpoint}.{field}", inner


def _differing(before: State | None, after: State) -> list[str]:
    names = [each.name for each in fields(after)]
    return [name for name in names if before is None or getattr(before, name) != getattr(after, name)]
