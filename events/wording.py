"""Words for people: each event as one line, and text from strangers made safe for a terminal. Pure."""

import unicodedata
from datetime import datetime
from typing import Final

from events.catalogue import (
    AdminCreated,
    ApplicationCreated,
    ApplicationDeleted,
    ApplicationUpdated,
    AttemptAbandoned,
    AttemptFailed,
    AttemptSucceeded,
    BreakerClosed,
    BreakerOpened,
    BreakerReset,
    ContentExpired,
    ContentExpunged,
    DeliveryCancelled,
    DeliveryExhausted,
    DeliveryExpired,
    DeliveryGone,
    DeliveryResent,
    EndpointDeleted,
    EndpointDisabled,
    EndpointEnabled,
    EndpointRegistered,
    EndpointUpdated,
    Event,
    EventTypeCreated,
    EventTypeUpdated,
    MessageAccepted,
    PartitionTaken,
    PayloadExpunged,
    ResponseExpunged,
    SecretRotated,
)
from events.outcome import Fault

TEXT_CHARS_MAX: Final = 2000
_UNSAFE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def safe(text: str | bytes, chars_max: int = TEXT_CHARS_MAX) -> str:
    """Text from outside as one printable line: control, bidi and other invisible characters become `·`, too much `…`.

    No terminal escape survives this, and nothing can reorder or hide what stands beside it.
    """
    if isinstance(text, bytes):
        text = text[: chars_max * 4 + 4].decode("utf-8", "replace")
    cut = text[:chars_max]
    clean = "".join("·" if unicodedata.category(each) in _UNSAFE else each for each in cut)
    return clean + "…" if len(text) > chars_max else clean


def moment(at: datetime) -> str:
    """A moment to the millisecond, UTC."""
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}Z"


def describe(event: Event) -> str:
    """What happened, in one line that is safe to print."""
    return safe(_describe(event), 400)


def _describe(event: Event) -> str:
    match event:
        case AttemptSucceeded():
            return f"attempt {event.attempt} succeeded: {event.status} in {event.duration_ms} ms"
        case AttemptFailed():
            return _failed(event)
        case AttemptAbandoned():
            return f"attempt {event.attempt} abandoned by hookd ({event.detail}), again at {moment(event.next_at)}"
        case MessageAccepted():
            return f"message accepted: {event.event_type}, {event.size} bytes, to {_count(event.endpoints)}"
        case DeliveryExhausted():
            return f"delivery exhausted after {event.attempts} attempts"
        case DeliveryGone():
            return "delivery ended: the endpoint is gone (410)"
        case DeliveryCancelled():
            return f"delivery cancelled: {event.reason}"
        case DeliveryExpired():
            return f"delivery expired: {event.reason}"
        case DeliveryResent():
            return f"delivery sent again, due {moment(event.next_at)}"
    return _describe_config(event)


def _failed(event: AttemptFailed) -> str:
    if event.fault is Fault.STATUS:
        what = f"answered {event.status}"
    else:
        status = f" after status {event.status}" if event.status else ""
        what = f"{event.fault}{status}" + (f": {event.detail}" if event.detail else "")
    then = f"next at {moment(event.next_at)}" if event.next_at else "no further attempt"
    return f"attempt {event.attempt} failed: {what} ({event.duration_ms} ms); {then}"


def _describe_config(event: Event) -> str:
    match event:
        case EndpointRegistered():
            return f"endpoint registered: {event.config.url}"
        case EndpointUpdated():
            return f"endpoint updated: {event.config.url}"
        case EndpointDisabled():
            return f"endpoint disabled: {event.reason}"
        case EndpointEnabled():
            return "endpoint enabled"
        case EndpointDeleted():
            return "endpoint deleted"
        case BreakerOpened():
            why = f"{event.fault} {event.status}" if event.status else str(event.fault)
            after = f"{event.failures} failures in a row" if event.failures > 1 else "a failed probe"
            return f"breaker opened until {moment(event.until)} after {after} ({why})"
        case BreakerClosed():
            return "breaker closed"
        case BreakerReset():
            return "breaker reset"
        case SecretRotated():
            return f"signing key rotated; the one before signs along until {moment(event.previous_until)}"
        case ApplicationCreated():
            return f"application created: {event.name}"
        case ApplicationUpdated():
            return f"application updated: {event.name}"
        case ApplicationDeleted():
            return "application deleted"
        case EventTypeCreated():
            return f"event type created: {event.name}"
        case EventTypeUpdated():
            return "event type updated"
        case AdminCreated():
            return f"admin created: {event.username}"
        case PartitionTaken():
            return f"partition taken by {event.owner} (epoch {event.epoch}), before: {event.previous or 'nobody'}"
    return _describe_purge(event)


def _describe_purge(event: Event) -> str:
    match event:
        case ContentExpired():
            return f"kept until {event.day} and dropped: {_bodies(event)}"
        case PayloadExpunged():
            return f"payload expunged{_because(event.reason)}"
        case ResponseExpunged():
            return f"response to the attempt at position {event.seq} expunged{_because(event.reason)}"
        case ContentExpunged():
            return f"expunged of all messages up to {event.until}: {_bodies(event)}{_because(event.reason)}"
    raise AssertionError(f"no words for {type(event).__name__}")


def _bodies(event: ContentExpired | ContentExpunged) -> str:
    payloads, responses = event.payloads, event.responses
    return f"{payloads} payload{'' if payloads == 1 else 's'}, {responses} response{'' if responses == 1 else 's'}"


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


def _count(endpoints: tuple[str, ...]) -> str:
    return f"{len(endpoints)} endpoint{'' if len(endpoints) == 1 else 's'}"
