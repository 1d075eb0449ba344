"""Recomputes everything from the raw tables and says what holds: order, bytes, trees, checkpoints, state, bodies.

One reading of the log, partition by partition, in one snapshot of the database. Memory grows with what is
undelivered, not with the log. Nothing is trusted but the rows of log.event, the public key, and the copies kept
elsewhere.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

import asyncpg
import msgspec

from daemon.audit.bodies_check import Bodies, BodiesCheck
from daemon.audit.findings import Check, Finding, Findings
from daemon.audit.snapshot import Connect, snapshot
from daemon.audit.state_check import StateCheck
from daemon.audit.tree_check import Head, TreeCheck
from events import leaf, replay
from events.checkpoint import VerifierKey
from events.codec import UnreadableEvent
from events.delivery import IllegalMove
from events.envelope import Recorded
from events.fold import BrokenLog, Fold
from events.message import Message
from events.rows import TABLES
from events.world import Entity

_BODIES: Final = "content.payload, content.response"
_STRANGERS: Final = """
  select partition, min(seq), count(*) from log.event e
  where not exists (select from log.head h where h.partition = e.partition) group by partition"""
_BEFORE_THE_FIRST: Final = """
  select e.partition, e.seq from log.head h join log.event e on e.partition = h.partition and e.seq < 1
  order by e.partition, e.seq"""
# The partitions that a table has rows of, by one probe of its key each.
_PARTITIONS: Final = """
  with recursive p(partition) as (
    (select min(partition) from {table})
    union all
    select (select min(t.partition) from {table} t where t.partition > p.partition) from p
    where p.partition is not null)
  select partition from p where partition is not null"""
_KEYED_BY_PARTITION: Final = {
    "log.tile": Check.TREE,
    "log.checkpoint": Check.CHECKPOINTS,
    **{f"state.{table}": Check.STATE for table in (*TABLES, "event_id", "delivery", "mention")},
}


class Report(msgspec.Struct):
    """What was looked at, and what did not hold."""

    partitions: int = 0
    events: int = 0
    sealed: int = 0
    checkpoints: int = 0
    kept: int = 0
    rows: int = 0
    undelivered: int = 0
    bodies: Bodies = msgspec.field(default_factory=Bodies)
    counts: dict[Check, int] = {}
    findings: list[Finding] = []

    @property
    def holds(self) -> bool:
        """Whether nothing was found wrong."""
        return not any(self.counts.values())


async def verify(
    connect: Connect,
    keys: Mapping[int, VerifierKey],
    kept: Mapping[int, Sequence[Head]],
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Report:
    """Look at everything. `keys`: by partition; `kept`: heads kept elsewhere; `progress` hears (events done, all)."""
    async with snapshot(connect, keeping=_BODIES) as (streaming, asking):
        return await _Verification(streaming, asking, progress).run(keys, kept)


class _Verification:
    def __init__(
        self, streaming: asyncpg.Connection, asking: asyncpg.Connection, progress: Callable[[int, int], None]
    ) -> None:
        self._streaming = streaming
        self._asking = asking
        self._progress = progress
        self._findings = Findings()
        self._state = StateCheck(asking, self._findings)
        self._bodies = BodiesCheck(asking, self._findings)
        self._report = Report()
        self._expected = 0
        self._settled: dict[int, int] = {}

    async def run(self, keys: Mapping[int, VerifierKey], kept: Mapping[int, Sequence[Head]]) -> Report:
        report, findings = self._report, self._findings
        heads = await replay.heads(self._asking)
        self._settled = await replay.settled(self._asking)
        self._expected = sum(heads.values())
        await self._bodies.open()
        report.partitions, report.kept = len(heads), sum(map(len, kept.values()))
        await self._strangers(heads)
        folded: list[Entity] = []
        whole: set[int] = set()  # partitions that could be folded to their end
        for partition, head in heads.items():
            tree = TreeCheck(partition, keys.get(partition), findings)
            await tree.open(self._asking, kept.get(partition, ()))
            fold = await self._partition(partition, head, tree)
            if fold is not None:
                whole.add(partition)
                folded += fold.entities.values()
            report.sealed += tree.sealed
            report.checkpoints += tree.checkpoints
        for message in await replay.accepted_twice(self._asking):
            findings.add(Check.ORDER, f"message {message}", "is accepted twice")
        await self._state.entities(folded, whole)
        await self._bodies.close(heads.keys(), whole)
        report.rows, report.bodies = self._state.rows, self._bodies.bodies
        report.counts, report.findings = findings.count, findings.all()
        return report

    async def _strangers(self, heads: Collection[int]) -> None:
        """Rows that no reading of the partitions comes to."""
        for partition, seq, count in await self._asking.fetch(_STRANGERS):
            what = f"{count} events of a partition without a head"
            self._findings.add(Check.ORDER, f"event ({partition}, {seq})", what)
        for partition, seq in await self._asking.fetch(_BEFORE_THE_FIRST):
            self._findings.add(Check.ORDER, f"event ({partition}, {seq})", "stands before the first event")
        for table, check in _KEYED_BY_PARTITION.items():
            for (partition,) in await self._asking.fetch(_PARTITIONS.format(table=table)):
                if partition not in heads:
                    self._findings.add(check, f"{table}, partition {partition}", "rows of a partition without a head")

    async def _partition(self, partition: int, head: int, tree: TreeCheck) -> Fold | None:
        accepted: list[Message] = []
        purges: list[Recorded] = []
        fold = Fold(on_message=lambda _, message: accepted.append(message), on_purge=purges.append)
        reading = _Reading(partition, fold, self._findings)

        async def take(records: list[bytes]) -> None:
            reading.take(records)
            await tree.take(self._asking, reading.in_order)
            await self._state.messages(accepted)
            await self._bodies.payloads(accepted)
            await self._bodies.purged(partition, purges)
            accepted.clear()
            purges.clear()
            self._report.events += len(records)
            self._progress(self._report.events, self._expected)

        await replay.scan(self._streaming, partition, take)
        await tree.close(self._asking)
        if reading.last != head:
            what = f"the head row says {head}, the last event is {reading.last}"
            self._findings.add(Check.ORDER, f"partition {partition}", what)
        if reading.folding:
            self._report.undelivered += len(fold.deliveries)
            await self._state.name_count(partition)
            await self._state.mentions(partition, reading.last)
            await self._state.deliveries(partition, fold.deliveries, fold.untried(self._settled))
        await self._bodies.responses(partition)
        return fold if reading.folding else None


class _Reading:
    """Parses and folds the records of one partition. What cannot follow ends the folding, not the reading."""

    def __init__(self, partition: int, fold: Fold, findings: Findings) -> None:
        self.last = 0
        self.folding = True
        self.in_order: Sequence[bytes] = ()  # the records up to the first gap: those that the tree can hold
        self._partition = partition
        self._fold = fold
        self._findings = findings
        self._gap = False

    def take(self, records: Sequence[bytes]) -> None:
        fit = 0
        for record in records:
            try:
                raw = leaf.parse(record)
            except leaf.MalformedRecord as error:
                self._unparsable(str(error))
                continue
            if raw.seq != self.last + 1:
                self._missing(self.last + 1, raw.seq - 1)
            self.last = raw.seq
            fit += not self._gap
            if self.folding:
                self._take(raw)
        self.in_order = records[:fit]

    def _unparsable(self, why: str) -> None:
        """A row that is none, as with a null where none may be; positions are a key, so it has the next one."""
        self.last += 1
        self._findings.add(Check.BYTES, f"event ({self._partition}, {self.last})", why)
        self._gap, self.folding = True, False

    def _missing(self, first: int, last: int) -> None:
        place = f"event ({self._partition}, {first})"
        what = "is missing" if first == last else f"and all up to ({self._partition}, {last}) are missing"
        self._findings.add(Check.ORDER, place, what)
        self._gap, self.folding = True, False

    def _take(self, raw: leaf.RawEvent) -> None:
        try:
            self._fold.take_raw(raw)
        except UnreadableEvent as error:
            self._stop(Check.BYTES, raw, str(error))
        except (BrokenLog, IllegalMove, AssertionError, KeyError, TypeError, OverflowError) as error:
            self._stop(Check.ORDER, raw, f"cannot follow what stands before it: {error}")

    def _stop(self, check: Check, raw: leaf.RawEvent, what: str) -> None:
        self._findings.add(check, f"event ({raw.partition}, {raw.seq})", what)
        self.folding = False
