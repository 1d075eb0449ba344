import asyncio

import pytest

from daemon.vitals import LAG_KEPT, LAG_PERIOD_S, Vitals
from tests.daemon.test_dispatcher import house, messages
from tests.support.simulated import black_hole
from tests.support.virtual_loop import virtual


@virtual
async def test_the_oldest_due_delivery_shows_its_age() -> None:
    made = await house(batch_size=1)
    vitals = Vitals(made.recorder, made.dispatcher, made.clock)
    assert (vitals.oldest_due_s, vitals.in_flight, vitals.queue, vitals.owned_partitions) == (None, 0, 0, 4)
    application = await made.application()
    await made.endpoint(application, black_hole)
    await messages(made, application, 2)
    await asyncio.sleep(7)
    assert vitals.oldest_due_s == pytest.approx(7, abs=0.1)
    assert (vitals.in_flight, vitals.database_ok) == (1, True)


@virtual
async def test_a_loop_that_is_held_up_shows_for_ten_seconds() -> None:
    made = await house()
    vitals = Vitals(made.recorder, made.dispatcher, made.clock)
    task = asyncio.create_task(vitals.watch())
    await asyncio.sleep(LAG_PERIOD_S * 3.5)
    assert vitals.loop_lag_s == pytest.approx(0, abs=1e-6)
    asyncio.get_running_loop()._jumping.now += 2.0  # somebody computed for two seconds
    await asyncio.sleep(LAG_PERIOD_S)
    assert vitals.loop_lag_s == pytest.approx(1.75, abs=0.3)
    await asyncio.sleep(LAG_PERIOD_S * (LAG_KEPT + 1))
    assert vitals.loop_lag_s == pytest.approx(0, abs=1e-6)
    task.cancel()
