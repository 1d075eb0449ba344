"""Loads an export into an empty database, proving it on the way: all of it, or nothing.

What is checked: positions without a gap from 1 on, every body readable, the fold accepts every event, and the trees
over the events have the roots of the checkpoints in the file. What an export does not hold, an imported database does
not have: payloads, responses and secrets. It is for looking at, not for delivering.
"""

import struct
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, BinaryIO, Final

import asyncpg
import msgspec

from daemon.audit import jsonl, parquet, state_rows
from daemon.audit.files import starts_with
from daemon.audit.jsonl import Unreadable
from events import checkpoint, leaf, replay
from events.catalogue import MessageAccepted, PartitionTaken
from events.checkpoint import BadKey, BadNote, Checkpoint, VerifierKey
from events.cloudevent import End, Item, Note
from events.codec import UnreadableEvent
from events.delivery import IllegalMove
from events.envelope import Recorded
from events.fold import BrokenLog, Fold
from events.leaf import RawEvent
from events.merkle import Frontier, leaf_hash
from events.message import Message, listed, named
from events.tlog import IMPORTED

BATCH: Final = 5000
_COPY_S: Final = 86_400.0
_FULL: Final = """
  select format('%I.%I', schemaname, relname) from pg_stat_user_tables
  where schemaname in ('log', 'state', 'content') and relname <> 'head' order by 1"""
_OWNED: Final = """
  select h.owner from log.head h join log.process p on p.name = h.owner and p.seen_until > now() limit 1"""
_HEADS_MAKE: Final = "insert into log.head (partition) select generate_series(0, $1::int - 1)"
_HEADS_SET: Final = """
  update log.head h set seq = f.seq, settled = f.seq, epoch = f.epoch
  from unnest($1::smallint[], $2::bigint[], $3::bigint[]) f(partition, seq, epoch) where h.partition = f.partition"""

_MENTION: Final = """
  insert into state.mention
  select m.* from log.head h cross join lateral log.mentions(h.partition, 0, h.seq) m"""


class NotLoaded(Exception):
    """Nothing was loaded; the text says where in the file it failed, and why."""


class Loaded(msgspec.Struct):
    """What was loaded, and how much of it the file proves."""

    partitions: int = 0
    events: int = 0
    messages: int = 0
    undelivered: int = 0
    checkpoints: int = 0
    signed: int = 0  # checkpoints with a signature that was checked
    sealed: int = 0  # events that the checkpoints cover


def open_export(file: BinaryIO) -> Iterator[tuple[str, Item]]:
    """(place, what stands there) of a file of either format. jsonl.Unreadable; FileRefused."""
    return parquet.read(file) if starts_with(file, parquet.MAGIC) else jsonl.read(file)


async def load(
    connection: asyncpg.Connection,
    items: Iterator[tuple[str, Item]],
    key: VerifierKey | None = None,
    progress: Callable[[int], None] = lambda _events: None,
) -> Loaded:
    """Load what `items` yields into the database of `connection`, which is current and empty. NotLoaded.

    `key` checks the signatures of checkpoints; without it, the key that a checkpoint's line names, if any.
    `progress` hears how many events are in.
    """
    proof = _Proof(key)
    async with connection.transaction():
        try:
            await connection.execute("lock table log.head in exclusive mode")  # nobody may take a partition now
        except asyncpg.LockNotAvailableError as error:
            raise NotLoaded(f"somebody else is at work on this database: {error}") from error
        await refuse_unless_empty(connection)
        try:
            while batch := list(islice(items, BATCH)):
                await _batch(connection, batch, proof)
                progress(proof.loaded.events)
        except Unreadable as error:
            raise NotLoaded(str(error)) from error
        await _finish(connection, proof)
        await connection.execute(f"comment on schema content is '{IMPORTED}'")
    return proof.loaded


class _Proof:
    """Takes the items in their order and refuses the first that cannot stand there."""

    def __init__(self, key: VerifierKey | None) -> None:
        self.loaded = Loaded()
        self.messages: list[Message] = []  # of the batch
        self.fold = Fold(on_message=self._message)
        self.epochs: dict[int, int] = {}
        self.end: End | None = None
        self._key = key
        self._trees: dict[int, Frontier] = {}
        self._expected: dict[int, tuple[str, Checkpoint]] = {}  # checkpoints whose events are still to come
        self._log_id: str | None = None

    def take(self, place: str, item: Item) -> RawEvent | None:
        """Check the next item; answers it when it is an event. NotLoaded."""
        if self.end is not None:
            raise NotLoaded(f"{place}: something stands behind the end of the export")
        match item:
            case RawEvent():
                self._event(place, item)
                return item
            case Note():
                self._note(place, item)
            case End():
                self._finish(place, item)
        return None

    def _message(self, _recorded: Recorded, message: Message) -> None:
        self.messages.append(message)

    def _event(self, place: str, raw: RawEvent) -> None:
        tree = self._trees.setdefault(raw.partition, Frontier())
        where = f"{place}, event {raw.partition}/{raw.seq}"
        if raw.seq != tree.size + 1:
            raise NotLoaded(
                f"{where}: stands where {raw.partition}/{tree.size + 1} should; only a whole log can be imported, "
                "exported without --after, --since, --until and --stream"
            )
        try:
            tree.append(leaf_hash(leaf.DOMAIN + leaf.record(raw)))
            self.fold.take_raw(raw)
            _ = raw.at
            if raw.type == PartitionTaken.__name__:
                self._taken(raw)
            if raw.type == MessageAccepted.__name__ and not listed(raw.body, self.messages[-1].application):
                raise NotLoaded(f"{where}: the application of the message is not told as the database looks for it")
        except UnreadableEvent as error:
            raise NotLoaded(f"{where}: {error}") from error
        except (BrokenLog, IllegalMove, AssertionError, KeyError, TypeError) as error:
            raise NotLoaded(f"{where}: cannot follow what stands before it: {error}") from error
        except (OverflowError, struct.error) as error:
            raise NotLoaded(f"{where}: a value is out of range: {error}") from error
        self.loaded.events += 1
        if raw.partition in self._expected:
            self._compare(raw.partition)

    def _taken(self, raw: RawEvent) -> None:
        event = raw.recorded().event
        assert isinstance(event, PartitionTaken)
        self.epochs[raw.partition] = max(event.epoch, self.epochs.get(raw.partition, 0))

    def _note(self, place: str, note: Note) -> None:
        where = f"{place}, checkpoint of partition {note.partition}"
        try:
            found = checkpoint.unverified(note.text)
            log_id, partition = checkpoint.split_origin(found.origin)
            key = self._key or (VerifierKey.parse(note.vkey) if note.vkey is not None else None)
            if key is not None:
                checkpoint.open_note(note.text, key.of_partition(note.partition))
                self.loaded.signed += 1
        except (BadNote, BadKey) as error:
            raise NotLoaded(f"{where}: {error}") from error
        if partition != note.partition:
            raise NotLoaded(f"{where}: it is of partition {partition}")
        if self._log_id not in {None, log_id}:
            raise NotLoaded(f"{where}: it is of log {log_id}, and one before it of {self._log_id}")
        if partition in self._expected:
            raise NotLoaded(f"{where}: the events of the one before it are not all there")
        self._log_id = log_id
        self._expected[partition] = where, found
        self._compare(partition)

    def _compare(self, partition: int) -> None:
        where, found = self._expected[partition]
        tree = self._trees.setdefault(partition, Frontier())
        if tree.size < found.size:
            return
        if tree.size > found.size:
            raise NotLoaded(f"{where}: it covers {found.size} events and stands behind {tree.size}")
        if tree.root() != found.root:
            raise NotLoaded(
                f"{where}: the {found.size} events before it are not those that were sealed: their tree has root "
                f"{tree.root().hex()}, the checkpoint says {found.root.hex()}"
            )
        del self._expected[partition]
        self.loaded.checkpoints += 1
        self.loaded.sealed += found.size

    def _finish(self, place: str, end: End) -> None:
        for where, found in self._expected.values():
            raise NotLoaded(f"{where}: it covers {found.size} events, and not all of them are there")
        for partition in sorted(end.heads.keys() | self._trees.keys()):
            have, told = self._size(partition), end.heads.get(partition, 0)
            if have != told or not 0 <= partition < end.partitions:
                raise NotLoaded(f"{place}: partition {partition} of {end.partitions} has {have} events, not {told}")
        if self.loaded.events != end.events:
            raise NotLoaded(f"{place}: {self.loaded.events} events stand before it, not {end.events}")
        self.end = end

    def _size(self, partition: int) -> int:
        tree = self._trees.get(partition)
        return 0 if tree is None else tree.size


async def refuse_unless_empty(connection: asyncpg.Connection) -> None:
    """NotLoaded when somebody owns this database or anything lies in it; one without hookd's schema is empty."""
    if await connection.fetchval("select to_regclass('log.head')") is None:
        return
    owner = await connection.fetchval(_OWNED)
    if owner is not None:
        raise NotLoaded(f"a running hookd ({owner}) owns this database: give an empty one")
    full = []
    for (table,) in await connection.fetch(_FULL):
        if await connection.fetchval(f"select exists (select from {table})"):  # noqa: S608 - quoted by PostgreSQL
            full.append(table)
    if full:
        raise NotLoaded(f"the database is not empty: there are rows in {', '.join(full)}; give an empty one")


async def _batch(connection: asyncpg.Connection, batch: Iterable[tuple[str, Item]], proof: _Proof) -> None:
    rows, places = [], []
    for place, item in batch:
        raw = proof.take(place, item)
        if raw is not None:
            rows.append(_row(raw))
            places.append(place)
    if not rows:
        return
    where = f"{places[0]} to {places[-1]}"
    await _copy(
        where,
        connection.copy_records_to_table(
            "event", schema_name="log", columns=parquet.COLUMNS, records=rows, timeout=_COPY_S
        ),
    )
    await _copy(where, state_rows.write(connection, named(proof.messages)))
    proof.loaded.messages += len(proof.messages)
    proof.messages.clear()


def _row(raw: RawEvent) -> tuple[Any, ...]:
    return (
        raw.partition, raw.seq, raw.at, raw.stream, raw.endpoint, raw.version, raw.type, raw.schema, raw.actor,
        raw.request, raw.body,
    )  # fmt: skip


async def _copy(where: str, copying: Any) -> None:
    try:
        await copying
    except asyncpg.IntegrityConstraintViolationError as error:
        raise NotLoaded(f"{where}: {error.detail or error}") from error
    except (asyncpg.DataError, ValueError) as error:  # a zero byte in a text, a number too large for its column
        raise NotLoaded(f"{where}: PostgreSQL takes it not: {error}") from error


async def _finish(connection: asyncpg.Connection, proof: _Proof) -> None:
    end, loaded = proof.end, proof.loaded
    if end is None:
        raise NotLoaded(
            f"the file was cut off: it has no last line that tells what it holds ({loaded.events} events)"
        )
    have = await connection.fetchval("select count(*) from log.head")
    if have == 0:
        await connection.execute(_HEADS_MAKE, end.partitions)
    elif have != end.partitions:
        raise NotLoaded(f"the log has {end.partitions} partitions, and the database was made for {have}")
    positions = proof.fold.positions
    for message in await replay.accepted_twice(connection):
        raise NotLoaded(f"message {message} is accepted twice")
    epochs = [proof.epochs.get(partition, 0) for partition in positions]
    await connection.execute(_HEADS_SET, list(positions), list(positions.values()), epochs)
    await connection.execute(_MENTION, timeout=_COPY_S)
    for kind in state_rows.KINDS.values():
        entities = (each for each in proof.fold.entities.values() if type(each) is kind)
        await _copy(f"table {state_rows.TABLE_OF[kind]}", state_rows.write(connection, entities))
    await _copy("table delivery", state_rows.write(connection, proof.fold.deliveries.values()))
    loaded.partitions, loaded.undelivered = end.partitions, len(proof.fold.deliveries)
