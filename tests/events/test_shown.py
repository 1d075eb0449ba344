import json
from datetime import UTC, datetime

import msgspec

from events import codec
from events.catalogue import AttemptSucceeded, BreakerClosed
from events.envelope import Recorded
from events.shown import show

AT = datetime(2026, 1, 1, tzinfo=UTC)
SUCCEEDED = AttemptSucceeded(attempt=1, status=200, duration_ms=3, timestamp=4, config=5)


def test_an_event_on_one_line():
    recorded = Recorded(1, 2, AT, "msg_1", "ep_1", 3, "org:\n\x1b[2J", "r1", SUCCEEDED)
    shown = show(recorded)
    assert b"\n" not in shown
    assert json.loads(shown) == {
        "partition": 1, "seq": 2, "at": "2026-01-01T00:00:00Z", "stream": "msg_1", "endpoint": "ep_1", "version": 3,
        "type": "AttemptSucceeded", "actor": "org:\n\x1b[2J", "request": "r1",
        "body": {"attempt": 1, "status": 200, "duration_ms": 3, "timestamp": 4, "config": 5},
    }  # fmt: skip


def test_the_body_stands_as_in_the_log():
    shown = show(Recorded(1, 2, AT, "msg_1", None, 3, "hookd", None, SUCCEEDED))
    assert bytes(msgspec.json.decode(shown, type=dict[str, msgspec.Raw])["body"]) == codec.encode(SUCCEEDED)
    empty = json.loads(show(Recorded(1, 2, AT, "ep_1", None, 3, "hookd", None, BreakerClosed())))
    assert empty["body"] == {}
    assert {"endpoint", "request"} & empty.keys() == set()
