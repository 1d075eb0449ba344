from events.append import Append
from events.catalogue import ApplicationUpdated, AttemptFailed, AttemptSucceeded, DeliveryExhausted, DeliveryResent
from events.delivery import DeliveryState
from events.outcome import Fault
from tests.support.builders import APP, EP, NOW, a_delivery, accepting, changing, creating, moving

FAILED = AttemptFailed(1, Fault.DNS, 1, 1, 1)


def test_positions_are_given_out_partition_by_partition() -> None:
    append = Append(NOW)
    for partition, stream in ((2, "a"), (0, "b"), (2, "c")):
        creating(append, stream, partition)
    assert append.heads() == {0: 1, 2: 2}
    assert list(append.heads()) == [0, 2], "locks are taken in one order"
    recorded = append.recorded({0: 10, 2: 20})
    assert [(each.partition, each.seq, each.stream) for each in recorded] == [
        (2, 21, "a"),
        (0, 11, "b"),
        (2, 22, "c"),
    ]
    assert recorded[0].at == NOW


def test_steps_of_one_delivery_become_one_row() -> None:
    append = Append(NOW)
    delivery = moving(append, a_delivery(version=3), FAILED)
    moving(append, delivery, DeliveryExhausted(1))
    assert [(was, row.version) for was, row in append.undelivered()] == [(3, 5)]
    assert append.delivered() == []
    moving(append, a_delivery(endpoint="ep_2"), AttemptSucceeded(1, 200, 1, 1, 1))
    assert [(was, row.endpoint) for was, row in append.delivered()] == [(1, "ep_2")]


def test_what_was_delivered_before_has_no_row_to_change() -> None:
    append = Append(NOW)
    before = a_delivery(state=DeliveryState.DELIVERED, next_at=None, version=4)
    after = moving(append, before, DeliveryResent(NOW, NOW))
    assert append.latest(before) is after
    assert append.latest(other := a_delivery(endpoint="ep_2")) is other
    done = moving(append, after, AttemptSucceeded(1, 200, 1, 1, 1))
    assert append.back() == [(4, done)], "that nothing else happened since is to be seen to all the same"
    assert (append.delivered(), append.undelivered()) == ([], [])


def test_steps_of_one_entity_become_one_row() -> None:
    append = Append(NOW)
    changing(append, creating(append), APP, ApplicationUpdated("B"))
    assert [(was, row.version) for was, row in append.entities.values()] == [(0, 2)]


def test_it_is_as_long_as_it_has_rows() -> None:
    assert len(accepting(Append(NOW), EP, "ep_2")) == 3
