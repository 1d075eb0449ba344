"""An application: one customer of the platform; owns endpoints and messages."""

from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from events.catalogue import ApplicationCreated, ApplicationDeleted, ApplicationUpdated, Event


class Application(msgspec.Struct, frozen=True, gc=False):
    """The latest fold of an application's stream, and its row in state.application."""

    partition: int
    id: str
    org: str
    name: str
    uid: str | None
    throttle_rate: int | None
    metadata: dict[str, str]
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None
    version: int = 1
    retention_days: int | None = None  # of the bodies of its messages; None: the daemon's default


class CreateApplication(msgspec.Struct, frozen=True):
    """Ask for a new application. With `get_if_exists`, one of the same uid is answered instead of refused."""

    id: str
    org: str
    name: str
    uid: str | None = None
    throttle_rate: int | None = None
    metadata: dict[str, str] = {}
    retention_days: int | None = None
    get_if_exists: bool = False


class UpdateApplication(msgspec.Struct, frozen=True):
    """Ask for other settings: `changes` holds those that change, of the fields of ApplicationUpdated."""

    id: str
    changes: dict[str, Any]


class DeleteApplication(msgspec.Struct, frozen=True):
    """Ask for the end of an application and of all it owns."""

    id: str


def evolve(state: Application | None, event: Event, stream: str, partition: int, at: datetime) -> Application:
    """The application after `event`."""
    match event:
        case ApplicationCreated():
            assert state is None
            return Application(
                partition=partition,
                id=stream,
                org=event.org,
                name=event.name,
                uid=event.uid,
                throttle_rate=event.throttle_rate,
                metadata=event.metadata,
                created_at=at,
                updated_at=at,
                retention_days=event.retention_days,
            )
        case ApplicationUpdated():
            assert state is not None
            return replace(state, **msgspec.structs.asdict(event), updated_at=at, version=state.version + 1)
        case ApplicationDeleted():
            assert state is not None
            return replace(state, deleted_at=at, updated_at=at, version=state.version + 1)
    raise AssertionError(f"{type(event).__name__} is no event of an application")
