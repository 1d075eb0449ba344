import msgspec

from tests.tui.world import World
from tui.frames import Happened, Stats


def test_the_streams_own_names_are_read() -> None:
    stats = msgspec.convert(World().stats(), Stats)
    assert stats.oldest_due_s == 3.4
    assert stats.duration_ms is not None
    assert stats.targets[2].breaker_reason == "10 failures in a row (503)"
    assert stats.checkpoint is not None


def test_what_another_release_adds_or_leaves_out_does_no_harm() -> None:
    stats = msgspec.json.decode(
        b'{"at": "2026-03-04T09:30:00Z", "novel": [1], "targets": [{"endpoint": "ep_1"}]}', type=Stats
    )
    assert stats.targets[0].breaker == "closed"


def test_an_event_says_where_it_stands() -> None:
    event = msgspec.json.decode(
        b'{"partition": 3, "seq": 41, "at": "2026-03-04T09:30:00Z", "stream": "msg_1", "type": "X"}', type=Happened
    )
    assert event.position == "3/41"
