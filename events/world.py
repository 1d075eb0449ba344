"""The configuration of everything, in memory: who exists, what they are called, what they own.

A fold of the config streams (applications, endpoints, event types, admins), kept by the one who decides. Messages
and deliveries are not in it: they are many, and stay in their tables.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from events import admin, application, endpoint, event_type
from events.admin import Admin
from events.application import Application
from events.breaker import FailureRow
from events.catalogue import (
    AdminCreated,
    ApplicationCreated,
    ApplicationDeleted,
    ApplicationUpdated,
    BreakerClosed,
    BreakerOpened,
    BreakerReset,
    EndpointDeleted,
    EndpointDisabled,
    EndpointEnabled,
    EndpointRegistered,
    EndpointUpdated,
    Event,
    EventTypeCreated,
    EventTypeUpdated,
    SecretRotated,
)
from events.endpoint import Endpoint
from events.envelope import Fact, Recorded, partition_of
from events.event_type import EventType

Entity = Application | Endpoint | EventType | Admin
Evolve = Callable[[Any, Event, str, int, datetime], Entity]

EVOLVE: Final[Mapping[type[Event], Evolve]] = {
    AdminCreated: admin.evolve,
    **dict.fromkeys((ApplicationCreated, ApplicationUpdated, ApplicationDeleted), application.evolve),
    **dict.fromkeys((EventTypeCreated, EventTypeUpdated), event_type.evolve),
    **dict.fromkeys(
        (
            EndpointRegistered,
            EndpointUpdated,
            EndpointDisabled,
            EndpointEnabled,
            EndpointDeleted,
            BreakerOpened,
            BreakerClosed,
            BreakerReset,
            SecretRotated,
        ),
        endpoint.evolve,
    ),
}
"""Which module folds which event of a config stream."""


class World:
    """Entities by id, and the few indexes that commands need."""

    def __init__(self, partitions: int, entities: Iterable[Entity] = ()) -> None:
        self.partitions = partitions
        self._entities: dict[str, Entity] = {}
        self._names: dict[tuple[str, str], str] = {}  # (scope, name) → id
        self._endpoints: dict[str, dict[str, Endpoint]] = {}  # application → its endpoints
        self.rows: dict[str, FailureRow] = {}  # endpoint → failures in a row, while there are any
        self.known: dict[int, int] = {}  # partition → the position up to which its configuration is in here
        self.replace(entities)

    def replace(self, entities: Iterable[Entity], known: Mapping[int, int] = MappingProxyType({})) -> None:
        """Begin anew from the tables, as they were at the positions `known`."""
        self.known = dict(known)
        self._entities.clear()
        self._names.clear()
        self._endpoints.clear()
        for entity in entities:
            self.put(entity)

    def application(self, id_or_uid: str, org: str | None = None) -> Application | None:
        """The live application of that id, or of that uid in `org`; another organization's is not there."""
        found = self._entities.get(id_or_uid)
        if found is None and org is not None:
            found = self._entities.get(self._names.get((f"app:{org}", id_or_uid), ""))
        if isinstance(found, Application) and (org is None or found.org == org):
            return found
        return None

    def endpoint(self, id_or_uid: str, application_id: str | None = None) -> Endpoint | None:
        """The live endpoint of that id, or of that uid in the application."""
        found = self._entities.get(id_or_uid)
        if found is None and application_id is not None:
            found = self._entities.get(self._names.get((f"ep:{application_id}", id_or_uid), ""))
        if isinstance(found, Endpoint) and application_id in (None, found.application):
            return found
        return None

    def endpoints_of(self, application_id: str) -> Iterable[Endpoint]:
        """The live endpoints of an application, disabled ones too."""
        return self._endpoints.get(application_id, {}).values()

    def event_type(self, org: str, name: str) -> EventType | None:
        """The declared event type, archived ones too."""
        found = self._entities.get(self._names.get((f"evtype:{org}", name), ""))
        return found if isinstance(found, EventType) else None

    def admin(self, admin_id: str) -> Admin | None:
        """The admin of that id."""
        found = self._entities.get(admin_id)
        return found if isinstance(found, Admin) else None

    def admin_named(self, username: str) -> Admin | None:
        """The admin of that name."""
        return self.admin(self._names.get(("adm:", username), ""))

    def applications(self, org: str | None = None) -> Iterator[Application]:
        """Every live application, of one organization or of all."""
        for entity in self._entities.values():
            if isinstance(entity, Application) and org in (None, entity.org):
                yield entity

    def endpoints(self) -> Iterator[Endpoint]:
        """Every live endpoint."""
        for owned in self._endpoints.values():
            yield from owned.values()

    def with_endpoints(self) -> list[str]:
        """The applications that own at least one live endpoint."""
        return [application_id for application_id, owned in self._endpoints.items() if owned]

    def partition_of(self, owner: str) -> int:
        """The partition of an application or organization."""
        return partition_of(owner, self.partitions)

    def apply(self, fact: Fact | Recorded, at: datetime) -> tuple[Entity | None, Entity]:
        """Fold one event of a config stream; answers (before, after)."""
        before = self._entities.get(fact.stream)
        after = EVOLVE[type(fact.event)](before, fact.event, fact.stream, fact.partition, at)
        if before is not None:
            self._forget(before)
        self.put(after)
        return before, after

    def learn(self, recorded: Recorded) -> None:
        """Fold what another process decided; once, though it may be told twice."""
        if recorded.seq > self.known.get(recorded.partition, 0):
            self.known[recorded.partition] = recorded.seq
            if type(recorded.event) in EVOLVE:
                self.apply(recorded, recorded.at)

    def forget_failures(self, partitions: Collection[int]) -> None:
        """Others count them now, for the endpoints of these partitions."""
        for key in list(self.rows):
            endpoint = self.endpoint(key)
            if endpoint is None or endpoint.partition in partitions:
                del self.rows[key]

    def undo(self, before: Entity | None, after: Entity) -> None:
        """Take back one `apply`: the append it belonged to did not happen."""
        self._forget(after)
        if before is not None:
            self.put(before)

    def put(self, entity: Entity) -> None:
        """Take in the state of an entity; a deleted one is not kept."""
        if getattr(entity, "deleted_at", None) is not None:
            self.rows.pop(entity.id, None)
            return
        self._entities[entity.id] = entity
        if (name := _name_of(entity)) is not None:
            self._names[name] = entity.id
        if isinstance(entity, Endpoint):
            self._endpoints.setdefault(entity.application, {})[entity.id] = entity

    def _forget(self, entity: Entity) -> None:
        self._entities.pop(entity.id, None)
        if (name := _name_of(entity)) is not None:
            self._names.pop(name, None)
        if isinstance(entity, Endpoint):
            self._endpoints.get(entity.application, {}).pop(entity.id, None)


def _name_of(entity: Entity) -> tuple[str, str] | None:
    match entity:
        case Application(uid=str(uid)):
            return f"app:{entity.org}", uid
        case Endpoint(uid=str(uid)):
            return f"ep:{entity.application}", uid
        case EventType():
            return f"evtype:{entity.org}", entity.name
        case Admin():
            return "adm:", entity.username
    return None
