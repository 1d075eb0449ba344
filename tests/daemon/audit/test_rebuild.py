"""The state tables from the log alone: the same rows, the same tables, and nothing sent."""

import subprocess

import asyncpg
import pytest

from daemon.audit.rebuild import InUse, rebuild
from daemon.postgres import binaries
from events.fold import BrokenLog
from tests.daemon.audit.evidence import Evidence
from tests.support.state_equals_fold import assert_state_equals_fold

TABLES = ("admin", "application", "delivery", "endpoint", "event_id", "event_type", "mention")


async def _rows(evidence: Evidence) -> dict[str, bytes]:
    """Every state table as COPY writes it, in the order of its key."""
    found = {}
    async with evidence.database.reading() as connection:
        for table in TABLES:
            chunks: list[bytes] = []

            async def take(chunk: bytes, chunks: list[bytes] = chunks) -> None:
                chunks.append(chunk)

            await connection.copy_from_query(f"select * from state.{table} t order by t::text", output=take)
            found[table] = b"".join(chunks)
    return found


def _definition(dsn: str) -> str:
    """The tables themselves: columns, keys, indexes, settings, comments."""
    dump = binaries.installs(binaries.package_folder())[0].program("pg_dump")
    command = [str(dump), "--schema-only", "--schema=state", dsn]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    return "\n".join(line for line in done.stdout.splitlines() if not line.startswith("\\"))  # a random token


async def test_a_rebuild_finds_no_difference_and_leaves_no_trace(evidence: Evidence) -> None:
    before = await _rows(evidence)
    rebuilt = await rebuild(evidence.database.dedicated)
    assert (rebuilt.events, rebuilt.messages, rebuilt.undelivered, rebuilt.entities) == (166, 40, 80, 4)
    assert rebuilt.differences == {}
    assert not rebuilt.swapped
    assert await _rows(evidence) == before
    async with evidence.database.reading() as connection:
        schemas = await connection.fetch("select nspname from pg_namespace where nspname in ('rebuilt', 'replaced')")
    assert schemas == []


async def test_swapped_tables_are_byte_equal(evidence: Evidence) -> None:
    rows, definition = await _rows(evidence), _definition(evidence.dsn)
    assert (await rebuild(evidence.database.dedicated, swap=True)).swapped
    assert await _rows(evidence) == rows
    assert _definition(evidence.dsn) == definition
    await evidence.message("msg_after")  # and appends go on into the new tables
    await assert_state_equals_fold(evidence.dsn)


async def test_a_damaged_table_is_seen_and_mended(evidence: Evidence) -> None:
    rows = await _rows(evidence)
    await evidence.tamper(
        "update state.delivery set attempts = 7 where message = 'msg_001' and endpoint = 'ep_2'",
        "delete from state.event_id where message = 'msg_002'",
        "update state.endpoint set url = 'http://evil.test/' where id = 'ep_1'",
    )
    seen = await rebuild(evidence.database.dedicated)
    assert seen.differences == {"delivery": (1, 1), "endpoint": (1, 1), "event_id": (0, 1)}
    mended = await rebuild(evidence.database.dedicated, swap=True)
    assert mended.differences == seen.differences
    assert await _rows(evidence) == rows
    assert (await evidence.verify()).holds


async def test_no_swap_below_a_daemon_at_work(evidence: Evidence) -> None:
    await evidence.tamper(
        "select log.attend('web-1:77', 3600, null), log.take('web-1:77', array(select partition from log.head))"
    )
    with pytest.raises(InUse, match="web-1:77 is at work"):
        await rebuild(evidence.database.dedicated, swap=True)
    assert (await rebuild(evidence.database.dedicated)).differences == {}  # looking is always allowed


async def test_a_broken_log_is_not_made_into_state(evidence: Evidence) -> None:
    rows = await _rows(evidence)
    await evidence.tamper("delete from log.event where seq = 50")
    with pytest.raises(BrokenLog, match="51 stands where 50 should"):
        await rebuild(evidence.database.dedicated, swap=True)
    assert await _rows(evidence) == rows


async def test_progress_reaches_the_end(evidence: Evidence) -> None:
    heard: list[tuple[int, int]] = []
    await rebuild(evidence.database.dedicated, progress=lambda done, total: heard.append((done, total)))
    assert heard[-1] == (166, 166)


async def test_privileges_survive_a_swap_and_a_view_forbids_it(evidence: Evidence) -> None:
    await evidence.tamper("grant select on state.delivery to public")
    assert (await rebuild(evidence.database.dedicated, swap=True)).swapped
    async with evidence.database.reading() as connection:
        assert await connection.fetchval("select has_table_privilege('public', 'state.delivery', 'select')")
    await evidence.tamper(
        "create view public.waiting as select * from state.delivery", "grant select on public.waiting to public"
    )
    with pytest.raises(asyncpg.DependentObjectsStillExistError):
        await rebuild(evidence.database.dedicated, swap=True)
    async with evidence.database.reading() as connection:
        assert await connection.fetchval("select count(*) from public.waiting") == 80
