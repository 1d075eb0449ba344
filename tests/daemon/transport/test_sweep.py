import asyncio

from daemon.transport.sweep import Sweep


class ManualLoop:
    """A loop's clock and timers, moved by hand."""

    def __init__(self):
        self.now = 0.0
        self.timers = []

    def time(self):
        return self.now

    def call_later(self, delay, callback, *args):
        self.timers.append((self.now + delay, callback, args))
        return asyncio.TimerHandle(self.now + delay, callback, args, asyncio.get_running_loop())

    def wake_at(self, now):
        self.now = now
        due, self.timers = self.timers, []
        for _, callback, args in due:
            callback(*args)


async def test_it_runs_while_there_is_something_to_watch():
    loop, seen, more = ManualLoop(), [], [True, False]
    sweep = Sweep(loop, 1.0, lambda now: seen.append(now) or more.pop(0))
    sweep.arm()
    sweep.arm()
    loop.wake_at(1.0)
    loop.wake_at(2.0)
    assert seen == [1.0, 2.0]
    assert not loop.timers
    sweep.arm()
    assert len(loop.timers) == 1


async def test_when_late_it_lets_others_go_first_but_only_once():
    loop, seen = ManualLoop(), []
    sweep = Sweep(loop, 1.0, lambda now: seen.append(now) or True)
    sweep.arm()
    loop.wake_at(5.0)
    assert not seen
    loop.wake_at(9.0)
    assert seen == [9.0]


async def test_it_survives_a_review_that_fails():
    loop = ManualLoop()
    sweep = Sweep(loop, 1.0, lambda _: 1 / 0)
    sweep.arm()
    loop.wake_at(1.0)
    assert len(loop.timers) == 1


async def test_disarmed():
    loop = asyncio.get_running_loop()
    sweep = Sweep(loop, 0.0, lambda _: True)
    sweep.arm()
    sweep.disarm()
    sweep.disarm()
    assert sweep._handle is None
