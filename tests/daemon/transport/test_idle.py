import pytest

from daemon.transport.connection import Connection
from daemon.transport.idle import IdlePool


class _Clock:
    def time(self):
        return 0.0


@pytest.fixture
def connection_to():
    return lambda host: Connection(("http", host, 80), host, None, _Clock())


def test_last_in_first_out(connection_to):
    pool = IdlePool(9, 9)
    first, second = connection_to("a"), connection_to("a")
    assert pool.put(first) is None
    assert pool.put(second) is None
    assert pool.take(first.origin) is second
    assert pool.take(first.origin) is first
    assert pool.take(first.origin) is None


def test_origins_are_apart(connection_to):
    pool = IdlePool(9, 9)
    pool.put(connection_to("a"))
    assert pool.take(("https", "a", 80)) is None
    assert pool.take(("http", "b", 80)) is None
    assert len(pool) == 1


def test_the_oldest_of_the_origin_goes(connection_to):
    pool = IdlePool(2, 9)
    other, *mine = connection_to("b"), *(connection_to("a") for _ in range(3))
    assert [pool.put(connection) for connection in (other, *mine)] == [None, None, None, mine[0]]
    assert len(pool) == 3


def test_the_oldest_of_all_goes(connection_to):
    pool = IdlePool(9, 2)
    connections = [connection_to(host) for host in "abc"]
    assert [pool.put(connection) for connection in connections] == [None, None, connections[0]]
    assert pool.take(connections[0].origin) is None


def test_nothing_is_left_of_an_origin_without_connections(connection_to):
    pool = IdlePool(9, 9)
    connection = connection_to("a")
    pool.put(connection)
    pool.take(connection.origin)
    pool.discard(connection)
    pool.discard(connection)
    assert not pool._by_origin
    assert len(pool) == 0


def test_drain(connection_to):
    pool = IdlePool(9, 9)
    connections = [connection_to(host) for host in "aab"]
    for connection in connections:
        pool.put(connection)
    assert pool.drain() == connections
    assert len(pool) == 0
