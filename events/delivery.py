"""The life of one delivery: one message to one endpoint.

    pending ──AttemptFailed, AttemptAbandoned──▶ pending        (held, while its endpoint is disabled)
    pending ──AttemptSucceeded──▶ delivered
    pending ──DeliveryExhausted──▶ exhausted     pending ──DeliveryGone──▶ gone
    pending ──DeliveryCancelled──▶ cancelled     pending ──DeliveryExpired──▶ expired
    any ──DeliveryResent──▶ pending

An attempt that was under way when its delivery ended may still succeed: that fact wins.
"""

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from hashlib import sha256
from random import Random
from typing import Final

import msgspec
from msgspec.structs import replace

from events.catalogue import (
    AttemptAbandoned,
    AttemptFailed,
    AttemptSucceeded,
    DeliveryCancelled,
    DeliveryExhausted,
    DeliveryExpired,
    DeliveryGone,
    DeliveryResent,
    Event,
)
from events.content import RETENTION_DAYS, last_day
from events.outcome import Fault, Outcome
from events.retry import RetryPolicy, retry_after_s

ABANDONED_RETRY_S: Final = 1.0
DETAIL_CHARS_MAX: Final = 300
GONE: Final = 410


class DeliveryState(StrEnum):
    """Closed: a delivery is always in exactly one of these."""

    PENDING = "pending"
    DELIVERED = "delivered"
    EXHAUSTED = "exhausted"
    GONE = "gone"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


_P: Final = DeliveryState.PENDING
_DELIVERED: Final = DeliveryState.DELIVERED  # on the path of every delivery, where Python 3.11 is slow to look it up
MOVES: Final[Mapping[tuple[DeliveryState, type[Event]], DeliveryState]] = {
    (_P, AttemptSucceeded): DeliveryState.DELIVERED,
    (_P, AttemptFailed): _P,
    (_P, AttemptAbandoned): _P,
    (_P, DeliveryExhausted): DeliveryState.EXHAUSTED,
    (_P, DeliveryGone): DeliveryState.GONE,
    (_P, DeliveryCancelled): DeliveryState.CANCELLED,
    (_P, DeliveryExpired): DeliveryState.EXPIRED,
    **{
        (ended, AttemptSucceeded): DeliveryState.DELIVERED
        for ended in (
            DeliveryState.EXHAUSTED,
            DeliveryState.GONE,
            DeliveryState.CANCELLED,
            DeliveryState.EXPIRED,
        )
    },
    **{(any_state, DeliveryResent): _P for any_state in DeliveryState},
    (DeliveryState.CANCELLED, AttemptFailed): DeliveryState.CANCELLED,
    (DeliveryState.EXPIRED, AttemptFailed): DeliveryState.EXPIRED,
}


class IllegalMove(AssertionError):
    """An event that cannot follow this state: a fault of ours, or a log that was tampered with."""


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """Where a delivery stands. `attempts` counts those spent; `next_at` is None once it has ended."""

    partition: int
    message: str
    endpoint: str
    accepted_at: datetime
    next_at: datetime | None
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    version: int = 1
    reason: str | None = None  # why it is not delivered (yet): the last failure, or how it ended
    retention_days: int = RETENTION_DAYS  # of its message

    @property
    def last_day(self) -> date:
        """The last day (UTC) on which the payload is kept, and what was answered."""
        return last_day(self.accepted_at, self.retention_days)


class RecordAttempt(msgspec.Struct, frozen=True, gc=False):
    """The outcome of one attempt of `delivery`, made with version `config` of its endpoint.

    `epoch` is that of the partition's owner when the attempt began: under another it is not recorded.
    """

    delivery: Delivery
    outcome: Outcome
    timestamp: int
    config: int
    epoch: int | None = None


class EndDelivery(msgspec.Struct, frozen=True, gc=False):
    """Stop trying: the endpoint is gone (cancel), or the payload is (expire)."""

    delivery: Delivery
    event: DeliveryCancelled | DeliveryExpired


class ResendDelivery(msgspec.Struct, frozen=True, gc=False):
    """Send it now, whatever became of it: `delivery` is where it stands, delivered ones too."""

    delivery: Delivery


def decide_resend(delivery: Delivery, now: datetime) -> DeliveryResent | None:
    """None: it is due already, and no attempt was made of it that could be made again."""
    if delivery.next_at is not None and delivery.next_at <= now and delivery.attempts == 0:
        return None
    return DeliveryResent(next_at=now, accepted_at=delivery.accepted_at, retention_days=delivery.retention_days)


def returned(partition: int, message: str, endpoint: str, version: int, event: DeliveryResent) -> Delivery:
    """A delivery whose state was forgotten, because it was delivered, after it is sent again."""
    return Delivery(
        partition,
        message,
        endpoint,
        event.accepted_at,
        event.next_at,
        version=version,
        retention_days=event.retention_days,
    )


def decide_attempt(
    delivery: Delivery, command: RecordAttempt, policy: RetryPolicy, now: datetime, random: Random
) -> tuple[Event, ...]:
    """What the outcome means for the delivery. Nothing, when the delivery ended and the attempt changed nothing."""
    outcome = command.outcome
    attempt = delivery.attempts + 1
    if outcome.fault is None:
        if delivery.state is _DELIVERED:
            return ()
        return (
            AttemptSucceeded(
                attempt=attempt,
                status=outcome.status or 0,
                duration_ms=outcome.duration_ms,
                timestamp=command.timestamp,
                config=command.config,
                response_bytes=outcome.body_bytes,
                response_digest=_digest(outcome) if outcome.body else "",
            ),
        )
    if (delivery.state, AttemptFailed) not in MOVES:
        return ()
    if outcome.fault is Fault.INTERNAL:
        return _abandoned(delivery, command, policy, now, random)
    return _failed(delivery, attempt, command, policy, now, random)


def _abandoned(
    delivery: Delivery, command: RecordAttempt, policy: RetryPolicy, now: datetime, random: Random
) -> tuple[Event, ...]:
    if delivery.state is not DeliveryState.PENDING:
        return ()
    again = RetryPolicy(delays_s=(ABANDONED_RETRY_S,), attempts_max=2, jitter=policy.jitter)
    next_at = again.next_at(1, now, random)
    assert next_at is not None
    return (
        AttemptAbandoned(
            attempt=delivery.attempts + 1,
            timestamp=command.timestamp,
            detail=command.outcome.detail[:DETAIL_CHARS_MAX],
            next_at=next_at,
        ),
    )


def _failed(
    delivery: Delivery,
    attempt: int,
    command: RecordAttempt,
    policy: RetryPolicy,
    now: datetime,
    random: Random,
) -> tuple[Event, ...]:
    outcome = command.outcome
    assert outcome.fault is not None
    gone = outcome.status == GONE
    pending = delivery.state is DeliveryState.PENDING
    hint = retry_after_s(outcome.status, outcome.retry_after, now)
    next_at = policy.next_at(attempt, now, random, hint) if pending and not gone else None
    failed = AttemptFailed(
        attempt=attempt,
        fault=outcome.fault,
        duration_ms=outcome.duration_ms,
        timestamp=command.timestamp,
        config=command.config,
        status=outcome.status,
        detail=outcome.detail[:DETAIL_CHARS_MAX],
        next_at=next_at,
        response_bytes=outcome.body_bytes,
        response_digest=_digest(outcome) if outcome.body else "",
    )
    if not pending or next_at is not None:
        return (failed,)
    return (failed, DeliveryGone() if gone else DeliveryExhausted(attempts=attempt))


def _digest(outcome: Outcome) -> str:
    return sha256(outcome.body).hexdigest()


def _reason_after(delivery: Delivery, event: AttemptFailed) -> str | None:
    if delivery.state is not DeliveryState.PENDING:
        return delivery.reason  # why it ended
    return f"{event.fault} {event.status}" if event.status else str(event.fault)


def evolve(delivery: Delivery, event: Event) -> Delivery:
    """The delivery after `event`. IllegalMove when the event cannot follow."""
    state = MOVES.get((delivery.state, type(event)))
    if state is None:
        raise IllegalMove(f"{type(event).__name__} cannot follow {delivery.state} ({delivery.message})")
    version = delivery.version + 1
    match event:
        case AttemptSucceeded():
            return replace(delivery, version=version, state=state, attempts=event.attempt, next_at=None, reason=None)
        case AttemptFailed():
            return replace(
                delivery,
                version=version,
                attempts=event.attempt,
                next_at=event.next_at,
                reason=_reason_after(delivery, event),
            )
        case AttemptAbandoned():
            return replace(delivery, version=version, next_at=event.next_at, reason="abandoned")
        case DeliveryResent():
            return replace(delivery, version=version, state=state, attempts=0, next_at=event.next_at, reason=None)
        case DeliveryCancelled() | DeliveryExpired():
            return replace(delivery, version=version, state=state, next_at=None, reason=event.reason)
    return replace(delivery, version=version, state=state, next_at=None)
