from datetime import timedelta
from random import Random

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from events.admin import CreateAdmin
from events.application import CreateApplication, DeleteApplication, UpdateApplication
from events.breaker import BreakerPolicy, FailureRow
from events.catalogue import (
    AdminCreated,
    ApplicationCreated,
    ApplicationDeleted,
    ApplicationUpdated,
    AttemptFailed,
    AttemptSucceeded,
    BreakerClosed,
    BreakerOpened,
    BreakerReset,
    DeliveryCancelled,
    DeliveryExhausted,
    DeliveryGone,
    DeliveryResent,
    EndpointConfig,
    EndpointDeleted,
    EndpointDisabled,
    EndpointEnabled,
    EndpointRegistered,
    EndpointUpdated,
    EventTypeCreated,
    EventTypeUpdated,
    MessageAccepted,
    SecretRotated,
)
from events.decide import Rules, decide
from events.delivery import DeliveryState, EndDelivery, RecordAttempt, ResendDelivery
from events.endpoint import DeleteEndpoint, RegisterEndpoint, ResetBreaker, RotateSecret, UpdateEndpoint
from events.event_type import CreateEventType
from events.message import AcceptMessage, AcceptTogether
from events.outcome import Fault, Outcome
from events.refusal import Refusal
from events.retry import RetryPolicy
from events.world import World
from tests.support.builders import APP, EP, MSG, NOW, P, a_delivery
from tests.support.given import AN_APPLICATION, AN_ENDPOINT, HOUSE, given

URL = "http://e.test/hook"
NAMED = ("app_2", ApplicationCreated("org_1", "B", uid="taken"))


def accept(message: str = MSG, application: str = APP, **fields) -> AcceptMessage:
    return AcceptMessage(message, application, **({"event_type": "t", "payload": b"{}", "digest": "d"} | fields))


def accepted(*endpoints: str, **fields) -> MessageAccepted:
    known = {"application": APP, "event_type": "t", "digest": "d", "size": 2, "endpoints": endpoints}
    return MessageAccepted(**(known | fields))


def register(key: str = "ep_9", application: str = APP, *, disabled: bool = False, **config) -> RegisterEndpoint:
    return RegisterEndpoint(key, application, EndpointConfig(URL, **config), "sec_9", b"", disabled)


def attempt(outcome: Outcome, **delivery) -> RecordAttempt:
    return RecordAttempt(a_delivery(**delivery), outcome, 7, 1)


def registered(key: str, **config) -> tuple[str, EndpointRegistered]:
    return key, EndpointRegistered(APP, EndpointConfig(URL, **config), "sec_1")


# --- messages -------------------------------------------------------------------------------------------------------


def test_a_message_goes_to_every_endpoint_that_wants_it() -> None:
    house = given(
        AN_APPLICATION,
        registered("ep_all"),
        registered("ep_t", event_types=("t", "u")),
        registered("ep_u", event_types=("u",)),
        registered("ep_ch", channels=("c",)),
        ("app_2", ApplicationCreated("org_1", "B")),
        ("ep_other", EndpointRegistered("app_2", EndpointConfig(URL), "sec_1")),
    )
    house.when(accept()).then(accepted("ep_all", "ep_t")).on(MSG)
    house.when(accept(channels=("c", "d"))).then(accepted("ep_all", "ep_t", "ep_ch", channels=("c", "d")))


def test_a_message_without_takers_is_accepted() -> None:
    given(AN_APPLICATION).when(accept(event_id="e")).then(accepted(event_id="e"))


def test_a_disabled_endpoint_is_chosen_and_held_and_a_deleted_one_is_not() -> None:
    given(*HOUSE, (EP, EndpointDisabled("x"))).when(accept()).then(accepted(EP))
    given(*HOUSE, (EP, EndpointDeleted())).when(accept()).then(accepted())


def test_messages_for_nobody_are_refused() -> None:
    given().when(accept()).refused("not_found")
    given(AN_APPLICATION, (APP, ApplicationDeleted())).when(accept()).refused("not_found")


def test_together_is_all_or_none() -> None:
    both = AcceptTogether((accept("msg_1"), accept("msg_2")))
    given(*HOUSE).when(both).then(accepted(EP), accepted(EP)).on("msg_1", "msg_2")
    given(*HOUSE).when(AcceptTogether((accept(), accept("msg_2", "app_9")))).refused("not_found")


# --- attempts -------------------------------------------------------------------------------------------------------

OK = Outcome(None, 5, 200)
BAD = Outcome(Fault.STATUS, 5, 500)


def failure(
    attempt: int, delay_s: float | None, status: int | None = 500, fault: Fault = Fault.STATUS
) -> AttemptFailed:
    next_at = None if delay_s is None else NOW + timedelta(seconds=delay_s)
    return AttemptFailed(attempt, Fault.STATUS, 5, 7, 1, status=status, next_at=next_at)


def test_success_is_one_fact() -> None:
    given(*HOUSE).when(attempt(OK)).then(AttemptSucceeded(1, 200, 5, 7, 1)).on(MSG)


def test_failure_says_when_again() -> None:
    given(*HOUSE).when(attempt(BAD)).then(failure(1, 5.0))


def test_the_endpoints_own_schedule_counts() -> None:
    house = given(AN_APPLICATION, registered(EP, retry_delays_s=(9.0,)))
    house.when(attempt(BAD)).then(failure(1, 9.0))
    house.when(attempt(BAD, attempts=1)).then(failure(2, None), DeliveryExhausted(2))


def test_gone_ends_the_delivery_and_disables_the_endpoint() -> None:
    gone = Outcome(Fault.STATUS, 5, 410)
    ended = (failure(1, None, 410), DeliveryGone())
    given(*HOUSE).when(attempt(gone)).then(*ended, EndpointDisabled("answered 410 Gone")).on(MSG, MSG, EP)
    given(*HOUSE, (EP, EndpointDisabled("x"))).when(attempt(gone)).then(*ended)


def test_an_outcome_of_a_deleted_endpoint_is_recorded() -> None:
    given(AN_APPLICATION).when(attempt(OK)).then(AttemptSucceeded(1, 200, 5, 7, 1))


def test_failures_in_a_row_open_the_breaker_and_a_success_closes_it() -> None:
    rules = Rules(RetryPolicy(jitter=0.0), BreakerPolicy(failures_max=2, open_s=(15.0,), jitter=0.0))
    house = given(*HOUSE).under(rules)
    house.when(attempt(BAD)).then(failure(1, 5.0))
    opened = BreakerOpened(NOW + timedelta(seconds=15), 2, Fault.STATUS, NOW, 500)
    house.when(attempt(BAD)).then(failure(1, 5.0), opened).on(MSG, EP)
    given(*HOUSE, (EP, opened)).when(attempt(OK)).then(AttemptSucceeded(1, 200, 5, 7, 1), BreakerClosed())


def test_a_success_between_begins_the_row_anew() -> None:
    house = given(*HOUSE).under(Rules(RetryPolicy(jitter=0.0), BreakerPolicy(failures_max=2)))
    house.when(attempt(BAD))
    house.when(attempt(OK))
    house.when(attempt(BAD)).then(failure(1, 5.0))


def test_ending_what_has_ended_is_nothing() -> None:
    cancel = DeliveryCancelled("deleted")
    given().when(EndDelivery(a_delivery(), cancel)).then(cancel)
    given().when(EndDelivery(a_delivery(next_at=None), cancel)).then()


# --- endpoints ------------------------------------------------------------------------------------------------------


def test_an_endpoint_is_registered_maybe_disabled() -> None:
    event = EndpointRegistered(APP, EndpointConfig(URL), "sec_9")
    given(AN_APPLICATION).when(register()).then(event)
    given(AN_APPLICATION).when(register(disabled=True)).then(event, EndpointDisabled("by request"))


@pytest.mark.parametrize("uid", ["ep_x", "a b", ""])
def test_a_bad_uid_is_refused(uid: str) -> None:
    given(AN_APPLICATION).when(register(uid=uid)).refused("invalid", "uid")
    given().when(CreateApplication("app_1", "org_1", "A", uid=uid.replace("ep_", "app_"))).refused("invalid", "uid")


def test_a_uid_is_taken_once_an_application() -> None:
    house = given(AN_APPLICATION, registered(EP, uid="u"), registered("ep_2"))
    house.when(register(uid="u")).refused("conflict", "uid")
    house.when(UpdateEndpoint("ep_2", APP, {"uid": "u"})).refused("conflict", "uid")
    house.when(UpdateEndpoint(EP, APP, {"uid": "u"})).then()
    given(AN_APPLICATION, registered(EP, uid="u"), (EP, EndpointDeleted())).when(register(uid="u")).then(
        EndpointRegistered(APP, EndpointConfig(URL, uid="u"), "sec_9")
    )


def test_event_types_must_be_declared() -> None:
    declared = ("evtype_1", EventTypeCreated("org_1", "a.b", ""))
    archived = ("evtype_1", EventTypeUpdated("", archived=True))
    given(AN_APPLICATION).when(register(event_types=("a.b",))).refused("invalid", "event_types")
    given(AN_APPLICATION, declared, archived).when(register(event_types=("a.b",))).refused("invalid", "event_types")
    given(AN_APPLICATION, declared).when(register(event_types=("a.b",))).then(
        EndpointRegistered(APP, EndpointConfig(URL, event_types=("a.b",)), "sec_9")
    )
    kept = given(AN_APPLICATION, declared, registered(EP, event_types=("a.b",)), archived)
    kept.when(UpdateEndpoint(EP, APP, {"description": "x"})).then(
        EndpointUpdated(EndpointConfig(URL, event_types=("a.b",), description="x"))
    )


def test_endpoints_of_others_are_not_there() -> None:
    for command in (register(application="app_9"), UpdateEndpoint(EP, "app_9", {}), DeleteEndpoint(EP, "app_9")):
        given(*HOUSE).when(command).refused("not_found")
    given(AN_APPLICATION).when(DeleteEndpoint(EP, APP)).refused("not_found")


def test_an_update_records_what_changed_only() -> None:
    house = given(*HOUSE)
    house.when(UpdateEndpoint(EP, APP, {})).then()
    house.when(UpdateEndpoint(EP, APP, {"url": URL, "disabled": False})).then()
    house.when(UpdateEndpoint(EP, APP, {"batch_size": 3, "disabled": True})).then(
        EndpointUpdated(EndpointConfig(URL, batch_size=3)), EndpointDisabled("by request")
    )
    held = given(*HOUSE, (EP, EndpointDisabled("x")))
    held.when(UpdateEndpoint(EP, APP, {"disabled": True})).then()
    held.when(UpdateEndpoint(EP, APP, {"disabled": False})).then(EndpointEnabled())


def test_enabling_forgets_the_breaker() -> None:
    opened = (EP, BreakerOpened(NOW, 9, Fault.DNS, NOW))
    house = given(*HOUSE, opened, (EP, EndpointDisabled("x")), (EP, EndpointEnabled()))
    endpoint = house.world.endpoint(EP)
    assert (endpoint.breaker_until, endpoint.breaker_opens, endpoint.failing_since) == (None, 0, None)


def test_an_endpoint_is_deleted_by_its_uid_too() -> None:
    given(AN_APPLICATION, registered(EP, uid="u")).when(DeleteEndpoint("u", APP)).then(EndpointDeleted()).on(EP)


# --- applications, event types, admins ------------------------------------------------------------------------------


def test_applications() -> None:
    create = CreateApplication("app_1", "org_1", "A", "u", 5, {"k": "v"})
    given().when(create).then(ApplicationCreated("org_1", "A", "u", 5, {"k": "v"})).on("app_1")
    given(NAMED).when(CreateApplication(APP, "org_1", "A", "taken")).refused("conflict", "uid")
    given(NAMED).when(CreateApplication(APP, "org_2", "A", "taken")).then(ApplicationCreated("org_2", "A", "taken"))
    given(NAMED).when(CreateApplication(APP, "org_1", "A", "taken", get_if_exists=True)).then()


def test_an_application_is_updated_as_a_whole() -> None:
    house = given(AN_APPLICATION, NAMED)
    house.when(UpdateApplication(APP, {"name": "A"})).then()
    house.when(UpdateApplication(APP, {"name": "Z", "throttle_rate": 3})).then(ApplicationUpdated("Z", None, 3))
    house.when(UpdateApplication(APP, {"uid": "taken"})).refused("conflict", "uid")
    house.when(UpdateApplication(APP, {"uid": "app_x"})).refused("invalid", "uid")
    house.when(UpdateApplication("app_2", {"uid": None})).then(ApplicationUpdated("B"))
    house.when(UpdateApplication("app_9", {})).refused("not_found")


def test_an_application_goes_with_all_it_owns() -> None:
    house = given(AN_APPLICATION, AN_ENDPOINT, registered("ep_2"))
    house.when(DeleteApplication(APP)).then(EndpointDeleted(), EndpointDeleted(), ApplicationDeleted())
    given().when(DeleteApplication(APP)).refused("not_found")


def test_an_archived_event_type_is_revived() -> None:
    create = CreateEventType("evtype_2", "org_1", "a", "new")
    created = ("evtype_1", EventTypeCreated("org_1", "a", "old"))
    given().when(create).then(EventTypeCreated("org_1", "a", "new"))
    given(created).when(create).refused("event_type_exists", "name")
    given(created, ("evtype_1", EventTypeUpdated("", archived=True))).when(create).then(EventTypeUpdated("new")).on(
        "evtype_1"
    )


def test_an_admin_owns_an_application() -> None:
    create = CreateAdmin("adm_1", "root", "app_1", "org_1", b"")
    given().when(create).then(AdminCreated("root", "app_1"), ApplicationCreated("org_1", "root")).on("adm_1", "app_1")
    given(("adm_0", AdminCreated("root", "app_0"))).when(create).refused("conflict", "username")


# --- whatever is asked ----------------------------------------------------------------------------------------------

UIDS = st.sampled_from([None, "u", "v"])
APPS = st.sampled_from(["app_1", "app_2"])
EPS = st.sampled_from(["ep_1", "ep_2", "ep_3"])
COMMANDS = st.one_of(
    st.builds(CreateApplication, APPS, st.just("org_1"), st.just("A"), UIDS),
    st.builds(lambda key, uid: UpdateApplication(key, {"uid": uid}), APPS, UIDS),
    st.builds(DeleteApplication, APPS),
    st.builds(lambda key, app, uid: register(key, app, uid=uid), EPS, APPS, UIDS),
    st.builds(lambda key, app, uid, off: UpdateEndpoint(key, app, {"uid": uid, "disabled": off}), EPS, APPS, UIDS,
              st.booleans()),
    st.builds(DeleteEndpoint, EPS, APPS),
    st.builds(accept, st.sampled_from(["msg_1", "msg_2"]), APPS),
    st.builds(lambda key, out: attempt(out, endpoint=key), EPS, st.sampled_from([OK, BAD, Outcome(Fault.DNS, 1)])),
)  # fmt: skip


@examples(st.lists(COMMANDS, max_size=30))
def test_whatever_is_asked_versions_are_contiguous_and_names_unique(commands) -> None:
    world, versions, used = World(1), {}, set()
    for command in commands:
        if getattr(command, "id", None) in used and isinstance(command, CreateApplication | RegisterEndpoint):
            continue  # ids are minted, never twice
        facts = decide(world, command, Rules(), NOW, Random(1))
        if isinstance(facts, Refusal):
            assert facts.detail
            continue
        for fact in facts:
            if fact.endpoint is None and not isinstance(fact.event, MessageAccepted):
                assert fact.version == versions.get(fact.stream, 0) + 1
                versions[fact.stream] = fact.version
                used.add(fact.stream)
                world.apply(fact, NOW)
        uids = [each.uid for each in world.applications() if each.uid]
        assert len(uids) == len(set(uids))
        for application in world.applications():
            uids = [each.uid for each in world.endpoints_of(application.id) if each.uid]
            assert len(uids) == len(set(uids))
        assert all(world.application(each.application) for each in world.endpoints())
        assert P == 0


# --- what operators do ------------------------------------------------------------------------------------------


def test_a_reason_goes_along_with_disabling() -> None:
    paused = UpdateEndpoint(EP, APP, {"disabled": True}, "paused by operator:ada")
    given(*HOUSE).when(paused).then(EndpointDisabled("paused by operator:ada"))
    given(*HOUSE, (EP, EndpointDisabled("x"))).when(paused).then()


def test_a_breaker_is_reset_if_there_is_anything_to_forget() -> None:
    reset = ResetBreaker(EP, APP)
    given(*HOUSE).when(reset).then()
    opened = BreakerOpened(NOW + timedelta(minutes=1), 10, Fault.DNS, NOW)
    house = given(*HOUSE, (EP, opened))
    house.world.rows[EP] = FailureRow(3, NOW)
    house.when(reset).then(BreakerReset())
    assert EP not in house.world.rows
    house = given(*HOUSE)
    house.world.rows[EP] = FailureRow(3, NOW)
    house.when(reset).then(BreakerReset())
    given(*HOUSE).when(ResetBreaker("ep_9", APP)).refused("not_found")


def test_a_rotated_key_signs_along_for_its_grace() -> None:
    rotate = RotateSecret(EP, APP, "sec_2", b"sealed", 60.0)
    given(*HOUSE).when(rotate).then(SecretRotated("sec_2", "sec_1", NOW + timedelta(seconds=60)))
    given(*HOUSE).when(RotateSecret(EP, "app_9", "sec_2", b"", 0.0)).refused("not_found")
    world = given(*HOUSE, (EP, SecretRotated("sec_2", "sec_1", NOW))).world
    assert getattr(world.endpoint(EP), "secret", None) == "sec_2"


def test_a_message_for_one_endpoint_goes_there_alone_whatever_that_one_wants() -> None:
    picky = EndpointRegistered(APP, EndpointConfig("http://e.test/", event_types=("other",)), "sec_2")
    command = AcceptMessage(MSG, APP, "t", b"{}", "d", only="ep_2")
    given(*HOUSE, ("ep_2", picky)).when(command).then(MessageAccepted(APP, "t", "d", 2, ("ep_2",)))
    given(*HOUSE).when(command).refused("not_found")


def test_what_is_sent_again_needs_its_endpoint() -> None:
    ended = a_delivery(state=DeliveryState.EXHAUSTED, next_at=None, attempts=8, version=9)
    given(*HOUSE).when(ResendDelivery(ended)).then(DeliveryResent(NOW, NOW))
    given(AN_APPLICATION).when(ResendDelivery(ended)).refused("not_found")
    given(*HOUSE).when(ResendDelivery(a_delivery())).then()
