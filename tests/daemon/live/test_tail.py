from daemon.live.tail import Tail
from tests.daemon.live.making import succeeded


def test_each_event_once_and_in_order():
    tail = Tail((3, 0))
    events = [succeeded(4), succeeded(1, partition=1), succeeded(5)]
    assert tail.take(events) is events
    assert tail.positions == (5, 1)
    again = [succeeded(5), succeeded(6), succeeded(2, partition=1), succeeded(1, partition=1)]
    assert [(each.partition, each.seq) for each in tail.take(again)] == [(0, 6), (1, 2)]
    assert tail.behind == set()


def test_what_comes_too_early_is_left_out_and_told():
    tail = Tail((3, 0))
    assert [each.seq for each in tail.take([succeeded(4), succeeded(6), succeeded(1, partition=1)])] == [4, 1]
    assert (tail.behind, tail.positions) == ({0}, (4, 1))
    assert [each.seq for each in tail.take([succeeded(5), succeeded(6)])] == [5, 6]


def test_how_far_it_lags_and_what_is_passed_over():
    tail = Tail((3, 5))
    assert tail.lags((4, 5)) == {0}
    assert (tail.skip(0, 10), tail.skip(1, 2)) == (7, 0)
    assert tail.positions == (10, 5)
