from datetime import UTC, datetime

from tui.frames import Happened, TargetStats
from tui.standing import standing_after, standing_of

AT = datetime(2026, 3, 4, tzinfo=UTC)


def event(type_: str, body: dict, stream: str = "ep_1") -> Happened:
    return Happened(0, 1, AT, stream, type_, body=body)


def test_the_daemons_answer() -> None:
    row = {"endpoint": "ep_1", "url": "http://e.test/", "breaker": "open", "eventTypes": ["a"], "novel": 1}
    standing = standing_of({"endpoints": [row, {"endpoint": 3}], "undelivered": {"ep_1": 4}, "more": True})
    [target] = standing.targets
    assert (target.endpoint, target.url, target.breaker, target.backlog, target.counted) == (
        "ep_1", "http://e.test/", "open", 4, True,
    )  # fmt: skip
    assert standing.settings == {"ep_1": {"eventTypes": ["a"]}}
    assert standing.more
    [target] = standing_of({"endpoints": [row], "undelivered": None}).targets
    assert not target.counted
    assert standing_of({}).targets == ()
    assert standing_of({"undelivered": "x"}).undelivered is None


def test_from_events_alone() -> None:
    events = [
        event("EndpointRegistered", {"application": "app_1", "config": {"url": "http://e.test/"}}),
        event("EndpointUpdated", {"config": {"url": "http://new.test/", "description": "d"}}),
        event("BreakerOpened", {"until": "2026-03-04T01:00:00Z", "fault": "status", "status": 503}),
        event("EndpointDisabled", {"reason": "by hand"}),
        event("EndpointDisabled", {"reason": "by hand"}, "ep_2"),
        event("EndpointDeleted", {}, "ep_2"),
    ]
    [target] = standing_after(events, whole=True).targets
    assert (target.url, target.application, target.breaker_reason, target.disabled) == (
        "http://new.test/", "app_1", "status 503", "by hand",
    )  # fmt: skip
    [target] = standing_after([*events, event("EndpointEnabled", {})], whole=False).targets
    assert (target.breaker, target.breaker_until, target.disabled, target.counted) == ("closed", None, None, False)
    assert standing_after([], whole=True).undelivered == {}
    assert standing_after([event("BreakerClosed", {})], whole=True).targets == (TargetStats("ep_1"),)
