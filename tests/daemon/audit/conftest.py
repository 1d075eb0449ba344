from collections.abc import AsyncIterator

import pytest

from tests.daemon.audit.evidence import Evidence, a_log
from tests.support.databases import Server


@pytest.fixture
async def evidence(database: str, database_server: Server) -> AsyncIterator[Evidence]:
    """A log of a few hundred events in one partition, sealed."""
    async with a_log(database, database_server.admin_dsn) as made:
        yield made
