"""Two connections that see the same moment of the database: one streams the log, the other looks things up."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg

from events.leaf import at_us
from events.postgres import BY_INDEX

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)

Connect = Callable[[Mapping[str, str]], Awaitable[asyncpg.Connection]]

# A look at everything takes as long as it takes; and the client reads while the server waits.
PATIENT: Final = {**BY_INDEX, "statement_timeout": "0", "idle_in_transaction_session_timeout": "0"}


@asynccontextmanager
async def snapshot(
    connect: Connect, keeping: str | None = None
) -> AsyncIterator[tuple[asyncpg.Connection, asyncpg.Connection]]:
    """(streaming, asking): both read-only, both in one repeatable-read snapshot, both closed at the end.

    A snapshot does not hold tables: one that is dropped is gone for it too. `keeping` names those to be held.
    """
    streaming = await connect(PATIENT)
    try:
        asking = await connect(PATIENT)
        try:
            await _read_every_moment(asking)
            async with asking.transaction(isolation="repeatable_read", readonly=True):
                if keeping is not None:
                    await asking.execute(f"lock table {keeping} in access share mode")
                async with streaming.transaction(isolation="repeatable_read", readonly=True):
                    name = await streaming.fetchval("select pg_export_snapshot()")
                    await asking.execute(f"set transaction snapshot '{name}'")
                    yield streaming, asking
        finally:
            await asking.close()
    finally:
        await streaming.close()


async def _read_every_moment(connection: asyncpg.Connection) -> None:
    """A moment beyond the calendar is its first or last one: what should not be there must still be looked at."""
    await connection.set_type_codec(
        "timestamptz", schema="pg_catalog", encoder=lambda at: (at_us(at),), decoder=_moment, format="tuple"
    )


def _moment(value: tuple[int]) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=value[0])
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if value[0] > 0 else datetime.min.replace(tzinfo=UTC)
