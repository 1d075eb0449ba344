"""Which partitions this process owns: a lease in PostgreSQL, so that PostgreSQL decides, and an epoch as fence.

Each process prolongs a lease of its own, sees who else does, and takes or gives back partitions until all have
equally many. Whoever does not prolong its lease in time, because it is dead or was stopped, loses what it owns to the
others; when it comes back, what it obtained meanwhile is refused by the epochs.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress
from typing import Final

import structlog

from daemon.clock import Clock
from daemon.recorder import Recorder
from daemon.sharing import share
from events.append import Append
from events.catalogue import PartitionTaken
from events.envelope import Fact
from events.log import Fenced, Log, Ownership, Roll, Unavailable

log = structlog.get_logger()

LEASE_S: Final = 5.0
RENEW_S: Final = 1.0


async def _nothing(_: object) -> None: ...


class Owner:
    """Takes partitions, keeps them, gives them back.

    `report` is told to whoever asks another process; `asks` says whether this one is asked and wants theirs.
    """

    def __init__(self, log: Log, recorder: Recorder, clock: Clock, name: str) -> None:
        self._log = log
        self._recorder = recorder
        self._clock = clock
        self.name = name
        self.processes: tuple[str, ...] = (name,)
        self.asked = False  # somebody asks some process how all are doing
        self.leaving = False  # gives back what nothing is under way for, and takes no more
        self.busy: Callable[[], Collection[int]] = tuple  # partitions for which something is under way
        self._gone = False
        self._stepping = asyncio.Lock()
        self.on_leased: Callable[[float], None] = lambda _: None
        self.report: Callable[[], str | None] = lambda: None
        self.asks: Callable[[], bool] = lambda: False
        self.on_taken: Callable[[dict[int, int]], Awaitable[None]] = _nothing
        self.on_roll: Callable[[Roll], None] = lambda _: None
        self.on_leaving: Callable[[frozenset[int]], Awaitable[None]] = _nothing

    async def begin(self) -> None:
        """Take the first step: where nobody else is, everything. Unavailable."""
        with suppress(Fenced):  # taken by another at the same moment
            await self.turn()

    async def keep(self) -> None:
        """Stay among the living, and keep an equal share, for ever."""
        while True:
            await asyncio.sleep(self._pause_s())
            try:
                await self.turn()
            except (Unavailable, Fenced) as error:  # fenced: taken by another before it was told of
                log.warning("lease_not_kept", reason=str(error))

    def _pause_s(self) -> float:
        """While somebody asks, all tell at the full second: at half past there is one report more of each."""
        return RENEW_S - self._clock.now().timestamp() % RENEW_S if self.asked else RENEW_S

    async def turn(self) -> None:
        """Prolong the lease, and take a step towards an equal share. Unavailable."""
        async with self._stepping:
            if not self._gone:
                await self._step()

    async def _step(self) -> None:
        until = asyncio.get_running_loop().time() + LEASE_S  # as of now, before it is asked for: never too late
        asks = self.asks()
        roll = await self._log.attend(self.name, LEASE_S, self.report(), asks=asks, leaving=self.leaving)
        self.on_leased(until)
        self.processes = roll.processes
        self._recorder.shared = len(roll.processes) > 1
        self.asked = asks or roll.asked
        self.on_roll(roll)
        mine = {head.partition for head in roll.heads if head.owner == self.name}
        self._recorder.lose(self._recorder.epochs.keys() - mine)
        if unknown := mine - self._recorder.epochs.keys():  # the database's word of it was lost
            await self._log.release(self.name, unknown)
            return
        step = share(roll, self.name)
        give = self._recorder.epochs.keys() - set(self.busy()) if self.leaving else step.give
        if give:
            await self._give(frozenset(give))
        elif step.take:
            await self._take(step.take)

    async def _take(self, partitions: Iterable[int]) -> None:
        taken = await self._log.take(self.name, partitions)
        if taken:
            positions = await self._record(taken)
            self._recorder.epochs |= {each.partition: each.epoch for each in taken}
            log.info("partitions_taken", partitions=sorted(positions), processes=len(self.processes))
            try:
                await self.on_taken(positions)
            except BaseException:  # not taken up: given back with the next turn, and taken anew
                self._recorder.lose(positions)
                raise

    async def _record(self, taken: list[Ownership]) -> dict[int, int]:
        append = Append(self._clock.now())
        for each in taken:
            event = PartitionTaken(owner=self.name, epoch=each.epoch, previous=each.previous)
            append.epochs[each.partition] = each.epoch
            stream = f"log_{each.partition}"  # sorts before msg_…: see the index event_stream
            append.add(Fact(each.partition, stream, each.epoch, event), "hookd", None)
        recorded = await self._log.append(append)
        return {each.partition: each.seq for each in recorded}

    async def _give(self, partitions: frozenset[int]) -> None:
        """Let what is under way end, so that the next owner begins with nothing in doubt."""
        log.info("partitions_given", partitions=sorted(partitions), processes=len(self.processes))
        await self.on_leaving(partitions)
        await self._recorder.flushed()
        for partition in partitions:
            self._recorder.epochs.pop(partition, None)
        await self._log.release(self.name, partitions)

    async def leave(self) -> None:
        """Give everything back, so that the others need not wait for the lease to end. Unavailable."""
        self._gone = True
        async with self._stepping:
            await self._log.leave(self.name)
