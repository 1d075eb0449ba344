"""Whose an event is: looked up in the world while it is there, and in the tables when it is not any more."""

from collections.abc import Iterable
from typing import Final

from daemon.live.group import Owner
from events import ids
from events.catalogue import ApplicationCreated, EndpointRegistered, MessageAccepted
from events.envelope import Recorded
from events.log_views import LogViews
from events.world import World

KNOWN_MAX: Final = 100_000


class Owners:
    """Remembers what it has found."""

    def __init__(self, world: World, views: LogViews) -> None:
        self._world = world
        self._views = views
        self._known: dict[str, Owner] = {}

    def owner_of(self, recorded: Recorded) -> Owner:
        """The owner, as far as it is known here."""
        event = recorded.event
        if isinstance(event, ApplicationCreated):
            return recorded.stream, event.org
        return self._owner(_key(recorded))

    async def learn(self, events: Iterable[Recorded]) -> None:
        """Have the owners of all these known. Raises what the views raise."""
        missing = {
            (recorded.partition, key)
            for recorded in events
            if (key := _key(recorded)) and key not in self._known and self._owner(key) is None
        }
        if not missing:
            return
        found = await self._views.owners(sorted(missing))
        if len(self._known) + len(missing) > KNOWN_MAX:
            self._known.clear()
        for _, key in missing:
            self._known[key] = found.get(key)

    def knows(self, events: Iterable[Recorded]) -> bool:
        """Whether nothing is to be looked up for these."""
        return all(not (key := _key(each)) or self._owner(key) is not None or key in self._known for each in events)

    def _owner(self, key: str) -> Owner:
        known = self._known.get(key)
        if known is not None or not key:
            return known
        application = self._world.application(key)
        if application is None and (endpoint := self._world.endpoint(key)) is not None:
            application = self._world.application(endpoint.application)
        if application is None:
            return None
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        found = self._known[key] = application.id, application.org
        return found


def _key(recorded: Recorded) -> str:
    """The application or endpoint that tells whose the event is; "" when none does."""
    event = recorded.event
    if isinstance(event, MessageAccepted | EndpointRegistered):
        return event.application
    if recorded.endpoint is not None:
        return recorded.endpoint
    kind = recorded.stream.partition("_")[0]
    return recorded.stream if kind in (ids.APPLICATION, ids.ENDPOINT) else ""
