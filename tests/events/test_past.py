from typing import Any

import pytest
from hypothesis import given, settings

from events.append import Append
from events.catalogue import (
    AttemptFailed,
    AttemptSucceeded,
    DeliveryResent,
    EndpointConfig,
    EndpointDeleted,
    EndpointUpdated,
    EventTypeCreated,
    EventTypeUpdated,
)
from events.delivery import DeliveryState, IllegalMove
from events.envelope import Recorded
from events.fold import Fold
from events.outcome import Fault
from events.past import BY_ENDPOINT, Past, Standing, Thing, difference, flat, plain
from tests.support.builders import EP, MSG, NOW, P, accepting, born_in, changing, creating, moving, registering
from tests.support.histories import HISTORIES, Historian

ENDPOINT = Thing(P, EP)
DELIVERY = Thing(P, MSG, EP)


def house() -> list[Recorded]:
    append = Append(NOW)
    creating(append)
    endpoint = registering(append)
    accepting(append, EP, "ep_2")
    failed = moving(append, born_in(append)[0], AttemptFailed(1, Fault.DNS, 1, 1, 1, next_at=NOW))
    updated = changing(append, endpoint, EP, EndpointUpdated(EndpointConfig("http://new.test/", uid="u")))
    moving(append, failed, AttemptSucceeded(2, 200, 1, 1, 2))
    changing(append, updated, EP, EndpointDeleted())
    return append.recorded({P: 0})


def of(thing: Thing) -> list[Recorded]:
    wanted = (None, thing.endpoint)
    return [
        each for each in house() if each.stream == thing.stream and (not thing.endpoint or each.endpoint in wanted)
    ]


def at(thing: Thing, seq: int) -> Past:
    return Past(thing, [each for each in of(thing) if each.seq <= seq])


def test_an_endpoint_comes_changes_and_goes() -> None:
    standings = [at(ENDPOINT, seq).standing for seq in range(8)]
    assert standings == [Standing.NOT_YET] * 2 + [Standing.LIVE] * 5 + [Standing.DELETED]
    urls = [(at(ENDPOINT, seq).state or {}).get("url") for seq in (1, 2, 4, 5, 7)]
    assert urls == [None, "http://e.test/hook", "http://e.test/hook", "http://new.test/", "http://new.test/"]
    assert at(ENDPOINT, 7).deleted_at == NOW
    assert (at(ENDPOINT, 1).kind, at(ENDPOINT, 2).kind) == (None, "endpoint")
    assert [each and each.seq for each in (at(ENDPOINT, 7).first, at(ENDPOINT, 7).last)] == [2, 7]


def test_a_delivery_is_there_from_the_acceptance_of_its_message_on_and_stays_when_delivered() -> None:
    states = [(at(DELIVERY, seq).state or {}).get("state") for seq in range(7)]
    assert states == [None, None, None, "pending", "pending", "pending", "delivered"]
    assert at(DELIVERY, 6).kind == "delivery"


def test_what_is_sent_again_is_pending_again() -> None:
    resent = Recorded(P, 8, NOW, MSG, EP, 4, "operator:ada", None, DeliveryResent(NOW, NOW))
    told = difference(DELIVERY, [*of(DELIVERY), resent], 6)
    assert {change.field: (change.before, change.after) for change in told.changes} == {
        "state": ("delivered", "pending"),
        "attempts": (2, 0),
        "next_at": (None, "2026-01-01T12:00:00Z"),
        "version": (3, 4),
    }
    assert told.events == [resent]


def test_a_message_holds_its_deliveries() -> None:
    state = at(Thing(P, MSG), 6).state
    assert state is not None
    assert {name: each["state"] for name, each in state[BY_ENDPOINT].items()} == {EP: "delivered", "ep_2": "pending"}
    assert f"{BY_ENDPOINT}.ep_2.attempts" in flat(state)


def test_a_difference_names_the_events_that_made_it() -> None:
    found = difference(ENDPOINT, of(ENDPOINT), 2)
    changes = {each.field: (each.before, each.after, [event.seq for event in each.by]) for each in found.changes}
    moment = plain(at(ENDPOINT, 7).entity)["deleted_at"]  # type: ignore[arg-type]
    assert changes == {
        "url": ("http://e.test/hook", "http://new.test/", [5]),
        "uid": (None, "u", [5]),
        "deleted_at": (None, moment, [7]),
        "version": (1, 3, [5, 7]),
    }
    assert (found.was, found.now, [each.seq for each in found.events]) == (Standing.LIVE, Standing.DELETED, [5, 7])
    assert difference(ENDPOINT, of(ENDPOINT), 7).changes == []
    moved = difference(Thing(P, MSG), of(Thing(P, MSG)), 4)
    assert {each.field: [event.seq for event in each.by] for each in moved.changes}[f"{BY_ENDPOINT}.{EP}.state"] == [
        6
    ]


def test_what_was_archived_is_revived() -> None:
    append, thing = Append(NOW), Thing(P, "evtype_1")
    made = changing(append, None, thing.stream, EventTypeCreated("org_1", "a.b", "x"))
    archived = changing(append, made, thing.stream, EventTypeUpdated("x", archived=True))
    changing(append, archived, thing.stream, EventTypeUpdated("y"))
    events = append.recorded({P: 0})
    assert [Past(thing, events[:nth]).state["archived"] for nth in (1, 2, 3)] == [False, True, False]  # type: ignore[index]
    assert {each.field for each in difference(thing, events, 1).changes} == {"description", "version"}


def test_an_event_that_cannot_follow_is_found() -> None:
    events = of(DELIVERY)
    with pytest.raises(IllegalMove):
        Past(DELIVERY, [*events, events[-1]])
    with pytest.raises(IllegalMove, match="no delivery"):
        Past(DELIVERY, events[1:])


@settings(max_examples=60)
@given(HISTORIES)
def test_what_was_at_a_position_is_the_fold_of_the_events_before(told: Historian) -> None:
    things = [Thing(each.partition, each.stream) for each in told.events]
    things += [Thing(each.partition, each.message, each.endpoint) for each in told.deliveries.values()]
    pasts: dict[Thing, Past] = {thing: Past(thing) for thing in things}
    fold = Fold()
    for each in told.events:
        fold.take(each)
        for endpoint in {None, each.endpoint, *getattr(each.event, "endpoints", ())}:
            if (past := pasts.get(Thing(each.partition, each.stream, endpoint))) is not None:
                past.take(each)
        for thing, past in pasts.items():
            assert past.state == _folded(fold, thing) or _delivered(past, thing, fold)


def _folded(fold: Fold, thing: Thing) -> dict[str, Any] | None:
    if thing.endpoint is not None:
        found = fold.deliveries.get((thing.partition, thing.stream, thing.endpoint))
        return None if found is None else plain(found)
    if (entity := fold.entities.get(thing.stream)) is not None:
        return plain(entity)
    message = next((each for key, each in fold.messages.items() if key[2] == thing.stream), None)
    if message is None:
        return None
    kept = {key[2]: plain(each) for key, each in fold.deliveries.items() if key[1] == thing.stream}
    for each in kept.values():
        for name in ("partition", "message", "endpoint"):
            del each[name]
    return plain(message) | {BY_ENDPOINT: kept}


def _delivered(past: Past, thing: Thing, fold: Fold) -> bool:
    """The fold of the whole log lets go of what is delivered; the past of one thing keeps it."""
    state, kept = past.state, _folded(fold, thing)
    if state is None:
        return False
    if thing.endpoint is not None:
        return kept is None and state["state"] == DeliveryState.DELIVERED
    if kept is None or BY_ENDPOINT not in state:
        return False
    state[BY_ENDPOINT] = {
        endpoint: each for endpoint, each in state[BY_ENDPOINT].items() if each["state"] != DeliveryState.DELIVERED
    }
    return state == kept


@settings(max_examples=60)
@given(HISTORIES)
def test_a_difference_leads_from_one_state_to_the_other(told: Historian) -> None:
    for stream in {each.stream for each in told.events}:
        events = [each for each in told.events if each.stream == stream]
        thing = Thing(events[0].partition, stream)
        for after in {0, *(each.seq for each in events)}:
            found = difference(thing, events, after)
            state = flat(Past(thing, [each for each in events if each.seq <= after]).state)
            state |= {each.field: each.after for each in found.changes}
            now = flat(Past(thing, events).state)
            assert {name: state.get(name) for name in now} == now  # what was nothing and stays nothing is no change
            assert all(each.by for each in found.changes)
            assert all(event.seq > after for each in found.changes for event in each.by)
