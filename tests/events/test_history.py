from collections.abc import AsyncIterator

import asyncpg
import pytest

from daemon.postgres.database import Database
from events.append import Append
from events.catalogue import AttemptFailed, AttemptSucceeded
from events.history import trail
from events.outcome import Fault
from events.postgres import PostgresLog
from tests.support.builders import APP, EP, MSG, NOW, accepting, creating, moving, registering


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    opened = await Database.open(database, readers=1)
    log = PostgresLog(opened.dedicated, opened.reading)
    append = Append(NOW)
    creating(append)
    registering(append)
    accepting(append, EP, "ep_2")
    moving(append, append.born[0], AttemptSucceeded(1, 200, 1, 1, 1))
    moving(append, append.born[1], AttemptFailed(1, Fault.DNS, 1, 1, 1, next_at=NOW))
    await log.append(append)
    await log.close()
    async with opened.reading() as reading:
        yield reading
    await opened.close()


async def test_every_thing_has_its_story(connection: asyncpg.Connection) -> None:
    stories = {key: [type(each.event).__name__ for each in await trail(connection, key)] for key in (APP, EP, MSG)}
    assert stories == {
        APP: ["ApplicationCreated"],
        EP: ["EndpointRegistered", "AttemptSucceeded"],
        MSG: ["MessageAccepted", "AttemptSucceeded", "AttemptFailed"],
    }
    assert [each.seq for each in await trail(connection, MSG, limit=2)] == [4, 5]  # the last two
    assert await trail(connection, "msg_9") == []
