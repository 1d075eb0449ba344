from events.append import Append
from events.catalogue import AttemptFailed, AttemptSucceeded, DeliveryResent
from events.outcome import Fault
from events.rows import TABLES, arguments
from tests.support.builders import EP, MSG, NOW, P, accepting, creating, moving, registering

SUCCEEDED = AttemptSucceeded(1, 200, 1, 1, 1)


def test_what_has_no_row_is_told_apart_from_what_has_one() -> None:
    append = accepting(Append(NOW), EP, "ep_2", "ep_3")
    first, second, third = append.born
    moving(append, moving(append, first, SUCCEEDED), DeliveryResent(NOW, NOW))
    moving(append, second, SUCCEEDED)
    moving(append, third, AttemptFailed(1, Fault.DNS, 1, 1, 1, next_at=NOW))
    _, heads, events, messages, delivered, moved, *_, returned, retired, news = arguments(append)
    assert heads == [(P, 5, None, None, None)]
    assert [(event[9], event[3]) for event in events if event[3]] == [("ep_2", 1)], "the row that goes"
    assert (len(events), delivered) == (5, 1)
    assert [(message[3], message[8]) for message in messages] == [(MSG, [EP, "ep_2", "ep_3"])]
    assert [(row[2], row[3], row[7]) for row in moved] == [(EP, 1, 3), ("ep_3", 1, 2)]
    assert (returned, retired, news) == ([], [], None)
    again = Append(NOW)
    moving(again, append.delivered()[0][1], DeliveryResent(NOW, NOW, 7))
    *_, returned, _, _ = arguments(again)
    assert returned == [(P, MSG, "ep_2", 2, "pending", 0, NOW, 3, None, NOW, 90)]


def test_the_configuration_goes_as_json_by_table() -> None:
    append = Append(NOW)
    creating(append)
    config = arguments(append)[7]
    assert config.startswith('{"application":[{"was":0,')
    assert set(TABLES) == {"application", "endpoint", "event_type", "admin"}


def test_a_head_says_what_was_known_and_where_its_last_event_of_configuration_will_stand() -> None:
    append = Append(NOW)
    creating(append)
    registering(append)
    accepting(append, EP)
    creating(append, "app_3", 3)
    append.known, append.epochs, append.news = {P: 7}, {3: 2}, "me 0 "
    _, heads, *_, news = arguments(append)
    assert heads == [(P, 3, None, 7, 2), (3, 1, 2, None, 1)]
    assert news == "me 0 "
