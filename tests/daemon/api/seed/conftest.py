import pytest

from tests.daemon.api.running import serve


@pytest.fixture
async def running(database):
    async with serve(database) as it:
        yield it
