"""Sealing, on a real database: what is signed, after crashes, in races, and over a log that was tampered with."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from structlog.testing import capture_logs

from daemon import notary as module
from daemon.notary import KeyLost, Notary, Seals
from daemon.postgres.database import Database
from daemon.recorder import Committed
from daemon.sealing import SealBroken, Sealer
from events import tlog
from events.checkpoint import open_note
from events.log import Unavailable
from events.merkle import consistency_proof, verify_consistency
from events.postgres import PostgresLog
from tests.support.sealed import expected, forge, notary, record, sizes
from tests.support.virtual_loop import VirtualClock, virtual


@pytest.fixture
async def opened(database: str) -> AsyncIterator[Database]:
    found = await Database.open(database)
    yield found
    await found.close()


@pytest.fixture
async def log(opened: Database) -> AsyncIterator[PostgresLog]:
    found = PostgresLog(opened.dedicated, opened.reading)
    yield found
    await found.close()


@pytest.fixture
async def sealing(opened: Database) -> AsyncIterator[Notary]:
    found = notary(opened)
    yield found
    await found.close()


@pytest.fixture
async def connection(opened: Database) -> AsyncIterator[asyncpg.Connection]:
    found = await opened.dedicated()
    yield found
    await found.close()


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_EVENTS", 100)
    monkeypatch.setattr(module, "CHUNK_TREES", 2)
    monkeypatch.setattr(module, "SLICE_BYTES", 32 * 30)
    monkeypatch.setattr(module, "TOLD_EVERY", 200)


async def good(connection: asyncpg.Connection, sealing: Notary) -> dict[int, int]:
    """Check every checkpoint there is against the events; answers the sizes."""
    key = await sealing.key()
    rows = await connection.fetch("select * from log.checkpoint order by partition, size")
    for row in rows:
        checkpoint = open_note(row["note"], key.of_partition(row["partition"]))
        assert (checkpoint.size, checkpoint.root) == (row["size"], row["root"])
        assert checkpoint.root == await expected(connection, row["partition"], row["size"])
    return await sizes(connection)


async def test_each_partition_that_grew_is_signed_up_to_its_head(
    log: PostgresLog, sealing: Notary, connection: asyncpg.Connection
) -> None:
    assert await sealing.seal() == 0
    await record(log, 300, 0)
    await record(log, 5, 3)
    assert await sealing.seal() == 305
    assert await good(connection, sealing) == {0: 300, 3: 5}
    await record(log, 1, 0, begin=300)
    assert await sealing.seal() == 1
    assert await sealing.seal() == 0
    assert await good(connection, sealing) == {0: 301, 3: 5}
    assert await connection.fetchval("select count(*) from log.checkpoint") == 3
    assert sealing.seals.sealed_at is not None


@pytest.mark.usefixtures("small_chunks")
async def test_a_long_log_is_caught_up_with_in_chunks(
    log: PostgresLog, sealing: Notary, connection: asyncpg.Connection
) -> None:
    for partition in range(3):
        await record(log, 270, partition)
    with capture_logs() as logs:
        assert await sealing.seal() == 810
    assert await good(connection, sealing) == {0: 270, 1: 270, 2: 270}
    told = [each for each in logs if each["event"] == "log_sealing"]
    assert [(each["sealed"], each["unsealed"]) for each in told][-1] == (800, 10)
    old, new = await connection.fetch("select * from log.checkpoint where partition = 0 and size in (100, 270)")
    proof = await tlog.compute(connection, 0, lambda hashes: consistency_proof(100, 270, hashes))
    assert verify_consistency(100, 270, old["root"], new["root"], proof)


@pytest.mark.usefixtures("small_chunks")
async def test_a_restart_in_the_middle_goes_on_where_the_last_chunk_ended(
    log: PostgresLog, opened: Database, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await record(log, 400)
    first, store, stored = notary(opened), tlog.store, []

    async def die_at_the_third(*arguments):
        stored.append(await store(*arguments))
        if len(stored) == 3:
            raise ConnectionResetError("killed after the tiles were written, before the commit")
        return stored[-1]

    monkeypatch.setattr(tlog, "store", die_at_the_third)
    with pytest.raises(Unavailable):
        await first.seal()
    assert await sizes(connection) == {0: 200}
    assert await first.seal() == 200  # the same process, on a new connection
    await record(log, 60, begin=400)
    second = notary(opened)
    assert await second.seal() == 60
    assert await good(connection, second) == {0: 460}
    assert await first.key() == await second.key()
    await first.close()
    await second.close()


@pytest.mark.usefixtures("small_chunks")
async def test_two_notaries_at_once_make_one_log(
    log: PostgresLog, opened: Database, connection: asyncpg.Connection
) -> None:
    await record(log, 1000)
    both = [notary(opened), notary(opened)]
    keys = await asyncio.gather(*(each.key() for each in both))
    assert keys[0] == keys[1]
    assert await connection.fetchval("select count(*) from content.secret") == 1
    done = await asyncio.gather(*(each.seal() for each in both))
    assert sum(done) == 1000
    assert await good(connection, both[0]) == {0: 1000}
    for each in both:
        await each.close()


async def test_who_does_not_wait_leaves_it_to_the_other(
    log: PostgresLog, sealing: Notary, opened: Database, connection: asyncpg.Connection
) -> None:
    await record(log, 3)
    async with connection.transaction():
        assert await tlog.alone(connection, wait=False)
        assert await sealing.seal(wait=False) == 0
        assert sealing.seals.sealed_at is None
        waiting = asyncio.create_task(sealing.seal())
        await asyncio.sleep(0)
    assert await waiting == 3


TAMPERED = {
    "a tile at the edge": (
        "update log.tile set hashes = sha256('x') || substr(hashes, 33) where level = 0 and index = 1",
        "do not make the root",
    ),
    "a tile above": (
        "update log.tile set hashes = sha256('x') where level = 1",
        "do not make the root",
    ),
    "a tile cut short": (
        "update log.tile set hashes = substr(hashes, 1, 64) where index = 1",
        r"tile/0/001.p/44 is stored with 2 hashes",
    ),
    "a tile gone": ("delete from log.tile where index = 1", "is stored with 0 hashes"),
    "another root": ("update log.checkpoint set root = sha256('x')", "differs from its note"),
    "another note": ("update log.checkpoint set note = replace(note, '300', '299')", "is not of this log"),
    "a tile ahead": ("insert into log.tile values (0, 0, 2, sha256('x'))", "differs from what the events make"),
    "events missing": ("delete from log.event where seq = 302", "of the events 301 to 600, 1 are missing"),
    "the log cut short": ("update log.head set seq = 299 where partition = 0", "shorter than its last checkpoint"),
}


@pytest.mark.parametrize("fresh", [True, False], ids=["another process", "the same process"])
@pytest.mark.parametrize("what", list(TAMPERED))
async def test_a_log_that_was_tampered_with_is_not_signed_over(
    log: PostgresLog, opened: Database, database: str, database_server, connection, what: str, *, fresh: bool
) -> None:
    statement, reason = TAMPERED[what]
    before = notary(opened)
    await record(log, 300)
    await before.seal()
    await record(log, 300, begin=300)
    await record(log, 7, partition=1)
    await forge(database, database_server, statement)
    sealing = notary(opened) if fresh else before
    with capture_logs() as logs:
        assert await sealing.seal() == 7  # the others go on
        await sealing.seal()
    (said,) = [each for each in logs if each["log_level"] == "error"]
    assert (said["event"], said["partition"]) == ("log_barred", 0)
    assert reason in said["reason"]
    assert sealing.seals.barred == {0: said["reason"]}
    assert await sizes(connection) == {0: 300, 1: 7}
    await before.close()
    await sealing.close()


async def test_a_checkpoint_that_was_taken_back_is_noticed_by_who_saw_it(
    log: PostgresLog, sealing: Notary, database: str, database_server
) -> None:
    await record(log, 10)
    await sealing.seal()
    await forge(database, database_server, "delete from log.checkpoint")
    await forge(database, database_server, "delete from log.tile")
    with capture_logs():
        assert await sealing.seal() == 0
    assert "the checkpoint of 10 events is gone" in sealing.seals.barred[0]


async def test_what_is_mended_is_sealed_again(
    log: PostgresLog, sealing: Notary, database: str, database_server
) -> None:
    await record(log, 10)
    await forge(database, database_server, "update log.event set seq = -5 where seq = 5 and partition = 0")
    with capture_logs() as logs:
        assert await sealing.seal() == 0
        assert (sealing.seals.barred.keys(), sealing.seals.sealed_at) == ({0}, None)
        await forge(database, database_server, "update log.event set seq = 5 where seq = -5")
        assert await sealing.seal() == 10
    assert sealing.seals.barred == {}
    assert logs[-1]["event"] == "log_no_longer_barred"


async def test_examining_finds_the_same_and_changes_nothing(
    log: PostgresLog, sealing: Notary, database: str, database_server, connection: asyncpg.Connection
) -> None:
    await record(log, 10)
    trees, wrong = await sealing.examine()
    assert (trees[0].head, trees[0].size, wrong) == (10, 0, {})
    assert await connection.fetchval("select count(*) from content.secret") == 0
    await sealing.seal()
    assert (await sealing.examine())[1] == {}
    await forge(database, database_server, "update log.tile set hashes = sha256('x') || substr(hashes, 33)")
    assert "do not make the root" in (await sealing.examine())[1][0]
    await forge(database, database_server, "update log.head set seq = 9 where partition = 0")
    assert "shorter" in (await sealing.examine())[1][0]


async def test_the_key_lies_sealed_and_cannot_be_replaced_once_it_has_signed(
    log: PostgresLog, sealing: Notary, opened: Database, connection: asyncpg.Connection
) -> None:
    await record(log, 1)
    await sealing.seal()
    secret = await log.any_secret()
    assert (secret.owner, len(secret.sealed)) == ("log", 4 + 12 + 32 + 16)
    other = Notary(opened.dedicated, Sealer([b"x" * 32], bytes), sealing._clock)
    with pytest.raises(SealBroken):
        await other.seal()
    await connection.execute("delete from content.secret")
    with pytest.raises(KeyLost, match="restored from a backup"):
        await notary(opened).seal()
    await other.close()


async def test_cancelled_in_the_middle_nothing_is_left_behind(
    log: PostgresLog, sealing: Notary, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await record(log, 10)
    reached, leaves = asyncio.Event(), tlog.leaves

    async def hang(*_):
        reached.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(tlog, "leaves", hang)
    task = asyncio.create_task(sealing.seal())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    monkeypatch.setattr(tlog, "leaves", leaves)
    assert await sealing.seal() == 10


@virtual
async def test_rounds_go_by_the_interval_and_survive_a_database_that_is_away() -> None:
    clock, rounds = VirtualClock(), []
    sealing = Notary(None, None, clock, interval_s=3.0)
    began = clock.now()

    async def seal(*, wait: bool) -> int:
        assert not wait
        rounds.append((clock.now() - began).total_seconds())
        if len(rounds) == 2:
            raise Unavailable("away")
        return 0

    sealing.seal = seal
    task = asyncio.create_task(sealing.run())
    with capture_logs() as logs:
        await asyncio.sleep(10)
    task.cancel()
    assert rounds == pytest.approx([0, 3, 6, 9], abs=0.01)
    assert [each["event"] for each in logs] == ["log_not_sealed"]


def test_what_is_unsealed_is_counted_without_asking() -> None:
    seals = Seals()
    seals.follow(Committed([None] * 5, {}))
    assert seals.unsealed == 5
    seals.looked([tlog.Tree(0, 12, 2, None, None, None), tlog.Tree(1, 3, 4, None, None, None)])
    assert seals.unsealed == 10
    seals.follow(Committed([None], {}))
    seals.grew(8)
    assert seals.unsealed == 3
