import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daemon.audit import importing
from daemon.audit.export import Selection
from daemon.audit.importing import Loaded, NotLoaded
from daemon.audit.verify import verify
from daemon.postgres.database import Database
from events import cloudevent
from events.append import Append
from events.checkpoint import VerifierKey, log_id
from events.cloudevent import End, Item, Note
from events.leaf import RawEvent
from tests.support.builders import NOW, accepting
from tests.support.databases import Server
from tests.support.exports import VKEY, dump, exported, fill, imported, seal, states
from tests.support.state_equals_fold import assert_state_equals_fold

Lines = list[bytes]
FORMATS = ["jsonl", "jsonl.gz", "parquet"]


@pytest.fixture
async def target(database_server: Server, database_template: str) -> AsyncIterator[str]:
    """A second database with hookd's schema."""
    async with database_server.fresh(database_template) as dsn:
        yield dsn


@pytest.fixture
async def sealed(database: str) -> str:
    """A database with a log, of which a checkpoint covers all but the last two events of partition 0."""
    await fill(database)
    await seal(database, 0, 5)
    await seal(database, 3, 3)
    return database


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("batch", [1, 3, 5000])
async def test_an_import_is_the_log_again(
    sealed: str, target: str, tmp_path: Path, suffix: str, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BATCH", batch)
    await exported(sealed, tmp_path / f"log.{suffix}")
    loaded = await imported(target, tmp_path / f"log.{suffix}", VKEY)
    assert loaded == Loaded(16, 10, 2, 2, checkpoints=2, signed=2, sealed=8)
    assert await dump(target) == await dump(sealed)
    assert await states(target) == await states(sealed)
    await assert_state_equals_fold(target)
    connection = await asyncpg.connect(target)
    heads = await connection.fetch("select partition, seq, epoch, owner from log.head where seq > 0 order by 1")
    assert [tuple(row) for row in heads] == [(0, 7, 4, None), (3, 3, 7, None)]
    await connection.close()
    again = tmp_path / f"again.{suffix}"
    await exported(target, again)
    await assert_refused(again, target)


async def assert_refused(path: Path, dsn: str) -> None:
    before = await dump(dsn)
    with pytest.raises(
        NotLoaded, match=r"the database is not empty: there are rows in log\.event, state\.application"
    ):
        await imported(dsn, path)
    assert await dump(dsn) == before


async def test_a_partition_alone_can_be_imported(sealed: str, target: str, tmp_path: Path) -> None:
    await exported(sealed, tmp_path / "log", Selection(partition=3))
    assert (await imported(target, tmp_path / "log")).events == 3
    assert len(await dump(target)) == 3
    await assert_state_equals_fold(target)


async def test_a_database_without_partitions_gets_those_of_the_file(sealed: str, target: str, tmp_path: Path) -> None:
    await exported(sealed, tmp_path / "log")
    connection = await asyncpg.connect(target)
    await connection.execute("delete from log.head")
    await imported(target, tmp_path / "log")
    assert await connection.fetchval("select count(*) from log.head") == 16
    await connection.close()


async def test_what_is_somebodys_or_made_for_other_numbers_is_refused(
    sealed: str, target: str, tmp_path: Path
) -> None:
    await exported(sealed, tmp_path / "log")
    connection = await asyncpg.connect(target)
    await connection.execute("delete from log.head where partition > 7")
    with pytest.raises(NotLoaded, match="the log has 16 partitions, and the database was made for 8"):
        await imported(target, tmp_path / "log")
    await connection.execute(
        "select log.attend('me', 3600, null), log.take('me', array(select partition from log.head))"
    )
    with pytest.raises(NotLoaded, match=r"a running hookd \(me\) owns this database"):
        await imported(target, tmp_path / "log")
    await connection.close()
    assert await dump(target) == []


async def test_an_empty_database_is_empty_before_its_schema_is_there(empty_database: str) -> None:
    connection = await asyncpg.connect(empty_database)
    await importing.refuse_unless_empty(connection)
    await connection.close()


def changed(lines: Lines, number: int, **fields: object) -> Lines:
    """The file with other members in a line, its body kept."""
    event = json.loads(lines[number]) | fields
    lines[number] = json.dumps(event).encode() + b"\n"
    return lines


def without(lines: Lines, *numbers: int) -> Lines:
    return [line for number, line in enumerate(lines) if number not in numbers]


def replaced(lines: Lines, number: int, old: bytes, new: bytes) -> Lines:
    assert old in lines[number]
    lines[number] = lines[number].replace(old, new)
    return lines


# The lines: 0-4 events of partition 0, 5 its checkpoint, 6-7 events, 8-10 partition 3, 11 its checkpoint, 12 the end.
BROKEN: dict[str, tuple[Callable[[Lines], Lines], str]] = {
    "a line missing": (lambda x: without(x, 1), "line 2, event 0/3: stands where 0/2 should"),
    "the first missing": (lambda x: without(x, 0), "line 1, event 0/2: stands where 0/1 should"),
    "two exchanged": (lambda x: [x[1], x[0], *x[2:]], "line 1, event 0/2: stands where"),
    "one twice": (lambda x: [x[0], *x], "line 2, event 0/1: stands where 0/2 should"),
    "cut off": (lambda x: x[:-1], "cut off"),
    "cut off within a line": (lambda x: [*x[:6], x[6][:40]], "line 7: no CloudEvents line"),
    "no JSON": (lambda x: [*x[:3], b"nonsense\n"], "line 4: no CloudEvents line"),
    "an empty line": (lambda x: [*x[:3], b"\n", *x[3:]], "line 4: no CloudEvents line"),
    "more behind the end": (lambda x: [*x, x[0]], "line 14: something stands behind the end"),
    "a sealed body": (lambda x: replaced(x, 1, b"</script>", b"<script>"), "line 6, .* not those that were sealed"),
    "a sealed space": (
        lambda x: replaced(x, 1, b'"data":{"', b'"data":{ "'),
        "line 6, .* not those that were sealed",
    ),
    "a sealed moment": (lambda x: replaced(x, 4, b"00.000123Z", b"00.000124Z"), "line 6, .* not those that were"),
    "a sealed actor": (lambda x: changed(x, 2, actor="who"), "line 6, .* not those that were sealed"),
    "sealed events missing": (lambda x: without(x, 10), "line 11, .* covers 3 events, and not all of them are there"),
    "unsealed events missing": (lambda x: without(x, 7), "line 12: partition 0 of 16 has 6 events, not 7"),
    "an unknown type": (lambda x: changed(x, 6, type="hookd.Unheard"), "line 7, event 0/6: Unheard v1"),
    "a newer schema": (lambda x: changed(x, 6, schema=2), "line 7, event 0/6: .* v2 is not known"),
    "an unreadable body": (lambda x: changed(x, 6, data={}), "line 7, event 0/6: .*required field"),
    "a version too many": (
        lambda x: changed(x, 6, version=9),
        "line 7, event 0/6: cannot follow .*version 9 follows",
    ),
    "another stream": (
        lambda x: changed(x, 7, stream="ep_9", subject="ep_9"),
        "line 8, event 0/7: cannot follow what stands before it",
    ),
    "a moment beyond": (
        lambda x: changed(x, 7, time=None, atus=str(2**63 - 1)),
        "line 8, event 0/7: EndpointDeleted: its moment is not on the calendar",
    ),
    "a zero byte": (lambda x: changed(x, 7, actor="\x00"), "line 1 to line 11: PostgreSQL takes it not"),
    "a partition beyond": (lambda x: replaced(x, 12, b'"partitions":16', b'"partitions":3'), "partition 3 of 3"),
    "another number of events": (lambda x: replaced(x, 12, b'"events":10', b'"events":11'), "10 events .* not 11"),
    "a checkpoint too late": (
        lambda x: [*x[:5], x[6], x[5], *x[7:]],
        "line 7, checkpoint of partition 0: it covers 5 events and stands behind 6",
    ),
    "a checkpoint elsewhere": (lambda x: changed(x, 5, partition=3), "line 6, .* it is of partition 0"),
    "a checkpoint that is none": (lambda x: changed(x, 5, data="x"), "line 6, checkpoint of partition 0: "),
    "two checkpoints at once": (
        lambda x: [x[5], x[5], *x],
        "line 2, .* the events of the one before it are not all there",
    ),
}


@pytest.mark.parametrize("how", BROKEN)
async def test_a_broken_file_is_refused_with_the_place(sealed: str, target: str, tmp_path: Path, how: str) -> None:
    break_, match = BROKEN[how]
    file = tmp_path / "log"
    await exported(sealed, file)
    file.write_bytes(b"".join(break_(file.read_bytes().splitlines(keepends=True))))
    with pytest.raises(NotLoaded, match=match):
        await imported(target, file)
    assert (await dump(target), await states(target)) == ([], [])
    connection = await asyncpg.connect(target)
    assert await connection.fetchval("select max(seq) from log.head") == 0
    await connection.close()


async def test_checkpoints_may_also_come_first(sealed: str, target: str, tmp_path: Path) -> None:
    file = tmp_path / "log"
    await exported(sealed, file)
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([lines[11], lines[5], *without(lines, 5, 11)]))
    assert (await imported(target, file)).sealed == 8


async def test_signatures_are_checked_by_the_key_given_or_named(sealed: str, target: str, tmp_path: Path) -> None:
    file = tmp_path / "log"
    public = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    await exported(sealed, file)
    with pytest.raises(NotLoaded, match=r"line 6, checkpoint of partition 0: .*not signed by"):
        await imported(target, file, VerifierKey(f"hookd/{log_id(public)}/0", public))
    changed_signature = file.read_bytes().splitlines(keepends=True)
    event = json.loads(changed_signature[5])
    note = event["data"][:-10] + ("A" if event["data"][-10] != "A" else "B") + event["data"][-9:]
    file.write_bytes(b"".join(changed(changed_signature, 5, data=note)))
    with pytest.raises(NotLoaded, match="line 6, checkpoint of partition 0: the signature"):
        await imported(target, file, VKEY)
    await exported(sealed, file, key=VKEY)
    loaded = await imported(target, file)
    assert (loaded.signed, loaded.checkpoints) == (2, 2)


async def test_without_a_key_the_roots_alone_are_compared(sealed: str, target: str, tmp_path: Path) -> None:
    await exported(sealed, tmp_path / "log")
    loaded = await imported(target, tmp_path / "log")
    assert (loaded.signed, loaded.checkpoints) == (0, 2)


async def test_a_message_told_twice_is_refused(database: str, target: str, tmp_path: Path) -> None:
    """Its first delivery is delivered, so that the fold alone would not notice."""
    await fill(database)
    file = tmp_path / "log"
    await exported(database, file)
    found = [cloudevent.decode(line) for line in file.read_bytes().splitlines()]
    accepted = next(each for each in found if isinstance(each, RawEvent) and each.type == "MessageAccepted")
    body = accepted.body.replace(b'"ep_1","ep_2"', b'"ep_8","ep_9"').replace(b',"event_id":"e"', b"")
    assert body != accepted.body
    twice = RawEvent(0, 8, accepted.at_us, accepted.stream, None, 1, accepted.type, 1, "a", None, body)
    end = End(16, 11, {0: 8, 3: 3})
    items: list[Item] = [*found[:7], twice, *found[7:-1], end]
    file.write_bytes(b"".join(map(line, items)))
    with pytest.raises(NotLoaded, match="message msg_1 is accepted twice"):
        await imported(target, file)
    assert await dump(target) == []


@pytest.mark.parametrize("application", ["app_é", "x" * 65])
async def test_a_message_that_would_be_in_no_list_is_refused(
    database: str, target: str, tmp_path: Path, application: str
) -> None:
    append = accepting(Append(NOW), "ep_1", application=application)
    await fill(database, append)
    await exported(database, tmp_path / "log")
    with pytest.raises(NotLoaded, match="line 1, event 0/1: the application of the message is not told as the data"):
        await imported(target, tmp_path / "log")
    assert await dump(target) == []


def line(item: Item) -> bytes:
    match item:
        case RawEvent():
            return cloudevent.encode(item, "/s")
        case Note():
            return cloudevent.encode_note(item, "/s")
    return cloudevent.encode_end(item, "/s")


async def test_an_imported_log_holds_though_it_has_no_bodies(sealed: str, target: str, tmp_path: Path) -> None:
    await exported(sealed, tmp_path / "log.jsonl")
    await imported(target, tmp_path / "log.jsonl", VKEY)
    database = await Database.open(target, readers=1)
    report = await verify(database.dedicated, {}, {})
    await database.close()
    assert report.holds, report.findings
    assert report.bodies.imported
    assert (report.events, report.sealed) == (10, 0)
