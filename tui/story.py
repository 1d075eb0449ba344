"""What became of a delivery or a message, told from its events alone: the answers of the API, as of some event. Pure.

The state is the log's own fold (events.past). Where that refuses, because a recording begins in the middle or holds
events of another release, what the last event says has to do.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from events import codec
from events.codec import UnreadableEvent
from events.delivery import Delivery
from events.envelope import Recorded
from events.past import Past, Thing
from tui.board import Board
from tui.fields import objects, text
from tui.frames import Events, Happened

Answer = dict[str, Any]
ATTEMPTS: Final = frozenset({"AttemptSucceeded", "AttemptFailed"})


def delivery(message: str, endpoint: str, events: Iterable[Happened]) -> Answer:
    """One delivery. Of its message's other deliveries nothing is told."""
    own = [each for each in events if each.stream == message and each.endpoint in {endpoint, None}]
    accepted = next((each for each in own if each.type == "MessageAccepted"), None)
    return {
        "message": message,
        "endpoint": endpoint,
        "application": text(accepted.body, "application") if accepted else "",
        "acceptedAt": accepted.at.isoformat() if accepted else None,
        **standing(message, endpoint, own),
        "attempts": [attempt(each) for each in own if each.type in ATTEMPTS],
        "trail": trail(own),
    }


def message(identifier: str, events: Iterable[Happened]) -> Answer:
    """One message and how each of its deliveries stands."""
    own = [each for each in events if each.stream == identifier]
    accepted = next((each for each in own if each.type == "MessageAccepted"), None)
    body = accepted.body if accepted else {}
    told = body.get("endpoints")
    endpoints = dict.fromkeys(map(str, told)) if isinstance(told, list) else {}
    endpoints |= {each.endpoint: None for each in own if each.endpoint}
    return {
        "id": identifier,
        "eventType": body.get("event_type"),
        "eventId": body.get("event_id"),
        "application": body.get("application"),
        "acceptedAt": accepted.at.isoformat() if accepted else None,
        "size": body.get("size"),
        "digest": body.get("digest"),
        "deliveries": [
            {"endpoint": each, **standing(identifier, each, own), "attempts": _tried(own, each)} for each in endpoints
        ],
    }


def standing(message: str, endpoint: str, events: list[Happened]) -> Answer:
    """The state of a delivery, when it goes on, and why it is not delivered."""
    folded = _folded(message, endpoint, events)
    if folded is not None:
        next_at = folded.next_at.isoformat() if folded.next_at else None
        return {"state": str(folded.state), "nextAt": next_at, "reason": folded.reason}
    board = Board()
    board.take(Events(tuple(events)), 0.0)
    row = board.deliveries.get(f"{message}/{endpoint}")
    if row is None:
        return {"state": "unknown", "nextAt": None, "reason": None}
    next_at = row.next_at.isoformat() if row.next_at else None
    return {"state": row.state, "nextAt": next_at, "reason": row.what or None}


def _folded(message: str, endpoint: str, events: list[Happened]) -> Delivery | None:
    try:
        recorded = [_recorded(each) for each in events if each.endpoint in {endpoint, None}]
        return Past(Thing(0, message, endpoint), recorded).deliveries.get(endpoint)
    except (UnreadableEvent, AssertionError, TypeError, ValueError):
        return None


def _recorded(each: Happened) -> Recorded:
    version = codec.VERSIONS.get(each.type, 1)
    event = codec.decode(each.type, version, msgspec.json.encode(each.body))
    return Recorded(
        each.partition, each.seq, each.at, each.stream, each.endpoint, each.version, each.actor, each.request, event
    )


def _tried(events: list[Happened], endpoint: str) -> int:
    return sum(1 for each in events if each.endpoint == endpoint and each.type in ATTEMPTS)


def attempt(event: Happened) -> Answer:
    """An attempt, as the API tells it; its request and response are in no log."""
    body = event.body
    return {
        "position": event.position,
        "at": event.at.isoformat(),
        "attempt": body.get("attempt"),
        "status": body.get("status"),
        "fault": body.get("fault"),
        "detail": body.get("detail"),
        "durationMs": body.get("duration_ms"),
        "responseBytes": body.get("response_bytes"),
    }


def trail(events: Iterable[Happened]) -> list[Answer]:
    """What happened, as the API tells it."""
    return [
        {
            "at": each.at.isoformat(),
            "type": each.type,
            "actor": each.actor,
            "partition": each.partition,
            "seq": each.seq,
        }
        for each in events
    ]


def happened_of(answer: Answer, name: str = "trail") -> list[Happened]:
    """The events of an answer; those that cannot be read are left out."""
    found = []
    for each in objects(answer, name):
        try:
            found.append(msgspec.convert(each, Happened))
        except msgspec.ValidationError:
            continue
    return found
