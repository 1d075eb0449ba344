"""The one door into the log: commands in, facts out, many in one commit.

While one append is on its way, the next batch fills; and it goes on filling while each turn of the loop brings more,
for a few turns. Each batch is decided in order against the world, every command seeing what those before it led to;
then facts and states are written in one transaction; then, and only then, the world at large hears of it: those who
asked, and those who follow the log.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Final

import msgspec
import structlog

from daemon.batch import Answer, Batch, DeliveryCommand, Pending, payload_bytes, standing
from daemon.clock import Clock
from daemon.decider import BATCH_ROWS_MAX, Decider
from daemon.untried import Untried
from events.append import Append
from events.catalogue import ContentExpunged
from events.decide import Command, Rules
from events.delivery import EndDelivery, RecordAttempt
from events.envelope import Recorded, is_config
from events.log import Blocked, Fenced, Log, Outdated, Stale, Unavailable
from events.message import AcceptMessage
from events.news import News, spell
from events.refusal import Refusal
from events.world import World

log = structlog.get_logger()

QUEUE_BYTES_MAX: Final = 128 << 20
STALE_RETRIES_MAX: Final = 5
GATHER_TURNS_MAX: Final = 8
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
        self._clock = clock
        self._decider = Decider(world, rules, random)
        self._queue_max = queue_max
        self._queue: deque[Pending] = deque()
        self._waiting_bytes = 0  # of payloads, asked for and not answered
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.name = ""  # of this process, for the others
        self.epochs = self._decider.epochs
        self.expunged = self._decider.expunged
        self.untried = Untried()
        self.untried.on_ripe = self._wake.set
        self.followers: list[Callable[[Committed], None]] = []
        self.on_ignored: Callable[[RecordAttempt | EndDelivery], None] = lambda _: None
        self.on_reconnected: Callable[[], None] = lambda: None
        self.on_lost: Callable[[frozenset[int]], None] = lambda _: None
        self.available = True
        self.shared = False  # other processes append to this log too
        self._turn = asyncio.Lock()  # held while a batch is under way: nothing else changes the world meanwhile

    # --- asking

    def ask(self, command: Command, actor: str, request: str | None = None) -> "asyncio.Future[Answer | Refusal]":
        """Have `command` decided and its facts committed. Busy; Unavailable when the outcome is not known."""
        self.admit()
        return self._asked(command, actor, request)

    def admit(self) -> None:
        """Say whether anything is taken on from outside just now. Busy."""
        if not self.available:
            raise Busy("the database is away; nothing was done")
        if len(self._queue) >= self._queue_max:
            raise Busy(f"{len(self._queue)} commands wait already; nothing was done")
        if self._waiting_bytes >= QUEUE_BYTES_MAX:
            raise Busy(f"{self._waiting_bytes >> 20} MiB of payloads wait already; nothing was done")

    def ask_all(
        self, commands: Sequence[Command], actor: str = "hookd", request: str | None = None
    ) -> "asyncio.Future[list[Answer | Refusal]]":
        """Have many commands recorded, in as few commits as they fit; the answers in the same order.

        What comes from outside is to `admit` first.
        """
        return asyncio.gather(*[self._asked(command, actor, request) for command in commands])

    def tell(self, command: RecordAttempt | EndDelivery) -> None:
        """Have an outcome recorded. It stays queued until it is, however long the database is away."""
        self._put(Pending(command, "hookd", None, None))

    async def drained(self) -> None:
        """Return once nothing waits any more."""
        await self._idle.wait()

    async def flushed(self) -> None:
        """Return once all that was asked and told before is in the log, or will not be."""
        last = self._queue[-1] if self._queue else None
        while True:
            async with self._turn:
                if not any(each is last for each in self._queue):
                    return
            await asyncio.sleep(0)  # else the loop stands still: to take a turn that is free does not wait

    def __len__(self) -> int:
        """Commands waiting."""
        return len(self._queue)

    def _asked(self, command: Command, actor: str, request: str | None) -> "asyncio.Future[Answer | Refusal]":
        answer: asyncio.Future[Answer | Refusal] = asyncio.get_running_loop().create_future()
        size = payload_bytes(command)
        self._waiting_bytes += size
        self._put(Pending(command, actor, request, answer, size))
        return answer

    def _put(self, pending: Pending) -> None:
        if not self._queue:
            self._idle.clear()
            self._wake.set()
        self._queue.append(pending)

    # --- the loop

    async def run(self) -> None:
        """Append batch after batch, for ever."""
        batch: list[Pending] = []
        try:
            while True:
                if not self._queue and not self.untried.ripe:
                    self._idle.set()
                    self._wake.clear()
                    await self._wake.wait()
                await self._gathered()
                async with self._turn:
                    batch = [self._queue.popleft() for _ in range(min(len(self._queue), BATCH_ROWS_MAX))]
                    await self._record_or_isolate(batch)
                batch = []  # those that are put back are in the queue
        except asyncio.CancelledError:
            self._fail([*batch, *self._queue], Unavailable("the recorder stopped"))
            raise

    async def _gathered(self) -> None:
        """Return when a turn of the loop brought no more commands, or a batch is full, or GATHER_TURNS_MAX are over.

        Much of what an append costs is the same for one command as for many. Under load each turn brings more, and
        the loop has enough to do meanwhile; without, this is one turn that does nothing.
        """
        before = -1
        for _ in range(GATHER_TURNS_MAX):
            waiting = len(self._queue)
            if waiting == before or waiting >= BATCH_ROWS_MAX:
                return
            before = waiting
            await asyncio.sleep(0)

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
            if not batch:  # rows alone: nobody waits for them, but they will be tried again
                await asyncio.sleep(RECONNECT_DELAY_MAX_S)
            self._fail(batch, error)
            for each in batch:
                if isinstance(each.command, RecordAttempt | EndDelivery):
                    self.on_ignored(each.command)

    async def _record(self, pending: list[Pending]) -> None:
        stale = changed = False
        unknown: Iterable[int] = ()  # partitions whose configuration is to be learned first
        sure = not self.shared  # that nothing is refused for what others have changed meanwhile
        tries = STALE_RETRIES_MAX
        while tries:
            try:
                if unknown:
                    await self._learn(unknown)
                    unknown = ()
                if stale:
                    pending = await self._reread(pending, config=changed)
                batch = self._decider.decide(pending, await self._taken(pending), self._clock.now())
                if not sure and batch.denies:
                    self._decider.take_back(batch)
                    sure, unknown = True, range(self._world.partitions)
                    continue
                changed = bool(batch.changed)
                events = await self._append(batch)
            except Unavailable as error:
                return await self._wait_for_database(pending, error)
            except Fenced as error:
                self.lose(error.partitions)
            except Outdated as error:
                unknown = error.partitions
                continue  # others go on changing things, and each time we know more
            except Stale:
                stale = True
                self.untried.doubt()  # the rows decide
            except Blocked as error:
                self._queue.extendleft(reversed(batch.left))
                return self._fail([each for each, _ in batch.answers], error)
            else:
                return self._publish(batch, events)
            tries -= 1
        raise Unavailable("states kept moving on; try again")

    async def _append(self, batch: Batch) -> list[Recorded]:
        append = batch.append
        append.known = self._world.known
        append.news = self._news(append)
        self.untried.brief(append)
        if not (append or append.settle or append.waiting):
            return []
        try:
            events = await self._log.append(append)
        except BaseException:
            self._decider.take_back(batch)
            raise
        self.untried.learn(append)
        return events

    def _publish(self, batch: Batch, events: list[Recorded]) -> None:
        self.available = True
        self._queue.extendleft(reversed(batch.left))
        if batch.append.config:
            self._world.known |= {each.partition: each.seq for each in events if is_config(each)}
        if events:
            payloads = {message.id: payload for message, payload in batch.append.accepted}
            purged = bool(batch.append.expunged or batch.append.dropped)
            self._tell_followers(Committed(events, payloads, purged))
        for pending, answer in batch.answers:
            if pending.answer is not None:
                self._answer(pending, pending.answer, answer)
            elif not answer and isinstance(pending.command, RecordAttempt | EndDelivery):
                self.on_ignored(pending.command)

    def _news(self, append: Append) -> str | None:
        foreign = append.heads().keys() - self.epochs.keys()
        if not foreign and not append.config:
            return None
        return spell(News(self.name, frozenset(append.config), frozenset(foreign)))

    def _tell_followers(self, committed: Committed) -> None:
        """It is in the log, whatever a follower makes of it."""
        for follower in self.followers:
            try:
                follower(committed)
            except Exception:
                log.exception("follower_failed")

    async def _taken(self, pending: list[Pending]) -> set[tuple[str, str]]:
        keys = []
        for each in pending:
            command = each.command
            if type(command) is AcceptMessage and command.event_id is not None:
                keys.append((self._world.partition_of(command.application), command.application, command.event_id))
        return await self._log.taken_event_ids(keys) if keys else set()

    # --- what other processes do

    async def learn(self, partitions: Iterable[int]) -> None:
        """Take in the configuration that others have decided. Unavailable."""
        async with self._turn:
            await self._learn(partitions)

    async def _learn(self, partitions: Iterable[int]) -> None:
        known = self._world.known
        for recorded in await self._log.config({each: known.get(each, 0) for each in partitions}):
            self._world.learn(recorded)
            self._heed(recorded)

    async def freshen(self) -> bool:
        """Whether others had decided something that was not known here, and now is. Unavailable."""
        if not self.shared:
            return False
        before = dict(self._world.known)
        await self.learn(range(self._world.partitions))
        return before != self._world.known

    async def load(self) -> None:
        """Begin anew from the tables. Unavailable."""
        async with self._turn:
            await self._load()

    async def _load(self) -> None:
        loaded = await self._log.load()
        for recorded in await self._log.config(self._world.known):
            self._heed(recorded)
        self._world.replace(loaded.entities, loaded.known)

    def _heed(self, recorded: Recorded) -> None:
        """What was expunged is in no table of the configuration."""
        if isinstance(recorded.event, ContentExpunged):
            until = self.expunged.get(recorded.stream, "")
            self.expunged[recorded.stream] = max(until, recorded.event.until)

    def lose(self, partitions: Iterable[int]) -> None:
        """These have other owners now: what was obtained for them here is not recorded any more."""
        lost = frozenset(self.epochs.keys() & set(partitions))
        for partition in lost:
            del self.epochs[partition]
        if lost:
            self._world.forget_failures(lost)
            log.warning("partitions_lost", partitions=sorted(lost))
            self.on_lost(lost)

    # --- when it did not happen

    async def _reread(self, pending: list[Pending], *, config: bool) -> list[Pending]:
        """Decide again on what is true now; an outcome that was recorded already is let go."""
        if config:
            await self._load()
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

    def _ignore(self, pending: Pending) -> None:
        """Nothing is recorded of this; who asked for it hears so, who told it may look at the delivery again."""
        if pending.answer is None:
            assert isinstance(pending.command, RecordAttempt | EndDelivery)
            self.on_ignored(pending.command)
        else:
            self._answer(pending, pending.answer, [])

    async def _wait_for_database(self, pending: list[Pending], error: Unavailable) -> None:
        """Those who asked are told that nothing is certain; outcomes wait until the database is back."""
        if self.available:
            log.error("database_lost", error=str(error), waiting=len(pending))
        self.available = False
        self.untried.doubt()
        waiting = [*pending, *self._queue]
        self._fail(waiting, error)
        self._queue = deque(each for each in waiting if each.answer is None)
        delay_s = RECONNECT_DELAY_MIN_S
        while True:
            try:
                await self._load()
            except Unavailable:
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, RECONNECT_DELAY_MAX_S)
            else:
                log.info("database_found")
                self.available = True
                self.on_reconnected()
                return

    def _fail(self, pending: Sequence[Pending], error: Exception) -> None:
        for each in pending:
            if each.answer is not None:
                self._answer(each, each.answer, error)

    def _answer(
        self, pending: Pending, asked: "asyncio.Future[Answer | Refusal]", told: Answer | Refusal | Exception
    ) -> None:
        """Tell who asked, if that was not done already, and let go of what the command holds."""
        self._waiting_bytes -= pending.held_bytes
        pending.held_bytes = 0
        if asked.done():
            return
        if isinstance(told, Exception):
            asked.set_exception(told)
        else:
            asked.set_result(told)
