"""Twenty little worlds: endpoints misbehave, the database loses its answers, the process dies; the promises hold.

A seed decides everything and stands in the name of a failing test. Only the log is asked what happened, and the
endpoints' own count of what they got.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from datetime import datetime
from itertools import pairwise, zip_longest
from random import Random

import pytest

from daemon.recorder import Busy
from events.breaker import BreakerPolicy
from events.catalogue import (
    AttemptFailed,
    AttemptSucceeded,
    BreakerClosed,
    BreakerOpened,
    BreakerReset,
    DeliveryResent,
    EndpointDeleted,
    EndpointDisabled,
    EndpointEnabled,
    MessageAccepted,
)
from events.decide import Rules
from events.delivery import DeliveryState
from events.endpoint import DeleteEndpoint, Endpoint, UpdateEndpoint
from events.envelope import Recorded
from events.log import Unavailable
from events.outcome import Fault, Outcome
from events.retry import RetryPolicy
from tests.support.simulated import (
    Answer,
    Attempt,
    FlakyLog,
    Limits,
    Script,
    Simulated,
    always,
    black_hole,
    failed,
    failing,
    host_of,
    no_answer,
    ok,
)
from tests.support.virtual_loop import virtual

SEEDS = range(20)
MESSAGES = 120
CLIENTS = 4
CALM_S = 2000.0
RATE = 5


def moody(attempt: Attempt, random: Random) -> Answer:
    """A bit of everything."""
    kinds: list[Callable[[], Answer]] = [
        ok,
        lambda: ok(random.random() * 20),
        failed,
        lambda: failed(503, retry_after=str(random.randrange(30))),
        lambda: failed(429, random.random()),
        lambda: no_answer(attempt),
        lambda: (Outcome(Fault.CONNECT, 1), 0.001),
        lambda: (Outcome(Fault.INTERNAL, 1, detail="a fault of ours"), 0.001),
        lambda: (Outcome(None, 0, 204), 0.0),
    ]
    return random.choice(kinds)()


SCRIPTS: list[Script] = [
    always(ok()),
    always(ok(took_s=1.0)),
    failing(1),
    failing(3, failed(503, retry_after="7")),
    black_hole,
    moody,
    moody,
    always(failed(502, 0.2)),
    lambda attempt, random: failed(410) if random.random() < 0.05 else ok(),
]


class World:
    """One seed's world: builds it, torments it, lets it come to rest."""

    def __init__(self, seed: int) -> None:
        self.random = random = Random(seed)
        self.policy = RetryPolicy(delays_s=(1.0, 5.0, 20.0, 60.0), jitter=random.choice([0.0, 1.0]))
        breaker = BreakerPolicy(failures_max=random.randint(3, 10), open_s=(5.0, 15.0, 40.0), disable_after_s=600.0)
        self.limits = Limits(
            Rules(self.policy, breaker),
            batch_size=random.randint(1, 10),
            in_flight_max=random.choice([5, 20, 1000]),
            timeout_s=15.0,
            payload_bytes=random.choice([100, 64 << 20]),
        )
        self.calm = seed % 2 == 0  # a database without trouble: what the log says and when can be taken at its word
        self.house = Simulated(seed, self.limits, None if self.calm else 0.0)
        self.endpoints: list[Endpoint] = []
        self.accepted: set[str] = set()
        self.acts = 0

    async def live(self) -> None:
        house = self.house
        await house.start()
        self.applications = [await house.application(), await house.application(throttle_rate=RATE)]
        for script in SCRIPTS:
            await self._add(self.applications[0], script, throttle_rate=self.random.choice([None, None, RATE]))
        await self._add(self.applications[1], always(ok()))
        await self._add(self.applications[1], failing(1), batch_size=2)
        self._trouble(0.03)
        async with asyncio.TaskGroup() as group:
            clients = [group.create_task(self._client()) for _ in range(CLIENTS)]
            torment = group.create_task(self._torment())
            operator = group.create_task(self._operate())
            await asyncio.wait(clients)
            torment.cancel()
            operator.cancel()
        await self._recover()

    async def _add(self, application: str, script: Script, **settings) -> None:
        self.endpoints.append(await self.house.endpoint(application, script, **settings))

    def _trouble(self, often: float) -> None:
        if isinstance(self.house.log, FlakyLog):
            self.house.log.trouble = often

    async def _client(self) -> None:
        for _ in range(MESSAGES // CLIENTS):
            if (message := await self._try(self._send)) is not None:
                self.accepted.add(str(message))
            await asyncio.sleep(self.random.random() * 2)

    async def _send(self) -> str:
        return await self.house.message(self.random.choice(self.applications), b"x" * 40)

    async def _try(self, work: Callable[[], Coroutine]) -> object:
        """None: not known whether it happened."""
        try:
            return await work()
        except (Unavailable, Busy):
            await asyncio.sleep(1.0)
            return None

    async def _torment(self) -> None:
        while True:
            await asyncio.sleep(self.random.random() * 15)
            await self.random.choice([self._crash, self._crash, self._disable, self._enable, self._delete])()

    async def _operate(self) -> None:
        acts = [self._resend, self._resend, self._recover_failed, self._rotate, self._reset, self._cancel]
        while True:
            await asyncio.sleep(self.random.random() * 5)
            await self.random.choice(acts)()

    async def _crash(self) -> None:
        await self.house.crash()
        await asyncio.sleep(self.random.random() * 10)
        await self._restart()

    async def _restart(self) -> None:
        while not self.house.running:
            try:
                await self.house.start()
            except Unavailable:
                self.house.endpoints.cut()

    async def _disable(self) -> None:
        await self._update(self.random.choice(self.endpoints), disabled=True)

    async def _enable(self) -> None:
        await self._update(self.random.choice(self.endpoints), disabled=False)

    async def _update(self, endpoint: Endpoint, **changes) -> None:
        if self.house.world.endpoint(endpoint.id) is not None:
            await self._try(lambda: self.house.ask(UpdateEndpoint(endpoint.id, endpoint.application, changes)))

    async def _delete(self) -> None:
        endpoint = self.random.choice(self.endpoints)
        if len(self.endpoints) > len(SCRIPTS) and self.house.world.endpoint(endpoint.id) is not None:
            await self._try(lambda: self.house.ask(DeleteEndpoint(endpoint.id, endpoint.application)))

    async def _resend(self) -> None:
        """Some of the newest and some of any, twice at once."""
        known = list(self.house.log.tables.messages.values())
        some = [self.random.choice(pick) for pick in (known[-9:], known, known) if pick]
        for message in some:
            for endpoint in list(self.house.world.endpoints_of(message.application)):
                first = next(each for each in self.house.log.events[endpoint.partition] if each.stream == message.id)
                if endpoint.id in getattr(first.event, "endpoints", ()):
                    again = [self._act(lambda e=endpoint, m=message.id: self.house.resend(m, e)) for _ in range(2)]
                    await asyncio.gather(*again)

    async def _recover_failed(self) -> None:
        await self._act_on(lambda endpoint: self.house.recover(endpoint, endpoint.created_at))

    async def _rotate(self) -> None:
        await self._act_on(self.house.rotate)

    async def _reset(self) -> None:
        await self._act_on(self.house.reset)

    async def _cancel(self) -> None:
        await self._act_on(self.house.cancel_pending)

    async def _act_on(self, act: Callable[[Endpoint], Coroutine]) -> None:
        endpoint = self.house.world.endpoint(self.random.choice(self.endpoints).id)
        if endpoint is not None:
            await self._act(lambda: act(endpoint))

    async def _act(self, work: Callable[[], Coroutine]) -> None:
        try:
            self.acts += bool(await work())
        except (Unavailable, Busy):
            await asyncio.sleep(1.0)

    async def _recover(self) -> None:
        """All is well again: now every delivery must come to its end."""
        self._trouble(0.0)
        await self._restart()
        for host in self.house.endpoints.scripts:
            self.house.endpoints.scripts[host] = always(ok())
        await asyncio.sleep(60.0)
        for endpoint in list(self.house.world.endpoints()):
            await self._update(endpoint, disabled=False)
        await self.house.settled(CALM_S)

    def recorded(self) -> list[Recorded]:
        return [each for events in self.house.log.events.values() for each in events]

    def of_endpoint(self, endpoint: Endpoint) -> list[Recorded]:
        return [each for each in self.recorded() if each.stream == endpoint.id]


@pytest.mark.parametrize("seed", SEEDS)
@virtual
async def test_the_promises_hold(seed: int) -> None:
    world = World(seed)
    await world.live()
    every_accepted_message_is_in_the_log(world)
    the_tables_are_the_fold(world)
    every_delivery_ends_in_one_state_with_a_reason(world)
    what_is_delivered_was_received(world)
    no_delivery_has_more_attempts_than_allowed(world)
    nothing_is_sent_twice_at_once(world)
    no_limit_is_exceeded(world)
    rates_are_kept(world)
    if world.calm:
        an_open_breaker_spends_one_probe(world)
        a_disabled_endpoint_gets_nothing(world)


def every_accepted_message_is_in_the_log(world: World) -> None:
    recorded = {each.stream for each in world.recorded() if isinstance(each.event, MessageAccepted)}
    assert world.accepted <= recorded
    assert len(world.accepted) > MESSAGES / 2


def the_tables_are_the_fold(world: World) -> None:
    fold, tables = world.house.fold(), world.house.log.tables  # the fold itself refuses gaps and illegal moves
    assert tables.entities == fold.entities
    assert tables.messages == fold.messages
    assert world.house.log.rows() == fold.deliveries
    heads = {number: head.seq for number, head in world.house.log.head.items()}
    assert heads == fold.positions


def every_delivery_ends_in_one_state_with_a_reason(world: World) -> None:
    fold = world.house.fold()
    for row in fold.deliveries.values():
        assert row.state is not DeliveryState.PENDING
        assert row.reason
        assert row.next_at is None
    assert sum(message.deliveries for message in fold.messages.values()) == fold.delivered + len(fold.deliveries)


def what_is_delivered_was_received(world: World) -> None:
    hosts = {endpoint.id: host_of(endpoint) for endpoint in world.endpoints}
    received = {
        (each.message, each.endpoint)
        for each in world.house.endpoints.attempts
        if each.outcome is not None and each.outcome.fault is None
    }
    for each in world.recorded():
        if isinstance(each.event, AttemptSucceeded):
            assert (each.stream, hosts[each.endpoint or ""]) in received


def no_delivery_has_more_attempts_than_allowed(world: World) -> None:
    spent = [each.event.attempt for each in world.recorded() if isinstance(each.event, AttemptFailed)]
    assert max(spent, default=0) <= world.policy.attempts()
    outcomes, rounds = [], Counter[tuple[str, str | None]]()
    for each in world.recorded():
        key = each.stream, each.endpoint
        rounds[key] += isinstance(each.event, DeliveryResent)  # which begins to count anew
        if isinstance(each.event, AttemptFailed | AttemptSucceeded):
            outcomes.append((*key, rounds[key], each.event.attempt))
    assert len(outcomes) == len(set(outcomes)), "an attempt is recorded twice"
    assert len(outcomes) <= len(world.house.endpoints.attempts)


def nothing_is_sent_twice_at_once(world: World) -> None:
    assert world.house.endpoints.twice == []


def no_limit_is_exceeded(world: World) -> None:
    endpoints = world.house.endpoints
    assert endpoints.most_at_once <= world.limits.in_flight_max
    for endpoint in world.endpoints:
        allowed = endpoint.batch_size or world.limits.batch_size
        assert endpoints.most_at_once_to.get(host_of(endpoint), 0) <= allowed


def rates_are_kept(world: World) -> None:
    for endpoint in world.endpoints:
        if endpoint.throttle_rate is not None:
            assert_rate([host_of(endpoint)], world)
    assert_rate([host_of(each) for each in world.endpoints if each.application == world.applications[1]], world)


def assert_rate(hosts: list[str], world: World) -> None:
    """Evenly: never two within a rate's interval, but for a restart, which forgets when the last one was."""
    moments = sorted(each.began for each in world.house.endpoints.attempts if each.endpoint in hosts)
    for before, later in pairwise(moments):
        restarted = any(before <= crash <= later for crash in world.house.crashes)
        assert restarted or (later - before).total_seconds() >= 1 / RATE - 2e-6


def an_open_breaker_spends_one_probe(world: World) -> None:
    moves = BreakerOpened | BreakerClosed | BreakerReset | EndpointEnabled | EndpointDisabled | EndpointDeleted
    for endpoint in world.endpoints:
        history = [each for each in world.of_endpoint(endpoint) if isinstance(each.event, moves)]
        for here, then in zip_longest(history, history[1:]):
            if isinstance(here.event, BreakerOpened):
                one_probe_after(world, endpoint, here.at, here.event.until, then.at if then else None)


def one_probe_after(
    world: World, endpoint: Endpoint, opened: datetime, until: datetime, then: datetime | None
) -> None:
    began = [
        each
        for each in world.house.endpoints.of(host_of(endpoint))
        if opened < each.began and (then is None or each.began < then)
    ]
    assert all(each.began >= until for each in began), "an attempt while the breaker was open"
    conclusive = [each for each in began if each.outcome is not None and each.outcome.fault is not Fault.INTERNAL]
    assert len(conclusive) <= 1, "more than one probe"


def a_disabled_endpoint_gets_nothing(world: World) -> None:
    for endpoint in world.endpoints:
        held_since = None
        for each in world.of_endpoint(endpoint):
            if isinstance(each.event, EndpointDisabled):
                held_since = each.at
            elif isinstance(each.event, EndpointEnabled | EndpointDeleted) and held_since is not None:
                attempts = world.house.endpoints.of(host_of(endpoint))
                assert not [attempt for attempt in attempts if held_since < attempt.began < each.at]
                held_since = None
