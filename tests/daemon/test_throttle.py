import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.throttle import Throttle


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
