from datetime import UTC, datetime, timedelta

import asyncpg
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import leaf
from events.catalogue import AttemptSucceeded, PartitionTaken
from events.codec import UnreadableEvent, encode
from events.leaf import RECORD_SQL, MalformedRecord, RawEvent, at_us, parse, record
from events.rows import from_row

SUCCEEDED = RawEvent(
    3, 7, 820_000_000_000_001, "msg_1", "ep_1", 2, "AttemptSucceeded", 1, "hookd", None,
    encode(AttemptSucceeded(1, 200, 35, 1_780_000_000, 3)),
)  # fmt: skip
TAKEN = RawEvent(
    0, 1, -1, "log_0", None, 1, "PartitionTaken", 1, "adm:é\U0001f600", "req_1", encode(PartitionTaken("me", 9))
)
ROWS = (SUCCEEDED, TAKEN)
BODILESS = RawEvent(1, 2, 3, "s", None, 4, "T", 5, "a", None, b"")

text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8) | st.just("x" * 300)
i16, i32, i64 = (st.integers(-(2**bits), 2**bits - 1) for bits in (15, 31, 63))
raws = st.builds(
    RawEvent, i16, i64, i64, text, st.none() | text, i32, text, i16, text, st.none() | text, st.binary(min_size=1)
)


@given(raws)
def test_a_record_and_its_row_say_the_same(raw: RawEvent) -> None:
    assert parse(record(raw)) == raw


async def test_postgresql_writes_the_same_bytes(database: str) -> None:
    connection = await asyncpg.connect(database, timeout=30)
    try:
        columns = "partition, seq, at, stream, endpoint, version, type, schema, actor, request, body"
        for raw in ROWS:
            values = [getattr(raw, name) for name in RawEvent.__struct_fields__]
            values[2] = raw.at
            await connection.execute(
                f"insert into log.event ({columns}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)", *values
            )
            row = await connection.fetchrow(
                f"select {RECORD_SQL} from log.event e where partition = $1 and seq = $2", raw.partition, raw.seq
            )
            assert row[0] == record(raw)
            assert parse(row[0]) == raw
            same = await connection.fetchrow(
                f"select {columns} from log.event where partition = $1 and seq = $2", raw.partition, raw.seq
            )
            assert raw.recorded() == from_row(same)
    finally:
        await connection.close()


@pytest.mark.parametrize("raw", ROWS)
def test_every_byte_is_accounted_for(raw: RawEvent) -> None:
    data = record(raw)
    for size in range(len(data)):
        with pytest.raises(MalformedRecord):
            parse(data[:size])
    with pytest.raises(MalformedRecord):
        parse(data + b"\0")


@pytest.mark.parametrize("raw", ROWS)
@pytest.mark.parametrize("size", [-2, -1, 256, 2**31 - 1])
def test_a_size_that_does_not_fit_is_found(raw: RawEvent, size: int) -> None:
    data, offset = bytearray(record(raw)), 0
    for name in ("stream", "endpoint", "type", "actor", "request", "body"):
        value = getattr(raw, name)
        if value is None:
            continue
        coded = value if isinstance(value, bytes) else value.encode()
        field = len(coded).to_bytes(4, "big") + coded
        offset = data.index(field)
        broken = data[:offset] + size.to_bytes(4, "big", signed=True) + data[offset + 4 :]
        with pytest.raises(MalformedRecord):
            parse(bytes(broken))


def test_the_number_of_columns_is_looked_at() -> None:
    with pytest.raises(MalformedRecord):
        parse(b"\0\0\0\x0c" + record(SUCCEEDED)[4:])


def test_bytes_that_are_no_text_are_found() -> None:
    with pytest.raises(MalformedRecord):
        parse(record(SUCCEEDED).replace(b"msg_1", b"msg_\xff"))


def test_layouts_of_one_key_do_not_mix() -> None:
    longer = "m" * (len(SUCCEEDED.stream) + 256)  # the lowest byte of its size is the same
    for stream, actor, request in [("msg_1", "hookd", None), (longer, "hookd", None), ("msg_2", "org:o", "req")] * 2:
        raw = RawEvent(1, 1, 1, stream, "ep_1", 2, "AttemptSucceeded", 1, actor, request, b"{}")
        assert parse(record(raw)) == raw


def test_layouts_are_not_kept_without_end() -> None:
    for size in range(2 * leaf._LAYOUTS_MAX):
        raw = RawEvent(1, 1, 1, "s" * (size % 200), "e" * (size // 200), 1, "t", 1, "a", None, b"{}")
        assert parse(record(raw)) == raw
    assert len(leaf._layouts) <= leaf._LAYOUTS_MAX


def test_moments_are_exact_to_the_microsecond() -> None:
    moment = datetime(2026, 1, 1, 12, 0, 0, 123_456, tzinfo=UTC)
    assert at_us(moment + timedelta(microseconds=1)) == at_us(moment) + 1
    raw = RawEvent(1, 1, at_us(moment), "s", None, 1, "t", 1, "a", None, b"{}")
    assert raw.at == moment


def test_an_unknown_event_is_an_error() -> None:
    raw = RawEvent(1, 1, 1, "s", None, 1, "NoSuchThing", 1, "a", None, b"{}")
    with pytest.raises(UnreadableEvent):
        raw.recorded()


def test_a_row_without_a_byte_of_body_is_a_row() -> None:
    assert parse(record(BODILESS)) == BODILESS
    with pytest.raises(MalformedRecord):
        parse(record(BODILESS)[:-1])


@pytest.mark.parametrize("at_us", [2**63 - 1, -(2**63)])
def test_a_moment_beyond_the_calendar_is_an_unreadable_event(at_us: int) -> None:
    with pytest.raises(UnreadableEvent, match="PartitionTaken: its moment is not on the calendar"):
        msgspec.structs.replace(TAKEN, at_us=at_us).recorded()
