"""The thread of each partition, over a log that others append to, that fails, and whose news is lost or late."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from daemon import following
from daemon.following import RETRY_S, Follower
from daemon.payloads import Payloads
from daemon.recorder import Committed
from daemon.untried import Untried
from events.catalogue import ApplicationDeleted, AttemptSucceeded, MessageAccepted, PartitionTaken, PayloadExpunged
from events.envelope import Recorded, is_config
from events.log import Unavailable
from tests.support.builders import APP, EP, NOW
from tests.support.virtual_loop import run, virtual

ACCEPTED = MessageAccepted(APP, "t", "d", 2, (EP,))
SUCCEEDED = AttemptSucceeded(1, 200, 1, 1, 1)


class Made:
    """A follower, and all that it deals with."""

    def __init__(self, partitions: int = 1) -> None:
        self.events: dict[int, list[Recorded]] = {number: [] for number in range(partitions)}
        self.handed: dict[int, list[Recorded]] = {number: [] for number in range(partitions)}
        self.followers: list = []
        self.failures = 0
        self.slow_s = 0.0
        self.reads: list = []
        self.learned = dict.fromkeys(range(partitions), 0)
        self.attended = 0
        self.kept = Payloads(1000)
        self.untried = Untried()
        self.follower = Follower(self, self, self, self.kept)
        self.unheard: Committed | None = None
        self.epochs = dict.fromkeys(range(partitions), 1)

    # as the log

    async def read(self, stretches, limit: int) -> list[Recorded]:
        self.reads.append(list(stretches))
        found = []
        for partition, after, before in self.reads[-1]:
            stop = after + limit if before is None else min(after + limit, before - 1)
            found += self.events[partition][after:stop]
        await asyncio.sleep(self.slow_s)
        if self.failures:
            self.failures -= 1
            raise Unavailable("away")
        return found

    async def payloads(self, keys) -> dict[str, bytes]:
        await asyncio.sleep(self.slow_s)
        return {message: b"another's" for _, _, message in keys}

    # as the recorder

    async def learn(self, partitions) -> None:
        await asyncio.sleep(self.slow_s)
        for partition in partitions:
            self.learned[partition] = len(self.events[partition])

    def lose(self, partitions) -> None:
        for partition in partitions:
            del self.epochs[partition]
        self.follower.forget(partitions)

    # as the dispatcher

    def take_in(self, recorded: Recorded) -> None:
        foreign = recorded.actor == "another"
        assert not (foreign and is_config(recorded)) or self.learned[recorded.partition] >= recorded.seq
        self.handed[recorded.partition].append(recorded)

    def attend_stirred(self) -> None:
        self.attended += 1

    # what happens

    def append(self, partition: int, count: int = 1, actor: str = "another", event=ACCEPTED) -> list[Recorded]:
        events = self.events[partition]
        endpoint = EP if isinstance(event, AttemptSucceeded) else None
        new = []
        for _ in range(count):
            seq = len(events) + 1
            new.append(Recorded(partition, seq, NOW, f"msg_{partition}_{seq}", endpoint, 1, actor, None, event))
            events.append(new[-1])
        return new

    def commit(self, *partitions: int, count: int = 1, event=ACCEPTED) -> None:
        """This process appends; it hears of it before its next append, but others may append in between."""
        self.publish()
        events = [each for partition in partitions for each in self.append(partition, count, "hookd", event)]
        accepted = {each.stream: b"own" for each in events if isinstance(each.event, MessageAccepted)}
        self.unheard = Committed(events, accepted, purged=isinstance(event, PayloadExpunged))

    def publish(self) -> None:
        committed, self.unheard = self.unheard, None
        if committed is not None:
            for follower in self.followers:
                follower(committed)

    def seqs(self, partition: int = 0) -> list[int]:
        return [each.seq for each in self.handed[partition]]

    def all_seqs(self, partition: int = 0, after: int = 0) -> list[int]:
        return list(range(after + 1, len(self.events[partition]) + 1))


@contextmanager
def running(made: Made) -> Iterator[None]:
    task = asyncio.create_task(made.follower.run())
    try:
        yield
    finally:
        if task.done():
            task.result()
        task.cancel()


@virtual
async def test_what_this_process_appends_is_handed_over_at_once_and_nothing_is_read() -> None:
    made = Made(2)
    made.follower.begin({0: 0})
    with running(made):
        await asyncio.sleep(1)
        made.reads.clear()
        for _ in range(3):
            made.commit(0, 1, count=2)
            made.publish()
            assert made.seqs() == made.all_seqs()
        await asyncio.sleep(1)
    assert made.reads == []
    assert made.seqs(1) == [], "that is another's"


@virtual
async def test_nothing_overtakes_what_others_have_appended_in_between() -> None:
    made = Made()
    made.follower.begin({0: 0})
    with running(made):
        await asyncio.sleep(1)
        made.append(0, 2)
        made.commit(0)
        made.publish()
        assert made.seqs() == []
        await asyncio.sleep(1)
        assert made.seqs() == [1, 2, 3]
        assert made.reads[-1] == [(0, 0, 3)], "what is at hand is not read"


@virtual
async def test_what_comes_after_what_is_at_hand_is_read_too_when_there_is_news_of_it() -> None:
    made = Made()
    made.slow_s = 1.0
    made.follower.begin({0: 0})
    with running(made):
        await asyncio.sleep(2)
        made.append(0)
        made.commit(0)
        made.append(0)
        made.publish()
        made.follower.heard([0])
        await asyncio.sleep(9)
    assert made.seqs() == [1, 2, 3]


@virtual
async def test_what_comes_after_the_partition_was_taken_by_another_is_not_handed_over() -> None:
    made = Made()
    made.follower.begin({0: 0})
    with running(made):
        made.append(0)
        made.append(0, event=PartitionTaken("another", 2, "me"))
        made.append(0)
        made.follower.heard()
        await asyncio.sleep(1)
        made.commit(0)
        made.publish()
        await asyncio.sleep(1)
    assert made.seqs() == [1]
    assert made.epochs == {}


@virtual
async def test_what_others_have_configured_is_learned_before_it_is_handed_over() -> None:
    made = Made()
    made.slow_s = 0.1
    made.follower.begin({0: 0})
    with running(made):
        made.append(0, 3)
        made.append(0, event=ApplicationDeleted())
        made.append(0)
        made.follower.heard([0])
        await asyncio.sleep(5)
    assert made.seqs() == made.all_seqs()
    assert made.learned[0] >= 4


@virtual
async def test_news_of_what_is_not_owned_here_is_no_news() -> None:
    made = Made(2)
    made.follower.begin({0: 0})
    with running(made):
        await asyncio.sleep(1)
        made.reads.clear()
        made.append(1)
        made.follower.heard([1])
        await asyncio.sleep(1)
        assert made.reads == []
        made.follower.heard()
        await asyncio.sleep(1)
    assert made.reads == [[(0, 0, None)]]


@virtual
async def test_a_log_that_cannot_be_read_is_read_later() -> None:
    made = Made()
    made.failures = 3
    made.follower.begin({0: 0})
    made.append(0, 2)
    with running(made):
        await asyncio.sleep(RETRY_S * 1.5)
        made.commit(0)
        made.publish()
        assert made.seqs() == []
        await asyncio.sleep(RETRY_S * 2)
    assert made.seqs() == [1, 2, 3]


@virtual
async def test_what_is_lost_while_it_is_read_is_not_handed_over() -> None:
    made = Made(2)
    made.slow_s = 1.0
    made.append(0, 2)
    made.append(1, 2)
    made.follower.begin({0: 0, 1: 0})
    with running(made):
        await asyncio.sleep(0.5)
        made.follower.forget([0])
        made.commit(0)
        made.publish()
        await asyncio.sleep(5)
        assert made.seqs(0) == []
        assert made.seqs(1) == [1, 2]
        made.append(0)
        made.follower.begin({0: 3})
        await asyncio.sleep(5)
    assert made.seqs(0) == [4]


@virtual
async def test_payloads_accepted_here_are_at_hand_while_it_is_owned_here() -> None:
    made = Made(2)
    made.follower.begin({0: 0})
    made.commit(0, 1)
    made.publish()
    assert made.kept.get("msg_0_1") == b"own"
    assert made.kept.get("msg_1_1") is None
    made.follower.forget([0])
    assert made.kept.get("msg_0_1") is None, "whether it is expunged is not heard of any more"


@virtual
async def test_payloads_of_what_others_accepted_are_brought_along() -> None:
    made = Made()
    made.follower.begin({0: 0})
    with running(made):
        made.append(0)
        made.follower.heard()
        await asyncio.sleep(1)
        assert made.kept.get("msg_0_1") == b"another's"
        made.slow_s = 1.0
        made.append(0)
        made.follower.heard()
        await asyncio.sleep(1.5)
        made.commit(0, event=PayloadExpunged())  # while they are read
        made.publish()
        await asyncio.sleep(9)
    assert made.seqs() == [1, 2, 3]
    assert made.kept.get("msg_0_2") is None, "it may be the one that was expunged"


@virtual
async def test_a_payload_that_is_expunged_through_this_process_is_forgotten_whoever_owns_it() -> None:
    made = Made()
    made.kept.put("msg_0_1", b"own")
    made.commit(0, event=PayloadExpunged())
    made.publish()
    assert made.kept.get("msg_0_1") is None


PARTITION = st.integers(0, 1)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("own"), PARTITION, st.integers(1, 5)),
        st.tuples(st.just("both"), PARTITION, st.integers(1, 3)),
        st.tuples(st.just("foreign"), PARTITION, st.integers(1, 5)),
        st.tuples(st.just("config"), PARTITION, st.integers(1, 2)),
        st.tuples(st.just("publish"), PARTITION, st.just(0)),
        st.tuples(st.just("news"), PARTITION, st.just(0)),
        st.tuples(st.just("fail"), PARTITION, st.integers(1, 2)),
        st.tuples(st.just("pass"), PARTITION, st.integers(1, 9)),
        st.tuples(st.just("again"), PARTITION, st.just(0)),
    ),
    max_size=40,
)


@given(STEPS, st.integers(1, 4), st.integers(1, 6), st.sampled_from([0.0, 0.1, 0.35]))
def test_each_event_is_handed_over_once_and_in_order_whatever_happens(steps, page, aside, slow_s) -> None:
    with patch.object(following, "PAGE", page), patch.object(following, "ASIDE_MAX", aside):
        run(_whatever_happens(steps, slow_s))


async def _whatever_happens(steps, slow_s: float) -> None:
    made = Made(2)
    made.slow_s = slow_s
    begun = {0: 0, 1: 0}
    made.follower.begin(begun)
    with running(made):
        for what, partition, count in steps:
            match what:
                case "own":
                    made.commit(partition, count=count)
                case "both":
                    made.commit(0, 1, count=count)
                case "foreign":
                    made.append(partition, count)
                case "config":
                    made.append(partition, count, event=ApplicationDeleted())
                case "publish":
                    made.publish()
                case "news":
                    made.follower.heard([partition])
                case "fail":
                    made.failures += count
                case "pass":
                    await asyncio.sleep(count * 0.1)
                case "again":  # lost, and taken again
                    made.follower.forget([partition])
                    begun[partition] = len(made.events[partition])
                    made.handed[partition].clear()
                    made.follower.begin({partition: begun[partition]})
            for number, position in begun.items():
                assert made.seqs(number) == made.all_seqs(number, position)[: len(made.handed[number])]
        made.publish()
        made.follower.heard()  # as the roll would have it
        await asyncio.sleep(100)
    for number, position in begun.items():
        assert made.seqs(number) == made.all_seqs(number, position)
        assert made.follower.positions[number] == len(made.events[number])
    assert made.follower._aside == {}
    assert made.follower._missing == set()
