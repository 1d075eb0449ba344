from datetime import timedelta

import pytest

from events.application import evolve
from events.catalogue import ApplicationCreated, ApplicationDeleted, ApplicationUpdated, BreakerClosed
from tests.support.builders import APP, NOW, an_application

LATER = NOW + timedelta(seconds=1)


def test_it_is_what_its_last_event_says() -> None:
    created = evolve(None, ApplicationCreated("org_1", "A"), APP, 0, NOW)
    assert created == an_application()
    updated = evolve(created, ApplicationUpdated("B", "u", 3, {"k": "v"}), APP, 0, LATER)
    changes = {"name": "B", "uid": "u", "throttle_rate": 3, "metadata": {"k": "v"}, "updated_at": LATER, "version": 2}
    assert updated == an_application(**changes)
    deleted = evolve(updated, ApplicationDeleted(), APP, 0, LATER)
    assert (deleted.deleted_at, deleted.version) == (LATER, 3)


def test_events_of_others_are_a_fault() -> None:
    with pytest.raises(AssertionError):
        evolve(an_application(), BreakerClosed(), APP, 0, NOW)
    with pytest.raises(AssertionError):
        evolve(an_application(), ApplicationCreated("org_1", "A"), APP, 0, NOW)
