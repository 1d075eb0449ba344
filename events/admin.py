"""An admin: somebody who logs in by name and password, and owns one application implicitly."""

from datetime import datetime

import msgspec

from events.catalogue import AdminCreated, Event


class Admin(msgspec.Struct, frozen=True, gc=False):
    """The latest fold of an admin's stream, and its row in state.admin. The password's hash is sealed elsewhere."""

    partition: int
    id: str
    username: str
    application: str
    created_at: datetime
    version: int = 1


class CreateAdmin(msgspec.Struct, frozen=True):
    """Ask for a new admin, with an application of their own in organization `org`."""

    id: str
    username: str
    application: str
    org: str
    sealed_password: bytes


def evolve(state: Admin | None, event: Event, stream: str, partition: int, at: datetime) -> Admin:
    """The admin after `event`."""
    assert state is None
    assert isinstance(event, AdminCreated)
    return Admin(
        partition=partition, id=stream, username=event.username, application=event.application, created_at=at
    )
