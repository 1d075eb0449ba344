"""The one door into the log: commands in, facts out, many in one commit.

While one append is on its way, the next batch fills. Each batch is decided in order against the world, every
command seeing what those before it led to; then facts and states are written in one transaction; then, and only
then, the world at large hears of it: those who asked, and those who follow the log.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

import msgspec
import structlog

from daemon.batch import Answer, Batch, DeliveryCommand, Pending, State, payload_bytes, payload_of, standing
from daemon.clock import Clock
from events.admin import CreateAdmin
from events.append import Append
from events.catalogue import MessageAccepted, SecretRotated
from events.content import ExpireContent, ExpungeContent, ExpungePayload, ExpungeResponse, Purge
from events.decide import Command, Facts, Rules, decide
from events.delivery import Delivery, EndDelivery, RecordAttempt, evolve
from events.endpoint import RegisterEndpoint, ResetBreaker, RotateSecret
from events.envelope import Fact, Recorded
from events.log import Blocked, Fenced, Log, Stale, Unavailable
from events.message import AcceptMessage, born
from events.refusal import Refusal, conflict
from events.world import World

log = structlog.get_logger()

BATCH_ROWS_MAX: Final = 4000
BATCH_BYTES_MAX: Final = 16 << 20  # of payloads
QUEUE_BYTES_MAX: Final = 128 << 20
STALE_RETRIES_MAX: Final = 5
RECONNECT_DELAY_MIN_S: Final = 0.05
RECONNECT_DELAY_MAX_S: Final = 2.0


class Busy(Exception):
    """The recorder cannot take on more just now, and has done nothing: try again later."""


class Committed(msgspec.Struct, frozen=True):
    """One append, as those who follow the log hear of it."""

    events: list[Recorded]
    payloads: dict[str, bytes]  # of the messages accepted in it
    purged: bool = False  # whether some event says that bodies are gone


class Recorder:
    """Decides and appends, one batch at a time."""

    def __init__(
        self,
        log: Log,
        world: World,
        rules: Rules,
        clock: Clock,
        random: Random,
        *,
        queue_max: int = 20_000,
    ) -> None:
        self._log = log
        self._world = world
        self._rules = rules
        self._clock = clock
        self._random = random
        self._queue_max = queue_max
        self._queue: deque[Pending] = deque()
        self._waiting_bytes = 0  # of payloads, asked for and not answered
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.epochs: dict[int, int] = {}  # of the partitions this process owns
        self.expunged: dict[str, str] = {}  # application → up to which message no response is stored any more
        self.followers: list[Callable[[Committed], None]] = []
        self.on_ignored: Callable[[RecordAttempt | EndDelivery], None] = lambda _: None
        self.on_reconnected: Callable[[], None] = lambda: None
        self.available = True
        self.standing_by = False  # another process has taken over: what is known here may be out of date

    # --- asking

    async def ask(self, command: Command, actor: str, request: str | None = None) -> Answer | Refusal:
        """Have `command` decided and its facts committed. Busy; Unavailable when the outcome is not known."""
        self.admit()
        answer: asyncio.Future[Answer | Refusal] = asyncio.get_running_loop().create_future()
        size = payload_bytes(command)
        self._waiting_bytes += size
        try:
            self._put(Pending(command, actor, request, answer))
            return await answer
        finally:
            self._waiting_bytes -= size

    def admit(self) -> None:
        """Say whether anything is taken on from outside just now. Busy."""
        if not self.available:
            raise Busy("the database is away; nothing was done")
        if self.standing_by:
            raise Busy("another hookd owns this database and answers for it; nothing was done here")
        if len(self._queue) >= self._queue_max:
            raise Busy(f"{len(self._queue)} commands wait already; nothing was done")
        if self._waiting_bytes >= QUEUE_BYTES_MAX:
            raise Busy(f"{self._waiting_bytes >> 20} MiB of payloads wait already; nothing was done")

    async def ask_all(
        self, commands: Sequence[Command], actor: str = "hookd", request: str | None = None
    ) -> list[Answer | Refusal]:
        """Have many commands recorded, in as few commits as they fit; the answers in the same order.

        What comes from outside is to `admit` first.
        """
        loop = asyncio.get_running_loop()
        answers: list[asyncio.Future[Answer | Refusal]] = [loop.create_future() for _ in commands]
        size = sum(map(payload_bytes, commands))
        self._waiting_bytes += size
        try:
            for command, answer in zip(commands, answers, strict=True):
                self._put(Pending(command, actor, request, answer))
            return await asyncio.gather(*answers)
        finally:
            self._waiting_bytes -= size

    def tell(self, command: RecordAttempt | EndDelivery) -> None:
        """Have an outcome recorded. It stays queued until it is, however long the database is away."""
        self._put(Pending(command, "hookd", None, None))

    async def drained(self) -> None:
        """Return once everything asked and told so far is in the log."""
        await self._idle.wait()

    def __len__(self) -> int:
        """Commands waiting."""
        return len(self._queue)

    def _put(self, pending: Pending) -> None:
        self._queue.append(pending)
        self._idle.clear()
        self._wake.set()

    # --- the loop

    async def run(self) -> None:
        """Append batch after batch, for ever."""
        batch: list[Pending] = []
        try:
            while True:
                if not self._queue:
                    self._idle.set()
                    self._wake.clear()
                    await self._wake.wait()
                batch = list(self._queue)
                self._queue.clear()
                await self._record_or_isolate(batch)
        except asyncio.CancelledError:
            self._fail([*batch, *self._queue], Unavailable("the recorder stopped"))
            raise

    async def _record_or_isolate(self, batch: list[Pending]) -> None:
        """A command that makes the whole append fail, by a fault of ours, goes down alone."""
        try:
            await self._record(batch)
        except Exception as error:
            log.exception("append_failed", commands=[type(each.command).__name__ for each in batch[:5]])
            if len(batch) > 1:
                for each in batch:
                    await self._record_or_isolate([each])
                return
            self._fail(batch, error)
            for each in batch:
                if isinstance(each.command, RecordAttempt | EndDelivery):
                    self.on_ignored(each.command)

    async def _record(self, pending: list[Pending]) -> None:
        stale = changed = False
        for _ in range(STALE_RETRIES_MAX):
            try:
                if stale:
                    pending = await self._reread(pending, config=changed)
                batch = await self._decide(pending)
                changed = bool(batch.changed)
                events = await self._append(batch)
            except Unavailable as error:
                return await self._wait_for_database(pending, error)
            except Fenced:
                pending = self._without_outcomes(pending)
            except Stale:
                stale = True
            except Blocked as error:
                self._queue.extendleft(reversed(batch.left))
                return self._fail([each for each, _ in batch.answers], error)
            else:
                return self._publish(batch, events)
        raise Unavailable("states kept moving on; try again")

    async def _append(self, batch: Batch) -> list[Recorded]:
        try:
            return await self._log.append(batch.append) if batch.append else []
        except BaseException:
            self._take_back(batch)
            raise

    def _publish(self, batch: Batch, events: list[Recorded]) -> None:
        self.available = True
        self._queue.extendleft(reversed(batch.left))
        if events:
            payloads = {message.id: payload for message, payload in batch.append.accepted}
            purged = bool(batch.append.expunged or batch.append.dropped)
            self._tell_followers(Committed(events, payloads, purged))
        for pending, answer in batch.answers:
            if pending.answer is not None:
                if not pending.answer.done():
                    pending.answer.set_result(answer)
            elif not answer and isinstance(pending.command, RecordAttempt | EndDelivery):
                self.on_ignored(pending.command)

    def _tell_followers(self, committed: Committed) -> None:
        """It is in the log, whatever a follower makes of it."""
        for follower in self.followers:
            try:
                follower(committed)
            except Exception:
                log.exception("follower_failed")

    # --- deciding

    async def _decide(self, pending: list[Pending]) -> Batch:
        batch = Batch(Append(self._clock.now()))
        batch.event_ids = await self._taken(pending)
        try:
            self._decide_each(batch, pending)
        except BaseException:
            self._take_back(batch)
            raise
        return batch

    def _decide_each(self, batch: Batch, pending: list[Pending]) -> None:
        append = batch.append
        for nth, each in enumerate(pending):
            if len(append) >= BATCH_ROWS_MAX or append.payload_bytes >= BATCH_BYTES_MAX:
                batch.left = pending[nth:]
                break
            command = each.command
            if isinstance(command, ExpireContent) and nth:  # alone: it may be blocked, and nothing else is to be
                batch.left = pending[nth:]
                break
            facts = self._facts(batch, command)
            if isinstance(facts, Refusal):
                batch.answers.append((each, facts))
                continue
            start = len(append.caused)
            states = [self._fold(batch, each, fact, start) for fact in facts]
            self._attach(append, command, start)
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
            if isinstance(command, RecordAttempt | EndDelivery):
                append.epochs[delivery.partition] = self.epochs.get(delivery.partition, -1)
                batch.rows.setdefault(delivery.endpoint, self._world.rows.get(delivery.endpoint))
        elif isinstance(command, ResetBreaker):
            batch.rows.setdefault(command.id, self._world.rows.get(command.id))
        elif isinstance(command, AcceptMessage) and command.event_id is not None:
            key = (command.application, command.event_id)
            if key in batch.event_ids:
                return conflict(f"a message with event id {command.event_id} exists already", "event_id")
            batch.event_ids.add(key)
        return decide(self._world, command, self._rules, append.now, self._random)

    def _fold(self, batch: Batch, pending: Pending, fact: Fact, start: int) -> State:
        append = batch.append
        append.add(fact, pending.actor, pending.request)
        event = fact.event
        if isinstance(event, MessageAccepted):
            message, deliveries = born(fact, event, append.now)
            append.accept(message, payload_of(pending.command, len(append.caused) - start - 1))
            append.born += deliveries
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

    def _attach(self, append: Append, command: Command, start: int) -> None:
        match command:
            case RecordAttempt() if command.outcome.body and len(append.caused) > start:
                if append.caused[start].fact.endpoint is not None:  # else it only moved the breaker
                    day = command.delivery.last_day
                    if day >= append.now.date() and not (self.expunged and self._is_expunged(command.delivery)):
                        append.responses.append((start, day, command.outcome.body))
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

    def _is_expunged(self, delivery: Delivery) -> bool:
        """Whether the attempt was under way while all that its application had was expunged."""
        endpoint = self._world.endpoint(delivery.endpoint)
        return endpoint is None or delivery.message <= self.expunged.get(endpoint.application, "")

    async def _taken(self, pending: list[Pending]) -> set[tuple[str, str]]:
        keys = []
        for each in pending:
            command = each.command
            if isinstance(command, AcceptMessage) and command.event_id is not None:
                keys.append((self._world.partition_of(command.application), command.application, command.event_id))
        return await self._log.taken_event_ids(keys) if keys else set()

    # --- when it did not happen

    def _take_back(self, batch: Batch) -> None:
        for before, after in reversed(batch.changed):
            self._world.undo(before, after)
        for endpoint, row in batch.rows.items():
            if row is None:
                self._world.rows.pop(endpoint, None)
            else:
                self._world.rows[endpoint] = row

    async def _reread(self, pending: list[Pending], *, config: bool) -> list[Pending]:
        """Decide again on what is true now; an outcome that was recorded already is let go."""
        if config:
            self._world.replace(await self._log.load())
        moved = [each.command for each in pending if isinstance(each.command, DeliveryCommand)]
        commands = iter(await standing(self._log, moved))
        again = []
        for each in pending:
            if isinstance(each.command, DeliveryCommand):
                command = next(commands)
                if command is None:
                    log.info("outcome_was_recorded", message=each.command.delivery.message)
                    self._ignore(each)
                    continue
                each.command = command
            again.append(each)
        return again

    def _without_outcomes(self, pending: list[Pending]) -> list[Pending]:
        kept = []
        for each in pending:
            if isinstance(each.command, RecordAttempt | EndDelivery):
                log.warning("outcome_fenced", message=each.command.delivery.message)
                self._ignore(each)
            else:
                kept.append(each)
        return kept

    def _ignore(self, pending: Pending) -> None:
        """Nothing is recorded of this; who asked for it hears so, who told it may look at the delivery again."""
        if pending.answer is None:
            assert isinstance(pending.command, RecordAttempt | EndDelivery)
            self.on_ignored(pending.command)
        elif not pending.answer.done():
            pending.answer.set_result([])

    async def _wait_for_database(self, pending: list[Pending], error: Unavailable) -> None:
        """Those who asked are told that nothing is certain; outcomes wait until the database is back."""
        if self.available:
            log.error("database_lost", error=str(error), waiting=len(pending))
        self.available = False
        waiting = [*pending, *self._queue]
        self._fail(waiting, error)
        self._queue = deque(each for each in waiting if each.answer is None)
        delay_s = RECONNECT_DELAY_MIN_S
        while True:
            try:
                self._world.replace(await self._log.load())
            except Unavailable:
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, RECONNECT_DELAY_MAX_S)
            else:
                log.info("database_found")
                self.available = True
                self.on_reconnected()
                return

    @staticmethod
    def _fail(pending: Sequence[Pending], error: Exception) -> None:
        for each in pending:
            if each.answer is not None and not each.answer.done():
                each.answer.set_exception(error)
