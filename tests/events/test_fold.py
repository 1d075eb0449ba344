import pytest

from events import codec
from events.append import Append
from events.catalogue import (
    AttemptFailed,
    AttemptSucceeded,
    DeliveryCancelled,
    DeliveryExhausted,
    DeliveryGone,
    DeliveryResent,
    EndpointDeleted,
    Event,
    PartitionTaken,
    PayloadExpunged,
)
from events.delivery import IllegalMove
from events.envelope import Recorded
from events.fold import BrokenLog, Fold
from events.leaf import RawEvent, at_us
from events.message import Message
from events.outcome import Fault
from tests.support.builders import APP, EP, MSG, NOW, accepting, born_in, changing, creating, moving, registering


def house() -> Append:
    append = Append(NOW)
    creating(append)
    endpoint = registering(append)
    accepting(append, EP, "ep_2")
    moving(append, born_in(append)[0], AttemptSucceeded(1, 200, 1, 1, 1))
    moving(append, born_in(append)[1], AttemptFailed(1, Fault.DNS, 1, 1, 1, next_at=NOW))
    changing(append, endpoint, EP, EndpointDeleted())
    return append


def recorded() -> list[Recorded]:
    return house().recorded({0: 0})


def test_the_fold_is_what_the_tables_hold() -> None:
    append, fold = house(), Fold(recorded())
    assert fold.entities == {key: entity for key, (_, entity) in append.entities.items()}
    assert fold.entities[EP].deleted_at == NOW
    assert list(fold.messages) == [(0, APP, MSG)]
    assert list(fold.deliveries.values()) == [delivery for _, delivery in append.undelivered()]
    assert fold.delivered == 1
    assert fold.positions == {0: len(append.caused)}


RESENT = DeliveryResent(NOW, NOW, 30)


def sent_again(*, messages: list | None = None) -> tuple[Append, Fold]:
    append = accepting(Append(NOW), EP, retention_days=30)
    delivered = moving(append, born_in(append)[0], AttemptSucceeded(1, 200, 1, 1, 1))
    again = moving(append, delivered, RESENT)
    moving(append, again, AttemptFailed(1, Fault.DNS, 1, 1, 1, next_at=NOW))
    on_message = None if messages is None else lambda _, message: messages.append(message)
    return append, Fold(append.recorded({0: 0}), on_message=on_message)


@pytest.mark.parametrize("messages", [None, []])
def test_what_was_delivered_comes_back_when_it_is_sent_again(messages: list | None) -> None:
    append, fold = sent_again(messages=messages)
    assert list(fold.deliveries.values()) == [delivery for _, delivery in append.undelivered()]
    assert fold.delivered == 0
    (row,) = fold.deliveries.values()
    assert (row.version, row.attempts, row.accepted_at, row.retention_days) == (4, 1, NOW, 30)


@pytest.mark.parametrize("version", [1, 2])
def test_nothing_comes_back_that_cannot_have_been_delivered(version: int) -> None:
    append, _ = sent_again()
    (*_, success, resent, _) = append.recorded({0: 0})
    again = Recorded(0, 3, NOW, MSG, "ep_9", version, "x", None, resent.event)
    with pytest.raises(BrokenLog):
        Fold([append.recorded({0: 0})[0], success, again])


def test_ownership_is_no_state() -> None:
    fold = Fold([Recorded(3, 1, NOW, "log_3", None, 9, "hookd", None, PartitionTaken("me", 9))])
    assert (fold.entities, fold.positions) == ({}, {3: 1})


@pytest.mark.parametrize("missing", range(6))
def test_a_missing_event_is_found(missing: int) -> None:
    events = recorded()
    del events[missing]
    if missing == 5:
        assert Fold(events).positions == {0: 5}  # a tail that was cut off leaves no gap: the head row knows
        return
    with pytest.raises(BrokenLog):
        Fold(events)


def test_events_out_of_order_are_found() -> None:
    with pytest.raises(BrokenLog):
        Fold(reversed(recorded()))


@pytest.mark.parametrize(("nth", "match"), [(0, "version"), (2, "twice"), (3, "no such delivery"), (5, "version")])
def test_an_event_told_twice_is_found(nth: int, match: str) -> None:
    events = recorded()
    again = [*events, Recorded(0, 7, *[getattr(events[nth], name) for name in Recorded.__struct_fields__[2:]])]
    with pytest.raises((BrokenLog, IllegalMove), match=match):
        Fold(again)


def raw(recorded: Recorded) -> RawEvent:
    return RawEvent(
        recorded.partition,
        recorded.seq,
        at_us(recorded.at),
        recorded.stream,
        recorded.endpoint,
        recorded.version,
        type(recorded.event).__name__,
        codec.version_of(recorded.event),
        recorded.actor,
        recorded.request,
        codec.encode(recorded.event),
    )


def outcome(events: list[Recorded], *, as_rows: bool) -> object:
    fold = Fold()
    try:
        for each in events:
            if as_rows:
                fold.take_raw(raw(each))
            else:
                fold.take(each)
    except (BrokenLog, IllegalMove) as error:
        return type(error), str(error)
    return fold.positions, fold.entities, fold.messages, fold.deliveries, fold.delivered


SUCCEEDED = AttemptSucceeded(2, 200, 1, 1, 1)
FAILED = AttemptFailed(2, Fault.DNS, 1, 1, 1)
ATTEMPTED = (SUCCEEDED, FAILED, DeliveryExhausted(1), DeliveryGone(), DeliveryCancelled("x"), PartitionTaken("me", 1))


@pytest.mark.parametrize("version", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("ended", [None, DeliveryExhausted(1), DeliveryGone(), DeliveryCancelled("x")])
@pytest.mark.parametrize("event", ATTEMPTED, ids=lambda event: type(event).__name__)
@pytest.mark.parametrize("endpoint", [EP, "ep_2", None])
def test_rows_are_folded_like_events(version: int, ended: Event | None, event: Event, endpoint: str | None) -> None:
    events = recorded()
    if ended is not None:
        events.append(Recorded(0, len(events) + 1, NOW, MSG, "ep_2", 3, "hookd", None, ended))
    events.append(Recorded(0, len(events) + 1, NOW, MSG, endpoint, version, "hookd", None, event))
    told = outcome(events, as_rows=False)
    assert outcome(events, as_rows=True) == told
    allowed = ended is None or type(event) in {AttemptSucceeded, AttemptFailed}
    fits = endpoint == "ep_2" and version == (3 if ended is None else 4) and allowed
    if not fits and not isinstance(event, PartitionTaken):
        assert isinstance(told[0], type), f"it was not refused: {told}"


@pytest.mark.parametrize("ended", [DeliveryExhausted(1), DeliveryGone(), DeliveryCancelled("x")])
def test_a_late_success_delivers_what_had_ended(ended: Event) -> None:
    events = recorded()
    events.append(Recorded(0, 7, NOW, MSG, "ep_2", 3, "hookd", None, ended))
    fold = Fold(events)
    assert len(fold.deliveries) == 1
    fold.take(Recorded(0, 8, NOW, MSG, "ep_2", 4, "hookd", None, SUCCEEDED))
    assert (fold.deliveries, fold.delivered) == ({}, 2)


def test_messages_can_be_handed_over_instead_of_kept() -> None:
    heard: list[tuple[Recorded, Message]] = []
    fold = Fold(recorded(), on_message=lambda recorded, message: heard.append((recorded, message)))
    assert (fold.messages, fold.accepted) == ({}, 1)
    assert heard == [(recorded()[2], Fold(recorded()).messages[0, APP, MSG])]


def test_a_message_accepted_twice_is_found_while_it_is_undelivered() -> None:
    events = recorded()
    again = Recorded(0, 7, *[getattr(events[2], name) for name in Recorded.__struct_fields__[2:]])
    with pytest.raises(BrokenLog, match="twice"):
        Fold([*events, again], on_message=lambda _recorded, _message: None)


def test_purges_change_no_state() -> None:
    heard: list[Recorded] = []
    purge = Recorded(0, 7, NOW, MSG, None, 0, "adm:1", None, PayloadExpunged("asked"))
    fold = Fold([*recorded(), purge], on_purge=heard.append)
    assert heard == [purge]
    assert (fold.purges, fold.positions) == (1, {0: 7})
    assert fold.entities == Fold(recorded()).entities
    assert Fold([*recorded(), purge]).purges == 1


@pytest.mark.parametrize("nth", [0, 1, 2, 3, 4, 5])
def test_what_changes_a_state_cannot_pass_for_a_purge(nth: int) -> None:
    events = recorded()
    fields = [getattr(events[nth], name) for name in Recorded.__struct_fields__]
    fields[5] = 0
    events[nth] = Recorded(*fields)
    with pytest.raises(BrokenLog, match="version 0"):
        Fold(events)
