from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from events.retry import DELAYS_S, RetryPolicy, retry_after_s
from tests.support.builders import NOW

DELAYS = st.lists(st.floats(0, 1e6), max_size=8).map(tuple)
RANDOMS = st.integers(0, 2**32).map(Random)


@pytest.mark.parametrize(("attempt", "delay_s"), list(enumerate(DELAYS_S, 1)))
def test_without_jitter_the_wait_is_the_delay(attempt: int, delay_s: float) -> None:
    assert RetryPolicy(jitter=0.0).next_at(attempt, NOW, Random(1)) == NOW + timedelta(seconds=delay_s)


def test_the_last_attempt_is_the_last() -> None:
    assert RetryPolicy().attempts() == 8
    assert RetryPolicy().next_at(8, NOW, Random(1)) is None
    assert RetryPolicy(attempts_max=5).next_at(5, NOW, Random(1)) is None
    assert RetryPolicy(delays_s=()).next_at(1, NOW, Random(1)) is None


def test_beyond_the_delays_the_last_repeats() -> None:
    policy = RetryPolicy(delays_s=(1.0, 2.0), attempts_max=10, jitter=0.0)
    assert policy.next_at(9, NOW, Random(1)) == NOW + timedelta(seconds=2)
    assert policy.next_at(10, NOW, Random(1)) is None


@given(
    DELAYS,
    st.none() | st.integers(1, 20),
    st.floats(0, 1),
    st.integers(1, 30),
    RANDOMS,
    st.none() | st.floats(0, 1e6),
)
def test_the_next_attempt_is_within_bounds(delays, attempts_max, jitter, attempt, random, hint) -> None:
    policy = RetryPolicy(delays, attempts_max, jitter, retry_after_max_s=3600.0)
    next_at = policy.next_at(attempt, NOW, random, hint)
    if attempt >= policy.attempts():
        assert next_at is None
        return
    most = delays[min(attempt, len(delays)) - 1] if delays else 0.0
    asked = min(hint or 0.0, 3600.0)
    wait = (next_at - NOW).total_seconds()
    assert max(most * (1 - jitter), asked) - 1e-5 <= wait <= max(most, asked) + 1e-5


@given(st.integers(1, 7), RANDOMS, st.floats(0, 1e9))
def test_a_hint_only_ever_delays(attempt: int, random: Random, hint: float) -> None:
    state = random.getstate()
    without = RetryPolicy().next_at(attempt, NOW, random)
    random.setstate(state)
    hinted = RetryPolicy().next_at(attempt, NOW, random, hint)
    assert without <= hinted <= max(without, NOW + timedelta(seconds=RetryPolicy().retry_after_max_s))


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("header", "expected"), [("0", 0.0), ("120", 120.0), (" 7 ", 7.0), ("-5", 0.0)])
def test_retry_after_in_seconds(status: int, header: str, expected: float) -> None:
    assert retry_after_s(status, header, NOW) == expected


@given(st.integers(-(10**6), 10**6))
def test_retry_after_as_a_date(seconds: int) -> None:
    header = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert retry_after_s(503, header, NOW) == max(0.0, seconds)


def test_a_date_without_a_zone_is_utc() -> None:
    assert retry_after_s(503, "Thu, 01 Jan 2026 12:00:30 -0000", NOW) == 30.0


@pytest.mark.parametrize("status", [None, 200, 400, 500, 502])
def test_other_statuses_are_not_asked(status: int | None) -> None:
    assert retry_after_s(status, "120", NOW) is None


@pytest.mark.parametrize("header", [None, "", "soon", "1.5", "9" * 400, "9" * 5000, "Thu, 99 Foo 2026 00:00:00 GMT"])
def test_nonsense_is_no_hint(header: str | None) -> None:
    assert retry_after_s(503, header, NOW) is None


@given(st.text(max_size=80) | st.from_regex(r"\w{3}, \d+ Jan \d+ \d+:\d+:\d+ [+-]?\w+", fullmatch=True))
@example("Thu, 01 Jan 99999999999999 00:00:00 GMT")
@example("Thu, 01 Jan 2026 00:00:00 +99999999")
def test_no_header_can_do_harm(header: str) -> None:
    hint = retry_after_s(503, header, NOW)
    assert hint is None or hint >= 0
    assert RetryPolicy().next_at(1, NOW, Random(1), hint) <= NOW + timedelta(seconds=36000)


def test_now_may_be_anywhere() -> None:
    assert RetryPolicy(jitter=0.0).next_at(1, datetime(1999, 1, 1, tzinfo=UTC), Random(1)).year == 1999
