import asyncio
from datetime import timedelta

from daemon.alarms import Alarms
from daemon.target import Target
from tests.support.builders import an_endpoint
from tests.support.virtual_loop import VirtualClock, virtual


@virtual
async def test_each_is_called_up_at_its_earliest_moment_and_once() -> None:
    clock, rung = VirtualClock(), []
    began = clock.now()
    alarms = Alarms(clock, lambda target: rung.append((target, (clock.now() - began).total_seconds())))
    first, second = Target(an_endpoint(), 1), Target(an_endpoint(), 1)
    alarms.set(first, began + timedelta(hours=10))
    alarms.set(second, began + timedelta(seconds=5))
    alarms.set(first, began + timedelta(seconds=90))
    alarms.set(first, began + timedelta(seconds=120))  # later than the one that is set
    await asyncio.sleep(3600)
    assert [target for target, _ in rung] == [second, first]
    assert [round(at_s, 3) for _, at_s in rung] == [5, 90]


@virtual
async def test_a_machine_that_slept_is_noticed_within_half_a_minute() -> None:
    clock, rung = SleepyClock(), []
    alarms = Alarms(clock, rung.append)
    target = Target(an_endpoint(), 1)
    alarms.set(target, clock.now() + timedelta(hours=1))
    clock.slept = timedelta(hours=2)
    await asyncio.sleep(30.1)
    assert rung == [target]


class SleepyClock(VirtualClock):
    """The wall's clock went on while the loop's stood still."""

    slept = timedelta(0)

    def now(self):
        return super().now() + self.slept
