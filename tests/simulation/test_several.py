"""Several processes share one log: they come and go, die, and are stopped for longer than their lease; all holds.

A seed decides everything and stands in the name of a failing test. Only the log is asked what happened, and the
endpoints' own count of what they got.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from structlog.testing import capture_logs

from daemon import signing
from daemon.ownership import LEASE_S, RENEW_S
from daemon.recorder import Busy
from daemon.sealing import Sealer
from events import ids
from events.application import CreateApplication
from events.breaker import BreakerPolicy
from events.catalogue import AttemptAbandoned, AttemptFailed, AttemptSucceeded, EndpointConfig, MessageAccepted
from events.catalogue import PartitionTaken as Taken
from events.decide import Rules
from events.delivery import DeliveryState
from events.endpoint import DeleteEndpoint, Endpoint, RegisterEndpoint, UpdateEndpoint
from events.envelope import Recorded
from events.fold import Fold
from events.log import Unavailable
from events.message import AcceptMessage
from events.refusal import Refusal
from events.retry import RetryPolicy
from tests.support.several import Far, Process, Sent, SharedLog
from tests.support.simulated import Limits, Script, always, failed, failing, host_of, no_answer, ok
from tests.support.virtual_loop import VirtualClock, virtual

SEEDS = range(12)
MESSAGES = 100
CLIENTS = 5
PROCESSES_MAX = 5
CALM_S = 3000.0
ATTEMPTS = AttemptSucceeded | AttemptFailed | AttemptAbandoned

SCRIPTS: list[Script] = [
    always(ok()),
    always(ok(took_s=2.0)),
    always(ok(took_s=9.0)),
    failing(1),
    lambda attempt, random: random.choice([ok(), ok(random.random() * 12), failed(503), no_answer(attempt)]),
]


class House:
    """One seed's world."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = random = Random(seed)
        self.clock = VirtualClock()
        rules = Rules(RetryPolicy(delays_s=(1.0, 5.0, 20.0, 60.0)), BreakerPolicy(failures_max=1000))
        self.limits = Limits(rules, batch_size=random.randint(1, 8), partitions=random.choice([1, 3, 8]))
        self.calm = seed % 2 == 0  # a database without trouble: nothing is committed without an answer
        self.troubles: list[tuple[datetime, datetime]] = []
        self.log = SharedLog(self.limits.partitions, self.clock, Random(seed + 1))
        self.far = Far(self.clock, Random(seed + 2))
        self.sealer = Sealer([b"k" * 32], Random(seed + 3).randbytes)
        self.processes: list[Process] = []
        self.started = 0
        self.endpoints: dict[str, Endpoint] = {}
        self.registered: set[str] = set()  # answered, and nobody has asked to delete them
        self.applications: list[str] = []
        self.accepted: dict[str, set[str]] = {}  # message → the endpoints it has to reach

    # --- processes

    async def join(self) -> None:
        while True:
            self.started += 1
            process = Process(
                f"process {self.started}", self.log, self.far, self.clock, self.sealer, self.limits, self.started
            )
            try:
                await process.start()
            except Unavailable:
                continue
            self.processes.append(process)
            return

    def _out(self) -> Process:
        process = self.random.choice(self.processes)
        self.processes.remove(process)
        return process

    async def crash(self) -> None:
        if len(self.processes) > 1 or (self.processes and self.random.random() < 0.3):
            await self._out().crash()
            await asyncio.sleep(self.random.random() * LEASE_S)
        if not self.processes:
            await self.join()

    async def leave(self) -> None:
        if len(self.processes) > 1:
            await self._out().leave()

    async def more(self) -> None:
        if len(self.processes) < PROCESSES_MAX:
            await self.join()

    async def stop(self) -> None:
        """Shorter or longer than its lease."""
        process = self.random.choice(self.processes) if self.processes else None
        if process is not None and process.halting.since is None:
            with process.stopped():
                await asyncio.sleep(self.random.random() * LEASE_S * 3)

    async def trouble(self) -> None:
        if not self.calm and not self.log.trouble:
            self.log.trouble, began = 0.2, self.clock.now()
            try:
                await asyncio.sleep(self.random.random() * 5.0)
            finally:
                self.log.trouble = 0.0
                self.troubles.append((began, self.clock.now()))

    async def torment(self) -> None:
        acts = [self.crash, self.leave, self.more, self.more, self.stop, self.stop, self.stop, self.trouble]
        while True:
            await asyncio.sleep(self.random.random() * 4.0)
            await self.random.choice(acts)()

    # --- those who use it

    def mint(self, prefix: str) -> str:
        return ids.mint(prefix, self.clock.now(), self.random.randbytes(ids.ENTROPY_BYTES))

    async def ask(self, command: Any) -> Any:
        """Through any process. None: not known whether it happened, or it was refused."""
        if not (ready := [each for each in self.processes if each.ready]):
            await asyncio.sleep(1.0)
            return None
        try:
            answer = await self.random.choice(ready).recorder.ask(command, "test")
        except (Unavailable, Busy):
            return None
        return None if isinstance(answer, Refusal) else answer

    async def create(self) -> None:
        made = await self.ask(CreateApplication(self.mint("app"), "org_1", "A"))
        self.applications.append(made[0].id)

    async def register(self) -> None:
        application, key = self.random.choice(self.applications), self.mint("ep")
        host = f"e{len(self.far.endpoints.scripts)}"
        self.far.endpoints.scripts[host] = self.random.choice(SCRIPTS)
        sealed = self.sealer.seal(signing.generate(self.random.randbytes(24)).encode(), key)
        config = EndpointConfig(url=f"http://{host}.test/hook")
        made = await self.ask(RegisterEndpoint(key, application, config, self.mint("sec"), sealed))
        if made:
            self.endpoints[key] = made[0]
            self.registered.add(key)

    async def change(self) -> None:
        if self.registered:
            endpoint = self.endpoints[self.random.choice(sorted(self.registered))]
            changes = {"disabled": self.random.random() < 0.4, "description": self.mint("x")}
            await self.ask(UpdateEndpoint(endpoint.id, endpoint.application, changes))

    async def delete(self) -> None:
        if len(self.registered) > 4:
            endpoint = self.endpoints[self.random.choice(sorted(self.registered))]
            self.registered.discard(endpoint.id)
            await self.ask(DeleteEndpoint(endpoint.id, endpoint.application))

    async def send(self) -> None:
        application, payload, message = self.random.choice(self.applications), b"x" * 40, self.mint("msg")
        known = {key for key in self.registered if self.endpoints[key].application == application}
        digest = hashlib.sha256(payload).hexdigest()
        if await self.ask(AcceptMessage(message, application, "thing.happened", payload, digest)):
            self.accepted[message] = known & self.registered

    async def client(self) -> None:
        rarely: list[Callable[[], Awaitable[None]]] = [self.register, self.change, self.change, self.delete]
        for _ in range(MESSAGES // CLIENTS):
            await self.send()
            if self.random.random() < 0.3:
                await self.random.choice(rarely)()
            await asyncio.sleep(self.random.random() * 3.0)

    # --- from beginning to end

    async def live(self) -> None:
        for _ in range(self.random.randint(1, 3)):
            await self.join()
        for _ in range(3):
            await self.create()
        for _ in range(4):
            await self.register()
        async with asyncio.TaskGroup() as group:
            torments = [group.create_task(self.torment()) for _ in range(2)]
            await asyncio.wait([group.create_task(self.client()) for _ in range(CLIENTS)])
            for torment in torments:
                torment.cancel()
        await self.recover()

    async def recover(self) -> None:
        """All is well again: now every delivery must come to its end."""
        self.log.trouble = 0.0
        if not self.processes:
            await self.join()
        for host in self.far.endpoints.scripts:
            self.far.endpoints.scripts[host] = always(ok())
        await asyncio.sleep(60.0)
        for each in list(self.log.tables.entities.values()):
            if isinstance(each, Endpoint) and each.deleted_at is None:
                assert await self.ask(UpdateEndpoint(each.id, each.application, {"disabled": False})) is not None
        async with asyncio.timeout(CALM_S):
            while self._busy():  # noqa: ASYNC110 - nobody is told when all is done
                await asyncio.sleep(5.0)
        await asyncio.sleep(RENEW_S * 5)

    def _busy(self) -> bool:
        return any(len(each.recorder) for each in self.processes) or any(
            row.state is DeliveryState.PENDING for row in self.log.rows().values()
        )

    async def end(self) -> None:
        for process in self.processes:
            await process.crash()

    # --- looking at it

    def recorded(self) -> list[Recorded]:
        return [each for events in self.log.events.values() for each in events]


@pytest.mark.parametrize("seed", SEEDS)
@virtual
async def test_the_promises_hold(seed: int) -> None:
    house = House(seed)
    with capture_logs() as logs:
        try:
            await house.live()
        finally:
            await house.end()
    assert not [each for each in logs if each["event"] in {"service_failed", "service_returned", "follower_failed"}]
    every_accepted_message_is_in_the_log_and_reaches_all_that_were_registered(house)
    the_tables_are_the_fold(house)
    every_delivery_ends_with_a_reason(house)
    nobody_records_an_attempt_out_of_its_reign(house)
    what_was_sent_again_was_recorded_or_the_partition_had_a_new_owner(house)
    what_is_recorded_was_sent_by_who_recorded_it(house)
    the_partitions_are_shared_evenly(house)


def every_accepted_message_is_in_the_log_and_reaches_all_that_were_registered(house: House) -> None:
    chosen = {
        each.stream: each.event.endpoints for each in house.recorded() if isinstance(each.event, MessageAccepted)
    }
    assert len(house.accepted) > MESSAGES / 2
    for message, endpoints in house.accepted.items():
        assert endpoints <= set(chosen[message]), f"{message} was accepted without having heard of an endpoint"


def the_tables_are_the_fold(house: House) -> None:
    fold, tables = Fold(house.recorded()), house.log.tables  # the fold itself refuses gaps and illegal moves
    assert tables.entities == fold.entities
    assert tables.messages == fold.messages
    assert house.log.rows() == fold.deliveries
    assert {number: head.seq for number, head in house.log.head.items() if head.seq} == fold.positions


def every_delivery_ends_with_a_reason(house: House) -> None:
    fold = Fold(house.recorded())
    for row in fold.deliveries.values():
        assert row.state is not DeliveryState.PENDING
        assert row.reason
    assert sum(message.deliveries for message in fold.messages.values()) == fold.delivered + len(fold.deliveries)


def nobody_records_an_attempt_out_of_its_reign(house: House) -> None:
    for partition, events in house.log.events.items():
        owner, epoch = None, 0
        for each in events:
            author = house.log.authors[partition, each.seq]
            if isinstance(each.event, Taken):
                assert each.event.epoch > epoch
                assert each.event.owner == author
                owner, epoch = author, each.event.epoch
            elif isinstance(each.event, ATTEMPTS):
                assert author == owner, f"{author} recorded at {partition}/{each.seq} what {owner} owns"


def by_delivery(house: House) -> dict[tuple[str, str], list[Sent]]:
    found: dict[tuple[str, str], list[Sent]] = {}
    for sent in sorted(house.far.sent, key=lambda each: each.decided):
        found.setdefault((sent.attempt.message, sent.attempt.endpoint), []).append(sent)
    return found


def what_was_sent_again_was_recorded_or_the_partition_had_a_new_owner(house: House) -> None:
    hosts = {key: host_of(endpoint) for key, endpoint in house.log.tables.entities.items() if _is_endpoint(endpoint)}
    outcomes: dict[tuple[str, str], list[Recorded]] = {}
    for each in house.recorded():
        if isinstance(each.event, ATTEMPTS):
            outcomes.setdefault((each.stream, hosts[each.endpoint or ""]), []).append(each)
    where = {each.stream: each.partition for each in house.recorded() if isinstance(each.event, MessageAccepted)}
    taken = {n: [e.at for e in events if isinstance(e.event, Taken)] for n, events in house.log.events.items()}
    for key, sent in by_delivery(house).items():
        recorded = [each.at for each in outcomes.get(key, ())]
        for first, again in pairwise(sent):
            if any(began <= again.decided and first.decided <= ended for began, ended in house.troubles):
                continue  # its outcome may have been recorded without anybody's knowing
            between = [at for at in recorded + taken[where[key[0]]] if first.decided <= at <= again.decided]
            assert between, f"{key} was sent by {first.process} at {first.decided} and again by {again.process}"


def what_is_recorded_was_sent_by_who_recorded_it(house: House) -> None:
    hosts = {key: host_of(endpoint) for key, endpoint in house.log.tables.entities.items() if _is_endpoint(endpoint)}
    sent = by_delivery(house)
    for each in house.recorded():
        if isinstance(each.event, ATTEMPTS):
            who = {one.process for one in sent[each.stream, hosts[each.endpoint or ""]]}
            assert house.log.authors[each.partition, each.seq] in who


def _is_endpoint(entity: object) -> bool:
    return isinstance(entity, Endpoint)


def the_partitions_are_shared_evenly(house: House) -> None:
    owners = [head.owner for head in house.log.head.values()]
    counts = [owners.count(process.name) for process in house.processes]
    assert sum(counts) == len(owners)
    assert max(counts) - min(counts) <= 1
    for process in house.processes:
        mine = {n for n, head in house.log.head.items() if head.owner == process.name}
        assert process.recorder.epochs == {n: house.log.head[n].epoch for n in mine}
        assert process.follower.positions == {n: house.log.head[n].seq for n in mine}
        assert process.world._entities.keys() >= {
            key for key, each in house.log.tables.entities.items() if getattr(each, "deleted_at", None) is None
        }
