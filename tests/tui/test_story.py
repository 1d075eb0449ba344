from datetime import UTC, datetime, timedelta

import pytest

from tests.tui.hostile import SENDABLE
from tui import story
from tui.frames import Happened

AT = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)
ACCEPTED = {
    "application": "app_1", "event_type": "a.b", "digest": "ab" * 32, "size": 2, "endpoints": ["ep_1", "ep_2"],
}  # fmt: skip
FAILED = {"attempt": 1, "fault": "status", "status": 503, "duration_ms": 5, "timestamp": 1, "config": 1}
GOOD = {"attempt": 2, "status": 200, "duration_ms": 5, "timestamp": 1, "config": 1}


def event(nth: int, type_: str, body: dict, endpoint: str | None = "ep_1") -> Happened:
    return Happened(0, nth, AT + timedelta(seconds=nth), "msg_1", type_, nth, "hookd", body, endpoint)


WHOLE = [
    event(1, "MessageAccepted", ACCEPTED, None),
    event(2, "AttemptFailed", FAILED | {"next_at": "2026-03-04T09:31:00Z"}),
    event(3, "AttemptSucceeded", GOOD),
]


def test_the_state_is_the_fold_of_its_events() -> None:
    states = [story.delivery("msg_1", "ep_1", WHOLE[:upto])["state"] for upto in (1, 2, 3)]
    assert states == ["pending", "pending", "delivered"]
    told = story.delivery("msg_1", "ep_1", WHOLE[:2])
    assert told["nextAt"].startswith("2026-03-04T09:31:00")
    assert [each["attempt"] for each in told["attempts"]] == [1]
    assert [each["type"] for each in told["trail"]] == ["MessageAccepted", "AttemptFailed"]
    assert story.delivery("msg_1", "ep_2", WHOLE)["state"] == "pending"


def test_a_message_tells_of_all_its_deliveries() -> None:
    told = story.message("msg_1", WHOLE)
    assert [(each["endpoint"], each["state"], each["attempts"]) for each in told["deliveries"]] == [
        ("ep_1", "delivered", 2),
        ("ep_2", "pending", 0),
    ]
    assert told["eventType"] == "a.b"


def test_what_the_fold_refuses_is_told_by_the_last_event() -> None:
    assert story.delivery("msg_1", "ep_1", WHOLE[2:])["state"] == "delivered"  # it begins in the middle
    assert story.delivery("msg_1", "ep_1", [event(1, "Novel", {})])["state"] == "unknown"
    assert story.delivery("msg_1", "ep_1", [])["state"] == "unknown"


@pytest.mark.parametrize("text", SENDABLE[:8])
def test_hostile_text_is_carried_and_breaks_nothing(text: str) -> None:
    nasty = [
        event(1, text, {text: text}),
        event(2, "AttemptFailed", {"fault": text, "detail": text, "attempt": text}),
    ]
    told = story.delivery("msg_1", "ep_1", nasty)
    assert len(told["attempts"]) == 1
    assert story.message("msg_1", [event(1, "MessageAccepted", {"endpoints": [text, 3]}, None)])["deliveries"]


def test_events_of_an_answer() -> None:
    answer = {"trail": [{"partition": 0, "seq": 1, "at": "2026-03-04T09:30:00Z", "stream": "s", "type": "T"}, {}]}
    assert [each.type for each in story.happened_of(answer)] == ["T"]
