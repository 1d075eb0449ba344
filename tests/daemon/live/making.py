"""Events to tell of."""

from datetime import UTC, datetime, timedelta

from events import ids
from events.catalogue import AttemptFailed, AttemptSucceeded, MessageAccepted
from events.envelope import Recorded
from events.outcome import Fault

AT = datetime(2026, 8, 21, 12, tzinfo=UTC)


def message(age_ms=0):
    return ids.mint(ids.MESSAGE, AT - timedelta(milliseconds=age_ms), bytes(ids.ENTROPY_BYTES))


def succeeded(seq=1, endpoint="ep_1", took_ms=5, stream=None, partition=0):
    event = AttemptSucceeded(attempt=1, status=200, duration_ms=took_ms, timestamp=1, config=1)
    return Recorded(partition, seq, AT, stream or message(), endpoint, 2, "hookd", None, event)


def failed(seq=1, endpoint="ep_1", took_ms=5, partition=0):
    event = AttemptFailed(attempt=1, fault=Fault.STATUS, status=500, duration_ms=took_ms, timestamp=1, config=1)
    return Recorded(partition, seq, AT, message(), endpoint, 2, "hookd", None, event)


def accepted(seq=1, application="app_1", endpoints=("ep_1",), partition=0):
    event = MessageAccepted(application=application, event_type="a", digest="", size=1, endpoints=endpoints)
    return Recorded(partition, seq, AT, message(), None, 1, "org:x", None, event)
