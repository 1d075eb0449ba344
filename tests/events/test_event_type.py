from datetime import timedelta

import pytest

from events.catalogue import ApplicationDeleted, EventTypeCreated, EventTypeUpdated
from events.event_type import evolve
from tests.support.builders import NOW

LATER = NOW + timedelta(seconds=1)


def test_it_is_what_its_last_event_says() -> None:
    created = evolve(None, EventTypeCreated("org_1", "a.b", "x", schemas={"1": {}}), "evtype_1", 0, NOW)
    assert (created.org, created.name, created.schemas, created.version) == ("org_1", "a.b", {"1": {}}, 1)
    updated = evolve(created, EventTypeUpdated("y", archived=True), "evtype_1", 0, LATER)
    assert (updated.name, updated.description, updated.archived, updated.schemas) == ("a.b", "y", True, None)
    assert (updated.created_at, updated.updated_at, updated.version) == (NOW, LATER, 2)


def test_events_of_others_are_a_fault() -> None:
    with pytest.raises(AssertionError):
        evolve(None, ApplicationDeleted(), "evtype_1", 0, NOW)
