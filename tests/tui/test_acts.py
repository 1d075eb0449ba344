"""What acts ask for and how they are told; the pilots that do them are in screens/test_confirm.py."""

from datetime import UTC, datetime

import pytest

from events.when import BadWhen
from tui import acts
from tui.acts import Subject

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
SUBJECT = Subject("ep_1", "https://shop.example/in", "msg_1")


def test_each_act_is_asked_for_at_its_own_route() -> None:
    asked = {act.name: acts.request(act, SUBJECT).path for key in acts.KEYS.values() for act in key.acts}
    assert asked == {
        "resend": "/deliveries/msg_1/ep_1/resend",
        "recover": "/endpoints/ep_1/recover",
        "disable": "/endpoints/ep_1/disable",
        "enable": "/endpoints/ep_1/enable",
        "pause": "/endpoints/ep_1/pause",
        "resume": "/endpoints/ep_1/resume",
        "reset": "/endpoints/ep_1/reset-breaker",
        "rotate": "/endpoints/ep_1/rotate-secret",
        "test": "/endpoints/ep_1/test",
        "cancel": "/endpoints/ep_1/cancel-pending",
    }


def test_an_id_cannot_lead_elsewhere() -> None:
    assert acts.request(acts.RESEND, Subject("../x?y", "", "a/b#c")).path == (
        "/deliveries/a%2Fb%23c/..%2Fx%3Fy/resend"
    )


def test_the_key_turns_with_the_state() -> None:
    key = acts.KEYS["disable"]
    assert acts.chosen(key, SUBJECT).name == "disable"
    assert acts.chosen(key, SUBJECT._replace(disabled=True)).name == "enable"
    assert len({each.key for each in acts.KEYS.values()}) == len(acts.KEYS)


@pytest.mark.parametrize(
    ("typed", "hour"),
    [("1h", 11), ("2 hours ago", 10), (" 30m30m", 11), ("2026-03-04", 0), ("2026-03-04T09:00Z", 9)],
)
def test_how_far_back(typed: str, hour: int) -> None:
    since = acts.since(typed, NOW)
    assert since == NOW.replace(hour=hour)
    assert acts.request(acts.RECOVER, SUBJECT, since).body == {"since": f"2026-03-04T{hour:02}:00:00.000000Z"}


@pytest.mark.parametrize("typed", ["", "x", "0s", "2026-03-05", "1h]", "2026-03-04T09:00", "999999999w", "[/]"])
def test_no_time_at_all(typed: str) -> None:
    with pytest.raises(BadWhen):
        acts.since(typed, NOW)


def test_the_outcome_in_words() -> None:
    assert acts.touched({"touched": 500, "done": False}) == (500, False)
    assert acts.touched({}) == (0, True)
    assert acts.told(acts.RECOVER, SUBJECT, 1, {}) == "shop.example/in: 1 delivery sent again"
    assert acts.told(acts.CANCEL, SUBJECT, 1200, {}) == "shop.example/in: 1,200 deliveries cancelled"
    assert acts.told(acts.ENABLE, SUBJECT, 0, {}) == "shop.example/in: It is enabled already."
    assert "msg_…stuvwx" in acts.told(acts.TEST, SUBJECT, 0, {"message": "msg_abcdefghijklmnopqrstuvwx"})
    assert acts.told(acts.TEST, SUBJECT, 0, {"message": 7}).endswith("accepted, ")
