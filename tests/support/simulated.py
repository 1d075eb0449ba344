"""A whole daemon without sockets, files or a database: memory log, virtual clock, endpoints that misbehave by script.

Everything between is the real thing. `crash` forgets all but the log and the endpoints; `start` then builds a new
process on what is left, as a restart would.
"""

import asyncio
import hashlib
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any

from daemon import signing
from daemon.acting import Acts
from daemon.dispatcher import Dispatcher
from daemon.expunging import Asker
from daemon.feeder import Feeder
from daemon.following import Follower
from daemon.handover import Handover
from daemon.ownership import Owner
from daemon.payloads import Payloads
from daemon.recorder import Recorder
from daemon.sealing import Sealer
from daemon.supervisor import Supervisor
from daemon.transport.destination import Destination
from events import ids
from events.application import CreateApplication
from events.catalogue import EndpointConfig
from events.decide import Rules
from events.delivery import Delivery
from events.endpoint import Endpoint, RegisterEndpoint, ResetBreaker
from events.fold import Fold
from events.log import Unavailable
from events.message import AcceptMessage
from events.outcome import Fault, Outcome
from events.refusal import Refusal
from events.world import World
from tests.support.memory_log import MemoryLog
from tests.support.virtual_loop import VirtualClock

UPKEEP_S = 30.0
OPERATOR = Asker("operator:ada")
Answer = tuple[Outcome, float]
"""How an attempt ends, and after how many seconds."""
Script = Callable[["Attempt", Random], Answer]
"""What an endpoint does with an attempt."""


@dataclass
class Attempt:
    """One request as an endpoint saw it."""

    endpoint: str
    message: str
    nth: int  # attempts of this delivery so far, this one included
    began: datetime
    body: bytes
    timeout_s: float
    outcome: Outcome | None = None
    ended: datetime | None = None


def ok(took_s: float = 0.01) -> Answer:
    return Outcome(None, int(took_s * 1000), 200), took_s


def failed(status: int = 500, took_s: float = 0.01, retry_after: str | None = None) -> Answer:
    return Outcome(Fault.STATUS, int(took_s * 1000), status, b"no", 2, retry_after), took_s


def no_answer(attempt: Attempt) -> Answer:
    return Outcome(Fault.TIMEOUT, int(attempt.timeout_s * 1000)), attempt.timeout_s


def always(answer: Answer) -> Script:
    return lambda _attempt, _random: answer


def failing(times: int, answer: Answer | None = None) -> Script:
    """Every delivery fails so often, then succeeds."""
    return lambda attempt, _random: (answer or failed()) if attempt.nth <= times else ok()


def black_hole(attempt: Attempt, _random: Random) -> Answer:
    return no_answer(attempt)


class Endpoints:
    """The far side: a transport whose requests end as the script of their host says. Outlives the daemon."""

    def __init__(self, clock: VirtualClock, random: Random) -> None:
        self.scripts: dict[str, Script] = {}
        self.attempts: list[Attempt] = []
        self.flying: list[Attempt] = []
        self.most_at_once = 0
        self.most_at_once_to: dict[str, int] = {}
        self.twice: list[str] = []  # deliveries that had two attempts at once
        self._counts: dict[tuple[str, str], int] = {}
        self._clock = clock
        self._random = random
        self._generation = 0
        self._loop = asyncio.get_running_loop()

    def post(
        self, destination: Destination, head: bytes, body: bytes, timeout_s: float, done: Callable[[Outcome], None]
    ) -> None:
        endpoint = destination.host.partition(".")[0]
        message = head.partition(b"webhook-id: ")[2].partition(b"\r\n")[0].decode()
        nth = self._counts[endpoint, message] = self._counts.get((endpoint, message), 0) + 1
        attempt = Attempt(endpoint, message, nth, self._clock.now(), body, timeout_s)
        self._note(attempt)
        outcome, took_s = self.scripts[endpoint](attempt, self._random)
        self._loop.call_later(took_s, partial(self._end, self._generation, attempt, outcome, done))

    def cut(self) -> None:
        """The daemon died: nobody hears of what is under way."""
        self._generation += 1
        self.flying.clear()

    def of(self, endpoint: str, message: str | None = None) -> list[Attempt]:
        return [each for each in self.attempts if each.endpoint == endpoint and message in (None, each.message)]

    def _note(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)
        if any((each.endpoint, each.message) == (attempt.endpoint, attempt.message) for each in self.flying):
            self.twice.append(f"{attempt.message} to {attempt.endpoint} at {attempt.began}")
        self.flying.append(attempt)
        to_it = sum(each.endpoint == attempt.endpoint for each in self.flying)
        self.most_at_once = max(self.most_at_once, len(self.flying))
        self.most_at_once_to[attempt.endpoint] = max(self.most_at_once_to.get(attempt.endpoint, 0), to_it)

    def _end(self, generation: int, attempt: Attempt, outcome: Outcome, done: Callable[[Outcome], None]) -> None:
        if generation != self._generation:
            return
        self.flying.remove(attempt)
        attempt.outcome, attempt.ended = outcome, self._clock.now()
        done(outcome)


class FlakyLog(MemoryLog):
    """A database that takes its time, and now and then does not answer: before or after it did what was asked."""

    def __init__(self, partitions: int, now: Callable[[], datetime], random: Random, trouble: float) -> None:
        super().__init__(partitions, now)
        self._random = random
        self.trouble = trouble
        self.lost = 0
        self._writing = asyncio.Lock()

    async def append(self, append: Any) -> Any:
        async with self._writing:
            await self._may_fail()
            recorded = await super().append(append)
            await self._may_fail()
            return recorded

    async def load(self) -> Any:
        return await self._read(super().load())

    async def read(self, *arguments: Any) -> Any:
        return await self._read(super().read(*arguments))

    async def due(self, asked: Any) -> Any:
        return await self._read(super().due(list(asked)))

    async def payloads(self, keys: Any) -> Any:
        return await self._read(super().payloads(list(keys)))

    async def secrets(self, owners: Any) -> Any:
        return await self._read(super().secrets(list(owners)))

    async def stories(self, keys: Any) -> Any:
        return await self._read(super().stories(list(keys)))

    async def ended(self, *arguments: Any) -> Any:
        return await self._read(super().ended(*arguments))

    async def kept(self, asked: Any) -> Any:
        return await self._read(super().kept(list(asked)))

    async def deliveries(self, keys: Any) -> Any:
        return await self._read(super().deliveries(list(keys)))

    async def config(self, after: Any) -> Any:
        return await self._read(super().config(dict(after)))

    async def pending(self, partitions: Any) -> Any:
        return await self._read(super().pending(list(partitions)))

    async def taken_event_ids(self, keys: Any) -> Any:
        return await self._read(super().taken_event_ids(list(keys)))

    async def attend(self, *arguments: Any, **more: Any) -> Any:
        return await self._lease(super().attend(*arguments, **more))

    async def take(self, name: str, partitions: Any) -> Any:
        return await self._lease(super().take(name, list(partitions)))

    async def release(self, name: str, partitions: Any) -> Any:
        return await self._lease(super().release(name, list(partitions)))

    async def leave(self, name: str) -> Any:
        return await self._lease(super().leave(name))

    async def _read(self, work: Any) -> Any:
        try:
            await self._may_fail()
        except BaseException:
            work.close()
            raise
        answer = await work
        await asyncio.sleep(self._random.random() * 0.01)
        return answer

    async def _lease(self, work: Any) -> Any:
        answer = await self._read(work)
        await self._may_fail()  # it was done all the same
        return answer

    async def _may_fail(self) -> None:
        await asyncio.sleep(self._random.random() * 0.01)
        if self._random.random() < self.trouble:
            self.lost += 1
            raise Unavailable("the connection is gone")


@dataclass
class Limits:
    """What the daemon is set to."""

    rules: Rules = field(default_factory=Rules)
    batch_size: int = 10
    in_flight_max: int = 1000
    timeout_s: float = 15.0
    partitions: int = 4
    payload_bytes: int = 64 << 20


@dataclass
class Simulated:
    """See the module."""

    seed: int = 0
    limits: Limits = field(default_factory=Limits)
    trouble: float | None = None  # None: a log that never fails; else how often it does
    quiet: bool = False  # without the services that wake up every few seconds: quicker over days

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.clock = VirtualClock()
        self.log: MemoryLog = (
            MemoryLog(self.limits.partitions, self.clock.now)
            if self.trouble is None
            else FlakyLog(self.limits.partitions, self.clock.now, Random(self.seed + 1), self.trouble)
        )
        self.endpoints = Endpoints(self.clock, Random(self.seed + 2))
        self.sealer = Sealer([b"k" * 32], self.random.randbytes)
        self.running = False
        self.starts = 0
        self.crashes: list[datetime] = []

    # --- the process

    async def start(self) -> None:
        limits, clock = self.limits, self.clock
        self.world = World(limits.partitions)
        self.recorder = Recorder(self.log, self.world, limits.rules, clock, Random(self.seed + 3 + self.starts))
        payloads = Payloads(limits.payload_bytes)
        self.dispatcher = Dispatcher(
            self.world, self.recorder, self.endpoints, payloads, clock,
            batch_size=limits.batch_size, in_flight_max=limits.in_flight_max, timeout_s=limits.timeout_s,
        )  # fmt: skip
        self.acts = Acts(self.log, self.recorder, self.sealer, clock)
        self.feeder = Feeder(self.log, self.dispatcher, self.recorder, payloads, self.sealer, clock)
        self.follower = Follower(self.log, self.recorder, self.dispatcher, payloads)
        self.starts += 1
        self.owner = Owner(self.log, self.recorder, clock, f"process {self.starts}")
        Handover(self.log, self.world, self.recorder, self.follower, self.dispatcher, self.feeder).serve(self.owner)
        await self.recorder.load()
        await self.log.evict()
        await self.owner.turn()
        self.supervisor = Supervisor()
        for run in (self.recorder.run, self.feeder.feed, self.follower.run, self.feeder.cancel_orphans):
            self.supervisor.service(run.__name__, run)
        if self.quiet:
            self.dispatcher.lease(math.inf)
        else:
            self.supervisor.service("keep", self.owner.keep)
            self.supervisor.service("upkeep", self._upkeep)
        self.running = True

    async def _upkeep(self) -> None:
        while True:
            await asyncio.sleep(UPKEEP_S)
            self.dispatcher.sweep()

    async def crash(self) -> None:
        """All but the log is gone, in the middle of whatever it was."""
        self.running = False
        self.crashes.append(self.clock.now())
        self.dispatcher.stopped = True  # its timers still ring in this loop, and find nobody home
        self.endpoints.cut()
        await self.supervisor.stop()

    # --- those who use it

    def mint(self, prefix: str) -> str:
        return ids.mint(prefix, self.clock.now(), self.random.randbytes(ids.ENTROPY_BYTES))

    async def ask(self, command: Any) -> Any:
        if not self.running:
            raise Unavailable("nobody is home")
        answer = await self.recorder.ask(command, "test")
        assert not isinstance(answer, Refusal), answer
        return answer

    async def application(self, **settings: Any) -> str:
        return str((await self.ask(CreateApplication(self.mint("app"), "org_1", "A", **settings)))[0].id)

    async def endpoint(self, application: str, script: Script, **settings: Any) -> Endpoint:
        """A new endpoint; its host names it, so that the far side knows whom it plays."""
        key = self.mint("ep")
        host = f"e{len(self.endpoints.scripts)}"
        self.endpoints.scripts[host] = script
        sealed = self.sealer.seal(signing.generate(self.random.randbytes(24)).encode(), key)
        config = EndpointConfig(url=f"http://{host}.test/hook", **settings)
        return (await self.ask(RegisterEndpoint(key, application, config, self.mint("sec"), sealed)))[0]

    async def message(self, application: str, payload: bytes = b"{}") -> str:
        digest = hashlib.sha256(payload).hexdigest()
        await self.ask(AcceptMessage(message := self.mint("msg"), application, "thing.happened", payload, digest))
        return message

    # --- those who run it

    async def resend(self, message: str, endpoint: Endpoint) -> int:
        """Answers how many it touched."""
        known = self.log.tables.messages[endpoint.partition, endpoint.application, message]
        return self._done(await self.acts.resend(known, endpoint, OPERATOR))

    async def recover(self, endpoint: Endpoint, since: datetime) -> int:
        return self._done(await self.acts.recover(endpoint, since, None, OPERATOR))

    async def cancel_pending(self, endpoint: Endpoint) -> int:
        return self._done(await self.acts.cancel_pending(endpoint, "by an operator", OPERATOR))

    async def rotate(self, endpoint: Endpoint, grace_s: float = 60.0) -> int:
        key = signing.generate(self.random.randbytes(24))
        return self._done(await self.acts.rotate(endpoint, key, self.mint("sec"), grace_s, OPERATOR))

    async def reset(self, endpoint: Endpoint) -> int:
        return self._done(await self.recorder.ask(ResetBreaker(endpoint.id, endpoint.application), "operator:ada"))

    @staticmethod
    def _done(done: Any) -> int:
        """The endpoint may be deleted in the same moment: then nothing is touched."""
        if isinstance(done, Refusal):
            assert done.code == "not_found"
            return 0
        return len(done) if isinstance(done, list) else int(done.touched)

    # --- looking at it

    def pending(self) -> list[Delivery]:
        return [row for row in self.log.rows().values() if row.next_at is not None]

    async def settled(self, within_s: float) -> None:
        """Let time pass until nothing is pending and nothing waits to be recorded."""
        async with asyncio.timeout(within_s):
            pause_s = 1.0
            while self.pending() or len(self.recorder) or self.endpoints.flying:
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, 600.0)

    def fold(self) -> Fold:
        return Fold(recorded for events in self.log.events.values() for recorded in events)


def host_of(endpoint: Endpoint) -> str:
    return endpoint.url.removeprefix("http://").partition(".")[0]


def seconds(moments: Iterable[datetime], since: datetime) -> list[float]:
    """The moments as seconds after `since`."""
    return [round((moment - since) / timedelta(seconds=1), 6) for moment in moments]
