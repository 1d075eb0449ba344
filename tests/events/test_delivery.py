from datetime import timedelta
from hashlib import sha256
from itertools import product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from events.catalogue import (
    AttemptAbandoned,
    AttemptFailed,
    AttemptSucceeded,
    BreakerClosed,
    DeliveryCancelled,
    DeliveryEvent,
    DeliveryExhausted,
    DeliveryExpired,
    DeliveryGone,
    DeliveryResent,
)
from events.delivery import (
    MOVES,
    DeliveryState,
    IllegalMove,
    RecordAttempt,
    decide_attempt,
    decide_resend,
    evolve,
    returned,
)
from events.outcome import Fault, Outcome
from events.retry import RetryPolicy
from tests.support.builders import NOW, a_delivery

EXAMPLES = {
    type(event): event
    for event in (
        AttemptSucceeded(1, 200, 5, 1, 1),
        AttemptFailed(1, Fault.STATUS, 5, 1, 1, status=500),
        AttemptAbandoned(1, 1, "stop", NOW),
        DeliveryExhausted(1),
        DeliveryGone(),
        DeliveryCancelled("deleted"),
        DeliveryExpired("payload gone"),
        DeliveryResent(NOW, NOW),
    )
}
LATER = NOW + timedelta(minutes=1)
ENDED = set(DeliveryState) - {DeliveryState.PENDING}


def test_the_examples_are_all_there_is() -> None:
    assert set(EXAMPLES) == set(DeliveryEvent.__args__)


@pytest.mark.parametrize(("state", "kind"), list(product(DeliveryState, EXAMPLES)))
def test_every_move_is_in_the_table_or_illegal(state: DeliveryState, kind: type) -> None:
    before = a_delivery(state=state, next_at=NOW if state is DeliveryState.PENDING else None, reason="because")
    if (state, kind) not in MOVES:
        with pytest.raises(IllegalMove):
            evolve(before, EXAMPLES[kind])
        return
    after = evolve(before, EXAMPLES[kind])
    assert after.state is MOVES[state, kind]
    assert after.version == before.version + 1
    assert (after.next_at is None) or after.state is DeliveryState.PENDING
    if state in ENDED and after.state is state:
        assert after.reason == "because", "why it ended is not forgotten"


def test_only_a_resend_follows_a_success_and_success_always_wins() -> None:
    assert [event for state, event in MOVES if state is DeliveryState.DELIVERED] == [DeliveryResent]
    for state in set(DeliveryState) - {DeliveryState.DELIVERED}:
        assert MOVES[state, AttemptSucceeded] is DeliveryState.DELIVERED


@pytest.mark.parametrize("state", DeliveryState)
def test_sent_again_its_attempts_start_over(state: DeliveryState) -> None:
    pending = state is DeliveryState.PENDING
    before = a_delivery(state=state, next_at=LATER if pending else None, attempts=7, version=9, reason="because")
    event = decide_resend(before, NOW)
    assert event == DeliveryResent(NOW, before.accepted_at, before.retention_days)
    after = evolve(before, event)
    assert after == a_delivery(version=10)
    assert after == returned(before.partition, before.message, before.endpoint, 10, event)
    assert decide_resend(after, NOW) is None, "it is due already"
    assert decide_resend(evolve(after, EXAMPLES[AttemptFailed]), NOW), "an attempt was made since"


def test_a_foreign_event_is_illegal() -> None:
    with pytest.raises(IllegalMove):
        evolve(a_delivery(), BreakerClosed())


FAULTS = [fault for fault in Fault if fault is not Fault.INTERNAL]
OUTCOMES = st.one_of(
    st.builds(Outcome, st.none(), st.integers(0, 99), st.integers(200, 299), body_bytes=st.integers(0, 99)),
    st.builds(
        Outcome, st.sampled_from(FAULTS), st.integers(0, 99), st.none() | st.sampled_from([410, 429, 500, 503])
    ),
    st.builds(Outcome, st.just(Fault.INTERNAL), st.integers(0, 99), detail=st.text(max_size=400)),
)


class LifeOfADelivery(RuleBasedStateMachine):
    """Whatever happens in whatever order: one state, contiguous versions, never more attempts than allowed."""

    def __init__(self) -> None:
        super().__init__()
        self.policy = RetryPolicy(delays_s=(1.0, 2.0, 3.0))
        self.delivery = a_delivery()
        self.now = NOW
        self.random = Random(1)
        self.spent: list[int] = []

    @rule(outcome=OUTCOMES)
    def an_attempt_ends(self, outcome: Outcome) -> None:
        command = RecordAttempt(self.delivery, outcome, 1, 1)
        for event in decide_attempt(self.delivery, command, self.policy, self.now, self.random):
            before, self.delivery = self.delivery, evolve(self.delivery, event)
            assert self.delivery.version == before.version + 1
            if isinstance(event, AttemptFailed | AttemptSucceeded):
                self.spent.append(event.attempt)
        if outcome.fault is None:
            assert self.delivery.state is DeliveryState.DELIVERED

    @rule(event=st.sampled_from([DeliveryCancelled("deleted"), DeliveryExpired("gone")]))
    def it_is_ended(self, event) -> None:
        if self.delivery.next_at is not None:
            self.delivery = evolve(self.delivery, event)

    @rule(seconds=st.floats(0, 10))
    def time_passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @invariant()
    def it_is_due_exactly_while_pending(self) -> None:
        assert (self.delivery.next_at is not None) == (self.delivery.state is DeliveryState.PENDING)

    @invariant()
    def an_end_has_a_reason(self) -> None:
        if self.delivery.state not in {DeliveryState.PENDING, DeliveryState.DELIVERED}:
            assert self.delivery.reason

    @invariant()
    def attempts_are_counted(self) -> None:
        assert self.spent == sorted(set(self.spent))
        failed = self.spent[:-1] if self.delivery.state is DeliveryState.DELIVERED else self.spent
        assert len(failed) <= self.policy.attempts() + 1
        if self.delivery.state in {DeliveryState.PENDING, DeliveryState.EXHAUSTED}:
            assert self.delivery.attempts <= self.policy.attempts()


LifeOfADelivery.TestCase.settings = settings(max_examples=60, stateful_step_count=15, deadline=None, derandomize=True)
TestLifeOfADelivery = LifeOfADelivery.TestCase


def decided(delivery, outcome: Outcome, policy: RetryPolicy = RetryPolicy(jitter=0.0)):  # noqa: B008
    return decide_attempt(delivery, RecordAttempt(delivery, outcome, 7, 3), policy, NOW, Random(1))


def test_a_success_says_what_was_sent_and_answered() -> None:
    assert decided(a_delivery(attempts=2), Outcome(None, 12, 204, b"hi", 2)) == (
        AttemptSucceeded(
            3, 204, 12, timestamp=7, config=3, response_bytes=2, response_digest=sha256(b"hi").hexdigest()
        ),
    )


def test_gone_ends_it_at_once() -> None:
    events = decided(a_delivery(), Outcome(Fault.STATUS, 1, 410))
    assert [type(event) for event in events] == [AttemptFailed, DeliveryGone]


def test_the_last_failure_exhausts_it() -> None:
    events = decided(a_delivery(attempts=7), Outcome(Fault.TIMEOUT, 1))
    assert events[1:] == (DeliveryExhausted(attempts=8),)
    assert events[0].next_at is None


def test_our_own_fault_spends_no_attempt() -> None:
    (event,) = decided(a_delivery(attempts=7), Outcome(Fault.INTERNAL, 1, detail="x" * 999))
    assert isinstance(event, AttemptAbandoned)
    assert len(event.detail) == 300
    assert evolve(a_delivery(attempts=7), event).attempts == 7


@pytest.mark.parametrize("state", sorted(ENDED))
def test_a_late_failure_changes_no_end(state: DeliveryState) -> None:
    ended = a_delivery(state=state, next_at=None, reason="because")
    for event in decided(ended, Outcome(Fault.RESET, 1)):
        assert evolve(ended, event).state is state
    assert decided(ended, Outcome(Fault.INTERNAL, 1)) == ()


def test_what_is_delivered_is_not_delivered_again() -> None:
    assert decided(a_delivery(state=DeliveryState.DELIVERED, next_at=None), Outcome(None, 1, 200)) == ()


@given(st.sampled_from([429, 503]), st.integers(0, 10**7))
def test_retry_after_is_heeded_up_to_its_cap(status: int, seconds: int) -> None:
    (event,) = decided(a_delivery(), Outcome(Fault.STATUS, 1, status, retry_after=str(seconds)))
    assert event.next_at == NOW + timedelta(seconds=max(5, min(seconds, 36000)))
