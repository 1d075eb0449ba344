"""Turns commands into one append: each decided in order against the world, seeing what those before it led to."""

from datetime import datetime
from random import Random
from typing import Final

import msgspec
import structlog

from daemon.batch import Batch, DeliveryCommand, Pending, State, attach, payload_of
from events.append import Append
from events.catalogue import MessageAccepted
from events.content import ExpireContent, Purge
from events.decide import Command, Facts, Rules, attempted, decide
from events.delivery import Delivery, RecordAttempt, evolve
from events.endpoint import ResetBreaker
from events.envelope import Fact
from events.message import AcceptMessage, message_of
from events.refusal import Refusal, conflict
from events.world import World

log = structlog.get_logger()

BATCH_ROWS_MAX: Final = 4000
BATCH_BYTES_MAX: Final = 16 << 20  # of payloads


class Decider:
    """Decides, and changes the world ahead of the append; `take_back` undoes that should the append not happen."""

    def __init__(self, world: World, rules: Rules, random: Random) -> None:
        self._world = world
        self._rules = rules
        self._random = random
        self.epochs: dict[int, int] = {}  # of the partitions this process owns
        self.expunged: dict[str, str] = {}  # application → up to which message no response is stored any more

    def decide(self, pending: list[Pending], taken: set[tuple[str, str]], now: datetime) -> Batch:
        """As many of them as fit one append. `taken`: (application, event id) that messages have already."""
        batch = Batch(Append(now))
        batch.event_ids = taken
        try:
            self._decide_each(batch, pending)
        except BaseException:
            self.take_back(batch)
            raise
        if batch.fenced:
            log.warning("outcomes_fenced", count=batch.fenced)
        return batch

    def _decide_each(self, batch: Batch, pending: list[Pending]) -> None:
        append = batch.append
        for nth, each in enumerate(pending):
            if len(append) >= BATCH_ROWS_MAX or append.payload_bytes >= BATCH_BYTES_MAX:
                batch.left = pending[nth:]
                break
            command = each.command
            if isinstance(command, RecordAttempt):
                self._attempted(batch, each, command)
                continue
            if isinstance(command, ExpireContent) and nth:  # alone: it may be blocked, and nothing else is to be
                batch.left = pending[nth:]
                break
            facts = self._facts(batch, command)
            if isinstance(facts, Refusal):
                batch.answers.append((each, facts))
                continue
            start = len(append.caused)
            states = [self._fold(batch, each, fact, start) for fact in facts]
            attach(append, command, start)
            batch.answers.append((each, states))
            if append.dropped:
                batch.left = pending[nth + 1 :]
                break

    def _facts(self, batch: Batch, command: Command) -> Facts | Refusal:
        append = batch.append
        if isinstance(command, DeliveryCommand):
            delivery = command.delivery
            latest = append.latest(delivery)
            if latest is not delivery:
                command = msgspec.structs.replace(command, delivery=latest)
        elif isinstance(command, ResetBreaker):
            batch.rows.setdefault(command.id, self._world.rows.get(command.id))
        elif isinstance(command, AcceptMessage) and command.event_id is not None:
            key = (command.application, command.event_id)
            if key in batch.event_ids:
                return conflict(f"a message with event id {command.event_id} exists already", "event_id")
            batch.event_ids.add(key)
        return decide(self._world, command, self._rules, append.now, self._random)

    def _attempted(self, batch: Batch, pending: Pending, command: RecordAttempt) -> None:
        """Nearly all commands are outcomes: a delivery moves on, and now and then the breaker of its endpoint."""
        append = batch.append
        if not self._is_valid(append, command):
            batch.answers.append((pending, ()))
            batch.fenced += 1
            return
        delivery = append.latest(command.delivery)
        if delivery is not command.delivery:
            command = RecordAttempt(delivery, command.outcome, command.timestamp, command.config, command.epoch)
        batch.rows.setdefault(delivery.endpoint, self._world.rows.get(delivery.endpoint))
        facts = attempted(self._world, command, self._rules, append.now, self._random)
        start = len(append.caused)
        states: list[State] = []
        for fact in facts:
            if fact.endpoint is None:
                states.append(self._fold(batch, pending, fact, start))
                continue
            append.add(fact, pending.actor, pending.request)
            before, delivery = delivery, evolve(delivery, fact.event)
            append.move(before, delivery)
            states.append(delivery)
        if command.outcome.body and facts and facts[0].endpoint is not None:  # else it only moved the breaker
            day = delivery.last_day
            if day >= append.now.date() and not (self.expunged and self._is_expunged(delivery)):
                append.responses.append((start, day, command.outcome.body))
        if pending.answer is not None or not facts:  # else nobody wants to know
            batch.answers.append((pending, states))

    def _is_valid(self, append: Append, attempt: RecordAttempt) -> bool:
        """Whether it was made under the epoch that still lasts; the append is to see to it that it does."""
        partition, epoch = attempt.delivery.partition, attempt.epoch
        if epoch is not None:
            if epoch != self.epochs.get(partition):
                return False
            append.epochs[partition] = epoch
        return True

    def _fold(self, batch: Batch, pending: Pending, fact: Fact, start: int) -> State:
        append = batch.append
        append.add(fact, pending.actor, pending.request)
        event = fact.event
        if isinstance(event, MessageAccepted):
            message = message_of(fact, event, append.now)
            append.accept(message, payload_of(pending.command, len(append.caused) - start - 1))
            return message
        if fact.endpoint is not None:
            assert isinstance(pending.command, DeliveryCommand)
            before = append.latest(pending.command.delivery)
            after = evolve(before, event)
            append.move(before, after)
            return after
        if isinstance(event, Purge):
            return event
        was, now = self._world.apply(fact, append.now)
        append.change(was, now)
        batch.changed.append((was, now))
        return now

    def _is_expunged(self, delivery: Delivery) -> bool:
        """Whether the attempt was under way while all that its application had was expunged."""
        endpoint = self._world.endpoint(delivery.endpoint)
        return endpoint is None or delivery.message <= self.expunged.get(endpoint.application, "")

    def take_back(self, batch: Batch) -> None:
        """The append did not happen: the world is as it was."""
        for before, after in reversed(batch.changed):
            self._world.undo(before, after)
        for endpoint, row in batch.rows.items():
            if row is None:
                self._world.rows.pop(endpoint, None)
            else:
                self._world.rows[endpoint] = row
