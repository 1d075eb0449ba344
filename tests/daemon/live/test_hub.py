"""The hub alone, over a log that a test moves; over sockets and a database it is tested in api/v1/test_live.py."""

import asyncio
import json
from types import SimpleNamespace

import pytest

from daemon.live.group import Wanted
from daemon.live.hub import MISSED_MAX, PAGE, TENANTS_MAX, WATCHERS_MAX, Closed, Hub
from daemon.live.neighbours import Neighbours
from daemon.live.reporter import Reporter
from daemon.live.subscriber import Subscriber
from daemon.recorder import Committed
from events.log import Roll, Unavailable
from events.log_views import Head
from events.world import World
from tests.daemon.live.making import AT, failed
from tests.daemon.live.test_subscriber import Connection

PARTITIONS = 3


class Log:
    """A log whose events are in its hands; it can be away."""

    def __init__(self):
        self.events = []
        self.away = False
        self.on_read = lambda: None

    def add(self, partition, count=1):
        head = self.head(partition)
        new = [failed(head + n, partition=partition) for n in range(1, count + 1)]
        self.events += new
        return new

    def head(self, partition):
        return max([each.seq for each in self.events if each.partition == partition], default=0)

    async def heads(self):
        if self.away:
            raise Unavailable
        return [Head(n, "me", 1, self.head(n), None, None) for n in range(PARTITIONS)]

    async def after(self, low, high, limit):
        if self.away:
            raise Unavailable
        found = [each for each in self.events if low[each.partition] < each.seq <= high[each.partition]][:limit]
        self.on_read()
        return found


class Made:
    def __init__(self):
        self.log = Log()
        self.recorder = SimpleNamespace(followers=[], epochs=dict.fromkeys(range(PARTITIONS), 1))
        nobody = SimpleNamespace(targets=lambda: (), target=lambda _: None)
        vitals = SimpleNamespace(database_ok=True, oldest_due_s=None, loop_lag_s=0.0, in_flight=0, queue=0)
        world = World(PARTITIONS)
        reporter = Reporter(
            "me", self.recorder, world, nobody, vitals, SimpleNamespace(now=lambda: AT), batch_size=10
        )
        self.neighbours = Neighbours(self.log, "me", SimpleNamespace(now=lambda: AT))
        self.hub = Hub(self.recorder, world, self.log, reporter, self.neighbours)

    def commit(self, partition, count=1):
        """What this process appends."""
        self.tell(self.log.add(partition, count))

    def tell(self, events):
        for follower in self.recorder.followers:
            follower(Committed(events, {}))

    async def watch(self, since=None, **wanted):
        watcher = Watcher(self.hub, wanted)
        positions = await self.hub.join(watcher.subscriber)
        await self.hub.resume(watcher.subscriber, since or positions)
        return watcher


class Watcher:
    def __init__(self, hub, wanted):
        self.connection = Connection()
        self.subscriber = Subscriber(
            self.connection, Wanted(**{"rate": 2000} | wanted), None, asyncio.get_running_loop().time()
        )

    def told(self):
        seen, skipped = [], 0
        for part in b"".join(self.connection.written).decode().split("\n\n")[:-1]:
            fields = dict(line.split(": ", 1) for line in part.splitlines())
            data = json.loads(fields["data"])
            if fields["event"] == "events":
                seen += [(each["partition"], each["seq"]) for each in data]
            else:
                skipped += data["count"]
        return seen, skipped


@pytest.fixture
async def made():
    return Made()


async def test_what_the_recorder_tells_is_passed_on_once(made):
    made.log.add(0, 5)
    watcher = await made.watch()
    made.commit(0, 2)
    made.commit(1)
    await made.hub.tick()
    await made.hub.tick()
    assert watcher.told() == ([(0, 6), (0, 7), (1, 1)], 0)


async def test_a_commit_that_nobody_heard_of_is_read(made):
    """The database's word of it was lost: it is seen when the next one comes, or when the watch looks twice."""
    watcher = await made.watch()
    made.log.add(0, 2)
    made.commit(0)
    await made.hub.tick()
    assert watcher.told() == ([], 0)
    await made.hub.look_up()
    await made.hub.tick()
    assert watcher.told() == ([(0, 1), (0, 2), (0, 3)], 0)
    made.log.add(1, 2)
    await made.hub.look_up()
    await made.hub.tick()
    assert len(watcher.told()[0]) == 3
    await made.hub.look_up()
    await made.hub.tick()
    made.commit(1)
    await made.hub.tick()
    assert watcher.told() == ([(0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3)], 0)


async def test_what_is_committed_while_the_log_is_read_comes_once(made):
    watcher = await made.watch()
    made.log.add(0, PAGE + 10)
    made.commit(0)
    await made.hub.tick()
    made.log.on_read = lambda: made.commit(0) if len(made.log.events) < PAGE + 20 else None
    await made.hub.look_up()
    for _ in range(3):
        await made.hub.tick()
        await made.hub.look_up()
    await made.hub.tick()
    seen, skipped = watcher.told()
    assert skipped + len(seen) == len(made.log.events) == made.log.head(0)
    assert [seq for _, seq in seen] == sorted({seq for _, seq in seen})


async def test_what_others_own_is_read_at_once(made):
    watcher = await made.watch()
    del made.recorder.epochs[2]
    made.log.add(1)
    made.log.add(2, 3)
    await made.hub.look_up()
    await made.hub.tick()
    assert watcher.told() == ([(2, 1), (2, 2), (2, 3)], 0)
    made.log.add(2, MISSED_MAX + 7)
    await made.hub.look_up()
    await made.hub.tick()
    seen, skipped = watcher.told()
    assert skipped + len(seen) == MISSED_MAX + 11
    assert skipped >= 7
    assert (1, 1) in seen, "what is owned here is read too, when it was not told after a second look"


@pytest.mark.parametrize("page", range(1, 6))
async def test_reading_the_past_meets_the_present_without_gap_or_repeat(made, page, monkeypatch):
    monkeypatch.setattr("daemon.live.hub.PAGE", page)
    made.log.add(0, 7)
    made.log.add(1, 4)
    await made.watch()
    moves = iter([1, 3, 0, 2, 1])

    def while_reading():
        count = next(moves, 0)
        if count:
            made.commit(count % 2, count)

    made.log.on_read = while_reading
    watcher = Watcher(made.hub, {})
    await made.hub.join(watcher.subscriber)
    await made.hub.resume(watcher.subscriber, (2, 0, 0))
    await made.hub.tick()
    made.commit(1)
    await made.hub.tick()
    seen, skipped = watcher.told()
    assert skipped == 0
    for partition, first in ((0, 3), (1, 1)):
        assert [seq for number, seq in seen if number == partition] == list(
            range(first, made.log.head(partition) + 1)
        )


async def test_nobody_left_nothing_is_followed(made):
    first, second = await made.watch(), await made.watch(status="ok")
    assert len(made.recorder.followers) == 1
    made.hub.leave(first.subscriber)
    assert len(made.recorder.followers) == 1
    made.hub.leave(second.subscriber)
    assert (made.recorder.followers, len(made.hub)) == ([], 0)
    await made.hub.look_up()
    third = await made.watch()
    made.commit(0)
    await made.hub.tick()
    assert third.told() == ([(0, 1)], 0)


async def test_without_the_database_nobody_is_taken_on(made):
    made.log.away = True
    with pytest.raises(Unavailable):
        await made.watch()
    assert (made.recorder.followers, len(made.hub)) == ([], 0)
    with pytest.raises(Unavailable):
        await made.hub.look_up()


async def test_a_lost_database_ends_no_stream(made):
    watcher = await made.watch()
    made.log.away = True
    made.log.add(0)
    made.commit(0)
    await made.hub.tick()
    made.log.away = False
    await made.hub.look_up()
    await made.hub.tick()
    assert watcher.told() == ([(0, 1), (0, 2)], 0)
    assert not watcher.subscriber.ended.is_set()


async def test_closing_ends_all_and_takes_on_nobody(made):
    watcher = await made.watch()
    made.hub.close()
    assert watcher.subscriber.ended.is_set()
    with pytest.raises(Closed):
        await made.watch()


async def test_events_that_nobody_takes_do_not_pile_up(made, monkeypatch):
    monkeypatch.setattr("daemon.live.hub.FRESH_MAX", 10)
    await made.watch()
    for _ in range(20):
        made.commit(0)
        assert made.hub._fresh_events <= 10


async def test_so_many_at_once_and_operators_before_tenants(made):
    for number in range(TENANTS_MAX):
        await made.watch(org=f"org_{number}")
    with pytest.raises(Closed, match="watch already"):
        await made.watch(org="org_late")
    for _ in range(WATCHERS_MAX - TENANTS_MAX):
        await made.watch()
    with pytest.raises(Closed, match="watch already"):
        await made.watch()


async def test_what_others_ask_is_counted_and_told_until_they_ask_no_more(made):
    assert made.hub.figures() is None
    made.hub.asked_elsewhere()
    assert not made.hub.asks()
    made.commit(0, 3)
    await made.hub.tick()
    assert json.loads(made.hub.figures())["counts"]["failed"] == 3
    made.hub.reporter.asked_elsewhere(-1e9)
    await made.hub.tick()
    assert made.hub.figures() is None
    assert made.recorder.followers == []


async def test_whoever_watches_or_asks_here_wants_the_others_told(made):
    watcher = await made.watch()
    assert made.hub.asks()
    made.hub.leave(watcher.subscriber)
    assert not made.hub.asks()
    made.hub.look()
    assert made.hub.asks()


async def test_what_is_appended_elsewhere_is_told_in_order_with_what_this_process_puts_in_between(made):
    """Partition 2 is another's: this process hears of nothing there but what it has appended itself."""
    made.neighbours.looked(Roll(("me", "you"), ()))
    del made.recorder.epochs[2]
    watcher = await made.watch()
    made.log.add(2, 3)
    made.commit(2)
    made.log.add(2)
    await made.hub.tick()
    assert watcher.told() == ([], 0)
    await made.hub.look_up()
    made.commit(2)
    await made.hub.tick()
    assert watcher.told() == ([(2, n) for n in range(1, 7)], 0)
