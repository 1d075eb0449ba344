"""Hands the events of the partitions owned here to the dispatcher: each once, in order, whoever appended it.

What this process appends is heard of at once and needs no reading. Where another has appended in between there is a
gap: later events are put aside, the gap is read from the log, and everything goes on in order.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import structlog

from daemon.dispatcher import Dispatcher
from daemon.payloads import Payloads
from daemon.recorder import Committed, Recorder
from events.catalogue import MessageAccepted, PartitionTaken
from events.content import last_day
from events.envelope import Recorded, is_config
from events.log import Log, Stretch, Unavailable

log = structlog.get_logger()

PAGE: Final = 500  # events of one partition
ASIDE_MAX: Final = 10_000  # of one partition; beyond, they are read from the log too
PAUSE_S: Final = 0.003  # between reads, at least: what others append comes in batches, as it was appended
RETRY_S: Final = 0.5


class Follower:
    """The thread of each partition that is owned here."""

    def __init__(self, log: Log, recorder: Recorder, dispatcher: Dispatcher, payloads: Payloads) -> None:
        self._log = log
        self._recorder = recorder
        self._dispatcher = dispatcher
        self._payloads = payloads
        self._aside: dict[int, deque[Recorded]] = {}  # partition with a gap → events beyond it
        self._missing: set[int] = set()  # partitions of which something is to be read
        self._open: set[int] = set()  # of those, to their end, whatever is at hand of it: there was news
        self._wake = asyncio.Event()
        self.positions: dict[int, int] = {}  # partition → the last event handed over
        recorder.followers.append(self.follow)

    def begin(self, positions: Mapping[int, int]) -> None:
        """These partitions are owned here from now on, and known up to these positions."""
        self.positions.update(positions)
        self._recorder.untried.begin(positions)
        self.heard(positions)

    def forget(self, partitions: Iterable[int]) -> None:
        """Others own these now."""
        self._payloads.clear()  # what becomes of them is not heard of any more
        partitions = list(partitions)
        self._recorder.untried.forget(partitions)
        for partition in partitions:
            self.positions.pop(partition, None)
            self._aside.pop(partition, None)
            self._missing.discard(partition)
            self._open.discard(partition)

    def heard(self, partitions: Iterable[int] | None = None) -> None:
        """There may be more in the log of these (None: of all) than was handed over."""
        for partition in self.positions if partitions is None else partitions:
            if partition in self.positions:
                self._open.add(partition)
                self._miss(partition)

    def follow(self, committed: Committed) -> None:
        """Take in what this process has just appended."""
        positions, aside = self.positions, self._aside
        payloads = committed.payloads
        for recorded in committed.events:
            partition = recorded.partition
            position = positions.get(partition)
            if position is None or recorded.seq <= position:
                continue
            if payloads and type(recorded.event) is MessageAccepted:
                self._payloads.put(recorded.stream, payloads[recorded.stream])
            if partition not in aside and recorded.seq == position + 1:
                self._take_in(recorded)
            else:
                self._put_aside(recorded)
        if committed.purged:
            for recorded in committed.events:
                self._payloads.heed(recorded.stream, recorded.event)
        self._dispatcher.attend_stirred()

    def _put_aside(self, recorded: Recorded) -> None:
        waiting = self._aside.setdefault(recorded.partition, deque())
        if len(waiting) < ASIDE_MAX:  # else it is read after those that were
            waiting.append(recorded)
        self._miss(recorded.partition)

    def _miss(self, partition: int) -> None:
        self._aside.setdefault(partition, deque())  # nothing overtakes what is read
        self._missing.add(partition)
        self._wake.set()

    def _take_in(self, recorded: Recorded) -> None:
        partition, event = recorded.partition, recorded.event
        if type(event) is PartitionTaken and event.epoch != self._recorder.epochs.get(partition):
            self._recorder.lose([partition])  # what comes after this is another's to deliver
            return
        self.positions[partition] = recorded.seq
        self._recorder.untried.take_in(recorded)
        self._dispatcher.take_in(recorded)

    # --- reading

    async def run(self) -> None:
        """Read what is missing, for ever."""
        loop = asyncio.get_running_loop()
        read_at = loop.time() - PAUSE_S
        while True:
            self._wake.clear()
            if not self._missing:
                await self._wake.wait()
            if (early_s := read_at + PAUSE_S - loop.time()) > 0:  # what comes meanwhile is read together
                await asyncio.sleep(early_s)
            read_at = loop.time()
            missing, self._missing = self._missing, set()
            try:
                await self._read(missing)
            except BaseException as error:
                self._missing |= missing & self.positions.keys()
                self._open |= self._missing
                if not isinstance(error, Unavailable):
                    raise
                await asyncio.sleep(RETRY_S)

    async def _read(self, partitions: set[int]) -> None:
        stretches = [self._stretch(partition) for partition in partitions if partition in self.positions]
        self._open -= partitions
        found = await self._log.read(stretches, PAGE)
        if config := {each.partition for each in found if is_config(each)}:
            await self._recorder.learn(config)
        await self._fetch_payloads(found)
        counts = dict.fromkeys(partitions, 0)
        for recorded in found:
            counts[recorded.partition] += 1
            position = self.positions.get(recorded.partition)
            if position is not None and recorded.seq == position + 1:
                self._take_in(recorded)
        for partition, count in counts.items():
            self._go_on(partition, full=count == PAGE)
        self._dispatcher.attend_stirred()

    async def _fetch_payloads(self, found: Sequence[Recorded]) -> None:
        """Of the messages that another process accepted: they are about to be sent."""
        asked = {}
        for each in found:
            event = each.event
            if type(event) is MessageAccepted and event.endpoints and self._payloads.get(each.stream) is None:
                day = last_day(each.at, event.retention_days)
                asked[each.stream] = (day, each.partition, each.stream)
        forgotten = self._payloads.forgotten
        payloads = await self._log.payloads(asked.values()) if asked else {}
        if forgotten == self._payloads.forgotten:  # else it may be one of these: whoever needs it reads it again
            for message, payload in payloads.items():
                self._payloads.put(message, payload)

    def _stretch(self, partition: int) -> Stretch:
        waiting = self._aside.get(partition)
        before = waiting[0].seq if waiting and partition not in self._open else None
        return partition, self.positions[partition], before

    def _go_on(self, partition: int, *, full: bool) -> None:
        """Hand over what was put aside, as far as it follows; read on where more is missing."""
        waiting = self._aside.get(partition)
        if waiting is None or partition not in self.positions:
            return
        overflown = len(waiting) >= ASIDE_MAX
        while waiting and waiting[0].seq <= self.positions.get(partition, -1) + 1:
            recorded = waiting.popleft()
            if recorded.seq > self.positions[partition]:
                self._take_in(recorded)
        if partition not in self.positions:
            return
        if full:
            self._open.add(partition)
        if waiting or full or overflown:
            self._missing.add(partition)
        elif partition not in self._missing:
            del self._aside[partition]
