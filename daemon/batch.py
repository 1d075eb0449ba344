"""Commands on their way into the log: one each, and many decided together."""

import asyncio
from collections.abc import Sequence

import msgspec

from events.append import Append, DeliveryKey
from events.breaker import FailureRow
from events.content import Purge
from events.decide import Command
from events.delivery import Delivery, EndDelivery, RecordAttempt
from events.message import AcceptMessage, AcceptTogether, Message
from events.refusal import Refusal
from events.world import Entity

State = Entity | Message | Delivery | Purge
Answer = Sequence[State]
"""The states that a command's facts led to, in their order; a fact that changes no state stands for itself."""


class Pending(msgspec.Struct):
    """A command, who caused it, and who waits for the answer: None for outcomes, which nobody waits for."""

    command: Command
    actor: str
    request: str | None
    answer: "asyncio.Future[Answer | Refusal] | None"


class Batch:
    """Commands decided together, and what to take back should the append not happen."""

    def __init__(self, append: Append) -> None:
        self.append = append
        self.answers: list[tuple[Pending, Answer | Refusal]] = []
        self.left: list[Pending] = []  # not decided: the batch was full
        self.changed: list[tuple[Entity | None, Entity]] = []
        self.rows: dict[str, FailureRow | None] = {}  # endpoint → its failures in a row before this batch
        self.event_ids: set[tuple[str, str]] = set()  # (application, event id) that are taken


def payload_bytes(command: Command) -> int:
    """What the command holds of payloads, in bytes."""
    if isinstance(command, AcceptMessage):
        return len(command.payload)
    if isinstance(command, AcceptTogether):
        return sum(len(each.payload) for each in command.messages)
    return 0


def payload_of(command: Command, nth: int) -> bytes:
    """The payload of the message that the command's `nth` fact accepted."""
    if isinstance(command, AcceptMessage):
        return command.payload
    assert isinstance(command, AcceptTogether)
    return command.messages[nth].payload


def was_recorded(command: RecordAttempt | EndDelivery, row: Delivery) -> bool:
    """Whether this attempt is in the log: it was committed, and only the database's word of it was lost.

    Nothing but an attempt moves a pending delivery on, and no delivery has two attempts at once.
    """
    if isinstance(command, EndDelivery):
        return False
    seen = command.delivery
    return row.attempts > seen.attempts or (row.next_at is not None and row.version > seen.version)


def key_of(pending: Pending) -> DeliveryKey:
    """The delivery that the command is about."""
    assert isinstance(pending.command, RecordAttempt | EndDelivery)
    delivery = pending.command.delivery
    return delivery.partition, delivery.message, delivery.endpoint
