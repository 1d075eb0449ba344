import pytest

from tests.daemon.api.running import serve
from tests.daemon.api.seed.caller import Caller


@pytest.fixture
async def running(database):
    async with serve(database) as it:
        yield it


@pytest.fixture
async def ada(running):
    return await Caller(running).join()


@pytest.fixture
async def bob(running):
    return await Caller(running, "bob").join()
