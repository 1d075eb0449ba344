import asyncio

import pytest

from daemon.notary import Seals
from daemon.vitals import LAG_KEPT, LAG_PERIOD_S, Vitals
from tests.daemon.test_dispatcher import house, messages
from tests.support.simulated import always, black_hole, ok
from tests.support.virtual_loop import virtual


@virtual
async def test_what_hookd_keeps_waiting_shows_its_age() -> None:
    made = await house(in_flight_max=1)
    vitals = Vitals(made.recorder, made.dispatcher, made.clock, Seals())
    assert (vitals.oldest_due_s, vitals.in_flight, vitals.queue, vitals.owned_partitions) == (None, 0, 0, 4)
    await one_of_two_waits(made)
    await asyncio.sleep(7)
    assert vitals.oldest_due_s == pytest.approx(7, abs=0.1)
    assert (vitals.in_flight, vitals.database_ok) == (1, True)


@virtual
async def test_the_age_of_the_seals() -> None:
    made, seals = await house(), Seals()
    vitals = Vitals(made.recorder, made.dispatcher, made.clock, seals)
    assert (vitals.sealed_age_s, vitals.unsealed, vitals.barred_trees) == (None, 0, 0)
    seals.sealed_at, seals.barred = made.clock.now(), {3: "why"}
    await asyncio.sleep(7)
    assert vitals.sealed_age_s == pytest.approx(7, abs=0.1)
    assert vitals.barred_trees == 1


async def one_of_two_waits(made) -> None:
    application = await made.application()
    for _ in range(2):
        await made.endpoint(application, black_hole)
    await messages(made, application, 1)
    await asyncio.sleep(0.1)


@virtual
async def test_a_customer_at_their_own_limit_does_not_count_as_waiting() -> None:
    made = await house(batch_size=1)
    vitals = Vitals(made.recorder, made.dispatcher, made.clock, Seals())
    application = await made.application()
    await made.endpoint(application, black_hole)
    await made.endpoint(application, always(ok()), throttle_rate=1)
    await messages(made, application, 20)
    await asyncio.sleep(7)
    assert vitals.oldest_due_s is None
    assert vitals.in_flight == 1


@virtual
async def test_a_loop_that_is_held_up_shows_for_ten_seconds() -> None:
    made = await house()
    vitals = Vitals(made.recorder, made.dispatcher, made.clock, Seals())
    task = asyncio.create_task(vitals.watch())
    await asyncio.sleep(LAG_PERIOD_S * 3.5)
    assert vitals.loop_lag_s == pytest.approx(0, abs=1e-6)
    asyncio.get_running_loop()._jumping.now += 2.0  # somebody computed for two seconds
    await asyncio.sleep(LAG_PERIOD_S)
    assert vitals.loop_lag_s == pytest.approx(1.75, abs=0.3)
    await asyncio.sleep(LAG_PERIOD_S * (LAG_KEPT + 1))
    assert vitals.loop_lag_s == pytest.approx(0, abs=1e-6)
    task.cancel()
