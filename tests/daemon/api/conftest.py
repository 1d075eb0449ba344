import pytest

from tests.daemon.api.example import server
from tests.daemon.api.running import Served


@pytest.fixture
async def client(aiohttp_client):
    return await aiohttp_client(Served(server()))
