from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.breaker import NOT_THE_ENDPOINT, Breaker, BreakerPolicy, FailureRow, count, decide_breaker
from events.catalogue import BreakerClosed, BreakerOpened, EndpointDisabled
from events.outcome import Fault, Outcome
from tests.support.builders import NOW

POLICY = BreakerPolicy(failures_max=3, open_s=(15.0, 30.0), disable_after_s=3600.0, jitter=0.0)
OK = Outcome(None, 1, 200)
BAD = Outcome(Fault.STATUS, 1, 500)
SECOND = timedelta(seconds=1)


def decided(breaker: Breaker, row: FailureRow | None, outcome: Outcome, now=NOW, policy=POLICY):
    return decide_breaker(breaker, row, outcome, policy, now, Random(1))


def test_failures_in_a_row_open_it() -> None:
    row = None
    for _ in range(2):
        row = count(row, BAD, NOW)
        assert decided(Breaker(), row, BAD) is None
    row = count(row, BAD, NOW + SECOND)
    assert decided(Breaker(), row, BAD, NOW + SECOND) == BreakerOpened(
        until=NOW + 16 * SECOND, failures=3, fault=Fault.STATUS, since=NOW, status=500
    )


def test_a_success_ends_the_row() -> None:
    assert count(FailureRow(2, NOW), OK, NOW) is None
    assert decided(Breaker(), None, OK) is None


@pytest.mark.parametrize("fault", sorted(NOT_THE_ENDPOINT))
def test_our_own_faults_do_not_count(fault: Fault) -> None:
    row = FailureRow(99, NOW)
    assert count(row, Outcome(fault, 1), NOW) == row
    assert count(None, Outcome(fault, 1), NOW) is None
    assert decided(Breaker(), row, Outcome(fault, 1)) is None


def test_a_good_probe_closes_it() -> None:
    assert decided(Breaker(NOW, 1, NOW), None, OK) == BreakerClosed()


def test_a_bad_probe_opens_it_for_longer() -> None:
    opened = decided(Breaker(NOW, 1, NOW - SECOND), FailureRow(1, NOW), BAD)
    assert opened.until == NOW + 30 * SECOND
    assert opened.since == NOW - SECOND
    assert decided(Breaker(NOW, 9, NOW), FailureRow(1, NOW), BAD).until == NOW + 30 * SECOND


def test_what_was_under_way_when_it_opened_changes_nothing() -> None:
    assert decided(Breaker(NOW + SECOND, 1, NOW), FailureRow(9, NOW), BAD) is None


def test_days_of_failing_disable_the_endpoint() -> None:
    event = decided(Breaker(NOW, 5, NOW - timedelta(hours=1)), FailureRow(1, NOW), BAD)
    assert event == EndpointDisabled("failing since 2026-01-01 11:00 UTC, last: status 500")


@given(st.integers(0, 50), st.floats(0, 1), st.integers())
def test_it_is_never_open_for_longer_than_said(opens: int, jitter: float, seed: int) -> None:
    policy = BreakerPolicy(open_s=(15.0, 30.0), jitter=jitter)
    opened = decide_breaker(Breaker(NOW, opens, NOW), FailureRow(1, NOW), BAD, policy, NOW, Random(seed))
    pause = (opened.until - NOW).total_seconds()
    most = 15.0 if opens == 0 else 30.0
    assert most * (1 - jitter) - 1e-5 <= pause <= most
