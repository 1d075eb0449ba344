"""Requests of one connection: answered in order, begun in order, and together only where that changes nothing."""

import asyncio

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from daemon.api import connection
from daemon.api.dialect import ProblemDialect
from daemon.api.layer import Surface, serve
from daemon.api.operation import Call
from daemon.api.reply import Reply
from daemon.api.stream import Stream
from tests.daemon.api.test_answer import connection as connected
from tests.daemon.api.test_answer import told


class Recorder:
    """What is asked waits for `commit`."""

    def __init__(self):
        self.asked = []
        self.committed = asyncio.Event()
        self.seen = asyncio.Event()

    async def ask(self, what):
        self.asked.append(what)
        self.seen.set()
        await self.committed.wait()

    async def reaches(self, count):
        while len(self.asked) < count:
            self.seen.clear()
            await self.seen.wait()


def server(recorder):
    surface = Surface("", ProblemDialect(), title="x", version="1")

    @surface.op("POST", "/ask/{what}", pipelined=True)
    async def ask(call: Call[None], what: str) -> Reply:
        if what == "breaks":
            raise RuntimeError
        if what == "slow":  # as one that has to make something first
            await recorder.ask("first")
        call.request.make_way()
        await recorder.ask(what)
        return Reply(body=what.encode())

    @surface.op("GET", "/asked")
    async def asked(call: Call[None]) -> Reply:
        return Reply(body=",".join(recorder.asked).encode())

    @surface.op("POST", "/alone/{what}")
    async def alone(call: Call[None], what: str) -> Reply:
        await recorder.ask(what)
        return Reply(body=what.encode())

    @surface.op("GET", "/stream")
    async def stream(call: Call[None]) -> web.StreamResponse:
        begun = Stream("text/plain", call.request_id)
        await begun.prepare(call.request)
        call.request.transport.write(b"said")
        return begun

    return serve([surface], {}, body_bytes_max=10_000)


def post(path, body=b"", head=""):
    return f"POST {path} HTTP/1.1\r\nHost: x\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def get(path):
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
async def line(recorder):
    async with connected(server(recorder)) as it:
        yield it


async def bodies(reader, count):
    return [(await told(reader))[2].decode() for _ in range(count)]


async def meanwhile(runner):
    """Let the server look at everything that was sent: it answers somebody else after that."""
    reader, writer = await asyncio.open_connection(*runner.addresses[0])
    for _ in range(3):
        writer.write(get("/asked"))
        await told(reader)
    writer.close()


async def test_those_who_only_ask_share_the_wait_and_are_answered_in_order(line, recorder):
    reader, writer, _ = line
    names = [str(number) for number in range(40)]
    writer.write(b"".join(post(f"/ask/{name}") for name in names))
    await recorder.reaches(40)
    assert recorder.asked == names
    recorder.committed.set()
    assert await bodies(reader, 40) == names


async def test_those_that_arrive_while_others_wait_begin_too(line, recorder):
    reader, writer, _ = line
    for number in range(5):
        writer.write(post(f"/ask/{number}"))
        await recorder.reaches(number + 1)
    recorder.committed.set()
    assert await bodies(reader, 5) == list("01234")


async def test_no_more_than_a_bound_wait_together(line, recorder, monkeypatch):
    monkeypatch.setattr(connection, "UNDER_WAY_MAX", 3)
    reader, writer, runner = line
    writer.write(b"".join(post(f"/ask/{number}") for number in range(8)))
    await recorder.reaches(3)
    await meanwhile(runner)
    assert len(recorder.asked) == 3
    recorder.committed.set()
    assert await bodies(reader, 8) == list("01234567")


async def test_others_find_done_what_was_asked_before_them(line, recorder):
    reader, writer, runner = line
    writer.write(post("/ask/a") + post("/ask/b") + get("/asked") + post("/alone/c") + post("/ask/d") + get("/asked"))
    await recorder.reaches(2)
    await meanwhile(runner)
    assert recorder.asked == ["a", "b"]  # nothing overtakes what waits
    recorder.committed.set()
    assert await bodies(reader, 6) == ["a", "b", "a,b", "c", "d", "a,b,c,d"]


async def test_who_has_to_do_something_first_lets_nobody_by(line, recorder):
    reader, writer, runner = line
    writer.write(post("/ask/slow") + post("/ask/b"))
    await recorder.reaches(1)
    await meanwhile(runner)
    assert recorder.asked == ["first"]
    recorder.committed.set()
    assert await bodies(reader, 2) == ["slow", "b"]
    assert recorder.asked == ["first", "slow", "b"]


async def test_a_body_that_is_still_on_its_way_waits_for_its_turn(line, recorder):
    reader, writer, runner = line
    whole = post("/ask/b", b"x" * 100)
    writer.write(post("/ask/a") + whole[:-50])
    await recorder.reaches(1)
    await meanwhile(runner)
    assert recorder.asked == ["a"]
    writer.write(whole[-50:] + post("/ask/c"))
    await recorder.reaches(3)
    recorder.committed.set()
    assert await bodies(reader, 3) == ["a", "b", "c"]


async def test_errors_are_answered_in_their_place(line, recorder):
    reader, writer, _ = line
    writer.write(post("/ask/a") + get("/nowhere") + post("/ask/breaks") + post("/ask/b"))
    await recorder.reaches(1)
    recorder.committed.set()
    starts = [(await told(reader))[0] for _ in range(4)]
    assert [start.split()[1] for start in starts] == ["200", "404", "500", "200"]


async def test_what_is_no_request_ends_the_connection_after_the_answers_before(line, recorder):
    reader, writer, runner = line
    writer.write(post("/ask/a"))
    await recorder.reaches(1)
    writer.write(b"no request at all\r\n\r\n")
    await meanwhile(runner)
    recorder.committed.set()
    assert (await told(reader))[0] == "HTTP/1.1 200 OK"
    assert (await told(reader))[0] == "HTTP/1.0 400 Bad Request"
    assert await reader.read() == b""


async def test_nothing_is_answered_after_the_last_answer(line, recorder):
    reader, writer, runner = line
    writer.write(post("/ask/a") + post("/ask/b", head="Connection: close\r\n"))
    await recorder.reaches(2)
    writer.write(post("/ask/c"))
    await meanwhile(runner)
    recorder.committed.set()
    assert await bodies(reader, 2) == ["a", "b"]
    assert await reader.read() == b""


async def test_a_stream_begins_after_the_answers_before_it(line, recorder):
    reader, writer, runner = line
    writer.write(post("/ask/a") + get("/stream"))
    await recorder.reaches(1)
    await meanwhile(runner)
    recorder.committed.set()
    assert await bodies(reader, 1) == ["a"]
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
    assert await reader.read() == b"said"


async def test_all_that_is_under_way_is_finished_when_the_server_stops(line, recorder):
    reader, writer, runner = line
    writer.write(post("/ask/a") + post("/ask/b") + get("/asked"))
    await recorder.reaches(2)
    stopping = asyncio.create_task(runner.cleanup())
    while not runner.server or not all(each._force_close for each in runner.server.connections):  # noqa: ASYNC110
        await asyncio.sleep(0)
    assert not stopping.done()
    recorder.committed.set()
    assert await bodies(reader, 3) == ["a", "b", "a,b"]
    await stopping
    assert await reader.read() == b""


async def test_what_does_not_end_is_ended(recorder):
    runner = web.ServerRunner(server(recorder), shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    reader, writer = await asyncio.open_connection(*runner.addresses[0])
    writer.write(post("/ask/a") + post("/ask/b") + get("/asked"))
    await recorder.reaches(2)
    before = len(asyncio.all_tasks())
    await runner.cleanup()
    assert await reader.read() == b""
    while len(asyncio.all_tasks()) > before - 3:  # noqa: ASYNC110
        await asyncio.sleep(0)
    writer.close()


async def test_who_leaves_takes_nobody_along(recorder):
    served = server(recorder)
    async with connected(served) as (_, writer, runner):
        writer.write(post("/ask/a") + post("/ask/b"))
        await recorder.reaches(2)
        writer.transport.abort()
        reader, second = await asyncio.open_connection(*runner.addresses[0])
        second.write(post("/ask/c"))
        await recorder.reaches(3)
        recorder.committed.set()
        assert await bodies(reader, 1) == ["c"]
        while len(served.connections) > 1:  # noqa: ASYNC110
            await asyncio.sleep(0)
        second.close()


async def test_who_begins_after_the_end_of_the_connection_lets_nobody_by(recorder):
    served = server(recorder)
    with capture_logs() as logs:
        async with connected(served) as (_, writer, _runner):
            writer.write(post("/ask/a") + post("/ask/slow") + post("/ask/b"))
            await recorder.reaches(2)
            (client,) = served.connections
            recorder.committed.set()
            client.transport.close()  # "a" finds nobody to answer and ends the connection; "slow" goes on
            await recorder.reaches(3)
    assert recorder.asked == ["a", "first", "slow"]
    assert not logs


async def test_an_idle_connection_is_closed(line, recorder):
    reader, writer, runner = line
    recorder.committed.set()
    (client,) = runner.server.connections
    client._keepalive_timeout = 0.01
    client._keepalive_handle.cancel()
    client._keepalive_handle = None
    writer.write(post("/ask/a") + post("/ask/b"))
    assert await bodies(reader, 2) == ["a", "b"]
    assert await reader.read() == b""


async def test_what_nobody_read_is_read_off_before_the_next(line, recorder):
    reader, writer, _ = line
    recorder.committed.set()
    large = post("/nowhere", b"x" * 3_000_000)
    writer.write(large[:-10])
    assert (await told(reader))[0] == "HTTP/1.1 404 Not Found"
    writer.write(large[-10:] + post("/ask/b"))
    assert await bodies(reader, 1) == ["b"]


async def test_what_never_comes_is_not_waited_for_long(line):
    reader, writer, runner = line
    (client,) = runner.server.connections
    client._lingering_time = 0.01
    writer.write(post("/nowhere", b"x" * 100)[:-10])
    assert (await told(reader))[0] == "HTTP/1.1 404 Not Found"
    assert await reader.read() == b""
