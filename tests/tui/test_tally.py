from datetime import UTC, datetime, timedelta

from tui.frames import Happened, TargetStats
from tui.standing import Standing
from tui.tally import Tally, quantiles

AT = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)


def event(type_: str, body: dict, ms: int = 0, endpoint: str | None = "ep_1", stream: str = "msg_1") -> Happened:
    return Happened(0, 1, AT + timedelta(milliseconds=ms), stream, type_, body=body, endpoint=endpoint)


def test_a_second_is_told_when_it_is_over() -> None:
    tally = Tally()
    tally.take(event("MessageAccepted", {"endpoints": ["ep_1", "ep_2"]}, 100, None))
    tally.take(event("AttemptSucceeded", {"duration_ms": 20}, 200))
    tally.take(event("AttemptFailed", {"duration_ms": 40}, 900, "ep_2"))
    assert tally.upto(AT + timedelta(milliseconds=999)) == []
    (stats,) = tally.upto(AT + timedelta(milliseconds=1500))
    assert (stats.accepted, stats.delivered, stats.failed, stats.attempts, stats.pending) == (1, 1, 1, 2, 1)
    assert stats.duration_ms is not None
    assert stats.duration_ms.p50 == 40
    assert {each.endpoint: each.backlog for each in stats.targets} == {"ep_1": 0, "ep_2": 1}
    (quiet,) = tally.upto(AT + timedelta(seconds=2))
    assert quiet.attempts == 0


def test_breakers_and_switches_are_remembered() -> None:
    tally = Tally()
    tally.take(event("BreakerOpened", {"fault": "timeout"}, 0, None, "ep_1"))
    tally.take(event("EndpointDisabled", {"reason": "by hand"}, 0, None, "ep_2"))
    (stats,) = tally.upto(AT + timedelta(seconds=1))
    assert {(each.endpoint, each.breaker, each.disabled) for each in stats.targets} == {
        ("ep_1", "open", None),
        ("ep_2", "closed", "by hand"),
    }
    tally.take(event("BreakerClosed", {}, 1100, None, "ep_1"))
    tally.take(event("EndpointEnabled", {}, 1100, None, "ep_2"))
    (later,) = tally.upto(AT + timedelta(seconds=2))
    assert {(each.breaker, each.disabled) for each in later.targets} == {("closed", None)}
    assert tally.upto(AT + timedelta(seconds=3))[0].targets == ()


def test_what_waits_is_counted_from_what_waited() -> None:
    waited = Standing((TargetStats("ep_1", url="http://e.test/"),), undelivered={"ep_1": 5})
    tally = Tally(waited)
    tally.take(event("AttemptSucceeded", {"duration_ms": 20}))
    tally.take(event("DeliveryResent", {}))
    tally.take(event("DeliveryCancelled", {}))
    (stats,) = tally.upto(AT + timedelta(seconds=1))
    assert (stats.pending, stats.past) == (4, True)
    assert [(each.url, each.backlog, each.counted) for each in stats.targets] == [("http://e.test/", 4, True)]


def test_what_waits_is_not_known_where_it_was_not() -> None:
    tally = Tally(Standing())
    tally.take(event("AttemptSucceeded", {"duration_ms": 20}))
    (stats,) = tally.upto(AT + timedelta(seconds=1))
    assert (stats.pending, stats.targets[0].counted) == (None, False)


def test_a_deleted_endpoint_is_told_of_no_more() -> None:
    tally = Tally()
    tally.take(event("EndpointDisabled", {"reason": "by hand"}, 0, None, "ep_2"))
    tally.take(event("EndpointDeleted", {}, 0, None, "ep_2"))
    assert tally.upto(AT + timedelta(seconds=1))[0].targets == ()


def test_a_long_silence_is_cut_short() -> None:
    tally = Tally()
    tally.take(event("EndpointEnabled", {}, 0, None, "ep_1"))
    assert len(tally.upto(AT + timedelta(days=300))) == 60


def test_quantiles_of_nothing_are_nothing() -> None:
    assert quantiles([]) is None
