"""The tables of the transparency log: what goes in, what comes out, and what they refuse."""

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import pytest

from daemon.postgres.database import Database
from events import tlog
from events.answering import answering
from events.leaf import DOMAIN, parse
from events.log import Unavailable
from events.merkle import inclusion_proof, leaf_hash, verify_inclusion
from events.postgres import BY_INDEX, PostgresLog
from events.tile import WIDTH, BadTile, Tile, Tiles, split
from events.tlog import Signed
from tests.support.sealed import expected, record

AT = datetime(2026, 1, 1, tzinfo=UTC)
A, B, C = (hashlib.sha256(each).digest() for each in (b"a", b"b", b"c"))


@pytest.fixture
async def opened(database: str) -> AsyncIterator[Database]:
    found = await Database.open(database)
    yield found
    await found.close()


@pytest.fixture
async def connection(opened: Database) -> AsyncIterator[asyncpg.Connection]:
    found = await opened.dedicated(BY_INDEX)
    yield found
    await found.close()


@pytest.fixture
async def recorded(opened: Database) -> AsyncIterator[None]:
    log = PostgresLog(opened.dedicated, opened.reading)
    await record(log, 600)
    await record(log, 2, partition=1)
    yield
    await log.close()


@pytest.mark.usefixtures("recorded")
async def test_postgresql_hashes_leaves_as_we_do(connection: asyncpg.Connection) -> None:
    found = await tlog.leaves(connection, [(0, 0, 600), (1, 0, 2), (2, 0, 5)])
    assert {partition: each.found for partition, each in found.items()} == {0: 600, 1: 2, 2: 0}
    entries = await tlog.entries(connection, 0, 0, 600)
    assert split(found[0].hashes) == [leaf_hash(entry) for entry in entries]
    assert [parse(entry.removeprefix(DOMAIN)).seq for entry in entries] == list(range(1, 601))
    middle = (await tlog.leaves(connection, [(0, 100, 103)]))[0]
    assert split(middle.hashes) == [leaf_hash(each) for each in await tlog.entries(connection, 0, 100, 3)]
    assert await tlog.leaves(connection, []) == {}


@pytest.mark.usefixtures("recorded")
async def test_what_is_stored_comes_back(connection: asyncpg.Connection) -> None:
    tiles = Tiles()
    hashes = split((await tlog.leaves(connection, [(0, 0, 600)]))[0].hashes)
    changed = {(0, *spot): found for spot, found in tiles.extend(hashes).items()}
    root = tiles.root()
    assert await tlog.store(connection, changed, [Signed(0, 600, root, "note\n")], AT) == set()
    assert root == await expected(connection, 0, 600)
    assert await tlog.tiles(connection, [*changed, (0, 5, 5)]) == changed
    assert await tlog.tiles(connection, []) == {}
    assert await tlog.latest(connection, 0) == (600, root, "note\n", AT)
    assert await tlog.latest(connection, 1) is None
    trees = await tlog.trees(connection)
    assert trees[:2] == [(0, 600, 600, root, "note\n", AT), (1, 2, 0, None, None, None)]
    proof = await tlog.compute(connection, 0, lambda hashes: inclusion_proof(5, 600, hashes))
    assert verify_inclusion(hashes[5], 5, 600, proof, root)
    with pytest.raises(BadTile):
        await tlog.compute(connection, 0, lambda hashes: inclusion_proof(5, 700, hashes))


async def test_a_tile_is_cut_to_what_was_asked_for(connection: asyncpg.Connection) -> None:
    await tlog.store(connection, {(0, 0, 0): A + B}, [Signed(0, 2, A, "n")], AT)
    assert await tlog.cut(connection, 0, Tile(0, 0, 1)) == A
    assert await tlog.cut(connection, 0, Tile(0, 0, 2)) == A + B
    for missing in (Tile(0, 0, 3), Tile(0, 0, WIDTH), Tile(0, 1, 1), Tile(1, 0, 1)):
        assert await tlog.cut(connection, 0, missing) is None


async def test_only_a_longer_tile_with_the_same_beginning_is_taken(connection: asyncpg.Connection) -> None:
    first, second = [Signed(0, 1, A, "n")], [Signed(0, 2, A, "n"), Signed(3, 1, A, "n")]
    await tlog.store(connection, {(0, 0, 0): A}, first, AT)
    assert await tlog.store(connection, {(0, 0, 0): B + C, (3, 0, 0): A}, second, AT) == {0}
    assert await tlog.store(connection, {(0, 0, 0): A}, second, AT) == {0}
    assert await connection.fetchval("select count(*) from log.checkpoint") == 1
    assert await tlog.store(connection, {(0, 0, 0): A + B}, [Signed(0, 2, A, "n")], AT) == set()


REFUSED = [
    "update log.tile set hashes = substr(hashes, 1, 32)",
    "update log.tile set hashes = sha256('x') || sha256('y') || sha256('z')",
    "update log.tile set level = 1",
    "delete from log.tile",
    "truncate log.tile",
    "update log.checkpoint set note = 'x'",
    "delete from log.checkpoint",
    "truncate log.checkpoint",
]


@pytest.mark.parametrize("change", REFUSED)
async def test_nobody_changes_it_by_mistake(
    connection: asyncpg.Connection, database: str, database_server, change: str
) -> None:
    await tlog.store(connection, {(0, 0, 0): A + B}, [Signed(0, 2, A, "n")], AT)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(change)
    name = database.rpartition("/")[2].partition("?")[0]
    superuser = await asyncpg.connect(database_server.admin_dsn, database=name)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await superuser.execute(change)
        await superuser.execute("update log.tile set hashes = hashes || sha256('x')")
    finally:
        await superuser.close()


@pytest.mark.parametrize("hashes", [b"", bytes(33), bytes(32 * 257)])
async def test_a_tile_holds_whole_hashes(connection: asyncpg.Connection, hashes: bytes) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await tlog.store(connection, {(0, 0, 0): hashes}, [Signed(0, 1, A, "n")], AT)


async def test_the_first_key_stays(connection: asyncpg.Connection) -> None:
    assert await tlog.key(connection) is None
    assert await tlog.keep_key(connection, b"first", AT) == b"first"
    assert await tlog.keep_key(connection, b"second", AT) == b"first"
    await tlog.store(connection, {(0, 0, 0): A}, [Signed(0, 1, A, "n")], AT)
    await connection.execute("delete from content.secret")
    assert await tlog.keep_key(connection, b"third", AT) is None


def test_a_lost_connection_is_unavailable_and_a_fault_of_ours_is_not() -> None:
    with pytest.raises(Unavailable), answering(*tlog.TROUBLE):
        raise ConnectionResetError("gone")
    with pytest.raises(asyncpg.DataError), answering(*tlog.TROUBLE):
        raise asyncpg.DataError("ours")
