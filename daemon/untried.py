"""Deliveries accepted and not tried yet: without a row, so the owner of their partition knows them by heart.

Nearly all deliveries are tried at once and succeed, and never need a row. Every so many events the partition is
*settled* up to some position: what was accepted before that and still waits gets its row with the next append. So
what is without rows is never more than the tail of a partition's log, which a new owner, or whoever wants to see all
rows, reads and settles in a moment (log.settle in schema.sql). What nobody here has room for gets its row at once.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice, takewhile
from typing import Final

from events.append import UNKNOWN, Append, Birth, DeliveryKey, Waiting
from events.catalogue import MessageAccepted
from events.delivery import Delivery
from events.envelope import Recorded

TAIL: Final = 4096
"""Events of a partition that are left alone: what was accepted there is most likely under way."""
TAIL_MAX: Final = 32_768
"""Events of a partition beyond what is settled: what is older gets rows, however much of it still waits."""
STEP: Final = 1024
"""After so many events it is looked whether as many can be settled."""
FEW: Final = 64
"""Deliveries that are given rows so that the tail stays short: those that wait while others are tried."""
ROWS_MAX: Final = 4000
"""Rows that one append gives because they are wanted."""


class Untried:
    """Those of the partitions owned here, in the order of the log."""

    def __init__(self) -> None:
        self._settled: dict[int, int] = {}  # partition → up to where all have rows
        self._births: dict[int, dict[tuple[str, str], Birth]] = {}  # partition → see events.append.Births
        self._look_at: dict[int, int] = {}  # partition → at which event to look again
        self._ripe: dict[int, int] = {}  # partition → up to where it is to be settled
        self._wanted: dict[DeliveryKey, int] = {}  # want a row with the next append, numbered in their order
        self._wants = 0
        self._written = asyncio.Event()
        self.on_ripe: Callable[[], None] = lambda: None

    @property
    def ripe(self) -> bool:
        """Whether an append is to write rows, even if nothing else is to be written."""
        return bool(self._ripe or self._wanted)

    def begin(self, positions: Mapping[int, int]) -> None:
        """These partitions are owned here; all that was accepted up to these positions has its row."""
        for partition, seq in positions.items():
            self._settled[partition] = seq
            self._births[partition] = {}
            self._look_at[partition] = seq + TAIL

    def forget(self, partitions: Iterable[int]) -> None:
        """Others own these now."""
        for partition in partitions:
            self._settled.pop(partition, None)
            self._births.pop(partition, None)
            self._ripe.pop(partition, None)
            self._look_at.pop(partition, None)
        self._let_go()

    def doubt(self) -> None:
        """Nobody knows whether the last append happened: with the next one all that is without a row gets one."""
        self._settled = dict.fromkeys(self._settled, UNKNOWN)

    def take_in(self, recorded: Recorded) -> None:
        """The next event of a partition owned here."""
        partition, seq = recorded.partition, recorded.seq
        births = self._births[partition]
        if recorded.endpoint is not None:
            if births:
                births.pop((recorded.stream, recorded.endpoint), None)
        elif type(event := recorded.event) is MessageAccepted and seq > self._settled[partition]:
            message, birth = recorded.stream, (seq, recorded.at, event.retention_days)
            for endpoint in event.endpoints:
                births[message, endpoint] = birth
        if seq >= self._look_at[partition]:
            self._look_at[partition] = seq + STEP
            self._look(partition, seq)

    def _look(self, partition: int, seq: int) -> None:
        until, settled = seq - TAIL // 2, self._settled[partition]
        before = [birth[0] - 1 for birth in islice(self._births[partition].values(), FEW + 1)]
        if before and min(before[0], until) - settled >= STEP:
            until = min(before[0], until)  # all that is older was tried
        elif len(before) > FEW and until - settled < TAIL_MAX:
            until = min(before[FEW], until)
        if until - settled >= STEP:
            self._ripe[partition] = until
            self.on_ripe()

    # --- rows

    def want(self, delivery: Delivery) -> None:
        """Have it given a row: nobody will remember it otherwise."""
        partition, message, endpoint = delivery.partition, delivery.message, delivery.endpoint
        if (message, endpoint) in self._births.get(partition, ()):
            self._wants += 1
            self._wanted.setdefault((partition, message, endpoint), self._wants)
            self.on_ripe()

    async def written(self) -> None:
        """Return once all that were wanted before have their rows."""
        last = self._wants
        while next(iter(self._wanted.values()), last + 1) <= last:
            self._written.clear()
            await self._written.wait()

    def brief(self, append: Append) -> None:
        """Tell an append what it needs to know, and what is to get a row with it."""
        append.settled = dict(self._settled)
        append.untried = self._births
        if self._wanted:
            self._let_go()
        if self._ripe or self._wanted:
            append.settle = dict(self._ripe)
            append.waiting = [row for row in self._due_rows() if row[:3] not in append.moved]

    def _let_go(self) -> None:
        """What was tried, has its row, or is another's by now is not wanted any more."""
        births = self._births
        self._wanted = {key: number for key, number in self._wanted.items() if key[1:] in births.get(key[0], ())}
        self._written.set()

    def _due_rows(self) -> Iterator[Waiting]:
        births = self._births
        for partition, message, endpoint in islice(self._wanted, ROWS_MAX):
            seq, at, retention_days = births[partition][message, endpoint]
            if seq > self._ripe.get(partition, 0):
                yield partition, message, endpoint, at, retention_days
        for partition, until in self._ripe.items():
            for (message, endpoint), (seq, at, retention_days) in births[partition].items():
                if seq > until:
                    break
                yield partition, message, endpoint, at, retention_days

    def learn(self, append: Append) -> None:
        """It is in the log. To be heard before its events are, which may be put aside for a while."""
        for partition, message, endpoint in (*(row[:3] for row in append.waiting), *append.moved):
            if (births := self._births.get(partition)) is not None:
                births.pop((message, endpoint), None)
        for partition in self._settled.keys() & append.settled.keys():
            self._ripe.pop(partition, None)
            settled = append.settled[partition]
            if settled != self._settled[partition]:
                self._settled[partition] = settled
                self._drop(self._births[partition], settled)
        if self._wanted:
            self._let_go()

    @staticmethod
    def _drop(births: dict[tuple[str, str], Birth], settled: int) -> None:
        for key in list(takewhile(lambda key: births[key][0] <= settled, births)):
            del births[key]
