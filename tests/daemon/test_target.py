from datetime import timedelta

import pytest

from daemon.target import Target
from tests.support.builders import NOW, a_delivery, an_endpoint

SECOND = timedelta(seconds=1)


def a_target(waiting: int = 5, **endpoint) -> Target:
    target = Target(an_endpoint(**endpoint), 3)
    for number in range(waiting):
        target.lane.offer(a_delivery(message=f"m{number}"))
    return target


def fly(target: Target, number: int = 1) -> None:
    for _ in range(number):
        target.lane.take()
        target.flying += 1


def test_as_many_at_once_as_the_batch_size() -> None:
    target = a_target()
    assert (target.room(NOW), target.attention_at(NOW)) == (3, NOW)
    fly(target, 3)
    assert (target.room(NOW), target.attention_at(NOW)) == (0, None)
    assert a_target(batch_size=1).room(NOW) == 1


def test_a_disabled_endpoint_gets_nothing() -> None:
    target = a_target(disabled="x")
    assert (target.room(NOW), target.attention_at(NOW)) == (0, None)


def test_an_open_breaker_allows_one_probe_when_its_time_has_come() -> None:
    target = a_target(breaker_until=NOW + SECOND)
    assert (target.room(NOW), target.attention_at(NOW)) == (0, NOW + SECOND)
    assert target.room(NOW + SECOND) == 1
    fly(target)
    assert (target.room(NOW + SECOND), target.attention_at(NOW + SECOND)) == (0, None)
    target.flying = 0  # landed, not yet in the log
    assert target.room(NOW + SECOND) == 0
    target.lane.settle("m0", 2, None)
    assert target.room(NOW + SECOND) == 1


def test_after_an_outage_it_ramps_up() -> None:
    target = a_target(batch_size=5)
    target.ramp()
    rooms = []
    for _ in range(4):
        rooms.append(target.room(NOW))
        target.succeeded()
    assert rooms == [1, 2, 4, 5]
    target.ramp()
    assert not target.idle()


def test_a_rate_says_when() -> None:
    target = a_target(throttle_rate=3)
    assert target.room(NOW) == 3
    target.throttle.spend(NOW.timestamp())
    assert target.room(NOW) == 0
    moment = target.attention_at(NOW)
    assert moment - NOW == pytest.approx(SECOND / 3, abs=timedelta(microseconds=2))
    assert target.room(moment) > 0, "called up when it may, not a rounding error before"
    throttle = target.throttle
    target.configure(an_endpoint(throttle_rate=3, version=2), 3)
    assert target.throttle is throttle, "an update does not forget when the last one went"


def test_what_is_due_later_calls_it_up_then() -> None:
    target = a_target(waiting=0)
    assert target.attention_at(NOW) is None
    assert target.idle()
    target.lane.settle("m", 2, NOW + SECOND)
    assert target.attention_at(NOW) == NOW + SECOND
    assert not target.idle()


def test_what_is_due_waits_for_outcomes_while_too_much_is_out() -> None:
    target = a_target(waiting=20)
    fly(target, 20)
    target.flying = 2  # the others have landed and are on their way into the log
    target.lane.settle("m0", 2, NOW)
    assert target.attention_at(NOW) is None, "else it would be asked again and again"
    for number in range(1, 20):
        target.lane.settle(f"m{number}", 2, None)
    assert target.attention_at(NOW) == NOW


def test_the_head_of_a_request_is_written_once() -> None:
    target = Target(an_endpoint(url="https://example.com:8443/a?b=c"), 3)
    assert target.head.startswith(b"POST /a?b=c HTTP/1.1\r\nhost: example.com:8443\r\n")
    assert target.head.endswith(b"\r\n")
