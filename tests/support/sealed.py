"""A log to seal: events in it, notaries over it, and what a forger with all rights would do."""

import asyncpg

from daemon.clock import SystemClock
from daemon.notary import Notary
from daemon.postgres.database import Database
from daemon.sealing import Sealer
from events import tlog
from events.append import Append
from events.leaf import DOMAIN, RECORD_SQL
from events.merkle import Frontier, leaf_hash
from events.postgres import PostgresLog
from tests.support.builders import NOW, accepting

SEALING_KEY = bytes(32)


async def record(log: PostgresLog, count: int, partition: int = 0, begin: int = 0) -> None:
    """Put `count` messages into a partition, one event each."""
    append = Append(NOW)
    for number in range(begin, begin + count):
        accepting(append, message=f"msg_{number}", partition=partition)
    await log.append(append)


def notary(database: Database, interval_s: float = 10.0) -> Notary:
    """A notary as each process of this database has one."""
    nonces = iter(range(1, 1000))
    sealer = Sealer([SEALING_KEY], lambda count: next(nonces).to_bytes(count, "big"))
    return Notary(database.dedicated, sealer, SystemClock(), interval_s=interval_s)


async def expected(connection: asyncpg.Connection, partition: int, size: int) -> bytes:
    """The root over a partition's events, by the book: record by record, leaf by leaf."""
    rows = await connection.fetch(
        f"select {RECORD_SQL} from log.event e where partition = $1 and seq <= $2 order by seq", partition, size
    )
    assert len(rows) == size
    frontier = Frontier()
    for row in rows:
        frontier.append(leaf_hash(DOMAIN + row[0]))
    return frontier.root()


async def forge(dsn: str, server: object, statement: str, *arguments: object) -> None:
    """Run a statement as somebody whom neither privileges nor triggers stop."""
    connection = await asyncpg.connect(server.admin_dsn, database=dsn.rpartition("/")[2].partition("?")[0])
    try:
        await connection.execute("set session_replication_role = replica")
        await connection.execute(statement, *arguments)
    finally:
        await connection.close()


async def sizes(connection: asyncpg.Connection) -> dict[int, int]:
    """How much of each partition is sealed, those without events left out."""
    return {tree.partition: tree.size for tree in await tlog.trees(connection) if tree.size}
