from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from hypothesis import given, settings

from daemon.postgres.database import Database
from events import ids
from events.append import Append
from events.catalogue import (
    AdminCreated,
    AttemptFailed,
    AttemptSucceeded,
    EndpointConfig,
    EndpointDeleted,
    EndpointUpdated,
    EventTypeCreated,
)
from events.envelope import Recorded
from events.history import Misplaced, Owner, before, first_of, locate, owner_of, past, place, stream, trail
from events.outcome import Fault
from events.past import Past, Standing, Thing
from events.postgres import BY_INDEX, PostgresLog
from events.when import SEQ_MAX, Position
from tests.support.builders import APP, EP, MSG, NOW, accepting, born_in, changing, creating, moving, registering
from tests.support.databases import Server
from tests.support.histories import HISTORIES, Historian, written

SECOND = timedelta(seconds=1)


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    opened = await Database.open(database, readers=1)
    log = PostgresLog(opened.dedicated, opened.reading)
    append = Append(NOW)
    creating(append)
    endpoint = registering(append)
    accepting(append, EP, "ep_2")
    later, last = Append(NOW + SECOND), Append(NOW + 2 * SECOND)
    moving(later, born_in(append)[0], AttemptSucceeded(1, 200, 1, 1, 1))
    moving(later, born_in(append)[1], AttemptFailed(1, Fault.DNS, 1, 1, 1, next_at=NOW))
    updated = changing(last, endpoint, EP, EndpointUpdated(EndpointConfig("http://new.test/")))
    changing(last, updated, EP, EndpointDeleted())
    changing(last, None, "evtype_1", EventTypeCreated("org_2", "a.b", ""))
    changing(last, None, "adm_1", AdminCreated("me", APP))
    for each in (append, later, last):
        await log.append(each)
    await log.close()
    async with opened.reading() as reading:
        yield reading
    await opened.close()


def kinds(recorded: list[Recorded]) -> list[str]:
    return [type(each.event).__name__ for each in recorded]


async def of(connection: asyncpg.Connection, identifier: str) -> Thing:
    thing = await locate(connection, identifier)
    assert thing is not None
    return thing


async def test_every_thing_has_its_story(connection: asyncpg.Connection) -> None:
    attempt = ids.attempt_id(0, 5)
    named = (APP, EP, MSG, f"{MSG}/{EP}", f"{MSG}/ep_2", attempt)
    stories = {key: kinds(await trail(connection, await of(connection, key))) for key in named}
    assert stories == {
        APP: ["ApplicationCreated"],
        EP: ["EndpointRegistered", "AttemptSucceeded", "EndpointUpdated", "EndpointDeleted"],
        MSG: ["MessageAccepted", "AttemptSucceeded", "AttemptFailed"],
        f"{MSG}/{EP}": ["MessageAccepted", "AttemptSucceeded"],
        f"{MSG}/ep_2": ["MessageAccepted", "AttemptFailed"],
        attempt: ["AttemptFailed"],
    }


async def test_a_story_is_told_from_either_end(connection: asyncpg.Connection) -> None:
    thing = await of(connection, EP)
    positions = [each.seq for each in await trail(connection, thing)]
    assert positions == [2, 4, 6, 7]
    assert [each.seq for each in await trail(connection, thing, 2)] == [2, 4]
    assert [each.seq for each in await trail(connection, thing, 2, newest_first=True)] == [7, 6]
    assert [each.seq for each in await trail(connection, thing, after=2, before=7)] == [4, 6]
    assert [each.seq for each in await trail(connection, await of(connection, MSG), 1, after=3)] == [4]


@pytest.mark.parametrize(
    "unknown",
    [
        "msg_9", "", f"{MSG}/ep_9", f"{EP}/{MSG}", f"{APP}/{EP}", "a\0b", "atmpt_x", ids.attempt_id(0, 4) + "0",
        ids.attempt_id(0, 3), ids.attempt_id(0, 99), ids.attempt_id(2**15, 1), ids.attempt_id(0, SEQ_MAX + 1),
    ],
)  # fmt: skip
async def test_what_the_log_knows_nothing_of(connection: asyncpg.Connection, unknown: str) -> None:
    assert await locate(connection, unknown) is None


async def test_who_owns_what(connection: asyncpg.Connection) -> None:
    owners = {
        key: await owner_of(connection, await of(connection, key))
        for key in (APP, EP, MSG, f"{MSG}/{EP}", ids.attempt_id(0, 5), "evtype_1", "adm_1")
    }
    own = Owner("org_1", APP)
    assert owners == {
        APP: own,
        EP: own,
        MSG: own,
        f"{MSG}/{EP}": own,
        ids.attempt_id(0, 5): own,
        "evtype_1": Owner("org_2", None),
        "adm_1": Owner("org_1", None),
    }


async def test_moments_and_positions_are_placed(connection: asyncpg.Connection) -> None:
    microsecond = timedelta(microseconds=1)
    moments = [NOW - microsecond, NOW, NOW + microsecond, NOW + SECOND, NOW + 2 * SECOND, NOW + 9 * SECOND]
    # All that share a moment are there at it.
    assert [(await place(connection, 0, each)).seq for each in moments] == [0, 3, 3, 5, 9, 9]
    assert [await before(connection, 0, each) for each in moments] == [0, 0, 3, 3, 5, 9]
    assert await place(connection, 0, Position(0, 4)) == Position(0, 4)
    assert [await before(connection, 0, Position(0, seq)) for seq in (0, 1, 4)] == [0, 0, 3]
    assert await before(connection, 0, datetime.min.replace(tzinfo=UTC)) == 0
    assert await place(connection, 1, NOW) == Position(1, 0)  # nothing ever happened there
    with pytest.raises(Misplaced, match="another partition"):
        await place(connection, 0, Position(1, 0))
    with pytest.raises(Misplaced, match="ends at 0/9"):
        await place(connection, 0, Position(0, 10))


async def test_what_it_was(connection: asyncpg.Connection) -> None:
    thing = await of(connection, EP)
    was = [await past(connection, thing, seq) for seq in (1, 5, 6, 7)]
    assert [each.standing for each in was] == [Standing.NOT_YET, Standing.LIVE, Standing.LIVE, Standing.DELETED]
    assert [(each.state or {}).get("url") for each in was[1:3]] == ["http://e.test/hook", "http://new.test/"]
    first = await first_of(connection, thing)
    assert first is not None
    assert first.seq == 2


@pytest.mark.parametrize("settings", [{}, BY_INDEX], ids=["as it comes", "as hookd's sessions"])
async def test_one_stream_is_read_by_its_index(database: str, settings: dict[str, str]) -> None:
    connection = await asyncpg.connect(database, server_settings=settings)
    try:
        # Long, and without statistics, as in production.
        await connection.execute(
            """insert into log.event (partition, seq, at, stream, endpoint, version, type, schema, actor, body)
               select 0, n, now(), 'msg_' || n, 'ep_' || n % 3, 1, 'AttemptAbandoned', 1, 'hookd', '{}'
               from generate_series(1, 20000) n"""
        )
        await connection.execute("update log.head set seq = 20000 where partition = 0")
        await connection.execute("insert into state.mention select * from log.mentions(0::smallint, 0, 20000)")
        for thing in (Thing(0, "ep_x"), Thing(0, "msg_1", "ep_1")):
            told = await _plans(connection, thing)
            assert told
            for plan in told:
                assert "event_stream" in plan, plan
                assert "Seq Scan" not in plan.replace("Seq Scan on head", ""), plan
                assert "event_pkey" not in plan or "mention_pkey" in plan, plan
    finally:
        await connection.close()


class Explaining:
    """A connection that asks how a statement is answered."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self.plans: list[str] = []

    async def fetch(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        rows = await self._connection.fetch(f"explain {statement}", *arguments)
        self.plans.append("\n".join(row[0] for row in rows))
        return []


async def _plans(connection: asyncpg.Connection, thing: Thing) -> list[str]:
    explaining = Explaining(connection)
    await stream(explaining, thing, 20_000)  # type: ignore[arg-type]
    await trail(explaining, thing)  # type: ignore[arg-type]
    await trail(explaining, thing, newest_first=True)  # type: ignore[arg-type]
    return explaining.plans


@settings(max_examples=12)
@given(HISTORIES)
async def test_the_database_tells_what_memory_does(
    database_server: Server, database_template: str, told: Historian
) -> None:
    async with written(database_server, database_template, told) as connection:
        for each in told.events:
            await _assert_told(connection, told.events, each)


async def _assert_told(connection: asyncpg.Connection, events: list[Recorded], each: Recorded) -> None:
    for endpoint in {None, each.endpoint}:
        thing = Thing(each.partition, each.stream, endpoint)
        wanted = [
            event for event in events
            if event.stream == each.stream and event.seq <= each.seq
            and (endpoint is None or event.endpoint in (None, endpoint))
        ]  # fmt: skip
        assert await locate(connection, thing.id) == thing
        assert (await past(connection, thing, each.seq)).state == Past(thing, wanted).state
    until = [event.seq for event in events if event.partition == each.partition and event.at <= each.at]
    assert (await place(connection, each.partition, each.at)).seq == max(until)
