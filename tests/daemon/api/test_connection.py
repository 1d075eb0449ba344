"""Requests of one connection: answered in order, begun in order, and together only where that changes nothing."""

import asyncio
import gc
import itertools
import socket
import struct
from itertools import pairwise

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from daemon.api import connection
from daemon.api.asked import Asked
from daemon.api.dialect import ProblemDialect
from daemon.api.layer import Surface, serve
from daemon.api.operation import Call
from daemon.api.reader import PIECE_BYTES_MAX
from daemon.api.reply import Reply
from daemon.api.stream import Stream
from tests.daemon.api.test_answer import connection as connected
from tests.daemon.api.test_answer import told


class Recorder:
    """What is asked waits for the commit."""

    def __init__(self):
        self.asked = []
        self.committed = False
        self.waiting = []
        self.seen = asyncio.Event()

    def ask(self, what):
        self.asked.append(what)
        self.seen.set()
        answer = asyncio.get_running_loop().create_future()
        self.waiting.append(answer)
        if self.committed:
            self.commit()
        return answer

    def commit(self):
        self.committed = True
        for each in self.waiting:
            each.set_result("committed")
        self.waiting.clear()

    async def reaches(self, count):
        while len(self.asked) < count:
            self.seen.clear()
            await self.seen.wait()


def server(recorder):
    surface = Surface("", ProblemDialect(), title="x", version="1")

    def asked(what):
        def finish(committed):
            assert committed == "committed"
            if what == "fails":
                raise RuntimeError
            return Reply(body=what.encode())

        return Asked(recorder.ask(what), finish)

    async def slow(what):
        await recorder.ask("first")
        return asked(what)

    @surface.op("POST", "/ask/{what}")
    def ask(call: Call[None], what: str) -> Asked:
        if what == "breaks":
            raise RuntimeError
        return slow(what) if what == "slow" else asked(what)  # as one that has to make something first

    @surface.op("GET", "/asked")
    async def what_was_asked(call: Call[None]) -> Reply:
        return Reply(body=",".join(recorder.asked).encode())

    @surface.op("POST", "/alone/{what}")
    async def alone(call: Call[None], what: str) -> Reply:
        await recorder.ask(what)
        return Reply(body=what.encode())

    @surface.op("GET", "/stream")
    async def stream(call: Call[None]) -> Stream:
        begun = Stream("text/plain")
        begun.begin(call.request)
        call.request.transport.write(b"said")
        return begun

    @surface.op("GET", "/endless")
    async def endless(call: Call[None]) -> Stream:
        Stream("text/plain").begin(call.request)
        await recorder.ask("endless")

    @surface.op("GET", "/cancelled")
    async def cancelled(call: Call[None]) -> Reply:
        recorder.ask("cancelled").cancel()
        await recorder.waiting.pop()

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


def left(writer):
    """Leave in a way that cannot be taken for one who only has nothing more to say."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


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
    recorder.commit()
    assert await bodies(reader, 40) == names


async def test_those_that_arrive_while_others_wait_begin_too(line, recorder):
    reader, writer, _ = line
    for number in range(5):
        writer.write(post(f"/ask/{number}"))
        await recorder.reaches(number + 1)
    recorder.commit()
    assert await bodies(reader, 5) == list("01234")


async def test_no_more_than_a_bound_wait_together(line, recorder, monkeypatch):
    monkeypatch.setattr(connection, "UNDER_WAY_MAX", 3)
    reader, writer, runner = line
    writer.write(b"".join(post(f"/ask/{number}") for number in range(8)))
    await recorder.reaches(3)
    await meanwhile(runner)
    assert len(recorder.asked) == 3
    recorder.commit()
    assert await bodies(reader, 8) == list("01234567")


async def test_others_find_done_what_was_asked_before_them(line, recorder):
    reader, writer, runner = line
    writer.write(post("/ask/a") + post("/ask/b") + get("/asked") + post("/alone/c") + post("/ask/d") + get("/asked"))
    await recorder.reaches(2)
    await meanwhile(runner)
    assert recorder.asked == ["a", "b"]  # nothing overtakes what waits
    recorder.commit()
    assert await bodies(reader, 6) == ["a", "b", "a,b", "c", "d", "a,b,c,d"]


async def test_who_has_to_do_something_first_lets_nobody_by(line, recorder):
    reader, writer, runner = line
    writer.write(post("/ask/slow") + post("/ask/b"))
    await recorder.reaches(1)
    await meanwhile(runner)
    assert recorder.asked == ["first"]
    recorder.commit()
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
    recorder.commit()
    assert await bodies(reader, 3) == ["a", "b", "c"]


async def test_errors_are_answered_in_their_place(line, recorder):
    reader, writer, _ = line
    writer.write(post("/ask/a") + get("/nowhere") + post("/ask/breaks") + post("/ask/fails") + post("/ask/b"))
    await recorder.reaches(1)
    recorder.commit()
    starts = [(await told(reader))[0] for _ in range(5)]
    assert [start.split()[1] for start in starts] == ["200", "404", "500", "500", "200"]


async def test_what_is_no_request_ends_the_connection_after_the_answers_before(line, recorder):
    reader, writer, runner = line
    writer.write(post("/ask/a"))
    await recorder.reaches(1)
    writer.write(b"no request at all\r\n\r\n")
    await meanwhile(runner)
    recorder.commit()
    assert (await told(reader))[0] == "HTTP/1.1 200 OK"
    assert (await told(reader))[0] == "HTTP/1.1 400 Bad Request"
    assert await reader.read() == b""


async def test_nothing_is_answered_after_the_last_answer(line, recorder):
    reader, writer, runner = line
    writer.write(post("/ask/a") + post("/ask/b", head="Connection: close\r\n"))
    await recorder.reaches(2)
    writer.write(post("/ask/c"))
    await meanwhile(runner)
    recorder.commit()
    assert await bodies(reader, 2) == ["a", "b"]
    assert await reader.read() == b""


async def test_a_stream_begins_after_the_answers_before_it(line, recorder):
    reader, writer, runner = line
    writer.write(post("/ask/a") + get("/stream"))
    await recorder.reaches(1)
    await meanwhile(runner)
    recorder.commit()
    assert await bodies(reader, 1) == ["a"]
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
    assert await reader.read() == b"said"


async def test_all_that_is_under_way_is_finished_when_the_server_stops(line, recorder):
    reader, writer, runner = line
    writer.write(post("/ask/a") + post("/ask/b") + get("/asked"))
    await recorder.reaches(2)
    stopping = asyncio.create_task(runner.cleanup())
    while not runner.server or not all(each._leaving for each in runner.server.connections):  # noqa: ASYNC110
        await asyncio.sleep(0)
    assert not stopping.done()
    recorder.commit()
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
    await runner.cleanup()
    assert await reader.read() == b""
    recorder.commit()  # for nobody
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
        recorder.commit()
        assert await bodies(reader, 1) == ["c"]
        while len(served.connections) > 1:  # noqa: ASYNC110
            await asyncio.sleep(0)
        second.close()


@pytest.mark.parametrize("end", [lambda asked: asked.set_exception(RuntimeError()), lambda asked: asked.cancel()])
async def test_nobody_hears_what_became_of_it_once_the_client_has_left(recorder, end):
    served = server(recorder)
    async with connected(served) as (_, writer, _runner):
        writer.write(post("/ask/a"))
        await recorder.reaches(1)
        left(writer)
        while served.connections:  # noqa: ASYNC110
            await asyncio.sleep(0)
        said = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
        end(recorder.waiting.pop())
        await asyncio.sleep(0)
        gc.collect()
        assert not said


async def test_who_leaves_is_not_asked_for_its_body(recorder):
    served = server(recorder)
    with capture_logs() as logs:
        async with connected(served) as (_, writer, _runner):
            writer.write(post("/alone/a") + post("/ask/b", b"xx", head="Expect: 100-continue\r\n")[:-2])
            await recorder.reaches(1)
            (client,) = served.connections
            assert client._reader.expects
            left(writer)
            while not client._lost:  # noqa: ASYNC110
                await asyncio.sleep(0)
            recorder.commit()
            while served.connections:  # noqa: ASYNC110
                await asyncio.sleep(0)
    assert not logs


async def test_who_begins_after_the_end_of_the_connection_lets_nobody_by(recorder):
    served = server(recorder)
    with capture_logs() as logs:
        async with connected(served) as (_, writer, _runner):
            writer.write(post("/ask/a") + post("/ask/slow") + post("/ask/b"))
            await recorder.reaches(2)
            (client,) = served.connections
            recorder.commit()
            client._transport.close()  # "a" finds nobody to answer and ends the connection; "slow" goes on
            await recorder.reaches(3)
    assert recorder.asked == ["a", "first", "slow"]
    assert not logs


async def test_what_runs_is_ended_when_it_does_not_end(recorder):
    runner = web.ServerRunner(server(recorder), shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    reader, writer = await asyncio.open_connection(*runner.addresses[0])
    writer.write(post("/alone/a"))
    await recorder.reaches(1)
    (client,) = runner.server.connections
    (task,) = client._tasks
    await runner.cleanup()
    assert await reader.read() == b""
    assert task.cancelled()
    writer.close()


async def test_a_request_that_has_begun_to_come_is_served_before_the_end(line, recorder):
    reader, writer, runner = line
    recorder.commit()
    whole = post("/ask/a", b"x" * 100)
    writer.write(whole[:-50])
    (client,) = runner.server.connections
    while not client._reader.receiving:  # noqa: ASYNC110
        await asyncio.sleep(0)
    stopping = asyncio.create_task(runner.cleanup())
    while not client._leaving:  # noqa: ASYNC110
        await asyncio.sleep(0)
    writer.write(whole[-50:] + post("/ask/b"))
    start, headers, body = await told(reader)
    assert (start, headers["Connection"], body) == ("HTTP/1.1 200 OK", "close", b"a")
    assert await reader.read() == b""
    await stopping


async def seen(client, times):
    """Have the connection looked at at these times, in seconds."""
    for now in times:
        client.review(now)


async def test_an_idle_connection_is_closed(line, recorder):
    reader, writer, runner = line
    recorder.commit()
    (client,) = runner.server.connections
    writer.write(post("/ask/a") + post("/ask/b"))
    assert await bodies(reader, 2) == ["a", "b"]
    await seen(client, (0, connection.KEEP_ALIVE_S - 1))
    assert not client._transport.is_closing()
    await seen(client, (connection.KEEP_ALIVE_S,))
    assert await reader.read() == b""


@pytest.mark.parametrize("begun", [b"G", b"GET /asked HTTP/1.1\r\nHost: x\r\nA: b", post("/ask/a", b"x" * 9)[:-1]])
async def test_a_request_that_takes_too_long_to_come_is_refused(line, begun):
    reader, writer, runner = line
    writer.write(begun)
    (client,) = runner.server.connections
    while not client._reader.receiving:  # noqa: ASYNC110
        await asyncio.sleep(0)
    await seen(client, (0, connection.REQUEST_S - 1))
    assert not client._transport.is_closing()
    await seen(client, (connection.REQUEST_S,))
    start, headers, _ = await told(reader)
    assert (start, headers["Connection"]) == ("HTTP/1.1 408 Request Timeout", "close")
    assert await reader.read() == b""


async def test_whoever_waits_for_a_commit_is_not_hurried(line, recorder):
    reader, writer, runner = line
    writer.write(post("/ask/a"))
    await recorder.reaches(1)
    (client,) = runner.server.connections
    await seen(client, (0, connection.KEEP_ALIVE_S * 2))
    recorder.commit()
    assert await bodies(reader, 1) == ["a"]


async def test_what_nobody_wants_is_read_off_before_the_next(line, recorder):
    reader, writer, _ = line
    recorder.commit()
    large = post("/nowhere", b"x" * 3_000_000)
    writer.write(large[:-10])
    assert (await told(reader))[0] == "HTTP/1.1 413 Request Entity Too Large"
    writer.write(large[-10:] + post("/ask/b"))
    assert await bodies(reader, 1) == ["b"]


async def test_what_never_comes_is_not_waited_for_long(line):
    reader, writer, runner = line
    (client,) = runner.server.connections
    writer.write(post("/nowhere", b"x" * 20_000)[:-10])
    assert (await told(reader))[0] == "HTTP/1.1 413 Request Entity Too Large"
    await seen(client, (0, connection.LINGER_S))
    assert await reader.read() == b""


async def test_a_body_is_asked_for_after_the_answers_before_it(line, recorder):
    reader, writer, runner = line
    writer.write(post("/ask/a") + post("/ask/b", b"xx", head="Expect: 100-continue\r\n")[:-2])
    await recorder.reaches(1)
    await meanwhile(runner)
    recorder.commit()
    assert await bodies(reader, 1) == ["a"]
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"xx")
    assert await bodies(reader, 1) == ["b"]


async def test_a_body_that_comes_unasked_is_not_asked_for(line, recorder):
    reader, writer, _ = line
    recorder.commit()
    writer.write(post("/ask/b", b"xx", head="Expect: 100-continue\r\n"))
    assert await bodies(reader, 1) == ["b"]


async def test_nothing_is_received_while_too_much_waits(line, recorder):
    reader, writer, runner = line
    count = 4 * connection.UNDER_WAY_MAX
    (client,) = runner.server.connections
    writer.write(post("/alone/0") + b"".join(post(f"/ask/{number}", b"x" * 5000) for number in range(1, count)))
    await recorder.reaches(1)
    while not client._paused:  # noqa: ASYNC110
        await asyncio.sleep(0)
    waiting = client._reader.whole
    assert sum(len(each.body) for each in waiting) < 10_000 + 2 * PIECE_BYTES_MAX
    recorder.commit()
    assert await bodies(reader, count) == [str(number) for number in range(count)]
    assert not client._paused


async def test_what_comes_at_once_is_begun_piece_by_piece(line, recorder):
    reader, writer, runner = line
    recorder.commit()
    count = 5 * PIECE_BYTES_MAX // len(get("/asked"))
    (client,) = runner.server.connections
    client.data_received(get("/nowhere") * count)
    assert len(client._rest) > 3 * PIECE_BYTES_MAX
    starts = [(await told(reader))[0] for _ in range(count)]
    assert set(starts) == {"HTTP/1.1 404 Not Found"}
    while client._paused:  # noqa: ASYNC110
        await asyncio.sleep(0)
    writer.write(post("/ask/a"))
    assert await bodies(reader, 1) == ["a"]


async def test_who_does_not_take_the_answers_gets_no_more_of_them(line, recorder):
    reader, writer, runner = line
    recorder.commit()
    (client,) = runner.server.connections
    client._transport.set_write_buffer_limits(high=0)
    client.pause_writing()
    writer.write(post("/ask/a") + get("/asked"))
    while len(client._reader.whole) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0)
    assert not recorder.asked
    client.resume_writing()
    assert await bodies(reader, 2) == ["a", "a"]


async def test_who_takes_nothing_at_all_is_left(line):
    reader, _, runner = line
    (client,) = runner.server.connections
    client.pause_writing()
    await seen(client, (0, connection.REQUEST_S))
    assert await reader.read() == b""


async def test_a_fault_of_ours_ends_the_connection_and_is_logged(line, monkeypatch):
    reader, writer, runner = line
    (client,) = runner.server.connections

    def fail(*_, **__):
        raise RuntimeError

    monkeypatch.setattr(runner.server.guard, "begin", fail)
    with capture_logs() as logs:
        writer.write(get("/asked"))
        assert await reader.read() == b""
    assert [each["event"] for each in logs] == ["connection_failed"]
    assert client._transport.is_closing()


async def test_many_that_are_answered_at_once_leave_others_their_turn(line, monkeypatch):
    reader, _, runner = line
    monkeypatch.setattr(connection, "BEGIN_S", 60.0)
    (client,) = runner.server.connections
    count = 3 * connection.BEGUN_MAX
    client.data_received(get("/nowhere") * count)
    assert len(client._reader.whole) == count - connection.BEGUN_MAX
    assert client._paused
    client.data_received(get("/asked"))
    assert len(client._rest) == len(get("/asked"))
    starts = [(await told(reader))[0] for _ in range(count + 1)]
    assert starts == ["HTTP/1.1 404 Not Found"] * count + ["HTTP/1.1 200 OK"]
    assert not client._paused


async def test_what_takes_long_to_begin_ends_the_turn(line, monkeypatch):
    reader, _, runner = line
    (client,) = runner.server.connections
    moments = itertools.count(step=connection.BEGIN_S / 2)  # of the clock, whenever it is looked at
    monkeypatch.setattr(connection, "monotonic", lambda: next(moments))
    client._reader.feed(post("/nowhere") * 5)
    client._go_on()
    assert len(client._reader.whole) == 2
    starts = [(await told(reader))[0] for _ in range(5)]
    assert starts == ["HTTP/1.1 404 Not Found"] * 5


async def test_bodies_of_what_is_refused_count_too_until_it_is_answered(line, recorder):
    reader, writer, runner = line
    (client,) = runner.server.connections
    count = connection.UNDER_WAY_BODIES_MAX
    writer.write(post("/ask/a") + post("/ask/breaks", b"x" * 10_000) * (2 * count) + post("/ask/b"))
    await recorder.reaches(1)
    await meanwhile(runner)
    assert len(client._under_way) == 1 + count
    recorder.commit()
    starts = [(await told(reader))[0].split()[1] for _ in range(2 * count + 2)]
    assert starts == ["200", *["500"] * (2 * count), "200"]
    assert client._held_bytes == 0


async def test_who_waits_with_much_begins_no_more(line, recorder):
    reader, writer, runner = line
    count = connection.UNDER_WAY_BODIES_MAX
    writer.write(b"".join(post(f"/ask/{number}", b"x" * 10_000) for number in range(2 * count)))
    await recorder.reaches(count)
    await meanwhile(runner)
    assert len(recorder.asked) == count
    recorder.commit()
    assert await bodies(reader, 2 * count) == [str(number) for number in range(2 * count)]
    (client,) = runner.server.connections
    assert client._held_bytes == 0


async def test_who_has_nothing_more_to_say_is_answered(line, recorder):
    reader, writer, runner = line
    writer.write(post("/ask/a") + post("/alone/b") + post("/ask/c") + b"POST /ask/d")
    await recorder.reaches(1)
    writer.write_eof()
    (client,) = runner.server.connections
    while not client._leaving:  # noqa: ASYNC110
        await asyncio.sleep(0)
    recorder.commit()
    answers = [await told(reader) for _ in range(3)]
    assert [body for _, _, body in answers] == [b"a", b"b", b"c"]
    assert [headers.get("Connection") for _, headers, _ in answers] == [None, None, "close"]
    assert await reader.read() == b""


@pytest.mark.parametrize("sent", [b"", b"POST /ask/d", post("/ask/d", b"x" * 9)[:-1], get("/endless")])
async def test_who_has_nothing_to_wait_for_is_left(line, recorder, sent):
    reader, writer, runner = line
    writer.write(sent)
    (client,) = runner.server.connections
    while sent and not (client._reader.receiving or recorder.asked):  # noqa: ASYNC110
        await asyncio.sleep(0)
    writer.write_eof()
    assert (await reader.read())[:15] in (b"", b"HTTP/1.1 200 OK")
    recorder.commit()  # whoever streams sees it


async def test_who_is_cancelled_ends_the_connection(line):
    reader, writer, _ = line
    with capture_logs() as logs:
        writer.write(get("/cancelled") + get("/asked"))
        assert await reader.read() == b""
    assert [each["event"] for each in logs] == ["connection_failed"]


async def test_a_command_that_is_cancelled_is_a_failure(line, recorder):
    reader, writer, _ = line
    with capture_logs() as logs:
        writer.write(post("/ask/a") + post("/ask/b"))
        await recorder.reaches(2)
        recorder.waiting.pop(0).cancel()
        recorder.commit()
        starts = [(await told(reader))[0] for _ in range(2)]
    assert starts == ["HTTP/1.1 500 Internal Server Error", "HTTP/1.1 200 OK"]
    assert [each["event"] for each in logs] == ["request_failed"]


async def test_who_does_not_take_the_last_answer_is_left(recorder):
    served = server(recorder)
    async with connected(served) as (_, _writer, _runner):
        while not served.connections:  # noqa: ASYNC110
            await asyncio.sleep(0)
        (client,) = served.connections
        client._transport.write(b"x" * 30_000_000)
        client._close()
        await seen(client, (0, connection.REQUEST_S - 1))
        assert client._transport.get_write_buffer_size()
        await seen(client, (connection.REQUEST_S,))
        while served.connections:  # noqa: ASYNC110
            await asyncio.sleep(0)


@pytest.mark.parametrize("entry", ["review", "resume_writing"])
async def test_what_fails_for_one_client_fails_for_no_other(line, monkeypatch, entry):
    reader, _, runner = line
    (client,) = runner.server.connections

    def fail(*_):
        raise RuntimeError

    monkeypatch.setattr(connection.Connection, "_review", fail)
    monkeypatch.setattr(connection.Connection, "_write_what_is_answered", fail)
    with capture_logs() as logs:
        getattr(client, entry)(*([0.0] if entry == "review" else []))
        assert await reader.read() == b""
    assert [each["event"] for each in logs] == ["connection_failed"]


async def test_nobody_who_has_left_is_asked_for_anything(recorder):
    client = server(recorder)()
    client.connection_made(wire := Wire())
    client.data_received(post("/alone/a") + post("/ask/b", b"xx", head="Expect: 100-continue\r\n")[:-2])
    await recorder.reaches(1)
    wire.closing = True
    client._under_way.clear()
    client._go_on()
    assert client._reader.expects
    assert not wire.written
    recorder.commit()
    client.connection_lost(None)


CHUNKED = b"POST /ask/b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
CONVERSATION = [
    (post("/ask/a", b"xyz"), "a"),
    (get("/asked"), "a"),
    (
        CHUNKED + b"2;e=1\r\nxy\r\n1\r\nz\r\n0\r\nT: u\r\n\r\n",
        "b",
    ),
    (post("/alone/c", b"x" * 300), "c"),
    (post("/ask/d"), "d"),
    (get("/asked"), "a,b,c,d"),
]


@given(st.lists(st.integers(0, sum(len(sent) for sent, _ in CONVERSATION)), max_size=12))
def test_it_does_not_matter_how_the_bytes_come(cuts):
    stream = b"".join(sent for sent, _ in CONVERSATION)
    edges = sorted({0, *cuts, len(stream)})

    async def talk():
        recorder = Recorder()
        recorder.commit()
        client = server(recorder)()
        transport = Wire()
        client.connection_made(transport)
        for start, end in pairwise(edges):
            client.data_received(stream[start:end])
            if start % 2:
                await asyncio.sleep(0)
        while client._under_way:  # noqa: ASYNC110
            await asyncio.sleep(0)
        client.connection_lost(None)
        return transport.written

    written = asyncio.run(talk())
    told = [each.partition(b"\r\n\r\n")[2].decode() for each in written]
    assert told == [expected for _, expected in CONVERSATION]


class Wire(asyncio.Transport):
    """Takes everything."""

    def __init__(self):
        super().__init__()
        self.written = []
        self.closing = False

    def write(self, data):
        self.written.append(data)

    def is_closing(self):
        return self.closing

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass
