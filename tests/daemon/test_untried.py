"""What has no row is known by heart, gets one in time, and is never forgotten, whatever happens to an append."""

import asyncio

import pytest

from daemon import untried
from daemon.untried import Untried
from events.append import UNKNOWN, Append
from events.catalogue import AttemptSucceeded, Event, MessageAccepted
from events.envelope import Recorded
from tests.support.builders import APP, EP, MSG, NOW, P, a_delivery, moving

SUCCEEDED = AttemptSucceeded(1, 200, 1, 1, 1)
OTHER = 3


@pytest.fixture(autouse=True)
def short_tails(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, events in {"TAIL": 8, "TAIL_MAX": 16, "STEP": 2, "FEW": 1}.items():
        monkeypatch.setattr(untried, name, events)


class Log:
    """Takes events in, one after another, and appends."""

    def __init__(self, settled: int = 0) -> None:
        self.untried = Untried()
        self.untried.begin({P: settled, OTHER: 0})
        self.seq = {P: settled, OTHER: 0}
        self.ripened = 0
        self.untried.on_ripe = self._ripened

    def _ripened(self) -> None:
        self.ripened += 1

    def _take_in(self, stream: str, endpoint: str | None, event: Event, partition: int) -> None:
        self.seq[partition] += 1
        self.untried.take_in(Recorded(partition, self.seq[partition], NOW, stream, endpoint, 1, "test", None, event))

    def accept(self, message: str = MSG, *endpoints: str, partition: int = P) -> None:
        event = MessageAccepted(APP, "t", "d", 2, endpoints or (EP,), retention_days=30)
        self._take_in(message, None, event, partition)

    def deliver(self, message: str = MSG, endpoint: str = EP, partition: int = P) -> None:
        self._take_in(message, endpoint, SUCCEEDED, partition)

    def pass_by(self, count: int) -> None:
        """Events that have nothing to do with what waits."""
        for _ in range(count):
            self.deliver("msg_another")

    @property
    def rowless(self) -> int:
        return sum(map(len, self.brief().untried.values()))

    def brief(self) -> Append:
        append = Append(NOW)
        self.untried.brief(append)
        return append

    def append(self, settled: int | None = None) -> Append:
        """One that succeeds; the log answers how far it is settled."""
        append = self.brief()
        append.settled = {P: append.settle.get(P, append.settled[P]) if settled is None else settled}
        self.untried.learn(append)
        return append


def test_what_was_accepted_is_without_a_row_until_it_is_tried() -> None:
    log = Log(settled=5)
    log.accept(MSG, EP, "ep_2")
    log.accept("msg_2", partition=OTHER)
    append = log.brief()
    assert append.settled == {P: 5, OTHER: 0}
    assert append.untried[P] == {(MSG, EP): (6, NOW, 30), (MSG, "ep_2"): (6, NOW, 30)}
    assert append.is_untried(a_delivery())
    assert not append.is_untried(a_delivery(message="msg_2"))
    assert not append.is_untried(a_delivery(partition=7))
    log.deliver()
    assert log.rowless == 2
    assert not log.brief().is_untried(a_delivery())


def test_after_a_while_the_older_half_is_settled_without_rows_if_all_of_it_was_tried() -> None:
    log = Log()
    log.accept()
    log.deliver()
    log.pass_by(5)
    assert not log.untried.ripe
    log.pass_by(1)
    assert (log.untried.ripe, log.ripened) == (True, 1)
    append = log.append()
    assert (append.settle, append.waiting, append.heads()) == ({P: 4}, [], {P: 0})
    assert not log.untried.ripe
    assert log.brief().settled[P] == 4
    log.pass_by(1)
    assert not log.untried.ripe
    log.pass_by(1)
    assert log.brief().settle == {P: 6}


def test_a_few_that_still_wait_get_their_rows_then() -> None:
    log = Log()
    log.accept()
    log.pass_by(6)
    log.accept("msg_2")
    append = log.append()
    assert append.waiting == [(P, MSG, EP, NOW, 30)]
    assert list(log.brief().untried[P]) == [("msg_2", EP)]


def test_many_are_waited_for_and_get_rows_in_the_end() -> None:
    log = Log()
    log.accept(MSG, EP, "ep_2")
    log.pass_by(18)
    assert not log.untried.ripe
    log.pass_by(1)
    append = log.append()
    assert append.settle == {P: 16}
    assert [each[1:3] for each in append.waiting] == [(MSG, EP), (MSG, "ep_2")]
    assert log.rowless == 0


def test_what_moves_in_the_append_itself_gets_no_row_of_before() -> None:
    log = Log()
    log.accept()
    log.pass_by(7)
    append = Append(NOW)
    moving(append, a_delivery(), SUCCEEDED)
    log.untried.brief(append)
    assert (append.settle, append.waiting) == ({P: 4}, [])


def test_what_somebody_else_has_settled_has_rows() -> None:
    log = Log()
    log.accept()
    log.accept("msg_2")
    log.accept("msg_3")
    log.append(settled=2)
    assert list(log.brief().untried[P]) == [("msg_3", EP)]
    assert log.brief().settled[P] == 2
    log.append(settled=9)
    log.accept("msg_4")  # heard of late: it was accepted before it was settled
    assert log.rowless == 0
    log.pass_by(4)
    assert not log.untried.ripe, "what is settled is never less than before"


def test_in_doubt_nothing_is_known_until_an_append_answers() -> None:
    log = Log()
    log.accept()
    log.untried.doubt()
    assert log.brief().settled == {P: UNKNOWN, OTHER: UNKNOWN}
    log.append(settled=1)
    assert log.rowless == 0
    assert log.brief().settled[P] == 1


def test_a_backlog_is_settled_up_to_its_oldest_without_rows() -> None:
    log = Log()
    for number in range(20):
        log.accept(f"msg_{number}", EP, "ep_2")
    for number in range(5):
        log.deliver(f"msg_{number}")
        log.deliver(f"msg_{number}", "ep_2")
    append = log.append()
    assert (append.settle, append.waiting) == ({P: 5}, [])


def test_a_few_that_others_overtake_get_rows_and_those_behind_them_do_not() -> None:
    log = Log()
    log.accept("msg_slow")
    for number in range(5):
        log.accept(f"msg_{number}")
    log.deliver("msg_0")
    log.deliver("msg_1")
    log.deliver("msg_2")
    log.pass_by(1)
    append = log.append()
    assert append.settle == {P: 4}
    assert [each[1] for each in append.waiting] == ["msg_slow"]


async def test_whoever_wants_rows_waits_until_they_are_written() -> None:
    log = Log()
    log.accept(MSG, EP, "ep_2")
    await log.untried.written()
    log.untried.want(a_delivery())
    log.untried.want(a_delivery(message="msg_9"))  # has one, or is not known here
    assert log.untried.ripe
    waiting = asyncio.create_task(log.untried.written())
    await asyncio.sleep(0)
    log.untried.want(a_delivery(endpoint="ep_2"))
    append = log.brief()
    log.accept("msg_2")
    log.untried.want(a_delivery(message="msg_2"))  # while the append is under way
    assert append.heads() == {P: 0}
    assert [each[1:3] for each in append.waiting] == [(MSG, EP), (MSG, "ep_2")]
    log.untried.learn(append)
    await waiting
    assert list(log.brief().untried[P]) == [("msg_2", EP)]
    assert log.untried.ripe
    later = asyncio.create_task(log.untried.written())
    await asyncio.sleep(0)
    assert not later.done()
    log.untried.forget([P])
    await later
    assert not log.untried.ripe


async def test_what_is_tried_before_its_row_is_written_gets_none() -> None:
    log = Log()
    log.accept()
    log.untried.want(a_delivery())
    log.deliver()
    append = log.brief()
    assert (append.waiting, append.heads()) == ([], {})
    assert not log.untried.ripe, "nothing is left to be written: the recorder would go on for ever"
    await log.untried.written()


def test_what_an_append_moved_has_no_row_of_before_though_its_events_are_heard_of_late() -> None:
    log = Log()
    log.accept()
    append = Append(NOW)
    moving(append, a_delivery(), SUCCEEDED)
    log.untried.brief(append)
    append.settled = {P: 0}
    log.untried.learn(append)
    log.pass_by(9)
    assert log.untried.ripe
    assert log.brief().waiting == []


def test_a_partition_may_be_lost_while_an_append_that_gives_rows_is_under_way() -> None:
    log = Log()
    log.accept()
    log.untried.want(a_delivery())
    append = log.brief()
    log.untried.forget([P])
    log.untried.learn(append)
    assert not log.untried.ripe
    assert log.brief().settled == {OTHER: 0}


def test_one_append_gives_so_many_rows_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(untried, "ROWS_MAX", 2)
    log = Log()
    log.accept(MSG, EP, "ep_2", "ep_3")
    for endpoint in (EP, "ep_2", "ep_3"):
        log.untried.want(a_delivery(endpoint=endpoint))
    assert [each[2] for each in log.append().waiting] == [EP, "ep_2"]
    assert [each[2] for each in log.append().waiting] == ["ep_3"]
    assert not log.untried.ripe
