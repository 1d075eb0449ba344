from datetime import timedelta

import pytest
from msgspec.structs import replace

from daemon.live.stats import busiest, sealed, target_out
from daemon.live.tally import Row, Tally
from daemon.target import Target
from events.log_views import Head
from tests.daemon.live.making import AT, failed, succeeded
from tests.support.builders import an_endpoint


class Targets:
    def __init__(self, *targets):
        self._targets = {each.endpoint.id: each for each in targets}

    def targets(self):
        return self._targets.values()

    def target(self, endpoint_id):
        return self._targets.get(endpoint_id)


def test_the_busiest_by_attempts_then_by_backlog():
    tally = Tally()
    tally.count([succeeded(endpoint="ep_a"), failed(endpoint="ep_a"), succeeded(endpoint="ep_b")])
    waiting, idle = (Target(replace(an_endpoint(), id=name), 10) for name in ("ep_c", "ep_d"))
    waiting.lane._held = {"msg_1": 1, "msg_2": 1}
    found, pending = busiest(tally, Targets(idle, waiting), 3)
    assert [key for key, _ in found] == ["ep_a", "ep_b", "ep_c"]
    assert pending == 2
    assert found[2][1] is waiting


@pytest.mark.parametrize(
    ("until", "window", "shown"),
    [(None, 10, "closed"), (None, 3, "ramp"), (1, 1, "open"), (0, 1, "probing"), (-1, 1, "probing")],
)
def test_a_breaker_in_one_word(until, window, shown):
    moment = None if until is None else AT + timedelta(seconds=until)
    known = replace(an_endpoint(), breaker_until=moment)
    target = Target(known, 10)
    target.window = window
    out = target_out(known, target, Row(None, 0), AT, 10, "timeout")
    assert (out.breaker, out.breaker_until) == (shown, moment)
    assert out.breaker_reason == (None if until is None else "timeout")
    written = out.model_dump(by_alias=True)
    assert ("breakerUntil" in written) == (until is not None)
    assert written["durationMs"] == {"p50": None, "p95": None}


def test_sealed_and_unsealed():
    assert sealed([Head(0, None, 1, 5, None, None)])["checkpoint"] is None
    found = sealed([Head(0, "me", 1, 5, 3, AT), Head(1, None, 2, 7, None, None)])
    assert (found["checkpoint"].sealed, found["checkpoint"].unsealed, found["checkpoint"].at) == (3, 9, AT)
    assert [each.sealed for each in found["partitions"]] == [3, None]
