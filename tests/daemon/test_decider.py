"""Many commands, one append: what each leads to is in the world before the next is decided, and can be taken back."""

from random import Random

import pytest
from structlog.testing import capture_logs

from daemon import decider
from daemon.batch import Batch, Pending
from daemon.decider import Decider
from events.application import CreateApplication, UpdateApplication
from events.breaker import BreakerPolicy
from events.catalogue import DeliveryCancelled
from events.content import ExpireContent
from events.decide import Rules
from events.delivery import DeliveryState, EndDelivery, RecordAttempt
from events.endpoint import DeleteEndpoint
from events.message import AcceptMessage
from events.outcome import Fault, Outcome
from events.refusal import Refusal
from events.retry import RetryPolicy
from tests.support.builders import APP, EP, MSG, NOW, a_delivery, a_world

OK = Outcome(None, 1, 200, b"yes", 3)
BAD = Outcome(Fault.STATUS, 1, 500)


class Made:
    """A decider, and what it decides about."""

    def __init__(self, **rules) -> None:
        self.world = a_world()
        self.decider = Decider(self.world, Rules(**({"retry": RetryPolicy(jitter=0.0)} | rules)), Random(1))
        self.before = dict(self.world._entities)

    def decide(self, *commands, taken=()) -> Batch:
        return self.decider.decide([Pending(each, "test", "req_1", None) for each in commands], set(taken), NOW)


def names(batch: Batch) -> list[str]:
    return [type(each.fact.event).__name__ for each in batch.append.caused]


def attempt(outcome: Outcome = OK, epoch: int | None = None, **fields) -> RecordAttempt:
    return RecordAttempt(a_delivery(**fields), outcome, 1, 1, epoch)


def create(number: int, uid: str | None = None) -> CreateApplication:
    return CreateApplication(f"app_{number}x", "org_1", "N", uid)


def accept(number: int, payload: bytes = b"{}", event_id: str | None = None) -> AcceptMessage:
    return AcceptMessage(f"msg_{number}x", APP, "t", payload, "d", event_id=event_id)


def test_each_sees_what_those_before_it_led_to() -> None:
    made = Made()
    batch = made.decide(create(1, "u"), create(2, "u"), DeleteEndpoint(EP, APP), accept(1))
    (_, first), (_, second), _, (_, fourth) = batch.answers
    assert first[0].uid == "u"
    assert isinstance(second, Refusal)
    assert fourth[0].deliveries == 0
    assert names(batch) == ["ApplicationCreated", "EndpointDeleted", "MessageAccepted"]
    assert {(each.actor, each.request) for each in batch.append.caused} == {("test", "req_1")}


def test_two_outcomes_of_one_delivery_are_one_row() -> None:
    batch = Made().decide(attempt(BAD), EndDelivery(a_delivery(), DeliveryCancelled("why not")))
    ((_, row),) = batch.append.undelivered()
    assert (row.state, row.attempts, row.version) == (DeliveryState.CANCELLED, 1, 3)


def test_an_outcome_of_another_reign_leads_to_nothing() -> None:
    made = Made()
    made.decider.epochs[0] = 3
    with capture_logs() as logs:
        batch = made.decide(attempt(epoch=2), attempt(epoch=4), attempt(epoch=-1))
    assert not any(answer for _, answer in batch.answers)
    assert len(batch.append) == 0
    assert [(each["event"], each["count"]) for each in logs] == [("outcomes_fenced", 3)]


def test_an_outcome_of_this_reign_is_for_the_log_to_judge_once_more() -> None:
    made = Made()
    made.decider.epochs[0] = 3
    assert made.decide(attempt(epoch=3)).append.epochs == {0: 3}
    assert made.decide(attempt()).append.epochs == {}, "by request of an operator"
    with capture_logs():
        assert made.decide(attempt(epoch=2), accept(1)).append.epochs == {}, "the message has nothing to fear"


def test_what_did_not_happen_is_taken_back() -> None:
    made = Made(breaker=BreakerPolicy(failures_max=2))
    batch = made.decide(
        create(1), UpdateApplication(APP, {"name": "B"}), attempt(BAD), attempt(BAD, message="msg_2"), accept(1)
    )
    assert "BreakerOpened" in names(batch)
    assert made.world._entities != made.before
    made.decider.take_back(batch)
    assert made.world._entities == made.before
    assert made.world.rows == {}


def test_a_fault_takes_back_what_was_decided_before_it() -> None:
    made = Made()
    with pytest.raises(TypeError):
        made.decide(create(1), UpdateApplication(APP, {"nonsense": 1}))
    assert made.world._entities == made.before


def test_failures_in_a_row_are_counted_from_where_they_were() -> None:
    made = Made(breaker=BreakerPolicy(failures_max=9))
    made.decide(attempt(BAD))
    row = made.world.rows[EP]
    batch = made.decide(attempt(BAD, message="msg_2"), attempt(BAD, message="msg_3"))
    assert made.world.rows[EP].failures == 3
    made.decider.take_back(batch)
    assert made.world.rows == {EP: row}


def test_a_batch_is_bounded_in_rows_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decider, "BATCH_ROWS_MAX", 4)  # a message with one delivery is two rows
    batch = Made().decide(*(accept(number) for number in range(5)))
    assert [each.command.id for each, _ in batch.answers] == ["msg_0x", "msg_1x"]
    assert [each.command.id for each in batch.left] == ["msg_2x", "msg_3x", "msg_4x"]
    monkeypatch.setattr(decider, "BATCH_BYTES_MAX", 10)
    batch = Made().decide(accept(0, b"x" * 10), accept(1))
    assert len(batch.left) == 1


def test_a_day_that_is_dropped_is_dropped_alone() -> None:
    expire = ExpireContent(NOW.date(), {0: (1, 0)})
    batch = Made().decide(create(1), expire, create(2))
    assert names(batch) == ["ApplicationCreated"]
    assert [each.command for each in batch.left] == [expire, create(2)]
    batch = Made().decide(expire, create(2))
    assert batch.append.dropped == [NOW.date()]
    assert [each.command for each in batch.left] == [create(2)]


def test_an_event_id_is_taken_once() -> None:
    batch = Made().decide(
        accept(1, event_id="a"), accept(2, event_id="b"), accept(3, event_id="a"), taken=[(APP, "b")]
    )
    assert [isinstance(answer, Refusal) for _, answer in batch.answers] == [False, True, True]


def test_what_was_answered_is_stored_unless_it_was_expunged_or_its_day_is_over() -> None:
    made = Made()
    ((index, day, body),) = made.decide(attempt()).append.responses
    assert (index, day, body) == (0, a_delivery().last_day, b"yes")
    made.decider.expunged[APP] = MSG
    assert made.decide(attempt()).append.responses == []
    assert len(made.decide(attempt(message="msg_2")).append.responses) == 1
    made.decider.expunged.clear()
    long_ago = NOW.replace(year=2020)
    assert made.decide(attempt(OK, accepted_at=long_ago, next_at=long_ago)).append.responses == []
