import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.throttle import Throttle, Throttles
from tests.support.builders import a_world, an_application


def spent(rate: int, gaps: list[float], burst: int | None = None) -> list[float]:
    """When each goes, if somebody asks after each of these pauses and waits as told."""
    throttle, now, moments = Throttle(rate, burst), 1_800_000_000.0, []
    for gap in gaps:
        now = max(now + gap, throttle.free_at())
        throttle.spend(now)
        moments.append(now)
    return moments


@given(st.integers(1, 200), st.lists(st.floats(0, 0.5), min_size=2, max_size=60), st.none() | st.integers(1, 9))
def test_never_above_the_rate(rate: int, gaps: list[float], burst: int | None) -> None:
    moments = spent(rate, gaps, burst)
    allowed = burst or max(1, rate // 10)
    for first in range(len(moments)):
        for last in range(first + allowed, len(moments)):
            least_s = (last - first + 1 - allowed) / rate
            assert moments[last] - moments[first] >= least_s - 1e-5


@pytest.mark.parametrize("rate", [1, 5, 19])
def test_evenly(rate: int) -> None:
    moments = spent(rate, [0.0] * 10)
    for nth, moment in enumerate(moments):
        assert moment - moments[0] == pytest.approx(nth / rate, abs=1e-5)


def test_a_burst_after_quiet() -> None:
    moments = spent(100, [0.0] * 12)
    assert [round(moment - moments[0], 3) for moment in moments] == [0.0] * 10 + [0.01, 0.02]


def test_the_rate_of_an_application_is_one_for_all_and_follows_its_setting() -> None:
    world = a_world(an_application(throttle_rate=2))
    throttles = Throttles(world)
    shared = throttles.of("app_1")
    assert shared is throttles.of("app_1")
    assert throttles.free_at("app_1") == 0.0
    shared.spend(10.0)
    assert throttles.free_at("app_1") == 10.5
    world.put(an_application(throttle_rate=4))
    assert throttles.of("app_1") is not shared
    world.put(an_application())
    assert (throttles.of("app_1"), throttles.of("app_9"), throttles.free_at("app_1")) == (None, None, 0.0)
