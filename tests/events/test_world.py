from datetime import timedelta

from hypothesis import given as examples
from hypothesis import strategies as st

from events.catalogue import (
    ApplicationCreated,
    ApplicationDeleted,
    ApplicationUpdated,
    EndpointDeleted,
    EventTypeCreated,
)
from events.envelope import Fact
from events.world import EVOLVE, World
from tests.support.builders import APP, EP, NOW, a_world, an_application, an_endpoint
from tests.support.given import HOUSE, given

LATER = NOW + timedelta(seconds=1)


def snapshot(world: World):
    return (dict(world._entities), dict(world._names), {app: dict(owned) for app, owned in world._endpoints.items()})


def test_things_are_found_by_id_and_by_uid_within_their_owner() -> None:
    world = a_world(an_application(uid="acme"), an_endpoint(uid="hook"))
    assert world.application(APP) == world.application("acme", "org_1") == world.application(APP, "org_1")
    assert world.application("acme") is None
    assert world.application("acme", "org_2") is world.application(APP, "org_2") is None
    assert world.endpoint(EP) == world.endpoint("hook", APP)
    assert world.endpoint("hook") is world.endpoint(EP, "app_2") is None
    assert world.endpoint(APP) is world.application(EP) is None
    assert world.with_endpoints() == [APP]


def test_the_deleted_is_not_there() -> None:
    world = given(*HOUSE, (EP, EndpointDeleted()), (APP, ApplicationDeleted())).world
    assert world.endpoint(EP) is world.application(APP) is None
    assert list(world.endpoints()) == list(world.applications()) == world.with_endpoints() == []


def test_an_event_type_is_found_by_its_name() -> None:
    world = given(("evtype_1", EventTypeCreated("org_1", "a.b", "x"))).world
    assert world.event_type("org_1", "a.b").id == "evtype_1"
    assert world.event_type("org_2", "a.b") is None


def test_apply_answers_before_and_after() -> None:
    world = a_world()
    before, after = world.apply(Fact(0, APP, 2, ApplicationUpdated("B", "u")), LATER)
    assert (before.name, after.name, after.version, after.updated_at) == ("A", "B", 2, LATER)
    assert world.application("u", "org_1") is after


STEPS = st.lists(
    st.one_of(
        st.builds(lambda key, uid: (key, ApplicationUpdated("B", uid)), st.sampled_from(["a", "b"]),
                  st.sampled_from([None, "u", "v"])),
        st.builds(lambda key: (key, ApplicationDeleted()), st.sampled_from(["a", "b"])),
    ),
    max_size=6,
)  # fmt: skip


@examples(STEPS)
def test_undo_restores_the_world_exactly(steps) -> None:
    world = World(1)
    for key in "ab":
        world.apply(Fact(0, key, 1, ApplicationCreated("org_1", key)), NOW)
    before = snapshot(world)
    changed = []
    for key, event in steps:
        application = world.application(key)
        uid = getattr(event, "uid", None)
        taken = world.application(uid, "org_1") if uid else None
        if application is not None and taken in (None, application):
            changed.append(world.apply(Fact(0, key, application.version + 1, event), LATER))
    for pair in reversed(changed):
        world.undo(*pair)
    assert snapshot(world)[:2] == before[:2]


def test_replace_begins_anew() -> None:
    world = a_world()
    world.replace([an_application(id="app_2", deleted_at=NOW), an_application(id="app_3")])
    assert [each.id for each in world.applications()] == ["app_3"]
    assert world.with_endpoints() == []


def test_every_config_event_has_its_fold() -> None:
    assert {kind.__name__ for kind in EVOLVE} >= {"AdminCreated", "EndpointRegistered", "BreakerClosed"}
