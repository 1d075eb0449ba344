"""A lane against a model: whatever comes in whatever order, nothing is out twice and nothing is forgotten."""

from datetime import datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from daemon.lane import Lane
from events.delivery import Delivery
from tests.support.builders import NOW, a_delivery

SECOND = timedelta(seconds=1)


def delivery(message: str = "m", version: int = 1, next_at: datetime = NOW) -> Delivery:
    return a_delivery(message=message, version=version, next_at=next_at)


class LaneAndTable(RuleBasedStateMachine):
    """The table is the truth. The lane hears of births and outcomes late, and reads snapshots that are old."""

    def __init__(self) -> None:
        super().__init__()
        self.lane = Lane(capacity=4)
        self.now = NOW
        self.table: dict[str, Delivery] = {}
        self.unheard: list[tuple[str, Delivery | None]] = []  # committed, not yet followed
        self.out: dict[str, Delivery] = {}
        self.snapshot: list[Delivery] | None = None
        self.asked = 0
        self.born = 0
        self.ended: dict[str, Delivery] = {}
        self.touched: set[str] = set()  # cancelled or sent again: what is out may be of an older state

    @rule()
    def is_born(self) -> None:
        self.born += 1
        row = delivery(f"m{self.born:03}", next_at=self.now)
        self.table[row.message] = row
        self.unheard.append(("offer", row))

    @rule()
    @precondition(lambda self: self.unheard)
    def is_heard_of(self) -> None:
        kind, row = self.unheard.pop(0)
        if kind == "offer":
            self.lane.offer(row)
        elif kind == "resent":
            self.lane.resent(row.message)
        elif kind == "ended":
            self.lane.ended(row.message, row.version)
        else:
            self.lane.settle(row.message, row.version, row.next_at)

    @rule()
    @precondition(lambda self: len(self.lane))
    def goes_out(self) -> None:
        taken = self.lane.take()
        assert taken.message not in self.out, "out twice"
        self.out[taken.message] = taken

    @rule(pick=st.randoms(use_true_random=False), again_s=st.none() | st.integers(0, 3))
    @precondition(lambda self: self.out)
    def its_outcome_is_committed(self, pick, again_s: int | None) -> None:
        gone = self.out.pop(pick.choice(sorted(self.out)))
        row = self.table.get(gone.message) or self.ended[gone.message]
        assert row.version == gone.version or row.message in self.touched, "sent on an old state"
        if again_s is None or row.message not in self.table:
            self.table.pop(row.message, None)
            self.ended[row.message] = delivery(row.message, row.version + 1)
            after = delivery(row.message, row.version + 1)
            self.unheard.append(("settle", a_delivery(message=row.message, version=after.version, next_at=None)))
        else:
            after = delivery(row.message, row.version + 1, self.now + again_s * SECOND)
            self.table[row.message] = after
            self.unheard.append(("settle", after))

    @rule(pick=st.randoms(use_true_random=False))
    @precondition(lambda self: self.table)
    def is_cancelled(self, pick) -> None:
        row = self.table.pop(pick.choice(sorted(self.table)))
        after = self.ended[row.message] = delivery(row.message, row.version + 1)
        self.touched.add(row.message)
        self.unheard.append(("ended", after))

    @rule(pick=st.randoms(use_true_random=False))
    @precondition(lambda self: self.table or self.ended)
    def is_sent_again(self, pick) -> None:
        message = pick.choice(sorted(self.table.keys() | self.ended))
        row = self.table.get(message) or self.ended.pop(message)
        after = self.table[message] = delivery(message, row.version + 1, self.now)
        self.touched.add(message)
        self.unheard.append(("resent", after))

    @rule()
    @precondition(lambda self: self.lane.wants(self.now))
    def a_read_begins(self) -> None:
        self.asked = self.lane.reading()
        rows = sorted(self.table.values(), key=lambda row: (row.next_at, row.message))
        self.snapshot = rows[: self.asked]

    @rule(fails=st.booleans())
    @precondition(lambda self: self.snapshot is not None)
    def a_read_ends(self, fails: bool) -> None:  # noqa: FBT001
        if fails:
            self.lane.read_failed()
        else:
            self.lane.read(self.snapshot, self.asked, self.now)
        self.snapshot = None

    @rule()
    def somebody_has_it_look_again(self) -> None:
        self.lane.look()

    @rule(seconds=st.integers(0, 2))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds * SECOND

    @invariant()
    def it_is_bounded(self) -> None:
        assert self.lane.held <= self.lane.capacity

    @invariant()
    def nothing_is_forgotten(self) -> None:
        if self.snapshot is not None or self.lane.more:
            return
        on_its_way = {row.message for _, row in self.unheard}
        for row in self.table.values():
            if row.message in self.lane._held or row.message in on_its_way:
                continue
            assert self.lane.wake_at is not None
            assert self.lane.wake_at <= row.next_at, f"{row.message} is forgotten"

    @invariant()
    def it_is_idle_only_with_nothing_to_come(self) -> None:
        if self.lane.idle() and not self.unheard:
            assert not self.table


LaneAndTable.TestCase.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, derandomize=True, database=None
)
TestLaneAndTable = LaneAndTable.TestCase


def test_what_finds_no_room_is_more() -> None:
    lane = Lane(2)
    for name in "abc":
        lane.offer(delivery(name))
    assert (len(lane), lane.more) == (2, True)


def test_nothing_overtakes_what_waits_in_the_table() -> None:
    lane = Lane(2, more=True)
    lane.offer(delivery("new"))
    assert len(lane) == 0


def test_what_was_read_before_its_birth_was_heard_of_is_not_there_twice() -> None:
    lane = Lane(4, more=True)
    asked = lane.reading()
    lane.read([delivery("a")], asked, NOW)
    lane.offer(delivery("a"))
    assert len(lane) == 1


def test_old_news_does_not_let_go_of_what_is_out_again() -> None:
    lane = Lane(4, more=True)
    asked = lane.reading()
    lane.read([delivery("a", version=2)], asked, NOW)
    lane.take()
    lane.settle("a", 2, NOW)
    assert lane.held == 1
    lane.settle("a", 3, None)
    assert lane.held == 0


def test_a_look_during_a_read_is_not_lost() -> None:
    lane = Lane(4, more=True)
    asked = lane.reading()
    lane.look()
    lane.read([], asked, NOW)
    assert lane.wants(NOW)


def test_what_is_pulled_is_held_until_settled() -> None:
    lane = Lane(4)
    lane.offer(delivery("a"))
    lane.pull("a")
    assert (len(lane), lane.held, lane.head()) == (0, 1, None)
