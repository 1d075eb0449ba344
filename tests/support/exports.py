"""Logs to export, and what came of it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daemon.audit.export import Exported, Selection, export
from daemon.audit.files import reading, writing
from daemon.audit.importing import Loaded, load, open_export
from daemon.audit.jsonl import JsonLines
from daemon.audit.parquet import Parquet
from daemon.postgres.database import Database
from events import checkpoint, leaf
from events.append import Append
from events.catalogue import AttemptFailed, AttemptSucceeded, EndpointDeleted, PartitionTaken
from events.checkpoint import Checkpoint, VerifierKey
from events.envelope import Fact
from events.merkle import Frontier, leaf_hash
from events.outcome import Fault
from events.postgres import PostgresLog
from tests.support.builders import EP, NOW, accepting, born_in, changing, creating, moving, registering

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
LOG_ID = checkpoint.log_id(KEY.public_key().public_bytes_raw())
VKEY = VerifierKey(f"hookd/{LOG_ID}/0", KEY.public_key().public_bytes_raw())


def house() -> Append:
    """Some of everything, in partitions 0 and 3."""
    append = Append(NOW + timedelta(microseconds=123))
    for partition, epoch in ((0, 4), (3, 7)):
        taken = PartitionTaken("me", epoch, "other")
        append.add(Fact(partition, f"log_{partition}", epoch, taken), "hookd", None)
    creating(append, name='é \u2028 " \\ </script>', metadata={"k": "\x7f", "ü": "\n"})
    endpoint = registering(append, event_types=("a", "b"), retry_delays_s=(0.5, 1.0))
    accepting(append, EP, "ep_2", channels=("x",), event_id="e")
    moving(append, born_in(append)[0], AttemptSucceeded(1, 200, 1, 1, 1))
    moving(append, born_in(append)[1], AttemptFailed(1, Fault.DNS, 1, 1, 1, detail="\r\n\x00", next_at=NOW))
    changing(append, endpoint, EP, EndpointDeleted())
    creating(append, "app_3", 3, name="other")
    accepting(append, EP, message="msg_3", partition=3, application="app_3")
    return append


async def fill(dsn: str, *appends: Append) -> None:
    """Put a log into a database."""
    opened = await Database.open(dsn, readers=1)
    log = PostgresLog(opened.dedicated, opened.reading)
    for append in appends or (house(),):
        await log.append(append)
    await log.settle(None)
    await log.close()
    await opened.close()


async def seal(dsn: str, partition: int, size: int) -> str:
    """Sign the first `size` events of a partition, as the notary would; answers the note."""
    connection = await asyncpg.connect(dsn)
    records = await connection.fetch(
        f"select {leaf.RECORD_SQL} from log.event e where partition = $1 and seq <= $2 order by seq", partition, size
    )
    assert len(records) == size
    tree = Frontier()
    for (record,) in records:
        tree.append(leaf_hash(leaf.DOMAIN + record))
    origin = checkpoint.origin_of(LOG_ID, partition)
    note = checkpoint.sign(Checkpoint(origin, size, tree.root()), KEY)
    await connection.execute(
        "insert into log.checkpoint (partition, size, at, root, note) values ($1, $2, now(), $3, $4)",
        partition, size, tree.root(), note,
    )  # fmt: skip
    await connection.close()
    return note


async def exported(dsn: str, path: Path, selection: Selection | None = None, **options: Any) -> Exported:
    """Export a database to a file."""
    opened = await Database.open(dsn, readers=1)
    try:
        with writing(str(path), force=True) as file:
            return await export(
                opened.dedicated,
                selection or Selection(),
                lambda log_id: Parquet(file) if path.suffix == ".parquet" else JsonLines(file, log_id),
                **options,
            )
    finally:
        await opened.close()


async def imported(dsn: str, path: Path, key: VerifierKey | None = None) -> Loaded:
    """Import a file into a database."""
    connection = await asyncpg.connect(dsn)
    try:
        with reading(str(path)) as file:
            return await load(connection, open_export(file), key)
    finally:
        await connection.close()


async def dump(dsn: str) -> list[bytes]:
    """Every record of the log, in order."""
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch(f"select {leaf.RECORD_SQL} from log.event e order by partition, seq")
    await connection.close()
    return [row[0] for row in rows]


async def states(dsn: str) -> list[str]:
    """Every row of every state table, as text."""
    connection = await asyncpg.connect(dsn)
    tables = ("application", "endpoint", "event_type", "admin", "event_id", "mention", "delivery")
    found = [
        f"{table} {row[0]}"
        for table in tables
        for row in await connection.fetch(f"select s::text from state.{table} s order by 1")
    ]
    await connection.close()
    return found
