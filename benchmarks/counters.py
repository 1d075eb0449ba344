"""What PostgreSQL counts of its own work, to tell where its CPU goes: pages missed, WAL written, commits."""

from dataclasses import astuple, dataclass
from typing import Self

import asyncpg

_COUNTED = """
  select wal_records::float, wal_fpi::float, wal_bytes::float, hits::float, reads::float, xact_commit::float
  from pg_stat_wal,
    (select sum(hits) as hits, sum(reads) as reads from pg_stat_io
     where backend_type = 'client backend' and object = 'relation') io,
    (select xact_commit from pg_stat_database where datname = current_database()) d"""


@dataclass(frozen=True)
class Counters:
    """Counts since the database was made. A session tells of its own about once a second."""

    wal_records: float = 0.0
    wal_page_images: float = 0.0  # whole pages, written at their first change after a checkpoint
    wal_bytes: float = 0.0
    page_hits: float = 0.0  # by clients' sessions
    page_reads: float = 0.0  # those that were not in shared buffers
    commits: float = 0.0

    @classmethod
    async def read(cls, dsn: str) -> Self:
        """As they stand. PostgreSQL 16 or later."""
        connection = await asyncpg.connect(dsn, timeout=30)
        try:
            return cls(*await connection.fetchrow(_COUNTED))
        finally:
            await connection.close()

    def each(self, before: "Counters", count: int) -> dict[str, float]:
        """What came since `before`, for each of `count`."""
        names = list(self.__dataclass_fields__)
        return {
            name: (now - then) / count for name, now, then in zip(names, astuple(self), astuple(before), strict=True)
        }
