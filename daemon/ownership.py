"""Which partitions this process owns: a lease in each head row, so that PostgreSQL decides, and an epoch as fence."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from daemon.clock import Clock
from daemon.recorder import Recorder
from events.append import Append
from events.catalogue import PartitionTaken
from events.envelope import Fact
from events.log import Log, Ownership, Unavailable

log = structlog.get_logger()

LEASE_S: Final = 15.0
RENEW_S: Final = 4.0
STANDBY_S: Final = 1.0


async def _nothing(_positions: dict[int, int]) -> None: ...


class Owner:
    """Takes the partitions, keeps them, gives them back."""

    def __init__(self, log: Log, recorder: Recorder, clock: Clock, name: str, partitions: int) -> None:
        self._log = log
        self._recorder = recorder
        self._clock = clock
        self._partitions = partitions
        self.name = name
        self.on_lost: Callable[[], None] = lambda: None
        self.on_taken: Callable[[dict[int, int]], Awaitable[None]] = _nothing

    async def take(self, *, force: bool) -> dict[int, int]:
        """Become the owner of every partition, waiting for who holds them now; answers their last positions.

        `force` when nobody else can be alive: the previous owner's lease is not waited for.
        """
        taken: dict[int, Ownership] = {}
        while True:
            kept = await self._log.renew(self.name, LEASE_S) if taken else set()
            taken = {partition: each for partition, each in taken.items() if partition in kept}
            for each in await self._log.take(self.name, LEASE_S, force=force):
                taken[each.partition] = each
            if len(taken) >= self._partitions:
                break
            log.info("partitions_awaited", held_by_others=self._partitions - len(taken), lease_s=LEASE_S)
            await asyncio.sleep(STANDBY_S)
        self._recorder.epochs = {each.partition: each.epoch for each in taken.values()}
        return await self._record(list(taken.values()))

    async def _record(self, taken: list[Ownership]) -> dict[int, int]:
        append = Append(self._clock.now())
        for each in taken:
            event = PartitionTaken(owner=self.name, epoch=each.epoch, previous=each.previous)
            append.epochs[each.partition] = each.epoch
            append.add(Fact(each.partition, f"partition_{each.partition}", each.epoch, event), "hookd", None)
        recorded = await self._log.append(append)
        return {each.partition: each.seq for each in recorded}

    async def keep(self) -> None:
        """Renew the lease, for ever. When another process has taken a partition, stand by until all are free."""
        while True:
            await asyncio.sleep(RENEW_S)
            try:
                kept = await self._log.renew(self.name, LEASE_S)
                if lost := self._recorder.epochs.keys() - kept:
                    log.error("partitions_lost", partitions=sorted(lost))
                    await self._stand_by()
            except Unavailable:
                continue

    async def _stand_by(self) -> None:
        """Whoever took one takes all: two that hold half each would both wait for the rest for ever."""
        self._recorder.epochs = {}
        self.on_lost()
        await self._log.release(self.name)
        await self.on_taken(await self.take(force=False))

    async def release(self) -> None:
        """Give the partitions back, so that the next owner need not wait for the lease to end."""
        await self._log.release(self.name)
