"""When to leave an endpoint alone, and for how long: pure, folded from its failures in a row.

closed ──failures in a row──▶ open ──time──▶ one probe ──2xx──▶ closed (the target then ramps up)
                                └────────────failure──▶ open, for longer; after days of it: disabled

An open breaker spends no attempts: what is due waits. Only faults of the endpoint count, never ours.
"""

from datetime import datetime, timedelta
from random import Random
from typing import Final

import msgspec

from events.catalogue import BreakerClosed, BreakerOpened, EndpointDisabled, Event
from events.outcome import Fault, Outcome

NOT_THE_ENDPOINT: Final = frozenset({Fault.INTERNAL, Fault.BLOCKED})


class BreakerPolicy(msgspec.Struct, frozen=True):
    """`open_s[n]` is how long the (n + 1)th opening in a row lasts at most; its last value repeats."""

    failures_max: int = 10
    open_s: tuple[float, ...] = (15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
    disable_after_s: float = 5 * 86400.0
    jitter: float = 0.2


class Breaker(msgspec.Struct, frozen=True):
    """The part of an endpoint's state that is about its health. `until` is None while closed."""

    until: datetime | None = None
    opens: int = 0  # openings in a row
    since: datetime | None = None  # the first failure of this row


class FailureRow(msgspec.Struct, frozen=True):
    """Failures in a row of a closed breaker. Kept in memory only: a restart begins a new row."""

    failures: int
    since: datetime


def count(row: FailureRow | None, outcome: Outcome, now: datetime) -> FailureRow | None:
    """The row after `outcome`."""
    if outcome.fault is None:
        return None
    if outcome.fault in NOT_THE_ENDPOINT:
        return row
    return FailureRow(1, now) if row is None else FailureRow(row.failures + 1, row.since)


def decide_breaker(
    breaker: Breaker,
    row: FailureRow | None,
    outcome: Outcome,
    policy: BreakerPolicy,
    now: datetime,
    random: Random,
) -> Event | None:
    """The transition that `outcome` causes. `row` already counts it."""
    if outcome.fault is None:
        return BreakerClosed() if breaker.until is not None else None
    if outcome.fault in NOT_THE_ENDPOINT:
        return None
    if breaker.until is not None and now < breaker.until:
        return None  # was under way when the breaker opened
    if breaker.until is None and (row is None or row.failures < policy.failures_max):
        return None
    since = breaker.since or (row.since if row else now)
    if (now - since).total_seconds() >= policy.disable_after_s:
        return EndpointDisabled(reason=f"failing since {since:%Y-%m-%d %H:%M} UTC, last: {describe(outcome)}")
    pause_s = policy.open_s[min(breaker.opens, len(policy.open_s) - 1)]
    pause_s *= 1 - policy.jitter * random.random()
    return BreakerOpened(
        until=now + timedelta(seconds=pause_s),
        failures=row.failures if row else breaker.opens + 1,
        fault=outcome.fault,
        since=since,
        status=outcome.status,
    )


def describe(outcome: Outcome) -> str:
    """The failure in two words."""
    return f"{outcome.fault} {outcome.status}" if outcome.status else str(outcome.fault)
