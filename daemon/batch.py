"""Commands on their way into the log: one each, and many decided together."""

import asyncio
from collections.abc import Sequence

import msgspec

from events.admin import CreateAdmin
from events.append import Append, DeliveryKey
from events.breaker import FailureRow
from events.catalogue import AttemptAbandoned, AttemptFailed, AttemptSucceeded, SecretRotated
from events.content import ExpireContent, ExpungeContent, ExpungePayload, ExpungeResponse, Purge
from events.decide import Command
from events.delivery import Delivery, EndDelivery, RecordAttempt, ResendDelivery
from events.endpoint import RegisterEndpoint, RotateSecret
from events.envelope import Recorded
from events.log import Log
from events.message import AcceptMessage, AcceptTogether, Message
from events.past import Past, Thing
from events.refusal import Refusal
from events.world import Entity

State = Entity | Message | Delivery | Purge
DeliveryCommand = RecordAttempt | EndDelivery | ResendDelivery
Answer = Sequence[State]
"""The states that a command's facts led to, in their order; a fact that changes no state stands for itself."""


class Pending(msgspec.Struct):
    """A command, who caused it, and who waits for the answer: None for outcomes, which nobody waits for.

    `held_bytes` is what it holds of payloads until it is answered.
    """

    command: Command
    actor: str
    request: str | None
    answer: "asyncio.Future[Answer | Refusal] | None"
    held_bytes: int = 0


class Batch:
    """Commands decided together, and what to take back should the append not happen."""

    def __init__(self, append: Append) -> None:
        self.append = append
        self.answers: list[tuple[Pending, Answer | Refusal]] = []
        self.left: list[Pending] = []  # not decided: the batch was full
        self.changed: list[tuple[Entity | None, Entity]] = []
        self.rows: dict[str, FailureRow | None] = {}  # endpoint → its failures in a row before this batch
        self.event_ids: set[tuple[str, str]] = set()  # (application, event id) that are taken
        self.fenced = 0  # outcomes of a reign that is over, of which nothing is recorded

    @property
    def denies(self) -> bool:
        """Whether somebody who asked is told no, or that nothing was to be done."""
        return any(
            each.answer is not None and (not answer or isinstance(answer, Refusal)) for each, answer in self.answers
        )


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


def attach(append: Append, command: Command, start: int) -> None:
    """What the command brings or takes that stands in no event: keys, bodies. Its first fact is the `start`th."""
    match command:
        case AcceptMessage():
            pass  # nearly all that come here
        case RegisterEndpoint():
            partition = append.caused[start].fact.partition
            append.secrets.append((partition, command.id, command.secret, command.sealed_secret))
        case RotateSecret():
            fact = append.caused[start].fact
            assert isinstance(fact.event, SecretRotated)
            append.secrets.append((fact.partition, command.id, command.secret, command.sealed_secret))
            append.retired.append((fact.partition, command.id, fact.event.previous, fact.event.previous_until))
        case CreateAdmin():
            partition = append.caused[start].fact.partition
            append.secrets.append((partition, command.id, "password", command.sealed_password))
        case ExpungePayload() | ExpungeResponse():
            append.expunged.append(command.body)
        case ExpungeContent():
            append.expunged += command.bodies
        case ExpireContent():
            append.dropped.append(command.day)


async def standing(log: Log, commands: Sequence[DeliveryCommand]) -> list[DeliveryCommand | None]:
    """The commands again, about their deliveries as they stand now. None: it is recorded already, or without object.

    Unavailable.
    """
    rows = await log.deliveries({key_of(each.delivery) for each in commands})
    told = {key_of(each.delivery) for each in commands if _is_unclear(each, rows.get(key_of(each.delivery)))}
    stories = await log.stories(told) if told else {}
    found: list[DeliveryCommand | None] = []
    for each in commands:
        key = key_of(each.delivery)
        row = rows.get(key)
        if isinstance(each, ResendDelivery):
            row = row or where_it_stands(key, stories.get(key, ()))
        elif isinstance(each, RecordAttempt) and row is not None and was_recorded(each, row, stories.get(key, ())):
            row = None
        found.append(None if row is None else msgspec.structs.replace(each, delivery=row))
    return found


def where_it_stands(key: DeliveryKey, story: Sequence[Recorded]) -> Delivery | None:
    """A delivery by its events, delivered ones too. None: there was never one."""
    return Past(Thing(*key), story).deliveries.get(key[2])


def _is_unclear(command: DeliveryCommand, row: Delivery | None) -> bool:
    """Whether the row does not say enough, and the delivery's events are to be asked."""
    if isinstance(command, ResendDelivery):
        return row is None
    seen = command.delivery
    return (
        isinstance(command, RecordAttempt)
        and row is not None
        and row.version > seen.version
        and row.attempts <= seen.attempts
    )


def was_recorded(command: RecordAttempt, row: Delivery, story: Sequence[Recorded]) -> bool:
    """Whether this attempt is in the log: it was committed, and only the database's word of it was lost.

    No delivery has two attempts at once: any that was recorded since this one began is this one. As long as there are
    more attempts than before, the row says so; one that was sent again began to count anew, and its events tell.
    """
    seen = command.delivery
    return row.attempts > seen.attempts or any(
        each.version > seen.version and isinstance(each.event, AttemptSucceeded | AttemptFailed | AttemptAbandoned)
        for each in story
        if each.endpoint is not None
    )


def key_of(delivery: Delivery) -> DeliveryKey:
    """What names a delivery."""
    return delivery.partition, delivery.message, delivery.endpoint
