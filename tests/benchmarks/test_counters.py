"""What PostgreSQL counts, for each delivery."""

from dataclasses import astuple

from benchmarks.counters import Counters


def test_what_came_since_is_told_for_each():
    before, after = Counters(1, 2, 3, 4, 5, 6), Counters(11, 2, 103, 4, 5, 7)
    assert after.each(before, 10) == {
        "wal_records": 1.0,
        "wal_page_images": 0.0,
        "wal_bytes": 10.0,
        "page_hits": 0.0,
        "page_reads": 0.0,
        "commits": 0.1,
    }


async def test_postgresql_counts(database: str):
    counted = await Counters.read(database)
    assert all(value >= 0 for value in astuple(counted))
    assert counted.page_hits > 0
