"""Alarms ring, in order, and never early."""

import asyncio
import time

from benchmarks.alarm import Alarm


async def test_it_never_rings_early_and_can_be_set_again():
    loop, rang, over = asyncio.get_running_loop(), [], asyncio.Event()
    wanted = [time.monotonic_ns() + step for step in (-5_000_000, 300_000, 2_700_000)]

    def ring():
        rang.append(time.monotonic_ns())
        if len(rang) == len(wanted):
            over.set()
        else:
            alarm.set(wanted[len(rang)])

    alarm = Alarm(loop, ring)
    alarm.set(wanted[0])
    await over.wait()
    alarm.close()
    assert all(at >= moment for at, moment in zip(rang, wanted, strict=True))
