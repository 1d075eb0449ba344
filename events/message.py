"""A message: one thing to send. It is accepted once and never changes; its deliveries live on their own."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Final

import msgspec

from events.catalogue import MessageAccepted
from events.content import RETENTION_DAYS, last_day
from events.delivery import Delivery
from events.envelope import Fact, Recorded

APPLICATION_CHARS_MAX: Final = 64  # of its id: what log.whose cuts out


class Message(msgspec.Struct, frozen=True, gc=False):
    """The fold of a message's stream."""

    partition: int
    application: str
    id: str
    event_type: str
    channels: tuple[str, ...] | None
    event_id: str | None
    digest: str
    size: int
    deliveries: int
    accepted_at: datetime
    retention_days: int = RETENTION_DAYS

    @property
    def last_day(self) -> date:
        """The last day (UTC) on which its bodies are kept."""
        return last_day(self.accepted_at, self.retention_days)


class EventId(msgspec.Struct, frozen=True, gc=False):
    """The name that a sender gave to a message: a row of state.event_id."""

    partition: int
    application: str
    event_id: str
    message: str


class AcceptMessage(msgspec.Struct, frozen=True, gc=False):
    """Ask for a message to be sent to every endpoint of the application that wants it.

    `retention_days`: how long its bodies are kept; None: as the application or the daemon is set. `only`: it goes to
    this endpoint alone, whatever that one wants.
    """

    id: str
    application: str
    event_type: str
    payload: bytes
    digest: str
    channels: tuple[str, ...] | None = None
    event_id: str | None = None
    retention_days: int | None = None
    only: str | None = None


class AcceptTogether(msgspec.Struct, frozen=True):
    """Ask for several messages at once: all are accepted, or none."""

    messages: tuple[AcceptMessage, ...]


def named(messages: Iterable[Message]) -> list[EventId]:
    """The names of those that have one."""
    return [EventId(m.partition, m.application, m.event_id, m.id) for m in messages if m.event_id is not None]


def listed(body: bytes, application: str) -> bool:
    """Whether an acceptance tells its application as log.whose reads it: else its messages are in no list."""
    told = body.startswith(f'{{"application":"{application}"'.encode())
    return told and application.isascii() and len(application) <= APPLICATION_CHARS_MAX


def born(fact: Fact | Recorded, event: MessageAccepted, at: datetime) -> tuple[Message, list[Delivery]]:
    """The message and the deliveries that its acceptance brings into the world, due at once."""
    return message_of(fact, event, at), deliveries_of(fact, event, at)


def message_of(fact: Fact | Recorded, event: MessageAccepted, at: datetime) -> Message:
    """The message alone."""
    return Message(
        partition=fact.partition,
        application=event.application,
        id=fact.stream,
        event_type=event.event_type,
        channels=event.channels,
        event_id=event.event_id,
        digest=event.digest,
        size=event.size,
        deliveries=len(event.endpoints),
        accepted_at=at,
        retention_days=event.retention_days,
    )


def deliveries_of(fact: Fact | Recorded, event: MessageAccepted, at: datetime) -> list[Delivery]:
    """The deliveries alone, for whoever has no use for the message."""
    partition, stream, kept = fact.partition, fact.stream, event.retention_days
    return [Delivery(partition, stream, endpoint, at, at, retention_days=kept) for endpoint in event.endpoints]
