import asyncio
import os
import signal

import asyncpg
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from daemon.settings import Settings
from daemon.storage import Storage
from events.log import Unavailable
from events.postgres import PostgresLog
from tests.support.process import until


async def opened(storage: Storage) -> int:
    with capture_logs():
        await storage.open()
    return storage.partitions


async def test_its_own_server_is_started_kept_and_stopped(home) -> None:
    storage = Storage(Settings(hookd_home=home, partitions=4))
    try:
        assert storage.ours_alone
        assert await opened(storage) == 4
        with capture_logs() as logs:
            keeping = asyncio.create_task(storage.keep())
            server = storage.postgres
            before = server.pid
            os.kill(before, signal.SIGKILL)

            async def restarted() -> bool:
                await asyncio.sleep(0)
                return any(each["event"] == "postgres_restarted" for each in logs)

            await until(restarted)
            keeping.cancel()
        assert server.pid != before
    finally:
        await storage.close()
    await storage.close()


async def test_a_server_that_somebody_else_has_started_is_left_alone(database: str) -> None:
    first = Storage(Settings(database_url=SecretStr(database), partitions=16))
    second = Storage(Settings(hookd_home="/nowhere"), dsn=database)
    assert not first.ours_alone
    assert not second.ours_alone
    assert await opened(first) == await opened(second)
    await second.close()
    assert await PostgresLog(first.database.dedicated, first.database.reading).load()
    await first.close()
    connection = await asyncpg.connect(database)
    assert await connection.fetchval("select count(*) from log.head") == first.partitions
    await connection.close()
    with pytest.raises(Unavailable):
        await PostgresLog(first.database.dedicated, first.database.reading).load()
