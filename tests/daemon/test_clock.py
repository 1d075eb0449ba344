from datetime import UTC, datetime, timedelta

import daemon.clock
from daemon.clock import SystemClock


def test_it_never_steps_back(monkeypatch) -> None:
    moments = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=n) for n in (5, 3, 6)]

    class Machine(datetime):
        @classmethod
        def now(cls, tz=None):
            return moments.pop(0)

    monkeypatch.setattr(daemon.clock, "datetime", Machine)
    clock = SystemClock.__new__(SystemClock)
    clock._last = datetime(2025, 1, 1, tzinfo=UTC)
    assert [clock.now().second for _ in range(3)] == [5, 5, 6]
