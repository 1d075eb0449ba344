"""Where the log tells of an endpoint or an application: rows for whole stretches, and what stands beyond them."""

from collections.abc import AsyncIterator
from itertools import count, pairwise

import asyncpg
import pytest

from daemon.postgres.database import Database
from events import codec
from events.append import Append
from events.catalogue import AttemptSucceeded, MessageAccepted
from events.postgres import BY_INDEX, PostgresLog
from events.when import SEQ_MAX
from tests.support.builders import APP, EP, NOW, P, accepting, born_in, moving
from tests.support.state_equals_fold import assert_state_equals_fold

STRETCH = 4096
FILL = """
  insert into log.event (partition, seq, at, stream, endpoint, version, type, schema, actor, body)
    select 0, n, $2, 'msg_' || n, 'ep_' || n % 3, 0, 'PayloadExpunged', 1, 'hookd', '{}'
    from generate_series((select seq + 1 from log.head where partition = 0), $1::bigint) n"""
ALL = "select seq from log.event where partition = $2 and log.whose(endpoint, type, body) = $1 order by seq"


@pytest.fixture
async def log(database: str) -> AsyncIterator[PostgresLog]:
    opened = await Database.open(database, readers=1)
    log = PostgresLog(opened.dedicated, opened.reading)
    yield log
    await log.close()
    await opened.close()


async def fill(connection: asyncpg.Connection, upto: int) -> None:
    """Facts about anything, up to a position."""
    await connection.execute(FILL.replace("$2", f"'{NOW}'").replace("$1", str(upto)))
    await connection.execute(
        """insert into state.mention
           select m.* from log.head h cross join lateral log.mentions(0::smallint, h.seq, $1) m
           where h.partition = 0""",
        upto,
    )
    await connection.execute("update log.head set seq = $1 where partition = 0", upto)


async def lists(
    connection: asyncpg.Connection, whose: str, after: int = 0, before: int = SEQ_MAX, partition: int = 0
) -> list[int]:
    """The positions in the list of an endpoint or application, found either way."""
    oldest = await connection.fetch("select log.oldest_of($4, $1, $2, $3)", whose, after, before, partition)
    newest = await connection.fetch("select log.newest_of($4, $1, $2, $3)", whose, after, before, partition)
    assert oldest == newest[::-1]
    return [row[0] for row in oldest]


@pytest.mark.parametrize("partition", [0, 1, 15])
async def test_appends_write_who_is_mentioned_as_they_fill_a_stretch(
    database: str, log: PostgresLog, partition: int
) -> None:
    connection = await asyncpg.connect(database, server_settings=BY_INDEX)
    numbers = count()

    async def send(messages: int) -> None:
        append = Append(NOW)
        for number in (next(numbers) for _ in range(messages)):
            application = (APP, "app_2")[number % 2]
            endpoints = EP, f"ep_{2 + number % 5}"
            accepting(append, *endpoints, message=f"msg_{number}", application=application, partition=partition)
        for each in born_in(append):
            moving(append, each, AttemptSucceeded(1, 200, 1, 1, 1))
        await log.append(append)

    for messages in (1, 700, 600, 64, 1, 2000, 1):  # each is three events: within a stretch, to its end, over several
        await send(messages)
        rows = await connection.fetchval("select count(*) from state.mention")
        last = await connection.fetchval("select seq from log.head where partition = $1", partition)
        whole = await connection.fetchval("select log.stretch($1, $2)", partition, last + 1)
        assert rows == whole * 8, "two applications and six endpoints"
        first = await connection.fetchval("select log.border($1, 1)", partition)
        for whose in (EP, "ep_2", APP, "app_2", "ep_none"):
            found = [row[0] for row in await connection.fetch(ALL, whose, partition)]
            assert await lists(connection, whose, partition=partition) == found
            second = first + STRETCH
            spans = (
                (0, 5000),
                (first - 1, first + 2),
                (first, second + 1),
                (first + 1, 9000),
                (second, SEQ_MAX),
                (50, 51),
            )
            for after, before in (*spans, (SEQ_MAX, SEQ_MAX), (last - 1, last + 9), (-5, 0)):
                inside = [n for n in found if after < n < before]
                assert await lists(connection, whose, after, before, partition) == inside
    await connection.close()
    await assert_state_equals_fold(database)


async def test_a_page_of_a_long_list_takes_what_it_shows(database: str) -> None:
    connection = await asyncpg.connect(database, server_settings=BY_INDEX)
    await fill(connection, 10 * STRETCH + 3)
    for end, first in (("newest", 10 * STRETCH + 3), ("oldest", 3)):
        statement = f"select * from log.{end}_of(0::smallint, 'ep_{first % 3}', 0, {SEQ_MAX}) limit 30"
        told = "\n".join(row[0] for row in await connection.fetch("explain (analyze) " + statement))
        assert f"on {end}_of" not in told, "it becomes part of the statement that asks"
        assert "rows=13" not in told, "nobody gathers the whole list"
        assert (await connection.fetch(statement))[0][0] == first
    await connection.close()


async def test_the_application_is_the_first_field_of_an_acceptance(database: str) -> None:
    connection = await asyncpg.connect(database)
    event = MessageAccepted("app_" + "0" * 27, "a.b", "d", 1, channels=("x",))
    whose = "select log.whose($1, $2, $3)"
    assert await connection.fetchval(whose, None, "MessageAccepted", codec.encode(event)) == event.application
    assert await connection.fetchval(whose, EP, "AttemptSucceeded", b"{}") == EP
    assert await connection.fetchval(whose, None, "EndpointEnabled", b"{}") is None
    for odd in (b"", b"{}", b"\0" * 99, b"\xff" * 99, "ü".encode() * 99, b'{"application":"'):
        await connection.fetchval(whose, None, "MessageAccepted", odd)
    await connection.close()


async def test_events_of_others_are_not_in_the_list(log: PostgresLog, database: str) -> None:
    append = accepting(Append(NOW), EP, partition=P)
    await log.append(append)
    connection = await asyncpg.connect(database)
    assert await lists(connection, APP) == [1]
    assert await lists(connection, EP) == [], "an acceptance is in its application's list alone"
    assert await connection.fetch("select log.oldest_of(1::smallint, $1, 0, 99)", APP) == []
    await connection.close()


@pytest.mark.parametrize("partitions", [1, 2, 16, 64, 500])
async def test_partitions_that_grow_evenly_fill_their_stretches_one_after_the_other(
    database: str, partitions: int
) -> None:
    connection = await asyncpg.connect(database)
    rows = await connection.fetch("select log.border(n::smallint, 1) from generate_series(0, $1) n", partitions - 1)
    borders = sorted(row[0] for row in rows)
    around = [*borders, borders[0] + STRETCH]
    nearest = min(after - before for before, after in pairwise(around))
    assert nearest >= STRETCH // partitions // 3
    assert 0 < borders[0] <= borders[-1] <= STRETCH
    await connection.close()


async def test_a_stretch_is_between_its_borders(database: str) -> None:
    connection = await asyncpg.connect(database)
    for partition in (0, 1, 15, 32767):
        for stretch in (0, 1, 1000):
            ends = await connection.fetchrow(
                """select log.stretch($1, log.border($1, $2)), log.stretch($1, log.border($1, $2) + 1),
                     log.stretch($1, log.border($1, $2 + 1)), log.border($1, $2 + 1) - log.border($1, $2)""",
                partition, stretch,
            )  # fmt: skip
            assert tuple(ends) == (stretch - 1, stretch, stretch, STRETCH)
    await connection.close()


async def test_what_somebody_put_into_a_stretch_that_is_not_full_ends_no_append(
    database: str, log: PostgresLog
) -> None:
    connection = await asyncpg.connect(database)
    await fill(connection, STRETCH - 1)
    await connection.execute("insert into state.mention values (0, 0, 'ep_1', '{1}'), (0, 0, 'stray', '{1}')")
    await log.append(accepting(Append(NOW), EP))
    assert await lists(connection, "stray") == []
    assert await lists(connection, "ep_1") == list(range(1, STRETCH, 3))
    await connection.close()


async def test_places_are_in_order_whatever_the_session_prefers(database: str) -> None:
    connection = await asyncpg.connect(database, server_settings={"enable_hashagg": "off"})
    await fill(connection, 3 * STRETCH)
    for whose in ("ep_0", "ep_1"):
        assert await lists(connection, whose) == [row[0] for row in await connection.fetch(ALL, whose, 0)]
    await connection.close()
