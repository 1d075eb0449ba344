"""Writes the log into a file that stands for itself: every event whole, and the checkpoints that seal them.

One reading in one snapshot, partition by partition; memory does not depend on the length of the log.
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Final, Protocol, cast

import asyncpg
import msgspec

from daemon.audit.files import FileRefused
from daemon.audit.snapshot import Connect, snapshot
from events import checkpoint, leaf, replay
from events.checkpoint import VerifierKey
from events.cloudevent import End, Note
from events.leaf import RawEvent, at_us
from events.when import Position

_PAGE: Final = 1000
_NOTE: Final = """
  select size, note from log.checkpoint where partition = $1 and size <= $2 order by size desc limit 1"""
_ANY_NOTE: Final = "select note from log.checkpoint order by partition, size limit 1"
_STREAM: Final = f"""
  select {leaf.RECORD_SQL} from (
    select * from log.event s where s.partition = $1 and s.stream = $4 and s.seq > $2 and s.seq <= $3
    union all
    select s.* from log.oldest_of($1, $4, $2, $3 + 1) k(place)
    join log.event s on s.partition = $1 and s.seq = k.place and s.endpoint = $4 and s.stream <> $4) e
  order by e.seq"""  # noqa: S608


class Selection(msgspec.Struct, frozen=True):
    """Which events. All, unless told otherwise; `since` belongs to them, `until` does not.

    `after`: only these partitions, from behind these positions. `stream`: the id of anything, as for a trail.
    """

    partition: int | None = None
    after: tuple[Position, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    stream: str | None = None

    def is_whole(self, after: int) -> bool:
        """Whether a partition that is read from behind `after` is written whole."""
        return after <= 0 and self.since is None and self.until is None and self.stream is None


class Exported(msgspec.Struct):
    """What was written."""

    partitions: int = 0
    events: int = 0
    checkpoints: int = 0
    log_id: str | None = None


class Writer(Protocol):
    """The formats."""

    def event(self, raw: RawEvent) -> None:
        """Write an event."""

    def note(self, note: Note) -> None:
        """Write a checkpoint of the events of a partition that are written."""

    def end(self, end: End) -> None:
        """Tell what was written; nothing comes after it."""


async def export(
    connect: Connect,
    selection: Selection,
    writer: Callable[[str | None], Writer],
    *,
    key: VerifierKey | None = None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Exported:
    """Write what is selected to the writer made for a log id (None: nothing was signed yet).

    `key` is named beside the checkpoints, so that who reads the file knows by which to check them. `progress` hears
    (events looked at, all). FileRefused when the selection names what is not there; OSError.
    """
    async with snapshot(connect) as (streaming, asking):
        heads = await replay.heads(asking)
        ranges = _ranges(selection, heads)
        exported = Exported(len(ranges), log_id=await _log_id(asking))
        out = writer(exported.log_id)
        expected = sum(max(0, heads[partition] - after) for partition, after in ranges.items())
        looked_at = 0
        for partition, after in ranges.items():
            note, size = (
                await _note(asking, partition, heads[partition], key) if selection.is_whole(after) else (None, 0)
            )
            pages = _pages(streaming, partition, after, heads[partition], selection.stream)
            async with aclosing(pages):
                async for page in pages:
                    for record in page:
                        raw = _parse(record, partition)
                        if note is not None and raw.seq > size:
                            _write(out, note, exported)
                            note = None
                        if _selected(raw, selection):
                            out.event(raw)
                            exported.events += 1
                    looked_at += len(page)
                    progress(looked_at, expected)
            if note is not None:
                _write(out, note, exported)
        out.end(End(len(heads), exported.events, {partition: heads[partition] for partition in ranges}))
        return exported


def _parse(record: bytes, partition: int) -> RawEvent:
    try:
        return leaf.parse(record)
    except leaf.MalformedRecord as error:
        raise FileRefused(f"partition {partition}: {error}; look with `hookd audit verify`") from error


def _write(out: Writer, note: Note, exported: Exported) -> None:
    out.note(note)
    exported.checkpoints += 1


def _ranges(selection: Selection, heads: Mapping[int, int]) -> dict[int, int]:
    """Partition → the position behind which it is exported."""
    ranges = {position.partition: position.seq for position in selection.after}
    asked = ranges.keys() | ({selection.partition} if selection.partition is not None else set())
    if strangers := sorted(asked - heads.keys()):
        raise FileRefused(f"there is no partition {strangers[0]}: the log has {len(heads)}, counted from 0")
    if selection.partition is not None:
        if ranges.keys() - {selection.partition}:
            raise FileRefused("--partition and --after name different partitions")
        return ranges or {selection.partition: 0}
    return dict(sorted(ranges.items())) or dict.fromkeys(heads, 0)


async def _log_id(asking: asyncpg.Connection) -> str | None:
    note = await asking.fetchval(_ANY_NOTE)
    try:
        return None if note is None else checkpoint.split_origin(checkpoint.unverified(note).origin)[0]
    except checkpoint.BadNote:  # it is written as it is: who reads the file finds out
        return None


async def _note(
    asking: asyncpg.Connection, partition: int, head: int, key: VerifierKey | None
) -> tuple[Note | None, int]:
    """The last checkpoint of a partition, and how many events it covers."""
    row = await asking.fetchrow(_NOTE, partition, head)
    if row is None:
        return None, 0
    return Note(partition, row["note"], None if key is None else key.of_partition(partition).text()), row["size"]


def _pages(
    streaming: asyncpg.Connection, partition: int, after: int, upto: int, stream: str | None
) -> AsyncGenerator[Sequence[bytes], None]:
    if stream is None:
        return cast("AsyncGenerator[Sequence[bytes], None]", replay.read(streaming, partition, after, upto))
    return _of_stream(streaming, partition, after, upto, stream)


async def _of_stream(
    streaming: asyncpg.Connection, partition: int, after: int, upto: int, stream: str
) -> AsyncGenerator[Sequence[bytes], None]:
    cursor = await streaming.cursor(_STREAM, partition, after, upto, stream)
    while rows := await cursor.fetch(_PAGE):
        yield [row[0] for row in rows]


def _selected(raw: RawEvent, selection: Selection) -> bool:
    return (selection.since is None or raw.at_us >= at_us(selection.since)) and (
        selection.until is None or raw.at_us < at_us(selection.until)
    )
