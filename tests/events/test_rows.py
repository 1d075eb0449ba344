from events.append import Append
from events.catalogue import AttemptFailed, AttemptSucceeded, DeliveryResent
from events.outcome import Fault
from events.rows import TABLES, arguments
from tests.support.builders import EP, MSG, NOW, P, accepting, creating, moving

SUCCEEDED = AttemptSucceeded(1, 200, 1, 1, 1)


def test_what_has_no_row_is_told_apart_from_what_has_one() -> None:
    append = accepting(Append(NOW), EP, "ep_2", "ep_3")
    first, second, third = append.born
    moving(append, moving(append, first, SUCCEEDED), DeliveryResent(NOW, NOW))
    moving(append, second, SUCCEEDED)
    moving(append, third, AttemptFailed(1, Fault.DNS, 1, 1, 1, next_at=NOW))
    _, heads, events, messages, delivered, moved, *_, returned, retired = arguments(append)
    assert heads == [(P, 5, None)]
    assert [(event[9], event[3]) for event in events if event[3]] == [("ep_2", 1)], "the row that goes"
    assert (len(events), delivered) == (5, 1)
    assert [(message[3], message[8]) for message in messages] == [(MSG, [EP, "ep_2", "ep_3"])]
    assert [(row[2], row[3], row[7]) for row in moved] == [(EP, 1, 3), ("ep_3", 1, 2)]
    assert (returned, retired) == ([], [])
    again = Append(NOW)
    moving(again, append.delivered()[0][1], DeliveryResent(NOW, NOW, 7))
    *_, returned, _ = arguments(again)
    assert returned == [(P, MSG, "ep_2", 2, "pending", 0, NOW, 3, None, NOW, 90)]


def test_the_configuration_goes_as_json_by_table() -> None:
    append = Append(NOW)
    creating(append)
    config = arguments(append)[7]
    assert config.startswith('{"application":[{"was":0,')
    assert set(TABLES) == {"application", "endpoint", "event_type", "admin"}
