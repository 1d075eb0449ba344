"""Two connections that see the same moment of the database: one streams the log, the other looks things up."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from events.postgres import BY_INDEX

Connect = Callable[[Mapping[str, str]], Awaitable[asyncpg.Connection]]

# A look at everything takes as long as it takes; and the client reads while the server waits.
PATIENT: Final = {**BY_INDEX, "statement_timeout": "0", "idle_in_transaction_session_timeout": "0"}


@asynccontextmanager
async def snapshot(connect: Connect) -> AsyncIterator[tuple[asyncpg.Connection, asyncpg.Connection]]:
    """(streaming, asking): both read-only, both in one repeatable-read snapshot, both closed at the end."""
    streaming = await connect(PATIENT)
    try:
        asking = await connect(PATIENT)
        try:
            async with streaming.transaction(isolation="repeatable_read", readonly=True):
                name = await streaming.fetchval("select pg_export_snapshot()")
                async with asking.transaction(isolation="repeatable_read", readonly=True):
                    await asking.execute(f"set transaction snapshot '{name}'")
                    yield streaming, asking
        finally:
            await asking.close()
    finally:
        await streaming.close()
