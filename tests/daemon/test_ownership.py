import asyncio

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
        self.steps: list[str] = []

    def lose(self, partitions):
        for partition in set(partitions) & self.epochs.keys():
            del self.epochs[partition]

    async def flushed(self):
        self.steps.append("flushed")


def owner(log: MemoryLog, name: str) -> Owner:
    return Owner(log, Epochs(), VirtualClock(), name)


def owned(log: MemoryLog) -> dict[int, str | None]:
    return {partition: head.owner for partition, head in log.head.items()}


@virtual
async def test_taking_is_a_fact_in_every_partition() -> None:
    log, taken = MemoryLog(2, VirtualClock().now), []
    first = owner(log, "a")

    async def on_taken(positions: dict[int, int]) -> None:
        taken.append(positions)

    first.on_taken = on_taken
    with capture_logs():
        await first.turn()
    assert taken == [{0: 1, 1: 1}]
    assert first._recorder.epochs == {0: 1, 1: 1}
    assert [each.event for each in log.events[0]] == [PartitionTaken("a", 1)]


@virtual
async def test_a_newcomer_gets_its_share_and_nothing_is_given_before_what_is_under_way_has_ended() -> None:
    log = MemoryLog(4, VirtualClock().now)
    first, second = owner(log, "a"), owner(log, "b")
    steps = first._recorder.steps

    async def on_leaving(partitions: frozenset[int]) -> None:
        assert owned(log) == dict.fromkeys(range(4), "a")
        steps.append(f"leaving {sorted(partitions)}")

    first.on_leaving = on_leaving
    with capture_logs():
        await first.turn()
        await second.turn()
        assert owned(log) == dict.fromkeys(range(4), "a")
        await first.turn()
        assert steps == ["leaving [2, 3]", "flushed"]
        await second.turn()
    assert owned(log) == {0: "a", 1: "a", 2: "b", 3: "b"}
    assert (first._recorder.epochs, second._recorder.epochs) == ({0: 1, 1: 1}, {2: 2, 3: 2})
    assert log.events[2][-1].event == PartitionTaken("b", 2, None)


@virtual
async def test_whoever_is_about_to_leave_keeps_only_what_something_is_under_way_for() -> None:
    log = MemoryLog(4, VirtualClock().now)
    leaving, other, leases, busy = owner(log, "a"), owner(log, "b"), [], {1}
    leaving.on_leased, leaving.busy = leases.append, lambda: busy
    with capture_logs():
        await leaving.turn()
        leaving.leaving = True
        await leaving.turn()
        assert owned(log) == {0: None, 1: "a", 2: None, 3: None}
        assert leaving._recorder.epochs == {1: 1}
        await other.turn()
        assert owned(log) == {0: "b", 1: "a", 2: "b", 3: "b"}
        busy.clear()
        await leaving.turn()
        await other.turn()
        await leaving.turn()
    assert set(owned(log).values()) == {"b"}
    assert len(leases) == 4


@virtual
async def test_what_the_dead_owned_is_taken_when_the_lease_ends() -> None:
    clock = VirtualClock()
    log = MemoryLog(2, clock.now)
    survivor = owner(log, "b")
    with capture_logs():
        await owner(log, "a").turn()
        keeping = asyncio.create_task(survivor.keep())
        await asyncio.sleep(LEASE_S - RENEW_S)
        assert set(owned(log).values()) == {"a"}
        await asyncio.sleep(2 * RENEW_S)
    assert set(owned(log).values()) == {"b"}
    assert log.events[0][-1].event == PartitionTaken("b", 2, "a")
    keeping.cancel()


@virtual
async def test_whoever_comes_back_after_its_lease_learns_what_it_has_lost() -> None:
    clock = VirtualClock()
    log = MemoryLog(2, clock.now)
    first, second = owner(log, "a"), owner(log, "b")
    with capture_logs():
        await first.turn()
        await asyncio.sleep(LEASE_S + 1)
        await second.turn()
        assert set(owned(log).values()) == {"b"}
        await first.turn()
    assert first._recorder.epochs == {}


@virtual
async def test_whoever_leaves_takes_nothing_back() -> None:
    log = MemoryLog(2, VirtualClock().now)
    first = owner(log, "a")
    with capture_logs():
        await first.turn()
        await first.leave()
        await first.turn()
    assert set(owned(log).values()) == {None}
    assert log.processes == {}


@virtual
async def test_when_nobody_else_can_be_alive_leases_are_not_waited_for() -> None:
    log = MemoryLog(2, VirtualClock().now)
    second = owner(log, "b")
    with capture_logs():
        await owner(log, "a").turn()
        await log.evict()
        await second.turn()
    assert set(owned(log).values()) == {"b"}


@virtual
async def test_partitions_whose_taking_was_not_recorded_are_given_back_and_taken_anew() -> None:
    log = MemoryLog(1, VirtualClock().now)
    first, append, moods = owner(log, "a"), log.append, [Unavailable("away")]

    async def moody(argument):
        if moods:
            raise moods.pop()
        return await append(argument)

    log.append = moody
    with capture_logs():
        keeping = asyncio.create_task(first.keep())
        await asyncio.sleep(RENEW_S * 1.5)
        assert (owned(log), first._recorder.epochs) == ({0: "a"}, {})
        await asyncio.sleep(RENEW_S * 2)
    assert (owned(log), first._recorder.epochs) == ({0: "a"}, {0: 2})
    keeping.cancel()


@virtual
async def test_while_somebody_asks_all_tell_at_the_full_second() -> None:
    clock = VirtualClock()
    log = MemoryLog(2, clock.now)
    first, second = owner(log, "a"), owner(log, "b")
    told: list[float] = []
    first.report = lambda: told.append(clock.now().timestamp() % 1.0)
    second.asks = lambda: True
    with capture_logs():
        await second.turn()
        await asyncio.sleep(0.3)
        keeping = asyncio.create_task(first.keep())
        await asyncio.sleep(RENEW_S * 4)
    phases = {round(each, 3) % 1.0 for each in told[1:]}
    assert len(told) >= 3
    assert (phases, second.asked, first.asked) == ({0.0}, True, True)
    keeping.cancel()
