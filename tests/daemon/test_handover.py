"""What becomes of deliveries when partitions come and go: several whole processes, in virtual time."""

import asyncio
from random import Random

import pytest
from structlog.testing import capture_logs

from daemon import signing
from daemon.handover import HAND_OVER_S
from daemon.ownership import LEASE_S, RENEW_S
from daemon.sealing import Sealer
from events.application import CreateApplication
from events.catalogue import AttemptSucceeded, DeliveryCancelled, EndpointConfig, PartitionTaken
from events.content import Body, ExpungePayload
from events.endpoint import DeleteEndpoint, RegisterEndpoint, UpdateEndpoint
from events.log import Unavailable
from events.message import AcceptMessage, last_day
from tests.support.several import Far, Process, SharedLog
from tests.support.simulated import Limits, Script, always, ok
from tests.support.virtual_loop import VirtualClock, virtual

SHARED_S = RENEW_S * 4 + HAND_OVER_S  # after so long everybody has its share


class House:
    """One application and endpoint, and as many processes as a test starts."""

    def __init__(self, partitions: int = 1) -> None:
        self.clock = VirtualClock()
        self.limits = Limits(partitions=partitions)
        self.log = SharedLog(partitions, self.clock, Random(1))
        self.far = Far(self.clock, Random(2))
        self.sealer = Sealer([b"k" * 32], Random(3).randbytes)
        self.processes: list[Process] = []
        self.messages = 0

    async def start(self) -> Process:
        name = f"process {len(self.processes) + 1}"
        process = Process(name, self.log, self.far, self.clock, self.sealer, self.limits, 1)
        await process.start()
        self.processes.append(process)
        return process

    async def furnish(self, process: Process, script: Script) -> None:
        await process.recorder.ask(CreateApplication("app_1", "org_1", "A"), "test")
        await self.register(process, "ep_1", script)

    async def register(self, process: Process, key: str, script: Script) -> None:
        host = f"e{len(self.far.endpoints.scripts)}"
        self.far.endpoints.scripts[host] = script
        sealed = self.sealer.seal(signing.generate(b"k" * 24).encode(), key)
        config = EndpointConfig(url=f"http://{host}.test/hook")
        await process.recorder.ask(RegisterEndpoint(key, "app_1", config, f"sec_{key}", sealed), "test")

    async def send(self, process: Process) -> str:
        self.messages += 1
        message = f"msg_{self.messages}"
        await process.recorder.ask(AcceptMessage(message, "app_1", "t", b"{}", "d"), "test")
        return message

    async def end(self) -> None:
        for process in self.processes:
            await process.crash()

    def kinds(self) -> list[type]:
        return [type(each.event) for events in self.log.events.values() for each in events]

    def owners(self) -> set[str | None]:
        return {head.owner for head in self.log.head.values()}


@virtual
async def test_whoever_takes_over_goes_on_where_the_other_left_off() -> None:
    house = House()
    with capture_logs():
        first = await house.start()
        await house.furnish(first, always(ok()))
        await first.recorder.ask(UpdateEndpoint("ep_1", "app_1", {"disabled": True}), "test")
        sent = [await house.send(first) for _ in range(3)]
        await first.crash()
        second = await house.start()
        assert second.follower.positions == {}
        await asyncio.sleep(LEASE_S + RENEW_S)
        assert house.owners() == {"process 2"}
        assert house.far.sent == []
        await second.recorder.ask(UpdateEndpoint("ep_1", "app_1", {"disabled": False}), "test")
        await asyncio.sleep(1.0)
    assert sorted(each.attempt.message for each in house.far.sent) == sent
    assert house.kinds().count(AttemptSucceeded) == 3
    await house.end()


@virtual
async def test_what_is_accepted_through_any_process_is_delivered_by_the_owner_at_once() -> None:
    house = House()
    with capture_logs():
        owner, other = await house.start(), await house.start()
        await house.furnish(other, always(ok()))
        await house.send(other)
        await asyncio.sleep(0.2)
        assert [each.process for each in house.far.sent] == ["process 1"]
        await house.register(owner, "ep_2", always(ok()))
        await house.send(other)
        await asyncio.sleep(0.2)
        assert len(house.far.sent) == 3
        await other.recorder.ask(DeleteEndpoint("ep_2", "app_1"), "test")
        await house.send(other)
        await asyncio.sleep(0.2)
    assert len(house.far.sent) == 4
    assert house.kinds().count(AttemptSucceeded) == 4
    await house.end()


@virtual
async def test_a_partition_is_given_when_what_is_under_way_has_ended_and_nothing_is_sent_twice() -> None:
    house = House(2)
    with capture_logs():
        first = await house.start()
        await house.furnish(first, always(ok(took_s=2.0)))
        second = await house.start()
        for _ in range(20):
            await house.send(first)
            await asyncio.sleep(0.3)
        await asyncio.sleep(SHARED_S)
        assert house.owners() == {"process 1", "process 2"}
        await second.leave()
        await asyncio.sleep(SHARED_S)
        assert house.owners() == {"process 1"}
    assert len(house.far.sent) == house.kinds().count(AttemptSucceeded) == 20
    await house.end()


@virtual
async def test_what_does_not_end_in_time_is_sent_again_by_the_next_owner() -> None:
    house = House(2)
    with capture_logs():
        first = await house.start()
        await house.furnish(first, always(ok(took_s=9.0)))
        here = first.world.partition_of("app_1")
        await house.send(first)
        await asyncio.sleep(0.5)
        second = await house.start()
        if here == 0:  # the one that joins is given the last: join until it is ours to give
            await first.leave(0.0)
        await asyncio.sleep(SHARED_S + 20.0)
    assert [each.process for each in house.far.sent] == ["process 1", second.name]
    assert house.kinds().count(AttemptSucceeded) == 1
    await house.end()


@virtual
async def test_whoever_was_stopped_for_longer_than_its_lease_records_nothing_of_what_it_did() -> None:
    house = House()
    with capture_logs():
        first, second = await house.start(), await house.start()
        await house.furnish(first, always(ok(took_s=1.0)))
        await house.send(first)
        await asyncio.sleep(0.5)
        with first.stopped():
            await asyncio.sleep(LEASE_S + 2 * RENEW_S)
            assert house.owners() == {"process 2"}
        await asyncio.sleep(0.1)
        assert first.recorder.epochs == {}
        assert list(first.dispatcher.targets()) == []
        await asyncio.sleep(SHARED_S)
    assert [each.process for each in house.far.sent] == ["process 1", "process 2"]
    assert house.kinds().count(AttemptSucceeded) == 1
    (recorded,) = (each for each in house.log.events[0] if isinstance(each.event, AttemptSucceeded))
    assert house.log.authors[0, recorded.seq] == second.name
    await house.end()


@pytest.mark.parametrize("failing", ["config", "pending", "read"])
@virtual
async def test_what_could_not_be_taken_up_is_given_back_and_taken_up_later(failing: str) -> None:
    house = House()
    with capture_logs():
        first = await house.start()
        await house.furnish(first, always(ok()))
        await first.recorder.ask(UpdateEndpoint("ep_1", "app_1", {"disabled": True}), "test")
        await house.send(first)
        second = await house.start()
        asked, away = getattr(house.log, failing), [True]

        async def moody(*arguments):
            if away:
                away.pop()
                raise Unavailable("away")
            return await asked(*arguments)

        setattr(house.log, failing, moody)
        await first.crash()
        await asyncio.sleep(LEASE_S + 4 * RENEW_S)
        assert away == []
        await second.recorder.ask(UpdateEndpoint("ep_1", "app_1", {"disabled": False}), "test")
        await asyncio.sleep(1.0)
    assert house.kinds().count(AttemptSucceeded) == 1
    await house.end()


@virtual
async def test_what_is_pending_for_an_endpoint_that_was_deleted_meanwhile_is_cancelled() -> None:
    house = House()
    with capture_logs():
        first, second = await house.start(), await house.start()
        await house.furnish(first, always(ok()))
        await first.recorder.ask(UpdateEndpoint("ep_1", "app_1", {"disabled": True}), "test")
        await house.send(first)
        with first.stopped():
            await second.recorder.ask(DeleteEndpoint("ep_1", "app_1"), "test")
            await asyncio.sleep(LEASE_S + 2 * RENEW_S)
        await asyncio.sleep(1.0)
    assert house.kinds().count(DeliveryCancelled) == 1
    await house.end()


@virtual
async def test_a_payload_expunged_while_another_owned_it_is_not_sent() -> None:
    house = House()
    with capture_logs():
        first, second = await house.start(), await house.start()
        await house.furnish(first, always(ok()))
        await first.recorder.ask(UpdateEndpoint("ep_1", "app_1", {"disabled": True}), "test")
        message = await house.send(first)
        with first.stopped():
            await asyncio.sleep(LEASE_S + 2 * RENEW_S)
            assert house.owners() == {"process 2"}
            row = house.log.tables.messages[0, "app_1", message]
            body = Body(last_day(row.accepted_at, row.retention_days), 0, message=message)
            await second.recorder.ask(ExpungePayload(message, body), "test")
        await asyncio.sleep(SHARED_S)
        await second.crash()
        await asyncio.sleep(LEASE_S + 2 * RENEW_S)
        assert house.owners() == {"process 1"}
        await first.recorder.ask(UpdateEndpoint("ep_1", "app_1", {"disabled": False}), "test")
        await asyncio.sleep(1.0)
    assert house.far.sent == []
    assert house.kinds().count(PartitionTaken) == 3
    await house.end()


@virtual
async def test_whoever_goes_on_after_its_lease_begins_nothing_before_it_knows_what_it_still_owns() -> None:
    house = House()
    with capture_logs():
        first, _ = await house.start(), await house.start()
        await house.furnish(first, always(ok(took_s=1.0)))
        await first.recorder.ask(UpdateEndpoint("ep_1", "app_1", {"batch_size": 1}), "test")
        for _ in range(3):
            await house.send(first)
        await asyncio.sleep(0.5)
        with first.stopped():
            await asyncio.sleep(LEASE_S + 2 * RENEW_S)
            assert house.owners() == {"process 2"}
        await asyncio.sleep(SHARED_S)
    by_first = [each for each in house.far.sent if each.process == first.name]
    assert len(by_first) == 1, "what was under way when it was stopped"
    assert house.kinds().count(AttemptSucceeded) == 3
    await house.end()
