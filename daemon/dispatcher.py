"""Gives targets their turns.

What the log says of the partitions owned here comes in as events: a message accepted is a delivery offered to each
target chosen, an outcome recorded is a delivery settled. Targets with something to do stand in one ready queue and
get a few attempts each time round, under one cap for the process, so that none can crowd the others out. Nothing
here is a task per target or per attempt: outcomes arrive by callback, and one timer serves all that wait.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Final, Protocol

import structlog

from daemon.alarms import Alarms
from daemon.clock import Clock
from daemon.payloads import Payloads
from daemon.recorder import Recorder
from daemon.signing import signed_headers
from daemon.target import Target
from daemon.throttle import Throttle, Throttles
from daemon.transport.destination import Destination
from events.catalogue import (
    AttemptAbandoned,
    AttemptFailed,
    AttemptSucceeded,
    BreakerClosed,
    BreakerOpened,
    BreakerReset,
    DeliveryCancelled,
    DeliveryExpired,
    DeliveryResent,
    EndpointDeleted,
    EndpointEnabled,
    EndpointRegistered,
    MessageAccepted,
    SecretRotated,
)
from events.delivery import Delivery, EndDelivery, RecordAttempt
from events.endpoint import Endpoint
from events.envelope import Recorded
from events.message import deliveries_of
from events.outcome import Outcome
from events.world import World

log = structlog.get_logger()

HELD_MAX: Final = 30_000  # deliveries in memory, shared out among the targets at work
LOST: Final = -1  # no epoch: the partition has just got another owner
TURN: Final = 4  # attempts a target may start before the next one has its turn
IGNORED_PAUSE_S: Final = 5.0


class Transport(Protocol):
    """Sends one request, and says how it ended."""

    def post(
        self,
        destination: Destination,
        head: bytes,
        body: bytes,
        timeout_s: float,
        done: Callable[[Outcome], None],
    ) -> None:
        """`done` is called exactly once, never before `post` has returned."""


class Dispatcher:
    """All targets of this process."""

    def __init__(
        self,
        world: World,
        recorder: Recorder,
        transport: Transport,
        payloads: Payloads,
        clock: Clock,
        *,
        batch_size: int,
        in_flight_max: int,
        timeout_s: float,
    ) -> None:
        self._world = world
        self._recorder = recorder
        self._transport = transport
        self._payloads = payloads
        self._clock = clock
        self._batch_size = batch_size
        self._in_flight_max = in_flight_max
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()
        self._targets: dict[str, Target] = {}
        self._ready: deque[Target] = deque()
        self._alarms = Alarms(clock, self._called_up)
        self._turning = False
        self._stirred: set[Target] = set()  # by the events of the batch at hand
        self._throttles = Throttles(world)
        self.starving: dict[Target, None] = {}  # want rows, payloads or secrets from the tables, first come first
        self.on_starving: Callable[[], None] = lambda: None
        self.on_orphans: Callable[[int, str], None] = lambda _partition, _endpoint: None
        self.in_flight = 0
        self.stopped = False
        self._leased_until = 0.0  # by the clock of the loop
        self._landed_last = asyncio.Event()
        self._leaving: set[Target] = set()  # forgotten, with attempts still under way
        self._left = asyncio.Event()
        self._untried = recorder.untried
        recorder.on_ignored = self._ignored

    # --- what the log says

    def take_in(self, recorded: Recorded) -> None:
        """One event, the next of its partition. Whom it stirs is attended to by `attend_stirred`, once a batch."""
        event = recorded.event
        if recorded.endpoint is not None:
            if isinstance(event, DeliveryResent):
                self._resent(recorded.partition, recorded.endpoint, recorded.stream)
            else:
                self._settle(recorded, recorded.endpoint)
        elif isinstance(event, MessageAccepted):
            for delivery in deliveries_of(recorded, event, recorded.at):
                if (target := self._target(delivery.endpoint)) is not None:
                    if not target.lane.offer(delivery):
                        self._untried.want(delivery)
                    self._stirred.add(target)
                else:  # deleted in the same moment
                    self.on_orphans(delivery.partition, delivery.endpoint)
        else:
            self._reconfigure(recorded)

    def _settle(self, recorded: Recorded, endpoint_id: str) -> None:
        target = self._targets.get(endpoint_id)
        if target is None:
            return
        event = recorded.event
        if isinstance(event, AttemptSucceeded):
            target.lane.settle(recorded.stream, recorded.version, None)
        elif isinstance(event, DeliveryExpired | DeliveryCancelled):
            target.lane.ended(recorded.stream, recorded.version)
        else:
            next_at = event.next_at if isinstance(event, AttemptFailed | AttemptAbandoned) else None
            target.lane.settle(recorded.stream, recorded.version, next_at)
        self._stirred.add(target)

    def _resent(self, partition: int, endpoint_id: str, message: str) -> None:
        if (target := self._target(endpoint_id)) is not None:
            target.lane.resent(message)
            self._stirred.add(target)
        else:
            self.on_orphans(partition, endpoint_id)

    def _reconfigure(self, recorded: Recorded) -> None:
        event, endpoint_id = recorded.event, recorded.stream
        if isinstance(event, EndpointDeleted):
            self._targets.pop(endpoint_id, None)
            self.on_orphans(recorded.partition, endpoint_id)
            return
        self._payloads.heed(endpoint_id, event)
        endpoint = self._world.endpoint(endpoint_id)
        if endpoint is None or isinstance(event, EndpointRegistered):
            return
        target = self._targets.get(endpoint_id)
        if target is None:
            if isinstance(event, EndpointEnabled):
                self.awaken(endpoint)
            return
        target.configure(endpoint, self._batch_size)
        if isinstance(event, BreakerOpened | BreakerClosed | BreakerReset):
            target.ramp()
            log.info("breaker_opened" if isinstance(event, BreakerOpened) else "breaker_closed", endpoint=endpoint_id)
        elif isinstance(event, SecretRotated):
            target.sign_anew()
        self._stirred.add(target)

    def attend_stirred(self) -> None:
        """Give those their turn for whom the events just taken in changed something."""
        now = self._clock.now()
        for target in self._stirred:
            self.attend(target, now)
        self._stirred.clear()

    def reconfigure(self) -> None:
        """The world was loaded anew."""
        for target in self._targets.values():
            if (endpoint := self._world.endpoint(target.endpoint.id)) is not None:
                target.configure(endpoint, self._batch_size)

    def forget(self, partitions: Iterable[int]) -> None:
        """Others deliver for these from now on; what is under way for them goes on."""
        gone = [target for target in self._targets.values() if target.endpoint.partition in partitions]
        for target in gone:
            del self._targets[target.endpoint.id]
            self.starving.pop(target, None)
            if target.flying:
                self._leaving.add(target)

    async def left(self, within_s: float) -> None:
        """Return once nothing is under way any more for targets that were forgotten, or after `within_s`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._leaving:
                    self._left.clear()
                    await self._left.wait()
        self._leaving.clear()

    # --- targets

    def awaken(self, endpoint: Endpoint, due_at: datetime | None = None) -> None:
        """There are pending deliveries for this endpoint in the table, the soonest due at `due_at` (None: now)."""
        target = self._target(endpoint.id)
        assert target is not None
        if due_at is None:
            target.lane.look()
        else:
            target.lane.wake_by(due_at)
        self.attend(target)

    def target(self, endpoint_id: str) -> Target | None:
        """The target of an endpoint, while there is one."""
        return self._targets.get(endpoint_id)

    def targets(self) -> Iterable[Target]:
        """Those that are in memory: the others are idle."""
        return self._targets.values()

    def sweep(self) -> int:
        """Forget targets that did nothing since the last sweep; answers how many are left."""
        idle = [key for key, target in self._targets.items() if target.idle() and not target.touched]
        for key in idle:
            del self._targets[key]
        for target in self._targets.values():
            target.touched = False
        return len(self._targets)

    def oldest_due(self) -> datetime | None:
        """Since when the delivery that has waited longest is due, of those that nothing but hookd keeps waiting.

        A customer who is slow, throttled or at their limit is no reason to call the daemon unready.
        """
        now = self._clock.now()
        heads = (
            head.next_at
            for target in self._targets.values()
            if (head := target.lane.head()) is not None
            and head.next_at is not None
            and target.signers is not None
            and target.room(now) > 0
            and self._throttles.free_at(target.endpoint.application) <= now.timestamp()
        )
        return min(heads, default=None)

    def _target(self, endpoint_id: str) -> Target | None:
        target = self._targets.get(endpoint_id)
        if target is None:
            endpoint = self._world.endpoint(endpoint_id)
            if endpoint is None:
                return None
            target = self._targets[endpoint_id] = Target(endpoint, self._batch_size)
            target.widen(HELD_MAX // len(self._targets))
        return target

    def attend(self, target: Target, now: datetime | None = None) -> None:
        """Something changed for this target: queue it now, or call it up when it is time."""
        target.touched = True
        if target.queued or target.paused or self.stopped:
            return
        now = now or self._clock.now()
        moment = target.attention_at(now)
        if moment is None:
            return
        if moment <= now:
            target.queued = True
            self._ready.append(target)
            self._schedule()
        else:
            self._alarms.set(target, moment)

    def _called_up(self, target: Target) -> None:
        if self._targets.get(target.endpoint.id) is target:
            self.attend(target)

    # --- turns

    def _schedule(self) -> None:
        if self._ready and not self._turning:
            self._turning = True
            self._loop.call_soon(self._turn)

    def lease(self, until: float) -> None:
        """What is owned here is so until then, by the clock of the loop, whatever happens: begin nothing later."""
        self._leased_until = until
        self._schedule()

    def _turn(self) -> None:
        self._turning = False
        if self._loop.time() >= self._leased_until:
            return  # the process was stopped, or the database is away: others may deliver by now
        ready, now = self._ready, self._clock.now()
        for _ in range(len(ready)):
            if self.in_flight >= self._in_flight_max or self.stopped:
                return  # those still queued go on with the next outcome
            target = ready.popleft()
            target.queued = False
            if self._targets.get(target.endpoint.id) is target:
                self._run(target, now)
        self._schedule()

    def _run(self, target: Target, now: datetime) -> None:
        if (lane := target.lane).wants(now):
            self._starve(target)
        if target.signers_until is not None and target.signers_until <= now:
            target.sign_anew()
        throttles = self._throttles.beside(target.throttle, target.endpoint.application)
        timestamp = int(now.timestamp())
        for _ in range(min(TURN, target.room(now), len(lane.ready), self._in_flight_max - self.in_flight)):
            if not self._start(target, now, timestamp, throttles):
                return
        if lane.ready or (target not in self.starving and not lane.rests()):
            self.attend(target, now)

    def _start(self, target: Target, now: datetime, timestamp: int, throttles: Sequence[Throttle]) -> bool:
        delivery = target.lane.ready[0]
        payload = self._payloads.get(delivery.message)
        if payload is None or target.signers is None:
            self._starve(target)
            return False
        if throttles and not self._may_spend(target, now, throttles):
            return False
        target.lane.take()
        target.flying += 1
        self.in_flight += 1
        head = target.head + signed_headers(target.signers, delivery.message, timestamp, payload)
        epoch = self._recorder.epochs.get(delivery.partition, LOST)
        done = partial(self._landed, target, delivery, timestamp, target.endpoint.version, epoch)
        self._transport.post(target.destination, head, payload, self._timeout_s, done)
        return True

    def _landed(
        self, target: Target, delivery: Delivery, timestamp: int, config: int, epoch: int, outcome: Outcome
    ) -> None:
        target.flying -= 1
        self.in_flight -= 1
        if outcome.fault is None and target.window < target.batch_size:
            target.succeeded()
        self._recorder.tell(RecordAttempt(delivery, outcome, timestamp, config, epoch))
        # Only the place that is free now can matter here; all else changes when the outcome is in the log.
        if target.lane.ready and not (target.queued or target.paused):
            target.queued = True
            self._ready.append(target)
        self._schedule()
        if not self.in_flight:
            self._landed_last.set()
        if self._leaving and not target.flying:
            self._leaving.discard(target)
            self._left.set()

    def _may_spend(self, target: Target, now: datetime, throttles: Sequence[Throttle]) -> bool:
        """Whether these rates allow one more; calls the target up later if not."""
        moment = now.timestamp()
        free_at = max(throttle.free_at() for throttle in throttles)
        if free_at > moment:
            if not target.queued:
                target.queued = True
                self._loop.call_later(free_at - moment, self._requeue, target)
            return False
        for throttle in throttles:
            throttle.spend(moment)
        return True

    def _requeue(self, target: Target) -> None:
        self._ready.append(target)
        self._schedule()

    def _starve(self, target: Target) -> None:
        target.widen(HELD_MAX // len(self._targets))
        self.starving[target] = None
        self.on_starving()

    # --- the rest

    def _ignored(self, command: RecordAttempt | EndDelivery) -> None:
        """Nothing was recorded of this: let the delivery go, and look into the table again after a pause."""
        now = self._recorder.epochs.get(command.delivery.partition)
        if isinstance(command, RecordAttempt) and command.epoch not in (LOST, now):
            return  # of an earlier reign: what this one knows of the delivery it has from the table
        target = self._targets.get(command.delivery.endpoint)
        if target is not None:
            target.lane.settle(command.delivery.message, command.delivery.version + 1, None)
            self._untried.want(command.delivery)
            self.look_again(target, IGNORED_PAUSE_S)

    def look_again(self, target: Target, pause_s: float) -> None:
        """Something is wrong that may pass: have the target look into the table after a pause, once."""
        if not target.looking:
            target.looking = True
            self._loop.call_later(pause_s, self._look, target)

    def _look(self, target: Target) -> None:
        target.looking = target.paused = False
        target.lane.look()
        self.attend(target)

    def pause(self, target: Target, pause_s: float) -> None:
        """Nothing can be done for this target before somebody mends something: leave it alone for a while."""
        target.paused = True
        self.look_again(target, pause_s)

    async def drain(self, grace_s: float) -> int:
        """Start nothing more and wait for what is out; answers how many attempts were still out in the end."""
        self.stopped = True
        if self.in_flight:
            self._landed_last.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    await self._landed_last.wait()
        return self.in_flight
