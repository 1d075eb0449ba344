"""Several whole daemons on one log, in one loop: memory log, virtual clock, endpoints that misbehave by script.

Each process can be stopped in the middle of whatever it does and let go on later: meanwhile nothing it asks of the
log is asked, nothing it is answered reaches it, and neither do outcomes or news; what its timers would send goes
out when it goes on. A process that crashes is never heard of again, but what it had asked of the log may be done.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from random import Random
from typing import Any

from daemon.dispatcher import Dispatcher
from daemon.feeder import Feeder
from daemon.following import Follower
from daemon.handover import Handover
from daemon.hearing import Hearing
from daemon.ownership import Owner
from daemon.payloads import Payloads
from daemon.recorder import Recorder
from daemon.sealing import Sealer
from daemon.supervisor import Supervisor
from daemon.transport.destination import Destination
from events.append import Append
from events.envelope import Recorded
from events.log import Unavailable
from events.outcome import Outcome
from events.world import World
from tests.support.simulated import UPKEEP_S, Attempt, Endpoints, FlakyLog, Limits
from tests.support.virtual_loop import VirtualClock


class SharedLog(FlakyLog):
    """Knows who wrote what."""

    def __init__(self, partitions: int, clock: VirtualClock, random: Random) -> None:
        super().__init__(partitions, clock.now, random, 0.0)
        self.authors: dict[tuple[int, int], str] = {}

    def _write(self, append: Append, recorded: list[Recorded], entities: Any) -> None:
        super()._write(append, recorded, entities)
        for each in recorded:
            self.authors[each.partition, each.seq] = append.author  # type: ignore[attr-defined]


@dataclass
class Sent:
    """An attempt, and who made it. `decided`: when; it may have been stopped before it came to send it."""

    process: str
    decided: datetime
    attempt: Attempt


class Far:
    """The receivers, who outlive every process."""

    def __init__(self, clock: VirtualClock, random: Random) -> None:
        self.endpoints = Endpoints(clock, random)
        self.sent: list[Sent] = []


class Halting:
    """Lets things through while the process runs, and holds them back, in order, while it is stopped."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._going = asyncio.Event()
        self._going.set()
        self._held: list[Callable[[], None]] = []
        self.since: datetime | None = None
        self.dead = False

    def now(self) -> datetime:
        """The moment at which the process does what it does, as it sees it."""
        return self.since or self._clock.now()

    def stop(self) -> None:
        self.since = self._clock.now()
        self._going.clear()

    def go_on(self) -> None:
        self.since = None
        self._going.set()
        held, self._held = self._held, []
        for each in held:
            each()

    async def passed(self) -> None:
        await self._going.wait()

    def tell(self, call: Callable[[], None]) -> None:
        if self.dead:
            return
        if self.since is None:
            call()
        else:
            self._held.append(call)


class LogOf:
    """The log as one process has it."""

    def __init__(self, log: SharedLog, name: str, halting: Halting) -> None:
        self._log = log
        self._name = name
        self._halting = halting

    def __getattr__(self, method: str) -> Any:
        return partial(self._ask, getattr(self._log, method))

    async def append(self, append: Append) -> list[Recorded]:
        append.author = self._name  # type: ignore[attr-defined]
        done: list[Recorded] = await self._ask(self._log.append, append)
        return done

    async def _ask(self, method: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        await self._halting.passed()
        try:
            return await method(*arguments, **more)
        finally:
            await self._halting.passed()

    async def hear(self, heard: Callable[[str], None]) -> None:
        await self._log.hear(lambda text: self._halting.tell(partial(heard, text)))


class Line:
    """The way of one process to the receivers."""

    def __init__(self, far: Far, name: str, halting: Halting) -> None:
        self._far = far
        self._name = name
        self._halting = halting

    def post(
        self, destination: Destination, head: bytes, body: bytes, timeout_s: float, done: Callable[[Outcome], None]
    ) -> None:
        decided = self._halting.now()

        def landed(outcome: Outcome) -> None:
            self._halting.tell(partial(done, outcome))

        def send() -> None:
            self._far.endpoints.post(destination, head, body, timeout_s, landed)
            self._far.sent.append(Sent(self._name, decided, self._far.endpoints.attempts[-1]))

        self._halting.tell(send)


class Process:
    """One of several. `partition`s come to it by themselves."""

    def __init__(
        self, name: str, log: SharedLog, far: Far, clock: VirtualClock, sealer: Sealer, limits: Limits, seed: int
    ) -> None:
        self.name = name
        self.halting = Halting(clock)
        asked: Any = LogOf(log, name, self.halting)
        self.world = World(limits.partitions)
        self.recorder = Recorder(asked, self.world, limits.rules, clock, Random(seed))
        self.recorder.name = name
        payloads = Payloads(limits.payload_bytes)
        self.dispatcher = Dispatcher(
            self.world, self.recorder, Line(far, name, self.halting), payloads, clock,
            batch_size=limits.batch_size, in_flight_max=limits.in_flight_max, timeout_s=limits.timeout_s,
        )  # fmt: skip
        self.feeder = Feeder(asked, self.dispatcher, self.recorder, payloads, sealer, clock)
        self.follower = Follower(asked, self.recorder, self.dispatcher, payloads)
        self.hearing = Hearing(asked, self.recorder, self.world, self.follower, name)
        self.owner = Owner(asked, self.recorder, clock, name)
        self.owner.on_roll = self.hearing.looked
        Handover(asked, self.world, self.recorder, self.follower, self.dispatcher, self.feeder).serve(self.owner)
        self.supervisor = Supervisor()
        self.ready = False

    async def start(self) -> None:
        """Unavailable: then it is as good as crashed."""
        try:
            await self.recorder.load()
            await self.owner.turn()
        except BaseException:
            await self.crash()
            raise
        for run in (
            self.recorder.run, self.feeder.feed, self.feeder.cancel_orphans, self.follower.run,
            self.hearing.listen, self.hearing.learn, self.owner.keep, self._upkeep,
        ):  # fmt: skip
            self.supervisor.service(run.__qualname__, run)
        self.ready = True

    async def _upkeep(self) -> None:
        while True:
            await asyncio.sleep(UPKEEP_S)
            self.dispatcher.sweep()

    async def crash(self) -> None:
        """Gone, in the middle of whatever it was."""
        self.ready = False
        self.halting.dead = True
        self.dispatcher.stopped = True  # its timers still ring in this loop, and find nobody home
        await self.supervisor.stop()

    async def leave(self, grace_s: float = 2.0) -> None:
        """As a process does that is told to stop."""
        self.ready = False
        try:
            await self.dispatcher.drain(grace_s)
            async with asyncio.timeout(10.0):
                await self.recorder.drained()
                await self.owner.leave()
        except (TimeoutError, Unavailable):
            pass
        finally:
            await self.crash()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Neither dead nor alive, for the length of the block."""
        self.halting.stop()
        try:
            yield
        finally:
            self.halting.go_on()
