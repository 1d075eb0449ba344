import asyncio
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from daemon.ownership import LEASE_S, RENEW_S, Owner
from events.catalogue import PartitionTaken
from events.log import Unavailable
from tests.support.memory_log import MemoryLog
from tests.support.virtual_loop import VirtualClock, virtual


class Epochs:
    """All that an owner asks of a recorder."""

    def __init__(self) -> None:
        self.epochs: dict[int, int] = {}


def owner(log: MemoryLog, name: str) -> Owner:
    return Owner(log, Epochs(), VirtualClock(), name, len(log.head))


@virtual
async def test_taking_over_is_a_fact_in_every_partition() -> None:
    log = MemoryLog(2, VirtualClock().now)
    first, second = owner(log, "a"), owner(log, "b")
    assert await first.take(force=False) == {0: 1, 1: 1}
    assert await second.take(force=True) == {0: 2, 1: 2}
    assert second._recorder.epochs == {0: 2, 1: 2}
    assert [each.event for each in log.events[0]] == [PartitionTaken("a", 1), PartitionTaken("b", 2, "a")]


@virtual
async def test_a_standby_waits_for_the_lease_of_the_dead() -> None:
    clock = VirtualClock()
    log = MemoryLog(2, clock.now)
    await owner(log, "dead").take(force=False)
    began = clock.now()
    with capture_logs():
        await owner(log, "b").take(force=False)
    assert LEASE_S <= (clock.now() - began).total_seconds() <= LEASE_S + 2


@virtual
async def test_a_lease_that_is_kept_keeps_others_out_and_one_given_back_does_not() -> None:
    log = MemoryLog(1, VirtualClock().now)
    first = owner(log, "a")
    await first.take(force=False)
    keeping = asyncio.create_task(first.keep())
    with capture_logs():
        waiting = asyncio.create_task(owner(log, "b").take(force=False))
        await asyncio.sleep(10 * LEASE_S)
        assert not waiting.done()
        keeping.cancel()
        await first.release()
        await asyncio.sleep(2)
    assert waiting.done()


@virtual
async def test_who_lost_a_partition_stands_by_and_takes_over_when_all_are_free() -> None:
    clock = VirtualClock()
    log = MemoryLog(2, clock.now)
    first, lost, taken = owner(log, "a"), [], []

    async def on_taken(positions: dict[int, int]) -> None:
        taken.append(positions)

    first.on_lost, first.on_taken = (lambda: lost.append(1)), on_taken
    await first.take(force=False)
    keeping = asyncio.create_task(first.keep())
    await asyncio.sleep(RENEW_S * 2.5)
    assert not lost
    log.head[1].owner = "b"
    log.head[1].lease_until = clock.now() + timedelta(seconds=LEASE_S)
    with capture_logs():
        await asyncio.sleep(RENEW_S)
        assert (lost, taken, first._recorder.epochs) == ([1], [], {})
        await asyncio.sleep(LEASE_S + 2)
    assert taken == [{0: log.head[0].seq, 1: log.head[1].seq}]
    assert first._recorder.epochs == {partition: head.epoch for partition, head in log.head.items()}
    assert {head.owner for head in log.head.values()} == {"a"}
    keeping.cancel()


@virtual
async def test_a_database_that_is_away_is_asked_again() -> None:
    log = MemoryLog(1, VirtualClock().now)
    first = owner(log, "a")
    await first.take(force=False)
    renew, moods = log.renew, [Unavailable("away")]

    async def moody(*arguments):
        if moods:
            raise moods.pop()
        return await renew(*arguments)

    log.renew = moody
    keeping = asyncio.create_task(first.keep())
    await asyncio.sleep(RENEW_S * 2.5)
    assert not keeping.done()
    keeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeping
