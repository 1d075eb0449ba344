"""After tidying, vacuum and checkpoint have nothing left to do."""

from pathlib import Path

import asyncpg

from benchmarks.tidy import tidy
from daemon.postgres.embedded import EmbeddedPostgres
from tests.support.databases import QUICK

YOUNGEST = "select max(relfrozenxid::text::int) from pg_class where relnamespace = 'log'::regnamespace"


async def test_every_table_is_frozen(reachable_tmp: Path):
    home = reachable_tmp / "tidied"
    postgres = EmbeddedPostgres(home, settings=QUICK)
    told: list[str] = []
    connection = await asyncpg.connect(await postgres.start())
    try:
        await connection.execute(
            "create schema log; create table log.few as select 1; "
            "create table log.many as select n from generate_series(1, 10000) n"
        )
        (before,) = await connection.fetchrow(YOUNGEST)
        await tidy(home, told.append)
        found = await connection.fetch(
            "select relfrozenxid::text::int as frozen from pg_class where relnamespace = 'log'::regnamespace"
        )
        assert all(row["frozen"] > before for row in found)
    finally:
        await connection.close()
        await postgres.stop()
    assert told == ["tidying: vacuum log.few", "tidying: vacuum log.many", "tidying: checkpoint"]
