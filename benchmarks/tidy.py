"""All that PostgreSQL would else do while we measure, done before: vacuum, and writing what is in memory alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import asyncpg

from daemon.postgres.embedded import SUPERUSER, running_dsn

TIMEOUT_S: Final = 3600.0  # of one step: a vacuum of a hundred million rows takes its time
_TABLES: Final = """
  select c.oid::regclass::text from pg_class c
  where c.relkind = 'r' and c.relnamespace::regnamespace::text in ('log', 'state', 'content')
  order by pg_relation_size(c.oid)"""


async def tidy(home: Path, tell: Callable[[str], None]) -> None:
    """Vacuum and freeze every table of the hookd in `home`, whose PostgreSQL runs, and write all pages to disk."""
    dsn, superuser = running_dsn(home), running_dsn(home, SUPERUSER)
    assert dsn is not None
    assert superuser is not None
    connection = await asyncpg.connect(dsn, timeout=30)
    try:
        for (table,) in await connection.fetch(_TABLES):
            tell(f"tidying: vacuum {table}")
            await connection.execute(f"vacuum (freeze) {table}", timeout=TIMEOUT_S)
    finally:
        await connection.close()
    tell("tidying: checkpoint")
    connection = await asyncpg.connect(superuser, timeout=30)
    try:
        await connection.execute("checkpoint", timeout=TIMEOUT_S)
    finally:
        await connection.close()
