"""A webhook that fails n times and then recovers is delivered on attempt n + 1, at the times the policy says."""

import asyncio
from datetime import timedelta
from itertools import accumulate, pairwise

import pytest

from events.breaker import BreakerPolicy
from events.catalogue import AttemptFailed, AttemptSucceeded, DeliveryExhausted
from events.decide import Rules
from events.retry import DELAYS_S, RetryPolicy
from tests.support.simulated import Limits, Script, Simulated, always, failed, failing, ok, seconds
from tests.support.virtual_loop import virtual

TOOK_S = 0.01
DAYS_S = 3 * 86400.0
EXACT = RetryPolicy(jitter=0.0)


def starts(delays: tuple[float, ...], took_s: float = TOOK_S) -> list[float]:
    """When each attempt begins, in seconds after the first: a wait counts from the end of the attempt before."""
    return [round(moment, 6) for moment in accumulate((took_s + delay for delay in delays), initial=0.0)]


async def deliver(script: Script, policy: RetryPolicy = EXACT, **endpoint) -> tuple[Simulated, list[float]]:
    """One message to one endpoint, until there is nothing left to do; answers when its attempts began."""
    house = await begin(script, policy, **endpoint)
    await house.settled(within_s=DAYS_S)
    return house, began(house)


async def begin(script: Script, policy: RetryPolicy = EXACT, seed: int = 0, **endpoint) -> Simulated:
    house = Simulated(seed, Limits(Rules(policy, BreakerPolicy(failures_max=1000))), quiet=True)
    await house.start()
    application = await house.application()
    await house.endpoint(application, script, **endpoint)
    await house.message(application)
    return house


def began(house: Simulated) -> list[float]:
    attempts = house.endpoints.attempts
    return seconds((each.began for each in attempts), attempts[0].began)


def recorded(house: Simulated, kind: type) -> list:
    return [each.event for events in house.log.events.values() for each in events if isinstance(each.event, kind)]


@pytest.mark.parametrize("failures", range(8))
@virtual
async def test_recovers_after_n_failures_and_is_delivered_on_attempt_n_plus_1(failures: int) -> None:
    house, moments = await deliver(failing(failures))
    assert moments == starts(DELAYS_S[:failures])
    assert [each.attempt for each in recorded(house, AttemptFailed)] == list(range(1, failures + 1))
    assert [each.attempt for each in recorded(house, AttemptSucceeded)] == [failures + 1]
    assert house.fold().deliveries == {}


def test_the_schedule_is_the_one_that_was_promised() -> None:
    assert DELAYS_S == (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600)


@virtual
async def test_eight_failures_exhaust_the_delivery() -> None:
    house, moments = await deliver(always(failed()))
    assert moments == starts(DELAYS_S)
    assert recorded(house, DeliveryExhausted) == [DeliveryExhausted(attempts=8)]
    assert [(row.state, row.reason) for row in house.fold().deliveries.values()] == [("exhausted", "status 500")]


@virtual
async def test_five_attempts_when_five_are_allowed() -> None:
    house, moments = await deliver(always(failed()), RetryPolicy(jitter=0.0, attempts_max=5))
    assert moments == starts(DELAYS_S[:4])
    assert recorded(house, DeliveryExhausted) == [DeliveryExhausted(attempts=5)]


@virtual
async def test_a_success_on_the_fifth_of_five_counts() -> None:
    house, moments = await deliver(failing(4), RetryPolicy(jitter=0.0, attempts_max=5))
    assert len(moments) == 5
    assert not recorded(house, DeliveryExhausted)


@virtual
async def test_an_endpoint_may_have_its_own_schedule() -> None:
    house, moments = await deliver(always(failed()), retry_delays_s=(1.0, 2.5))
    assert moments == starts((1.0, 2.5))
    assert recorded(house, DeliveryExhausted) == [DeliveryExhausted(attempts=3)]


@virtual
async def test_an_endpoint_without_retries_gets_one_attempt() -> None:
    house, moments = await deliver(always(failed()), retry_delays_s=())
    assert moments == [0.0]
    assert recorded(house, DeliveryExhausted) == [DeliveryExhausted(attempts=1)]


@pytest.mark.parametrize("seed", range(5))
@virtual
async def test_jitter_stays_within_the_delay(seed: int) -> None:
    house = await begin(always(failed()), RetryPolicy(jitter=1.0), seed)
    await house.settled(within_s=DAYS_S)
    moments = began(house)
    waits = [later - before - TOOK_S for before, later in pairwise(moments)]
    assert len(waits) == len(DELAYS_S)
    for wait, delay in zip(waits, DELAYS_S, strict=True):
        assert -1e-5 <= wait <= delay + 1e-5
    assert waits != list(DELAYS_S)


@pytest.mark.parametrize("status", [429, 503])
@virtual
async def test_retry_after_in_seconds_delays(status: int) -> None:
    _, moments = await deliver(failing(2, failed(status, retry_after="120")))
    assert moments == starts((120.0, 300.0))  # the second time, the schedule asks for more than that


@virtual
async def test_retry_after_as_a_date_delays() -> None:
    house = await begin(failing(1, failed(503, retry_after="Thu, 01 Jan 2026 00:10:00 GMT")))
    await house.settled(within_s=DAYS_S)
    assert (house.endpoints.attempts[1].began - house.clock.start) == timedelta(minutes=10)


@virtual
async def test_retry_after_is_capped_and_never_hastens() -> None:
    _, moments = await deliver(failing(1, failed(503, retry_after="99999999")))
    assert moments == starts((36000.0,))
    _, moments = await deliver(failing(2, failed(503, retry_after="0")))
    assert moments == starts(DELAYS_S[:2])


@virtual
async def test_retry_after_of_another_status_is_not_heeded() -> None:
    _, moments = await deliver(failing(1, failed(500, retry_after="120")))
    assert moments == starts(DELAYS_S[:1])


@virtual
async def test_after_a_restart_the_schedule_goes_on() -> None:
    house = await begin(failing(4))
    await asyncio.sleep(1000.0)  # two failures so far, the third attempt is due at 2105 s
    await house.crash()
    await asyncio.sleep(100.0)
    await house.start()
    await house.settled(within_s=DAYS_S)
    assert began(house) == starts(DELAYS_S[:4])


@virtual
async def test_what_fell_due_while_nobody_was_home_is_due_at_once() -> None:
    house = await begin(failing(2))
    await asyncio.sleep(1.0)
    await house.crash()
    await asyncio.sleep(3600.0)
    await house.start()
    up = house.clock.now()
    await house.settled(within_s=DAYS_S)
    assert house.endpoints.attempts[1].began == up
    assert house.endpoints.attempts[2].began == up + timedelta(seconds=300.0 + TOOK_S)


@virtual
async def test_an_attempt_that_was_under_way_in_a_crash_is_repeated() -> None:
    house = await begin(always(ok(took_s=3.0)))
    await asyncio.sleep(1.0)
    await house.crash()
    await house.start()
    await house.settled(within_s=60.0)
    assert len(house.endpoints.attempts) == 2
    assert [each.attempt for each in recorded(house, AttemptSucceeded)] == [1]  # the first has no record
