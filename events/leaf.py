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
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

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
_STREAM_SIZE: Final = _HEAD.size + _FIELD.size - 1  # where the lowest byte of the stream's size stands;
_ENDPOINT_SIZE: Final = _STREAM_SIZE + _FIELD.size  # behind the stream, of the endpoint's;
_TYPE_SIZE: Final = _ENDPOINT_SIZE + _VERSION.size + _FIELD.size  # behind the endpoint, of the type's
_NULL: Final = 255  # the lowest byte of -1

_Layout = tuple[Callable[[bytes], tuple[Any, ...]], int, tuple[int, ...]]  # reader; where the body begins; text sizes
_LAYOUTS_MAX: Final = 256
_layouts: Final[dict[int, _Layout]] = {}


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
        return _moment(self.at_us)

    def recorded(self) -> Recorded:
        """The event, decoded. codec.UnreadableEvent."""
        event = codec.decode(self.type, self.schema, self.body)
        try:
            at = self.at
        except OverflowError as error:
            raise codec.UnreadableEvent(f"{self.type}: its moment is not on the calendar") from error
        return Recorded(
            self.partition,
            self.seq,
            at,
            self.stream,
            self.endpoint,
            self.version,
            self.actor,
            self.request,
            event,
        )


@lru_cache(maxsize=64)  # the events of one append have one moment
def _moment(at_us: int) -> datetime:
    return _EPOCH + timedelta(0, 0, at_us)


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
    """The row behind a record. MalformedRecord when it is none: every byte is accounted for.

    Most records have texts of the same few sizes. Their layout is worked out once and reads them in one step, at half
    the cost of going from column to column; it is guessed by three of the sizes, and fits when all five agree.
    """
    try:
        stream = data[_STREAM_SIZE]
        endpoint = data[_ENDPOINT_SIZE + stream]
        type_ = data[_TYPE_SIZE + stream + (endpoint if endpoint != _NULL else 0)]
        key = stream << 16 | endpoint << 8 | type_
        layout = _layouts.get(key)
        raw = _read(layout, data) if layout is not None else None
        if raw is None:
            raw = _read(_learn(key, data), data)
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise MalformedRecord(f"no record of an event: {error}") from error
    if raw is None:
        raise MalformedRecord("no record of an event: its columns do not add up")
    return raw


def _read(layout: _Layout, data: bytes) -> RawEvent | None:
    """The row, or None when this is not the record's layout."""
    unpack, end, sizes = layout
    body = data[end:]
    if len(data) < end:
        return None
    columns, partition, seq, at, n, stream, m, endpoint, version, t, type_, schema, a, actor, r, request, size = (
        unpack(data)
    )
    if (n, m, t, a, r) != sizes or columns != COLUMNS or len(body) != size:
        return None
    return RawEvent(
        partition,
        seq,
        at,
        stream.decode(),
        None if m < 0 else endpoint.decode(),
        version,
        type_.decode(),
        schema,
        actor.decode(),
        None if r < 0 else request.decode(),
        body,
    )


def _learn(key: int, data: bytes) -> _Layout:
    """Walk through a record for the sizes of its texts, and remember its layout."""
    sizes, offset = [], _HEAD.size
    for passed in (0, _VERSION.size, _SCHEMA.size, 0, 0):  # what follows stream, endpoint, type, actor, request
        size = _FIELD.unpack_from(data, offset)[1]
        sizes.append(size)
        offset += _FIELD.size + max(size, 0) + passed
    stream, endpoint, type_, actor, request = sizes
    if min(sizes) < -1 or min(stream, type_, actor) < 0 or offset > len(data):
        raise MalformedRecord("no record of an event: its columns do not add up")
    if len(_layouts) >= _LAYOUTS_MAX:
        _layouts.clear()
    _layouts[key] = layout = _layout(stream, endpoint, type_, actor, request)
    return layout


@lru_cache(maxsize=_LAYOUTS_MAX)
def _layout(stream: int, endpoint: int, type_: int, actor: int, request: int) -> _Layout:
    columns = struct.Struct(
        f">i8xh8xq8xq4xi{stream}s4xi{max(endpoint, 0)}s8xi4xi{type_}s8xh4xi{actor}s4xi{max(request, 0)}s4xi"
    )
    return columns.unpack_from, columns.size, (stream, endpoint, type_, actor, request)


def _text(value: str | None) -> bytes:
    if value is None:
        return _FIELD.pack(_TEXT, -1)
    encoded = value.encode()
    return _FIELD.pack(_TEXT, len(encoded)) + encoded
