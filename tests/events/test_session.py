"""The one connection, over a connection that a test breaks; over PostgreSQL in test_postgres.py."""

import asyncio

import asyncpg
import pytest

from events.log import Unavailable
from events.session import Session


class Connection:
    """Counts what is done to it."""

    def __init__(self) -> None:
        self.closed = self.terminated = False

    def is_closed(self) -> bool:
        return self.closed

    def terminate(self) -> None:
        self.closed = self.terminated = True

    async def close(self, timeout: float) -> None:  # noqa: ASYNC109 - asyncpg's own
        self.closed = True


class Server:
    """Hands out connections while it is there."""

    def __init__(self) -> None:
        self.made: list[Connection] = []
        self.away = False

    async def connect(self) -> Connection:
        if self.away:
            raise ConnectionRefusedError("nobody")
        self.made.append(Connection())
        return self.made[-1]


@pytest.fixture
def server() -> Server:
    return Server()


async def test_it_is_opened_when_it_is_first_used_and_kept(server: Server) -> None:
    session = Session(server.connect)
    await session.close()
    assert server.made == []
    for _ in range(3):
        async with session.use() as connection:
            assert connection is server.made[0]
    await session.close()
    await session.close()
    assert server.made[0].closed
    assert not server.made[0].terminated


async def test_one_at_a_time(server: Server) -> None:
    session, using = Session(server.connect), []

    async def use() -> None:
        async with session.use() as connection:
            assert not using
            using.append(connection)
            await asyncio.sleep(0)
            using.remove(connection)

    await asyncio.gather(*(use() for _ in range(5)))
    assert len(server.made) == 1


@pytest.mark.parametrize(
    "trouble",
    [OSError("reset"), TimeoutError(), asyncpg.AdminShutdownError("bye"), asyncpg.InternalClientError("out of step")],
)
async def test_after_trouble_the_next_one_gets_a_new_one(server: Server, trouble: Exception) -> None:
    session = Session(server.connect)
    with pytest.raises(Unavailable):
        async with session.use():
            raise trouble
    assert server.made[0].terminated
    async with session.use() as connection:
        assert connection is server.made[1]


async def test_one_that_closed_meanwhile_is_replaced(server: Server) -> None:
    session = Session(server.connect)
    async with session.use() as connection:
        pass
    connection.closed = True
    async with session.use() as another:
        assert another is not connection


@pytest.mark.parametrize(
    "trouble", [asyncpg.QueryCanceledError("slow"), asyncpg.UniqueViolationError("x"), KeyError("x")]
)
async def test_what_is_no_fault_of_the_connection_leaves_it_as_it_is(server: Server, trouble: Exception) -> None:
    session = Session(server.connect)
    expected = Unavailable if isinstance(trouble, asyncpg.QueryCanceledError) else type(trouble)
    with pytest.raises(expected):
        async with session.use():
            raise trouble
    async with session.use():
        pass
    assert len(server.made) == 1


async def test_a_server_that_is_away_is_unavailable_until_it_is_back(server: Server) -> None:
    session = Session(server.connect)
    server.away = True
    with pytest.raises(Unavailable, match="nobody"):
        async with session.use():
            pass
    server.away = False
    async with session.use():
        pass
