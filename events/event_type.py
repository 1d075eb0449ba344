"""An event type: a kind of message that an organization declares."""

from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from events.catalogue import Event, EventTypeCreated, EventTypeUpdated


class EventType(msgspec.Struct, frozen=True, gc=False):
    """The latest fold of an event type's stream, and its row in state.event_type."""

    partition: int
    id: str
    org: str
    name: str
    description: str
    archived: bool
    deprecated: bool
    schemas: dict[str, Any] | None
    feature_flag: str | None
    created_at: datetime
    updated_at: datetime
    version: int = 1


class CreateEventType(msgspec.Struct, frozen=True):
    """Ask for a new event type; an archived one of that name is revived."""

    id: str
    org: str
    name: str
    description: str
    archived: bool = False
    deprecated: bool = False
    schemas: dict[str, Any] | None = None
    feature_flag: str | None = None


def evolve(state: EventType | None, event: Event, stream: str, partition: int, at: datetime) -> EventType:
    """The event type after `event`."""
    match event:
        case EventTypeCreated():
            assert state is None
            return EventType(
                **msgspec.structs.asdict(event), partition=partition, id=stream, created_at=at, updated_at=at
            )
        case EventTypeUpdated():
            assert state is not None
            return replace(state, **msgspec.structs.asdict(event), updated_at=at, version=state.version + 1)
    raise AssertionError(f"{type(event).__name__} is no event of an event type")
