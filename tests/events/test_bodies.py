"""Where bodies lie; tests/contracts/test_log.py proves what is found there."""

import json
from datetime import date, timedelta

import asyncpg
import pytest

from daemon.postgres.database import Database
from events import bodies
from events.append import Append
from events.content import Body
from events.postgres import BY_INDEX, PostgresLog
from tests.support.builders import NOW, P, accepting

DAY = NOW.date() + timedelta(days=90)
ROWS = 20_000
FILL = """
  insert into content.payload select $1, 0, 'msg_' || n, 'x'::bytea from generate_series(1, {rows}) n;
  insert into content.response select $1, 0, n, 'x'::bytea from generate_series(1, {rows}) n;
  insert into content.payload select $2, 0, 'msg_' || n, 'y'::bytea from generate_series(1, {rows}) n;
"""


@pytest.fixture
async def opened(database: str):
    found = await Database.open(database, readers=1)
    log = PostgresLog(found.dedicated, found.reading)
    await log.prepare_days(DAY + timedelta(days=number) for number in range(-90, 10))
    yield found
    await log.close()
    await found.close()


class Explaining:
    """A connection that notes the plan, with what it really did, of everything it is asked."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self.plans: list = []

    async def fetch(self, statement, *arguments):
        explained = "explain (analyze, format json) " + statement
        self.plans.append(json.loads(await self._connection.fetchval(explained, *arguments))[0]["Plan"])
        return await self._connection.fetch(statement, *arguments)


def scans(plan: dict) -> list[tuple[str, str, int]]:
    """(how, of what, rows) of every scan of a table in the plan."""
    found = [(plan["Node Type"], plan["Relation Name"], plan["Actual Rows"])] if "Relation Name" in plan else []
    return found + [each for inner in plan.get("Plans", ()) for each in scans(inner)]


@pytest.mark.parametrize("settings", [BY_INDEX, {}], ids=["by index", "as planned"])
async def test_reads_walk_one_index_of_one_days_table(opened: Database, settings) -> None:
    connection = await opened.dedicated(settings)
    try:
        for statement in filter(str.strip, FILL.format(rows=ROWS).split(";")):
            filled = statement.replace("$1", f"'{DAY}'").replace("$2", f"'{DAY + timedelta(days=1)}'")
            await connection.execute(filled)
        explaining = Explaining(connection)
        keys = [(DAY, P, f"msg_{n}") for n in (7, 8, ROWS + 1)]
        assert await bodies.payloads(explaining, keys) == {"msg_7": b"x", "msg_8": b"x"}
        assert await bodies.responses(explaining, [(DAY, P, 7)]) == {7: b"x"}
        assert await bodies.kept(explaining, [Body(DAY, P, message="msg_9")]) == [Body(DAY, P, message="msg_9")]
        day = f"{DAY:%Y%m%d}"
        found = [scan for plan in explaining.plans for scan in scans(plan)]
        assert {table for _, table, _ in found} == {f"payload_{day}", f"response_{day}"}
        assert {how for how, _, _ in found} <= {"Index Scan", "Index Only Scan"}
        assert all(rows <= 1 for _, _, rows in found)
    finally:
        await connection.close()


async def test_the_next_messages_of_an_application_are_found_without_going_through_all(opened: Database) -> None:
    log = PostgresLog(opened.dedicated, opened.reading)
    append = Append(NOW)
    for number in range(3000):
        accepting(append, message=f"msg_{number:04}")
    await log.append(append)
    await log.close()
    connection = await opened.dedicated(BY_INDEX)
    explaining = Explaining(connection)
    found = await bodies.stored(explaining, P, "app_1", "msg_0099", "msg_z", 20)
    assert found is not None
    assert (found.last, len(found.bodies)) == ("msg_0119", 20)
    assert max(rows for _, _, rows in scans(explaining.plans[0])) < 200
    assert "oldest_of" not in json.dumps(explaining.plans[0]), "it became part of the statement"
    await connection.close()


async def test_days_without_tables_hold_nothing(opened: Database) -> None:
    async with opened.reading() as connection:
        nowhere = date(2040, 1, 1)
        assert await bodies.payloads(connection, [(nowhere, P, "msg_1")]) == {}
        assert await bodies.kept(connection, [Body(nowhere, P, seq=1)]) == []
        assert await bodies.responses(connection, []) == {}


async def test_tables_tell_their_sizes_and_which_should_be_gone(opened: Database, database: str) -> None:
    log = PostgresLog(opened.dedicated, opened.reading)
    await log.append(accepting(Append(NOW), payload=b"x" * 5000))
    await log.close()
    async with opened.reading() as connection:
        tables = {each.day: each for each in await bodies.tables(connection)}
        assert len(tables) == 100
        assert tables[DAY].bytes > tables[DAY + timedelta(days=1)].bytes > 0
        overdue = await bodies.overdue(connection, NOW.date() + timedelta(days=2))
        assert [each.day for each in overdue] == [NOW.date(), NOW.date() + timedelta(days=1)]
        assert await bodies.holders(connection, DAY) == []


async def test_a_day_is_made_while_others_read_the_days(opened: Database, database: str) -> None:
    """Somebody may read all of them for hours; whoever appended would wait behind whoever waited for that."""
    reader = await asyncpg.connect(database, timeout=30)
    try:
        async with reader.transaction():
            await reader.fetch("select from content.payload union all select from content.response")
            maker = await opened.dedicated({"lock_timeout": "1ms"})
            assert await maker.fetchval("select content.prepare($1)", [DAY + timedelta(days=1000)]) == 2
            await maker.close()
    finally:
        await reader.close()
