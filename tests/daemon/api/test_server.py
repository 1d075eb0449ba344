"""One timer for all connections."""

import asyncio

from daemon.api import connection as timed
from daemon.api import server as module
from tests.daemon.api.test_answer import connection, told


async def test_connections_are_looked_at_as_long_as_there_are_any(monkeypatch):
    monkeypatch.setattr(module, "REVIEW_S", 0.001)
    monkeypatch.setattr(timed, "KEEP_ALIVE_S", 0.0)
    async with connection() as (reader, _, runner):
        served = runner.server
        assert await reader.read() == b""
        while served.connections:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert served._timer is None


async def test_all_are_reviewed():
    async with connection() as (reader, writer, runner):
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await told(reader))[2] == b"well"
        for now in (0, timed.KEEP_ALIVE_S):
            runner.server.review(now)
        assert await reader.read() == b""
