"""The bytes of an event that are hashed: its row in log.event, every column of it. Pure.

An entry of the tree is `DOMAIN` followed by a record, which is PostgreSQL's binary form of the row (`record_send`):

    int32   number of columns, 11
    then for each column, in the order of the table:
      int32   type: the OID of int2 21, int4 23, int8 20, timestamptz 1184, text 25, bytea 17
      int32   length in bytes, -1 for null
      bytes   integers big-endian; text UTF-8; timestamptz as int64 microseconds since 2000-01-01 00:00 UTC

All integers are big-endian and signed. Every column has its length before it, so no two rows share their bytes, and
partition and position are in them, so that no event can be moved.
"""

import struct
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from events import codec
from events.envelope import Recorded

DOMAIN: Final = b"hookd event v1\n"

RECORD_SQL: Final = (
    "record_send(row(e.partition, e.seq, e.at, e.stream, e.endpoint, e.version, e.type, e.schema, e.actor, e.request,"
    " e.body))"
)
"""The record of a row `e` of log.event, as SQL."""

COLUMNS: Final = 11
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_INT2, _INT4, _INT8, _TEXT, _BYTEA, _TIMESTAMPTZ = 21, 23, 20, 25, 17, 1184
_HEAD: Final = struct.Struct(">iiihiiqiiq")  # columns; then type, length, value of partition, seq, at
_FIELD: Final = struct.Struct(">ii")
_VERSION: Final = struct.Struct(">iii")
_SCHEMA: Final = struct.Struct(">iih")


class RawEvent(msgspec.Struct, frozen=True, gc=False):
    """A row of log.event, its body not yet decoded. `at_us`: microseconds since 2000-01-01 00:00 UTC."""

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

    @property
    def at(self) -> datetime:
        """When it was recorded."""
        return _EPOCH + timedelta(microseconds=self.at_us)

    def recorded(self) -> Recorded:
        """The event, decoded. codec.UnreadableEvent."""
        event = codec.decode(self.type, self.schema, self.body)
        return Recorded(
            self.partition, self.seq, self.at, self.stream, self.endpoint, self.version, self.actor, self.request, event
        )


class MalformedRecord(ValueError):
    """These bytes are no record of an event."""


def at_us(moment: datetime) -> int:
    """Microseconds since 2000-01-01 00:00 UTC."""
    return (moment - _EPOCH) // _MICROSECOND


def record(raw: RawEvent) -> bytes:
    """The record of a row, byte for byte what PostgreSQL makes of it."""
    return b"".join(
        (
            _HEAD.pack(COLUMNS, _INT2, 2, raw.partition, _INT8, 8, raw.seq, _TIMESTAMPTZ, 8, raw.at_us),
            _text(raw.stream),
            _text(raw.endpoint),
            _VERSION.pack(_INT4, 4, raw.version),
            _text(raw.type),
            _SCHEMA.pack(_INT2, 2, raw.schema),
            _text(raw.actor),
            _text(raw.request),
            _FIELD.pack(_BYTEA, len(raw.body)),
            raw.body,
        )
    )


def parse(data: bytes) -> RawEvent:
    """The row behind a record. MalformedRecord when it is none: every byte is accounted for."""
    try:
        columns, _, _, partition, _, _, seq, _, _, moment = _HEAD.unpack_from(data)
        offset = _HEAD.size
        stream, offset = _take_text(data, offset)
        endpoint, offset = _take_text(data, offset)
        version = _VERSION.unpack_from(data, offset)[2]
        type_, offset = _take_text(data, offset + _VERSION.size)
        schema = _SCHEMA.unpack_from(data, offset)[2]
        actor, offset = _take_text(data, offset + _SCHEMA.size)
        request, offset = _take_text(data, offset)
        size = _FIELD.unpack_from(data, offset)[1]
    except (struct.error, UnicodeDecodeError) as error:
        raise MalformedRecord(f"no record of an event: {error}") from error
    body = data[offset + _FIELD.size :]
    if columns != COLUMNS or len(body) != size or stream is None or type_ is None or actor is None:
        raise MalformedRecord("no record of an event: its columns do not add up")
    return RawEvent(partition, seq, moment, stream, endpoint, version, type_, schema, actor, request, body)


def _text(value: str | None) -> bytes:
    if value is None:
        return _FIELD.pack(_TEXT, -1)
    encoded = value.encode()
    return _FIELD.pack(_TEXT, len(encoded)) + encoded


def _take_text(data: bytes, offset: int) -> tuple[str | None, int]:
    size = _FIELD.unpack_from(data, offset)[1]
    start = offset + 8
    if size < 0:
        return None, start
    end = start + size
    return data[start:end].decode(), end
