"""The request id's way in and out, and what the guard logs."""

import asyncio

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from daemon.api.dialect import ProblemDialect
from daemon.api.guard import fresh_id, is_sane
from daemon.api.layer import Surface, serve
from daemon.api.operation import Call
from daemon.api.request import Request
from tests.daemon.api.example import server
from tests.daemon.api.test_answer import connection, told
from tests.daemon.api.test_connection import left


@pytest.mark.parametrize(
    ("given", "sane"),
    [("abc-1", True), ("x" * 128, True), ("x" * 129, False), ("a b", False), ("é", False), ("a\x7f", False)],
)
def test_sane_ids(given, sane):
    assert is_sane(given) is sane


def test_fresh_ids_are_sane_and_differ():
    assert is_sane(fresh_id())
    assert fresh_id() != fresh_id()


async def test_id_is_echoed_or_made(client):
    assert (await client.get("/healthz", headers={"X-Request-Id": "mine"})).headers["X-Request-Id"] == "mine"
    assert (await client.get("/healthz", headers={"X-Request-Id": "a b"})).headers["X-Request-Id"] == "generated"
    assert (await client.get("/nowhere")).headers["X-Request-Id"] == "generated"


async def test_only_the_unexpected_is_logged(client):
    with capture_logs() as logs:
        assert (await client.delete("/api/v1/app/refused")).status == 409
        assert (await client.get("/nowhere")).status == 404
        assert logs == []
        response = await client.delete("/api/v1/app/breaks?token=hidden")
    assert "secret" not in await response.text()
    assert [entry["event"] for entry in logs] == ["request_failed"]
    assert (logs[0]["path"], logs[0]["request_id"]) == ("/api/v1/app/breaks", "generated")


async def test_streams_pass(client):
    assert await (await client.get("/stream")).read() == b"chunk"


async def test_a_stream_that_breaks_is_cut_off_not_answered_twice(client):
    with capture_logs() as logs:
        assert await (await client.get("/stream?break=1")).read() == b"chunk"
    assert [entry["event"] for entry in logs] == ["request_failed"]


@pytest.mark.parametrize(
    "head",
    [b"POST /log/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n"],
)
async def test_a_client_that_goes_away_is_no_failure_of_ours(head):
    served = server()
    runner = web.ServerRunner(served)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    with capture_logs() as logs:
        _, writer = await asyncio.open_connection(*runner.addresses[0])
        writer.write(head)
        while not any(each._reader.receiving or each._tasks for each in served.connections):  # noqa: ASYNC110
            await asyncio.sleep(0)
        left(writer)
        while served.connections:  # noqa: ASYNC110
            await asyncio.sleep(0)
        await runner.cleanup()
    assert logs == []


@pytest.mark.parametrize(("left", "events"), [(True, []), (False, ["request_failed"])])
async def test_who_has_left_cannot_be_failed(left, events):
    class Wire(asyncio.Transport):
        def is_closing(self):
            return left

    surface = Surface("", ProblemDialect(), title="x", version="1")

    @surface.op("GET", "/")
    async def lost(call: Call[None]) -> None:
        raise ConnectionResetError

    request = Request("GET", b"/")
    request.transport = Wire()
    with capture_logs() as logs:
        answer = await serve([surface], {}, body_bytes_max=1).guard.begin(request, alone=True)
    assert (answer.status, [each["event"] for each in logs]) == (500, events)


async def test_targets_are_remembered_and_names_are_not_shared(client):
    for spelt in ("ab", "c", "x" * 300, "ab"):
        path = f"/api/v1/app/{spelt}/msg"
        response = await client.post(
            path, data=b'{"eventType":"a","payload":{}}', headers={"Authorization": "Bearer yes"}
        )
        assert (await response.json())["id"] == spelt


async def test_a_body_that_breaks_off_is_the_clients_fault(client):
    response = await client.post("/log/1", data=b"not gzip", headers={"Content-Encoding": "gzip"})
    assert response.status == 400
    assert (await response.json(content_type="application/problem+json"))["status"] == 400


async def test_nothing_is_unpacked_for_who_may_not_send_it(client):
    packed = {"Content-Encoding": "gzip"}
    for authorization, status in ({}, 401), ({"Authorization": "Bearer yes"}, 400):
        response = await client.post("/api/v1/app/a/msg", data=b"not gzip", headers=packed | authorization)
        assert response.status == status


@pytest.mark.parametrize("target", [b"http://][@/", b"http:///healthz", b"http://x:99999/healthz"])
async def test_a_target_that_is_none_is_the_clients_fault(target):
    with capture_logs() as logs:
        async with connection() as (reader, writer, _):
            writer.write(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % target)
            assert (await told(reader))[0] == "HTTP/1.1 400 Bad Request"
    assert logs == []


async def test_what_is_no_request_is_one_line():
    with capture_logs() as logs:
        async with connection() as (reader, writer, _):
            writer.write(b"no request\r\n\r\n")
            assert (await told(reader))[0] == "HTTP/1.1 400 Bad Request"
    assert [(each["event"], each["log_level"], each["status"]) for each in logs] == [
        ("request_malformed", "info", 400)
    ]
