from datetime import UTC, datetime, timedelta

import pytest

from tests.tui.support import frames_of
from tests.tui.world import START, World
from tui import board as boards
from tui.board import Board
from tui.frames import Clock, Events, Happened, Hello, Link, Reset, Skipped, Stats, Targets, TargetStats

AT = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)
LATER = "2026-03-04T09:35:00Z"


def event(type_: str, body: dict, stream: str = "msg_1", endpoint: str | None = "ep_1", seq: int = 1) -> Happened:
    return Happened(0, seq, AT, stream, type_, 1, "hookd", body, endpoint)


def given(*events: Happened) -> Board:
    board = Board()
    board.take(Events(events), 0.0)
    return board


ACCEPTED = event("MessageAccepted", {"event_type": "order.paid", "endpoints": ["ep_1", "ep_2"]}, endpoint=None)


def test_an_accepted_message_waits_for_each_endpoint() -> None:
    board = given(ACCEPTED)
    assert [(each.key, each.state, each.event_type) for each in board.deliveries.values()] == [
        ("msg_1/ep_1", "waiting", "order.paid"),
        ("msg_1/ep_2", "waiting", "order.paid"),
    ]


@pytest.mark.parametrize(
    ("type_", "body", "state"),
    [
        ("AttemptSucceeded", {"attempt": 2, "status": 200, "duration_ms": 12}, "delivered"),
        ("AttemptFailed", {"attempt": 1, "fault": "timeout", "next_at": LATER}, "retrying"),
        ("AttemptFailed", {"attempt": 8, "fault": "status", "status": 500}, "exhausted"),
        ("AttemptAbandoned", {"attempt": 1, "detail": "stop", "next_at": LATER}, "retrying"),
        ("DeliveryExhausted", {"attempts": 8}, "exhausted"),
        ("DeliveryGone", {}, "gone"),
        ("DeliveryCancelled", {"reason": "deleted"}, "cancelled"),
        ("DeliveryExpired", {"reason": "retention"}, "expired"),
    ],
)
def test_a_delivery_is_as_its_last_event_left_it(type_: str, body: dict, state: str) -> None:
    board = given(ACCEPTED, event(type_, body))
    row = board.deliveries["msg_1/ep_1"]
    assert row.state == state
    assert row.event_type == "order.paid"
    assert list(board.deliveries)[-1] == "msg_1/ep_1"  # the newest is last
    assert given(event(type_, body)).deliveries["msg_1/ep_1"].state == state  # also if never heard of before


def test_the_next_try_is_a_moment() -> None:
    board = given(event("AttemptFailed", {"fault": "timeout", "detail": "15 s", "next_at": LATER}))
    row = board.deliveries["msg_1/ep_1"]
    assert row.next_at == AT + timedelta(minutes=5)
    assert row.what == "timeout: 15 s"


def test_bodies_of_the_wrong_shape_do_no_harm() -> None:
    board = given(
        event("AttemptFailed", {"attempt": "x", "status": [], "next_at": 7, "fault": None}),
        event("MessageAccepted", {"endpoints": "all", "event_type": 3}, endpoint=None),
        event("EndpointUpdated", {"config": []}, stream="ep_9", endpoint=None),
        event("NeverHeardOf", {}, endpoint=None),
    )
    assert board.log_count == 4


def test_all_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boards, "DELIVERIES_MAX", 10)
    monkeypatch.setattr(boards, "TARGETS_MAX", 5)
    monkeypatch.setattr(boards, "TYPES_MAX", 5)
    board = Board()
    for number in range(50):
        endpoint = f"ep_{number}"
        body = {"event_type": "a", "endpoints": [endpoint]}
        board.take(Events((event("MessageAccepted", body, f"msg_{number}", None),)), 0.0)
        board.take(Targets((TargetStats(endpoint),)), 0.0)
    assert len(board.deliveries) == 10
    assert list(board.deliveries)[-1] == "msg_49/ep_49"
    assert len(board.targets) == 5
    assert board.delivery_changes == 50


def stats(second: int, **more: object) -> Stats:
    return Stats(START + timedelta(seconds=second), **more)


def test_a_target_remembers_its_minute() -> None:
    board = Board()
    for second in range(70):
        busy = TargetStats("ep_1", url="https://a/", attempts=10, delivered=9, failed=1)
        board.take(stats(second, targets=(busy,) if second % 2 else ()), float(second))
    target = board.targets["ep_1"]
    assert target.series(board.second, 4) == [0, 10, 0, 10]
    assert target.totals(board.second) == (9 * 30, 30)
    assert target.rate(board.second) == 6.0
    board.take(stats(71, targets=(TargetStats("ep_1", attempts=1),)), 71.0)
    assert board.url("ep_1") == "https://a/"
    assert board.url("ep_2") == "ep_2"


def test_the_board_knows_the_daemons_time_not_the_machines() -> None:
    board = Board()
    assert board.clock(5.0) is None
    board.take(Hello(now=START), 100.0)
    assert board.clock(102.5) == START + timedelta(seconds=2.5)
    board.take(stats(10), 200.0)
    assert board.clock(200.0) == START + timedelta(seconds=10)
    board.take(Clock(START, 60.0), 300.0)
    assert board.clock(301.0) == START + timedelta(minutes=1)


def test_trust_is_the_age_of_the_data_not_the_state_of_a_socket() -> None:
    board = Board()
    assert board.trust(0.0).state == "connecting"
    board.take(Link("live"), 0.0)
    assert board.trust(0.0).state == "silent"  # connected, but nothing has been said
    board.take(stats(1), 1.0)
    assert board.trust(1.4).state == "live"
    assert board.trust(1.4).age_s == pytest.approx(0.4)
    assert board.trust(9.0).state == "silent"
    assert not board.trust(9.0).current
    board.take(Link("lost", "gone", 13.0, 2), 10.0)
    lost = board.trust(12.0)
    assert (lost.state, lost.retry_in_s, lost.tries) == ("lost", 1.0, 2)
    assert lost.age_s == 11.0  # the data is still there, and its age is told


def test_what_was_skipped_is_counted_in_all_and_by_the_second() -> None:
    board = Board()
    board.take(Skipped(30), 0.0)
    board.take(stats(1), 1.0)
    board.take(Skipped(12), 1.5)
    board.take(stats(2), 2.0)
    assert (board.skipped, board.skipped_now) == (42, 12)


def test_endpoints_are_known_from_the_log_too() -> None:
    made = event("EndpointRegistered", {"application": "app_1", "config": {"url": "https://a/"}}, "ep_7", None)
    board = given(made, event("EndpointDisabled", {"reason": "by hand"}, "ep_7", None))
    assert board.targets["ep_7"].stats.disabled == "by hand"
    assert [each.type for each in board.notable] == ["EndpointRegistered", "EndpointDisabled"]
    board.take(Events((event("EndpointEnabled", {}, "ep_7", None),)), 0.0)
    assert board.targets["ep_7"].stats.disabled is None


def test_a_reset_is_not_for_a_board() -> None:
    with pytest.raises(AssertionError):
        Board().take(Reset(), 0.0)


def test_ten_thousand_events_are_folded_and_kept_within_bounds() -> None:
    world = World(rate=5000)
    events, said = world.second(10_000)
    frames = frames_of(events, said)
    board = Board()
    for frame in frames:
        board.take(frame, 0.0)
    assert board.log_count >= 10_000
    assert len(board.deliveries) == boards.DELIVERIES_MAX


def test_what_operators_do_is_seen_at_once() -> None:
    world, board = World(), Board()
    for frame in frames_of(*world.second(40)):
        board.take(frame, 1.0)
    endpoint = world.endpoints[2]
    message = next(key.partition("/")[0] for key in board.deliveries if key.endswith(endpoint))
    due = {"next_at": "2026-03-04T09:40:00Z", "accepted_at": "2026-03-04T09:30:00Z"}
    made = [
        world.event("BreakerReset", endpoint, {}),
        world.event("DeliveryResent", message, due, endpoint, actor="operator:ada"),
        *[world.event("PartitionTaken", "", {}) for _ in range(9)],
    ]
    assert board.targets[endpoint].stats.breaker == "open"
    for frame in frames_of(made):
        board.take(frame, 2.0)
    assert board.targets[endpoint].stats.breaker == "closed"
    resent = board.deliveries[f"{message}/{endpoint}"]
    assert (resent.state, resent.attempt, resent.what) == ("waiting", 0, "sent again by operator:ada")
    assert [each.type for each in board.notable].count("PartitionTaken") == 1
    opened = world.event("BreakerOpened", endpoint, {"until": "2026-03-04T09:50:00Z", "fault": "timeout"})
    for frame in frames_of([opened]):
        board.take(frame, 3.0)
    assert board.targets[endpoint].stats.breaker_reason == "timeout"
