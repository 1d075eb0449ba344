"""A log made fast is as hookd would have left it."""

import asyncpg

from benchmarks import long_log

EVENTS = 3000


async def test_every_event_is_there_behind_its_head_without_a_gap(database: str):
    told: list[int] = []
    await long_log.fill(database, EVENTS, tell=told.append)
    await long_log.fill(database, EVENTS)
    connection = await asyncpg.connect(database)
    try:
        rows = await connection.fetch(
            """select h.seq, count(e.seq) as events, max(e.seq) as last
               from log.head h left join log.event e using (partition) group by h.partition, h.seq"""
        )
        orphans = await connection.fetchval(
            """select count(*) from state.delivery d where not exists (
                 select from log.event e where e.partition = d.partition and e.stream = d.message)"""
        )
    finally:
        await connection.close()
    assert all(row["seq"] == row["events"] == row["last"] for row in rows)
    assert sum(row["seq"] for row in rows) >= 2 * EVENTS
    assert orphans == 0
    assert told[-1] >= EVENTS
