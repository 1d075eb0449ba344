import pytest

from tests.daemon.api.example import application


@pytest.fixture
async def client(aiohttp_client):
    return await aiohttp_client(application())
