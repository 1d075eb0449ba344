"""An export as Parquet: the columns of log.event, for those who look at logs with data tools.

Checkpoints, and what an export tells at its end, stand in the file's metadata: `hookd.checkpoint.<partition>`, with
the note, and `hookd.export`. Needs pyarrow, which is optional.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final

import msgspec

from daemon.audit.files import FileRefused
from daemon.audit.jsonl import Unreadable
from events.cloudevent import End, Item, Note
from events.leaf import RawEvent, at_us

MAGIC: Final = b"PAR1"
GROUP_ROWS: Final = 50_000
GROUP_BYTES: Final = 32 << 20
READ_ROWS: Final = 5000
_CHECKPOINT: Final = "hookd.checkpoint."
_EXPORT: Final = "hookd.export"
_SHIFT_US: Final = -at_us(datetime(1970, 1, 1, tzinfo=UTC))  # from 1970, Parquet's beginning, to 2000, PostgreSQL's
_INT8_MAX: Final = 2**63 - 1
COLUMNS: Final = (
    "partition",
    "seq",
    "at",
    "stream",
    "endpoint",
    "version",
    "type",
    "schema",
    "actor",
    "request",
    "body",
)


def arrow() -> Any:
    """The library. FileRefused when it is not there."""
    try:
        import pyarrow.parquet
    except ImportError:
        raise FileRefused("Parquet needs pyarrow: pip install 'hookd[parquet]', or export as JSON Lines") from None
    return pyarrow


class Parquet:
    """Writes an export in row groups of bounded size."""

    def __init__(self, file: BinaryIO) -> None:
        pa = arrow()
        self._pa = pa
        kinds = (
            pa.int16(), pa.int64(), pa.timestamp("us", tz="UTC"), pa.string(), pa.string(), pa.int32(), pa.string(),
            pa.int16(), pa.string(), pa.string(), pa.binary(),
        )  # fmt: skip
        nullable = {"endpoint", "request"}
        self._schema = pa.schema(
            [pa.field(name, kind, name in nullable) for name, kind in zip(COLUMNS, kinds, strict=True)]
        )
        self._writer = pa.parquet.ParquetWriter(file, self._schema, compression="zstd")
        self._rows: list[tuple[Any, ...]] = []
        self._bytes = 0

    def event(self, raw: RawEvent) -> None:
        """Write an event. FileRefused when its moment is beyond what Parquet can hold."""
        at = raw.at_us + _SHIFT_US
        if abs(at) > _INT8_MAX:
            raise FileRefused(f"event {raw.partition}/{raw.seq}: its moment fits no Parquet: export as JSON Lines")
        self._rows.append((raw.partition, raw.seq, at, *msgspec.structs.astuple(raw)[3:]))
        self._bytes += len(raw.body)
        if len(self._rows) >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self._flush()

    def note(self, note: Note) -> None:
        """Put a checkpoint into the metadata."""
        self._writer.add_key_value_metadata({f"{_CHECKPOINT}{note.partition}": note.text})

    def end(self, end: End) -> None:
        """Finish the file."""
        self._flush()
        self._writer.add_key_value_metadata({_EXPORT: msgspec.json.encode(end).decode()})
        self._writer.close()

    def _flush(self) -> None:
        if not self._rows:
            return
        columns = zip(*self._rows, strict=True)
        arrays = [self._pa.array(column, field.type) for column, field in zip(columns, self._schema, strict=True)]
        self._writer.write_table(self._pa.Table.from_arrays(arrays, schema=self._schema), len(self._rows))
        self._rows, self._bytes = [], 0


def read(file: BinaryIO) -> Iterator[tuple[str, Item]]:
    """(place, what stands there): checkpoints first, then the rows in their order, then the end. Unreadable."""
    pa = arrow()
    number = 0
    try:
        parquet = pa.parquet.ParquetFile(file)
        notes, end = _metadata(parquet.metadata.metadata or {})
        yield from (("the metadata", note) for note in notes)
        for batch in parquet.iter_batches(READ_ROWS, columns=list(COLUMNS)):
            columns = [batch.column(name) for name in COLUMNS]
            columns[2] = columns[2].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
            for partition, seq, at, *rest in zip(*(column.to_pylist() for column in columns), strict=True):
                number += 1
                fields = (partition, seq, None if at is None else at - _SHIFT_US, *rest)
                yield f"row {number}", msgspec.convert(fields, _Row).raw()
        if end is not None:
            yield "the metadata", end
    except (pa.ArrowException, KeyError, msgspec.ValidationError, OSError) as error:
        raise Unreadable(f"row {max(number, 1)}: {error}") from error


class _Row(msgspec.Struct, array_like=True, gc=False):
    """The types that a row must have; a file by another hand may have nulls and others."""

    partition: int
    seq: int
    at_us: int
    stream: str
    endpoint: str | None
    version: int
    type: str
    schema: int
    actor: str
    request: str | None
    body: bytes

    def raw(self) -> RawEvent:
        return RawEvent(*msgspec.structs.astuple(self))


def _metadata(found: dict[bytes, bytes]) -> tuple[list[Note], End | None]:
    notes, end = [], None
    for key, value in found.items():
        name, text = key.decode(), value.decode()
        if name.startswith(_CHECKPOINT) and name.removeprefix(_CHECKPOINT).isdecimal():
            notes.append(Note(int(name.removeprefix(_CHECKPOINT)), text))
        elif name == _EXPORT:
            end = msgspec.json.decode(text, type=End)
    return notes, end
