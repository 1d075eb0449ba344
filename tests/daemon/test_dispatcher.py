import asyncio

import pytest
from structlog.testing import capture_logs

from events.append import Append
from events.application import UpdateApplication
from events.breaker import BreakerPolicy
from events.catalogue import AttemptAbandoned, AttemptSucceeded, BreakerClosed, BreakerOpened, DeliveryCancelled
from events.decide import Rules
from events.endpoint import DeleteEndpoint, UpdateEndpoint
from events.envelope import Recorded
from events.outcome import Fault, Outcome
from events.retry import RetryPolicy
from tests.support.simulated import Limits, Simulated, always, black_hole, failed, host_of, ok, seconds
from tests.support.virtual_loop import virtual

RULES = Rules(RetryPolicy(jitter=0.0), BreakerPolicy(jitter=0.0))


async def house(**limits) -> Simulated:
    made = Simulated(limits=Limits(**({"rules": RULES} | limits)))
    await made.start()
    return made


async def messages(made: Simulated, application: str, number: int) -> list[str]:
    return [await made.message(application) for _ in range(number)]


def kinds(made: Simulated) -> list[type]:
    return [type(each.event) for events in made.log.events.values() for each in events]


@virtual
async def test_a_black_hole_does_not_hold_up_the_others() -> None:
    made = await house(batch_size=3, in_flight_max=6)
    application = await made.application()
    hole = await made.endpoint(application, black_hole)
    good = await made.endpoint(application, always(ok()))
    began = made.clock.now()
    await messages(made, application, 200)
    await asyncio.sleep(1.5)
    assert len(made.endpoints.of(host_of(hole))) == 3
    ended = [each.ended for each in made.endpoints.of(host_of(good)) if each.ended]
    assert len(ended) == 200
    assert max(seconds(ended, began)) < 1.0


@virtual
async def test_the_cap_of_the_process_is_shared_in_turns() -> None:
    made = await house(batch_size=10, in_flight_max=4)
    application = await made.application()
    for _ in range(4):
        await made.endpoint(application, always(ok(took_s=1.0)))
    await messages(made, application, 10)
    await made.settled(60)
    assert made.endpoints.most_at_once == 4
    first = [each.endpoint for each in made.endpoints.attempts[:16]]
    assert set(first) == {"e0", "e1", "e2", "e3"}


@virtual
async def test_a_new_setting_holds_from_the_next_attempt_on() -> None:
    made = await house()
    application = await made.application()
    endpoint = await made.endpoint(application, always(ok(took_s=1.0)))
    await made.ask(UpdateEndpoint(endpoint.id, application, {"batch_size": 1}))
    await messages(made, application, 3)
    await made.settled(60)
    assert made.endpoints.most_at_once == 1


@virtual
async def test_held_deliveries_go_when_the_endpoint_is_enabled() -> None:
    made = await house()
    application = await made.application()
    endpoint = await made.endpoint(application, always(ok()))
    await made.ask(UpdateEndpoint(endpoint.id, application, {"disabled": True}))
    await messages(made, application, 100)
    await asyncio.sleep(100)
    assert made.endpoints.attempts == []
    await made.ask(UpdateEndpoint(endpoint.id, application, {"disabled": False}))
    await made.settled(60)
    assert len(made.endpoints.attempts) == 100


@virtual
async def test_what_nobody_can_receive_any_more_is_cancelled() -> None:
    made = await house()
    application = await made.application()
    endpoint = await made.endpoint(application, black_hole)
    await messages(made, application, 20)
    await made.ask(DeleteEndpoint(endpoint.id, application))
    await made.settled(60)
    assert kinds(made).count(DeliveryCancelled) == 20
    rows = made.fold().deliveries.values()
    assert {(row.state, row.reason) for row in rows} == {("cancelled", "the endpoint was deleted")}


@virtual
async def test_what_could_not_be_recorded_is_sent_once_more() -> None:
    made = await house()
    application = await made.application()
    await made.endpoint(application, always(ok()))
    append, failures = made.log.append, [RuntimeError("a fault of ours")]

    async def failing(asked: Append) -> list[Recorded]:
        if failures and any(isinstance(each.fact.event, AttemptSucceeded) for each in asked.caused):
            raise failures.pop()
        return await append(asked)

    made.log.append = failing  # type: ignore[method-assign]
    with capture_logs() as logs:
        await made.message(application)
        await made.settled(60)
    assert [each["event"] for each in logs] == ["append_failed"]
    assert len(made.endpoints.attempts) == 2


@virtual
async def test_an_outage_is_probed_and_then_ramped_up() -> None:
    made = await house(batch_size=8)
    application = await made.application()
    endpoint = await made.endpoint(application, always(failed()))
    await messages(made, application, 30)
    await asyncio.sleep(10)
    assert kinds(made).count(BreakerOpened) == 1
    during = len(made.endpoints.attempts)
    made.endpoints.scripts[host_of(endpoint)] = always(ok(took_s=1.0))
    await asyncio.sleep(5.5)
    assert len(made.endpoints.attempts) == during + 1, "one probe"
    await made.settled(4000)
    assert kinds(made).count(BreakerClosed) == 1


@virtual
async def test_the_rate_of_an_application_is_shared_by_its_endpoints() -> None:
    made = await house()
    application = await made.application(throttle_rate=2)
    for _ in range(3):
        await made.endpoint(application, always(ok()))
    await messages(made, application, 4)
    await made.settled(60)
    moments = seconds((each.began for each in made.endpoints.attempts), made.endpoints.attempts[0].began)
    assert [round(moment, 3) for moment in moments] == [number / 2 for number in range(12)]
    await made.ask(UpdateApplication(application, {"throttle_rate": None}))
    await messages(made, application, 4)
    await made.settled(2)


@virtual
async def test_our_own_fault_is_no_attempt_and_is_tried_again() -> None:
    made = await house()
    application = await made.application()
    await made.endpoint(
        application, lambda attempt, _: (Outcome(Fault.INTERNAL, 0), 0.0) if attempt.nth < 3 else ok()
    )
    await messages(made, application, 1)
    await made.settled(60)
    assert kinds(made).count(AttemptAbandoned) == 2
    assert len(made.endpoints.attempts) == 3


@virtual
async def test_what_is_forgotten_is_not_begun_and_what_is_under_way_is_waited_for() -> None:
    made = await house(partitions=1, batch_size=2)
    application = await made.application()
    await made.endpoint(application, always(ok(took_s=2.0)))
    await made.endpoint(application, always(ok()))
    await messages(made, application, 1)
    await asyncio.sleep(1.0)
    began = made.clock.now()
    made.dispatcher.forget({1, 2})
    assert len(list(made.dispatcher.targets())) == 2
    made.follower.forget({0})
    made.dispatcher.forget({0})
    await messages(made, application, 3)
    await made.dispatcher.left(10.0)
    assert (made.clock.now() - began).total_seconds() == pytest.approx(1.0)
    await asyncio.sleep(10.0)
    assert len(made.endpoints.attempts) == 2
    assert kinds(made).count(AttemptSucceeded) == 2


@virtual
async def test_whoever_goes_is_not_waited_for_long() -> None:
    made = await house(partitions=1)
    application = await made.application()
    await made.endpoint(application, black_hole)
    await messages(made, application, 1)
    await asyncio.sleep(1.0)
    made.dispatcher.forget({0})
    began = made.clock.now()
    await made.dispatcher.left(3.0)
    await made.dispatcher.left(3.0)
    assert (made.clock.now() - began).total_seconds() == 3.0


@virtual
async def test_an_attempt_bears_the_epoch_under_which_it_began() -> None:
    made = await house(partitions=1)
    application = await made.application()
    await made.endpoint(application, always(ok(took_s=2.0)))
    await messages(made, application, 1)
    await asyncio.sleep(1.0)
    made.recorder.epochs[0] = made.log.head[0].epoch = 9
    with capture_logs():
        await asyncio.sleep(2.0)
    assert [each.outcome.fault for each in made.endpoints.attempts] == [None]
    assert kinds(made).count(AttemptSucceeded) == 0


@virtual
async def test_a_drain_waits_for_what_is_out_and_starts_nothing() -> None:
    made = await house(batch_size=1)
    application = await made.application()
    await made.endpoint(application, always(ok(took_s=3.0)))
    await messages(made, application, 2)
    await asyncio.sleep(0)
    assert await made.dispatcher.drain(1.0) == 1
    assert await made.dispatcher.drain(10.0) == 0
    await asyncio.sleep(10)
    assert len(made.endpoints.attempts) == 1


@virtual
async def test_idle_targets_are_forgotten() -> None:
    made = await house()
    application = await made.application()
    for _ in range(5):
        await made.endpoint(application, always(ok()))
    await messages(made, application, 1)
    assert len(list(made.dispatcher.targets())) == 5
    await asyncio.sleep(65)
    assert list(made.dispatcher.targets()) == []
    await messages(made, application, 1)
    await made.settled(60)
    assert len(made.endpoints.attempts) == 10
