"""Views: the plans they go by, and what they do when the database does not answer."""

import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from events import ids
from events.log import Unavailable
from events.views import EVERYTHING, HIGHEST, LOWEST, Attempts, Found, Narrowed, Slice, Unread, Views, _found
from tests.daemon.api.running import START, serve


@pytest.fixture
async def running(database):
    async with serve(database) as it:
        yield it


FILLED = START.replace(minute=1)


class Explaining:
    """A connection that notes the plan of everything it is asked."""

    def __init__(self, connection, plans):
        self._connection = connection
        self._plans = plans

    async def _explain(self, statement, arguments):
        told = await self._connection.fetchval("explain (format json) " + statement, *arguments)
        self._plans.append(json.loads(told)[0]["Plan"])

    async def fetch(self, statement, *arguments):
        await self._explain(statement, arguments)
        return await self._connection.fetch(statement, *arguments)

    async def fetchrow(self, statement, *arguments):
        await self._explain(statement, arguments)
        return await self._connection.fetchrow(statement, *arguments)

    async def fetchval(self, statement, *arguments):
        await self._explain(statement, arguments)
        return await self._connection.fetchval(statement, *arguments)


def nodes(plan):
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


FILL = """
  insert into state.event_id select 0, 'app_1', 'e' || n, 'msg_' || n from generate_series(1, 20000) n"""
FILL_LOG = """
  insert into log.event
    select 0, n, $1::timestamptz, 'msg_' || (n / 2), 'ep_' || (n % 100), 1, 'AttemptSucceeded', 1, 'hookd', null,
      convert_to('{"attempt":1,"status":200,"duration_ms":1,"timestamp":1,"config":1}', 'UTF8')
    from generate_series(2, 20001) n"""
FILL_MESSAGES = """
  insert into log.event
    select 0, n, $1::timestamptz, 'msg_' || n, null, 1, 'MessageAccepted', 1, 'hookd', null,
      convert_to('{"application":"app_' || n % 3 || '","event_type":"' || case when n % 2 = 0 then 'x' else 'y' end
        || '","digest":"d","size":1,"channels":["c","' || n % 5 || '"],"event_id":"e' || n || '"}', 'UTF8')
    from generate_series(20002, 40001) n"""


@pytest.fixture
async def explained(running):
    """Views over well-filled tables, and the plans of what they asked."""
    async with running.database() as connection:
        for statement in (FILL, FILL_LOG, FILL_MESSAGES):  # position 1 is the partition's taking
            await connection.execute(statement.replace("$1", f"'{FILLED.isoformat()}'"))
        await connection.execute("update log.head set seq = 40001 where partition = 0")
        await connection.execute("insert into state.mention select * from log.mentions(0::smallint, 0, 40001)")
        await connection.execute("analyze log.event")
        plans = []

        @asynccontextmanager
        async def reading():
            yield Explaining(connection, plans)

        yield Views(reading), plans


async def test_every_list_goes_by_an_index(explained):
    views, plans = explained
    page = Slice(50, descending=True)
    await views.messages(0, "app_1", page)
    await views.messages(0, "app_1", page, Narrowed(channel="c", event_types=("x",)))
    await views.message(0, "app_1", "an-event-id")
    await views.attempts(Attempts(0, "app_1", message="msg_77"), page)
    found = await views.attempts(Attempts(0, "app_1", endpoint="ep_7"), page)
    assert (len(found.items), found.done) == (50, False)
    await views.attempts(Attempts(0, "app_1", endpoint="ep_7", narrowed=Narrowed(channel="c")), page)
    await views.attempt(0, "msg_77", 154)
    await views.endpoints(0, "app_1", page)
    scanned = {
        node["Relation Name"]: node
        for plan in plans
        for node in nodes(plan)
        if node["Node Type"] == "Seq Scan" and node["Plan Rows"] > 100
    }
    assert scanned == {}
    used = {node.get("Index Name") for plan in plans for node in nodes(plan)}
    assert {"event_stream", "mention_pkey", "event_id_pkey"} <= used


async def test_messages_are_listed_in_the_order_of_their_acceptance(explained):
    views, _ = explained

    async def listed(page, narrowed=EVERYTHING):
        found = await views.messages(0, "app_1", page, narrowed)
        return [int(each.id[4:]) for each in found.items], found.done

    assert await listed(Slice(2, descending=True)) == ([40000, 39997], False)
    assert await listed(Slice(2, "msg_39997", descending=True)) == ([39994, 39991], False)
    assert await listed(Slice(2, "msg_39994", backwards=True, descending=True)) == ([40000, 39997], True)
    assert await listed(Slice(3)) == ([20002, 20005, 20008], False)
    assert await listed(Slice(3, "msg_20005")) == ([20008, 20011, 20014], False)
    assert (await listed(Slice(9999)))[0] == list(range(20002, 40002, 3))
    assert await listed(Slice(2, descending=True), Narrowed(channel="3")) == ([39988, 39973], False)
    assert await listed(Slice(2, descending=True), Narrowed(event_types=("y",))) == ([39997, 39991], False)
    assert await listed(Slice(2), Narrowed(event_types=("z",))) == ([], True)
    assert await listed(Slice(2), Narrowed(after=FILLED)) == ([], True)
    unknown = ids.mint(ids.MESSAGE, FILLED.replace(hour=23), bytes(20))
    assert await listed(Slice(2, unknown, descending=True)) == ([40000, 39997], False)
    assert await listed(Slice(2, unknown)) == ([], True)


async def test_positions_are_found_by_halving(explained):
    views, _ = explained
    page = Slice(5, descending=True)
    for narrowed, expected in [
        (Narrowed(after=FILLED), 0),
        (Narrowed(before=FILLED), 0),
        (Narrowed(before=START.replace(hour=13)), 5),
    ]:
        found = await views.attempts(Attempts(0, "app_1", endpoint="ep_7", narrowed=narrowed), page)
        assert len(found.items) == expected
    first = ids.attempt_id(0, 107)
    found = await views.attempts(Attempts(0, "app_1", endpoint="ep_7"), Slice(5, first, descending=True))
    assert ([each.recorded.seq for each in found.items], found.done) == ([7], True)
    with pytest.raises(ValueError):
        await views.attempts(Attempts(0, "app_1", endpoint="ep_7"), Slice(5, ids.attempt_id(1, 7)))


async def test_clocks_of_processes_may_differ_a_little(running):
    views = running.desk.views
    async with running.database() as connection:
        seconds = {20002: 9, 20003: 0, 20004: 5, 20005: 4}  # by position
        for seq, late in seconds.items():
            moment = FILLED + timedelta(seconds=late)
            await connection.execute(
                FILL_MESSAGES.replace("$1", f"'{moment.isoformat()}'")
                .replace("20002, 40001", f"{seq}, {seq}").replace("0, n,", f"0, {seq - 20000},")
                .replace("n % 3", "1")
            )  # fmt: skip
        await connection.execute("update log.head set seq = 5 where partition = 0")

    async def listed(**bounds):
        between = Narrowed(**{name: FILLED + timedelta(seconds=late) for name, late in bounds.items()})
        return {int(each.id[4:]) for each in (await views.messages(0, "app_1", Slice(9), between)).items}

    assert await listed(before=5) == {20003, 20005}
    assert await listed(after=4) == {20002, 20004}
    assert await listed(after=3, before=6) == {20004, 20005}
    extremes = Narrowed(after=datetime.min.replace(tzinfo=UTC), before=datetime.max.replace(tzinfo=UTC))
    assert len((await views.messages(0, "app_1", Slice(9), extremes)).items) == 4


async def test_admins_applications_and_secrets(running):
    views = running.desk.views
    assert await views.admin_applications() == []
    assert await views.secret(0, "nobody", "password") is None


@pytest.mark.parametrize(
    "raised",
    [OSError(), TimeoutError(), asyncpg.InterfaceError("x"), asyncpg.AdminShutdownError("x"),
     asyncpg.QueryCanceledError("x"), asyncpg.TooManyConnectionsError("x"), asyncpg.ConnectionDoesNotExistError("x")],
)  # fmt: skip
async def test_a_database_that_is_away_is_one_error(raised):
    @asynccontextmanager
    async def reading():
        raise raised
        yield

    with pytest.raises(Unread) as told:
        await Views(reading).admin_applications()
    assert isinstance(told.value, Unavailable)


async def test_our_own_mistakes_stay_ours():
    @asynccontextmanager
    async def reading():
        raise asyncpg.DataError("x")
        yield

    with pytest.raises(asyncpg.DataError):
        await Views(reading).admin_applications()


@pytest.mark.parametrize(
    ("page", "rises", "bounds"),
    [
        (Slice(1), True, (LOWEST, HIGHEST)),
        (Slice(1, "x"), True, ("x", HIGHEST)),
        (Slice(1, "x", backwards=True), False, (LOWEST, "x")),
        (Slice(1, "x", descending=True), False, (LOWEST, "x")),
        (Slice(1, "x", backwards=True, descending=True), True, ("x", HIGHEST)),
    ],
)
def test_slices(page, rises, bounds):
    assert (page.rises, page.bounds) == (rises, bounds)


def test_pages_are_in_list_order():
    assert _found([1, 2, 3], Slice(2)) == Found([1, 2], False)
    assert _found([2, 1], Slice(2, "3", backwards=True)) == Found([1, 2], True)


def test_attempts_are_asked_for_by_an_index():
    with pytest.raises(AssertionError):
        Attempts(0, "app_1")
