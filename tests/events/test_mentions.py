"""Where the log tells of an endpoint or an application: rows for whole stretches, and what stands beyond them."""

from collections.abc import AsyncIterator
from itertools import count

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
ALL = "select seq from log.event where partition = 0 and log.whose(endpoint, type, body) = $1 order by seq"


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


async def lists(connection: asyncpg.Connection, whose: str, after: int = 0, before: int = SEQ_MAX) -> list[int]:
    """The positions in the list of an endpoint or application, found either way."""
    oldest = await connection.fetch("select log.oldest_of(0::smallint, $1, $2, $3)", whose, after, before)
    newest = await connection.fetch("select log.newest_of(0::smallint, $1, $2, $3)", whose, after, before)
    assert oldest == newest[::-1]
    return [row[0] for row in oldest]


async def test_appends_write_who_is_mentioned_as_they_fill_a_stretch(database: str, log: PostgresLog) -> None:
    connection = await asyncpg.connect(database, server_settings=BY_INDEX)
    numbers = count()

    async def send(messages: int) -> None:
        append = Append(NOW)
        for number in (next(numbers) for _ in range(messages)):
            application = (APP, "app_2")[number % 2]
            accepting(append, EP, f"ep_{2 + number % 5}", message=f"msg_{number}", application=application)
        for each in born_in(append):
            moving(append, each, AttemptSucceeded(1, 200, 1, 1, 1))
        await log.append(append)

    for messages in (1, 700, 600, 64, 1, 2000, 1):  # each is three events: within a stretch, to its end, over several
        await send(messages)
        rows = await connection.fetchval("select count(*) from state.mention")
        last = await connection.fetchval("select seq from log.head where partition = 0")
        assert rows == last // STRETCH * 8, "two applications and six endpoints"
        for whose in (EP, "ep_2", APP, "app_2", "ep_none"):
            found = [row[0] for row in await connection.fetch(ALL, whose)]
            assert await lists(connection, whose) == found
            for after, before in ((0, 5000), (4095, 4098), (4096, 8193), (4097, 9000), (8192, SEQ_MAX), (50, 51)):
                assert await lists(connection, whose, after, before) == [n for n in found if after < n < before]
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
