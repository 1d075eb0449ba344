import pytest

from events.append import Append
from events.catalogue import AttemptFailed, AttemptSucceeded, EndpointDeleted, PartitionTaken
from events.delivery import IllegalMove
from events.envelope import Recorded
from events.fold import BrokenLog, Fold
from events.outcome import Fault
from tests.support.builders import APP, EP, MSG, NOW, accepting, changing, creating, moving, registering


def house() -> Append:
    append = Append(NOW)
    creating(append)
    endpoint = registering(append)
    accepting(append, EP, "ep_2")
    moving(append, append.born[0], AttemptSucceeded(1, 200, 1, 1, 1))
    moving(append, append.born[1], AttemptFailed(1, Fault.DNS, 1, 1, 1, next_at=NOW))
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


def test_ownership_is_no_state() -> None:
    fold = Fold([Recorded(3, 1, NOW, "partition_3", None, 9, "hookd", None, PartitionTaken("me", 9))])
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
