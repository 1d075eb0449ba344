from datetime import date

import asyncpg

from daemon.audit.retention_report import Day, line, report, why
from events.bodies import DayTables, Holder
from tests.support.keeping import START, keeping

DAY = date(2026, 1, 2)
TABLES = DayTables(DAY, 3 << 20, 1234, 5)
GOES = date(2026, 1, 3)


def test_a_day_that_is_kept_says_until_when() -> None:
    text = line(Day(TABLES, GOES, overdue=False))
    assert text.startswith("kept until 2026-01-02 ")
    assert "1,234 payloads" in text
    assert "3.0 MiB" in text
    assert text.endswith("goes on 2026-01-03")


def test_a_day_that_is_over_says_why_it_is_still_there() -> None:
    holders = (Holder(7, "a report", "idle in transaction", 61.2), Holder(8, "b", "active", 1.0))
    day = Day(TABLES, GOES, overdue=True, held_by=holders)
    assert why(day) == "in use by a report (pid 7, idle in transaction) for 61 s, and 1 more"
    assert line(day).endswith(f"OVERDUE since 2026-01-03: {why(day)}")
    assert "no running hookd has come to it" in why(Day(TABLES, GOES, overdue=True))


async def test_the_report_reads_the_catalog(database: str) -> None:
    async with keeping(database) as made:
        await made.message(await made.application(retention_days=1))
        await made.message(await made.application())
        connection = await asyncpg.connect(database)
        try:
            days = await report(connection, date(2026, 1, 3))
        finally:
            await connection.close()
    assert START.date() == date(2026, 1, 1)
    assert [(each.tables.day, each.overdue) for each in days] == [(DAY, True), (date(2026, 4, 1), False)]
