"""An open answer, over a socket."""

import asyncio

import pytest
from aiohttp.test_utils import TestClient

from daemon.api.dialect import ProblemDialect
from daemon.api.layer import Surface, serve
from daemon.api.request import Request
from daemon.api.stream import Stream
from tests.daemon.api.running import Served


def surface(written):
    made = Surface("", ProblemDialect(), title="Streams", version="1")

    @made.op("GET", "/stream", media="text/plain")
    async def stream(call) -> Stream:
        answer = Stream("text/plain")
        if call.request.method == "HEAD":
            return answer
        answer.begin(call.request)
        for part in written:
            call.request.transport.write(part)
            await asyncio.sleep(0)
        return answer

    return made


async def test_what_is_written_arrives_as_it_is_and_the_end_is_the_end():
    server = serve(
        [surface([b"one\n", b"\r\n0\r\n\r\n", b"two"])], {}, body_bytes_max=100, new_id=lambda: "generated"
    )
    async with TestClient(Served(server)) as client:
        response = await client.get("/stream", headers={"X-Request-Id": "mine"})
        assert (response.status, response.content_type, response.headers["X-Request-Id"]) == (
            200,
            "text/plain",
            "mine",
        )
        assert response.headers["Cache-Control"] == "no-store"
        assert {
            "Content-Length",
            "Transfer-Encoding",
            "Access-Control-Allow-Origin",
        } & response.headers.keys() == set()
        assert response.headers["Connection"] == "close"
        assert await response.read() == b"one\n\r\n0\r\n\r\ntwo"
        head = await client.head("/stream")
        assert (head.status, await head.read()) == (200, b"")


def test_there_is_no_stream_for_who_has_left():
    class Left(asyncio.Transport):
        def is_closing(self):
            return True

    request = Request("GET", b"/")
    request.transport = Left()
    with pytest.raises(ConnectionResetError):
        Stream("text/plain").begin(request)
    assert not request.begun


async def test_with_http_1_0_too():
    server = serve([surface([b"one"])], {}, body_bytes_max=100)
    async with TestClient(Served(server)) as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        writer.write(b"GET /stream HTTP/1.0\r\n\r\n")
        told = await reader.read()
        assert told.endswith(b"Connection: close\r\n\r\none")
        writer.close()
        await writer.wait_closed()
