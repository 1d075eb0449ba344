"""The bytes of answers, as they go over the wire."""

import asyncio
import re
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from daemon.api.answer import Answer
from daemon.api.dialect import ProblemDialect
from daemon.api.layer import Surface, serve
from daemon.api.operation import Call
from daemon.api.reply import Reply
from daemon.api.request import Request
from tests.daemon.api.example import server


@asynccontextmanager
async def connection(served=None):
    runner = web.ServerRunner(served or server())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    reader, writer = await asyncio.open_connection(*runner.addresses[0])
    try:
        yield reader, writer, runner
    finally:
        writer.close()
        await runner.cleanup()


async def told(reader):
    """One answer: (start line, headers, body)."""
    start, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return start, headers, await reader.readexactly(int(headers.get("Content-Length", 0)))


async def test_an_answer_byte_by_byte():
    async with connection() as (reader, writer, _):
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        start, headers, body = await told(reader)
    assert (start, body) == ("HTTP/1.1 200 OK", b"well")
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", headers.pop("Date"))
    assert headers == {
        "Content-Type": "text/plain",
        "X-Request-Id": "generated",
        "Cache-Control": "no-store",
        "Content-Length": "4",
    }


@pytest.mark.parametrize(
    ("version", "asked", "said", "stays"),
    [
        ("1.1", "", None, True),
        ("1.1", "Connection: close\r\n", "close", False),
        ("1.0", "", "close", False),
        ("1.0", "Connection: keep-alive\r\n", "keep-alive", True),
    ],
)
async def test_connections_stay_or_close(version, asked, said, stays):
    request = f"GET /healthz HTTP/{version}\r\nHost: x\r\n{asked}\r\n".encode()
    async with connection() as (reader, writer, _):
        writer.write(request)
        assert (await told(reader))[1].get("Connection") == said
        if stays:
            writer.write(request)
            assert (await told(reader))[2] == b"well"
        else:
            assert await reader.read() == b""


async def test_what_has_no_body():
    async with connection() as (reader, writer, _):
        writer.write(b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        start = await reader.readuntil(b"\r\n\r\n")
        assert b"Content-Length: 4" in start
        writer.write(b"DELETE /api/v1/app/a HTTP/1.1\r\nHost: x\r\n\r\n")
        start, headers, body = await told(reader)
        assert (start, body) == ("HTTP/1.1 204 No Content", b"")
        assert not {"Content-Length", "Content-Type"} & headers.keys()


async def test_requests_in_one_packet_are_answered_in_order():
    async with connection() as (reader, writer, _):
        writer.write(b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\nX-Request-Id: %d\r\n\r\n" % (n, n) for n in range(40)))
        assert [(await told(reader))[1]["X-Request-Id"] for _ in range(40)] == [str(n) for n in range(40)]


@pytest.mark.parametrize(
    "target", ["/api/v1/app/a%2Fb/msg", "http://x/api/v1/%61pp/a%2Fb/msg/", "/api/v1/app/a%2fb/msg?x=1#y"]
)
async def test_spellings_of_a_target(target):
    body = b'{"eventType":"a","payload":{}}'
    head = f"POST {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer yes\r\nContent-Length: {len(body)}\r\n\r\n"
    async with connection() as (reader, writer, _):
        writer.write(head.encode() + body)
        assert (await told(reader))[2] == b'{"id":"a/b","eventType":"a","payload":{}}'


async def test_a_client_may_wait_for_the_word():
    body = b'{"url":"u"}'
    head = f"POST /log/0 HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n"
    async with connection() as (reader, writer, _):
        writer.write(head.encode())
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        assert (await told(reader))[0] == "HTTP/1.1 201 Created"


async def test_what_is_under_way_is_finished_when_the_server_stops():
    began, go_on = asyncio.Event(), asyncio.Event()
    surface = Surface("", ProblemDialect(), title="x", version="1")

    @surface.op("GET", "/slow")
    async def slow(call: Call[None]) -> Reply:
        began.set()
        await go_on.wait()
        return Reply(body=b"well")

    async with connection(serve([surface], {}, body_bytes_max=100)) as (reader, writer, runner):
        writer.write(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        await began.wait()
        stopping = asyncio.create_task(runner.cleanup())
        await asyncio.sleep(0.05)
        assert not stopping.done()
        go_on.set()
        assert (await told(reader))[2] == b"well"
        await stopping
        assert await reader.read() == b""


def test_nothing_can_be_smuggled_into_the_head():
    answer = Answer(200, b"", "text/plain", {"Location": "/\r\nSet-Cookie: a=b"})
    with pytest.raises(ValueError, match="Location"):
        answer.written(Request("GET", b"/"), stays=True)
