import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from events import replay
from events.catalogue import PartitionTaken
from events.codec import encode
from events.leaf import RawEvent, at_us, parse, record

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
COLUMNS = RawEvent.__struct_fields__
BODY = encode(PartitionTaken("me", 1))


def row(partition: int, seq: int, at: datetime = NOON) -> tuple[Any, ...]:
    return partition, seq, at, f"log_{partition}", None, 1, "PartitionTaken", 1, "hookd", None, BODY


def expected(partition: int, seq: int, at: datetime = NOON) -> bytes:
    fields = list(row(partition, seq, at))
    fields[2] = at_us(at)
    return record(RawEvent(*fields))


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database, timeout=30)
    try:
        yield connection
    finally:
        await connection.close()


async def write(connection: asyncpg.Connection, *rows: tuple[Any, ...]) -> None:
    columns = ["at" if name == "at_us" else name for name in COLUMNS]
    await connection.copy_records_to_table("event", schema_name="log", columns=columns, records=rows)


async def scanned(connection: asyncpg.Connection, partition: int, **bounds: Any) -> list[bytes]:
    found: list[bytes] = []

    async def take(records: list[bytes]) -> None:
        assert records
        found.extend(records)

    await replay.scan(connection, partition, take, **bounds)
    return found


@pytest.mark.parametrize("statement", [1, 3, 10, 50_000])
async def test_records_come_in_order(
    connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch, statement: int
) -> None:
    monkeypatch.setattr(replay, "STATEMENT", statement)
    await write(connection, *(row(partition, seq) for seq in range(10, 0, -1) for partition in (1, 2)))
    all_of_1 = [expected(1, seq) for seq in range(1, 11)]
    assert await scanned(connection, 1) == all_of_1
    assert await scanned(connection, 1, after=4, upto=8) == all_of_1[4:8]
    assert await scanned(connection, 1, after=10) == []
    assert await scanned(connection, 3) == []


@pytest.mark.parametrize("size", [1, 4, 10, 2000])
async def test_pages_are_no_larger_than_said(
    connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(replay, "PAGE", size)
    await write(connection, *(row(1, seq) for seq in range(1, 11)))
    pages = [page async for page in replay.read(connection, 1, 1)]
    assert [parse(each).seq for page in pages for each in page] == list(range(2, 11))
    assert max(map(len, pages)) == min(size, 9)


async def test_a_gap_is_passed_on_as_it_is(connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "PAGE", 2)
    monkeypatch.setattr(replay, "STATEMENT", 2)
    await write(connection, row(1, 1), row(1, 9))
    assert await scanned(connection, 1) == [expected(1, 1), expected(1, 9)]
    assert [page async for page in replay.read(connection, 1)] == [[expected(1, 1)], [expected(1, 9)]]


async def test_a_long_log_comes_in_small_pages(connection: asyncpg.Connection) -> None:
    count = 20_000
    await connection.execute(
        "insert into log.event (partition, seq, at, stream, version, type, schema, actor, body)"
        " select 1, n, $1, 'partition_1', 1, 'PartitionTaken', 1, 'hookd', $2 from generate_series(1, $3::int) n",
        NOON, BODY, count,
    )  # fmt: skip
    sizes: list[int] = []
    last = 0

    async def take(records: list[bytes]) -> None:
        nonlocal last
        sizes.append(len(records))
        for each in records:
            last += 1
            assert parse(each).seq == last

    await replay.scan(connection, 1, take)
    assert sum(sizes) == count
    assert max(sizes) < count / 4


async def test_a_snapshot_does_not_see_what_comes_later(database: str, connection: asyncpg.Connection) -> None:
    await write(connection, row(1, 1))
    reader = await asyncpg.connect(database, timeout=30)
    try:
        async with reader.transaction(isolation="repeatable_read", readonly=True):
            assert await replay.last(reader, 1) == 1
            await write(connection, row(1, 2))
            assert await scanned(reader, 1) == [expected(1, 1)]
            assert [page async for page in replay.read(reader, 1)] == [[expected(1, 1)]]
        assert len(await scanned(reader, 1)) == 2
    finally:
        await reader.close()


async def test_a_reader_may_stop_early(connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "PAGE", 2)
    await write(connection, *(row(1, seq) for seq in range(1, 11)))
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        async for page in replay.read(connection, 1):
            assert len(page) == await connection.fetchval("select 2")
            break
        assert await replay.last(connection, 1) == 10


@pytest.mark.parametrize("count", [10, 20_000])
@pytest.mark.parametrize("error", [LookupError("enough"), asyncio.CancelledError()])
async def test_what_the_taker_raises_comes_out(
    connection: asyncpg.Connection, count: int, error: BaseException
) -> None:
    await write(connection, *(row(1, seq) for seq in range(1, count + 1)))
    pages = 0

    async def take(_: list[bytes]) -> None:
        nonlocal pages
        pages += 1
        raise error

    with pytest.raises(type(error)):
        await replay.scan(connection, 1, take)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        with pytest.raises(type(error)):
            await replay.scan(connection, 1, take)
        assert len(await scanned(connection, 1)) == count
    assert pages == 2


@pytest.mark.parametrize("size", [1, 2, 3, 7, 19, 20, 400])
async def test_the_stream_may_be_cut_anywhere(connection: asyncpg.Connection, size: int) -> None:
    await write(connection, *(row(1, seq) for seq in range(1, 4)))
    sent = bytearray()
    found: list[bytes] = []

    async def keep(chunk: bytes) -> None:
        sent.extend(chunk)

    async def take(records: list[bytes]) -> None:
        found.extend(records)

    await connection.copy_from_query(replay._RECORDS, 1, 0, 3, output=keep, format="binary")
    pages = replay._Pages(take)
    for offset in range(0, len(sent), size):
        await pages.take(bytes(sent[offset : offset + size]))
    assert found == [expected(1, seq) for seq in range(1, 4)]


async def test_heads_and_last(connection: asyncpg.Connection) -> None:
    await connection.execute("update log.head set seq = partition")
    heads = await replay.heads(connection)
    assert list(heads) == sorted(heads)
    assert heads == {partition: partition for partition in heads}
    await write(connection, row(1, 1), row(1, 2))
    assert [await replay.last(connection, partition) for partition in (0, 1)] == [0, 2]


@pytest.mark.parametrize("count", range(9))
async def test_the_position_at_a_moment(connection: asyncpg.Connection, count: int) -> None:
    moments = [NOON + timedelta(seconds=n // 2) for n in range(count)]  # in pairs, as of one append
    await write(connection, *(row(1, seq, at) for seq, at in enumerate(moments, 1)))
    for half_seconds in range(-1, count + 2):
        moment = NOON + timedelta(seconds=half_seconds / 2)
        position = sum(at <= moment for at in moments)
        assert await replay.position_at(connection, 1, moment) == position


async def test_a_gap_where_it_is_probed_is_an_error(connection: asyncpg.Connection) -> None:
    await write(connection, row(1, 1), row(1, 4))
    with pytest.raises(LookupError, match="no event"):
        await replay.position_at(connection, 1, NOON)


async def test_a_message_accepted_twice_is_found(connection: asyncpg.Connection) -> None:
    accepted = [
        (0, seq, NOON, f"msg_{seq % 3}", None, 1, "MessageAccepted", 1, "x", None, b"{}") for seq in (1, 2, 3)
    ]
    await write(connection, *accepted, row(0, 4))
    assert await replay.accepted_twice(connection) == []
    await write(connection, (0, 5, *accepted[0][2:]))
    await write(connection, (1, 1, *accepted[1][2:]))  # a partition has its own ids
    assert await replay.accepted_twice(connection) == ["msg_1"]
    await write(connection, (1, 2, *accepted[1][2:]))
    assert await replay.accepted_twice(connection) == ["msg_1", "msg_2"]
