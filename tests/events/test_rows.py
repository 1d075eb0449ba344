from events.append import Append
from events.catalogue import AttemptFailed, AttemptSucceeded, DeliveryResent
from events.outcome import Fault
from events.rows import TABLES, arguments
from tests.support.builders import APP, EP, MSG, NOW, P, a_delivery, accepting, born_in, creating, moving, registering

SUCCEEDED = AttemptSucceeded(1, 200, 1, 1, 1)


def test_what_has_no_row_is_told_apart_from_what_has_one() -> None:
    append = accepting(Append(NOW), EP, "ep_2", "ep_3", event_id="e 1")
    first, second, third = born_in(append)
    moving(append, moving(append, first, SUCCEEDED), DeliveryResent(NOW, NOW))
    moving(append, second, SUCCEEDED)
    moving(append, third, AttemptFailed(1, Fault.DNS, 1, 1, 1, next_at=NOW))
    _, heads, settles, events, messages, names, delivered, untried, moved, waiting, *_, returned, retired, news = (
        arguments(append)
    )
    assert (heads, settles) == ([(P, 5, None, None, None, None)], [])
    assert [(event[9], event[3]) for event in events if event[3]] == [("ep_2", -2)], "accepted here, so without a row"
    assert (len(events), delivered, untried) == (5, 1, 1)
    assert (messages, names) == ([(P, 90, MSG, b"{}")], [(P, APP, "e 1", MSG)])
    assert [(row[2], row[3], row[7]) for row in moved] == [(EP, -2, 3), ("ep_3", -2, 2)]
    assert (waiting, returned, retired, news) == ([], [], [], None)
    again = Append(NOW)
    moving(again, append.delivered()[0][1], DeliveryResent(NOW, NOW, 7))
    *_, returned, _, _ = arguments(again)
    assert returned == [(1, MSG, "ep_2", 2, "pending", 0, NOW, 3, None, NOW, 90)]


def test_what_waits_and_what_is_tried_is_told_apart_by_what_is_known() -> None:
    known = a_delivery(message="msg_2")
    append = Append(NOW)
    append.settled = {P: 7}
    append.untried = {P: {(MSG, EP): (8, NOW, 90), ("msg_3", EP): (9, NOW, 30), ("msg_4", EP): (10, NOW, 90)}}
    append.settle, append.waiting = {P: 9}, [(P, "msg_3", EP, NOW, 30)]
    moving(append, a_delivery(), SUCCEEDED)
    moving(append, known, SUCCEEDED)
    _, heads, settles, events, _, _, delivered, untried, _, waiting, *_ = arguments(append)
    assert (heads, settles) == ([(P, 2, None, None, None, 9)], [(P, 7, 9)])
    assert [event[3] for event in events] == [-1, 1]
    assert (delivered, untried) == (2, 1)
    assert waiting == [(1, "msg_3", EP, NOW, 30)]


def test_who_does_not_know_what_has_rows_has_it_settled_first() -> None:
    append = Append(NOW)
    moving(append, a_delivery(), SUCCEEDED)
    _, heads, _, events, *_ = arguments(append)
    assert heads == [(P, 1, None, None, None, -1)]
    assert [event[3] for event in events] == [1]


def test_the_configuration_goes_as_json_by_table() -> None:
    append = Append(NOW)
    creating(append)
    config = arguments(append)[11]
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
    assert heads == [(P, 3, None, 7, 2, None), (3, 1, 2, None, 1, None)]
    assert news == "me 0 "
