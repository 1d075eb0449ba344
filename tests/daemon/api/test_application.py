"""The three surfaces on one application: documents, limits, and what happens while the database is away."""

import json
from io import BytesIO

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from daemon.recorder import Busy
from events.log import Unavailable
from events.refusal import conflict
from tests.daemon.api.running import ADMIN_ID, serve

SIZE = 2 * 1024 * 1024


@pytest.fixture
async def running(database):
    async with serve(database) as it:
        yield it


@pytest.mark.parametrize("prefix", ["", "/api", "/api/v1", "/log"])
async def test_each_surface_has_a_valid_document(running, prefix):
    response = await running.client.get(f"{prefix}/openapi.json")
    assert response.headers["Content-Type"] == "application/json"
    document = await response.json()
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    operations = [each for path in document["paths"].values() for each in path.values()]
    assert all(each["summary"] and each["tags"] for each in operations)


async def test_unknown_routes_speak_each_dialect(running):
    assert (await running.call("GET", "/nothing"))[1]["code"] == "not_found"
    assert (await (await running.client.get("/api/nothing")).json())["code"] == 404
    assert (await (await running.client.get("/nothing")).json())["type"] == "urn:hookd:not_found"


async def test_bodies_up_to_2_mib(running):
    app_id = await running.app()

    def body(size):
        frame = b'{"eventType":"a","payload":{"p":"%b"}}'
        return frame % (b"x" * (size - len(frame) + 2))

    assert len(body(SIZE)) == SIZE
    assert (await running.call("POST", f"/app/{app_id}/msg?with_content=false", BytesIO(body(SIZE))))[0] == 202
    status, told = await running.call("POST", f"/app/{app_id}/msg", BytesIO(body(SIZE + 1)))
    assert (status, told["code"]) == (413, "payload_too_large")


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        (Busy("too much waits; nothing was done"), "Too much waits; nothing was done: try again"),
        (Unavailable(), "not certain"),
    ],
)
async def test_while_nothing_can_be_recorded(running, monkeypatch, raised, words):
    app_id = await running.app()

    def away(*_):
        raise raised

    monkeypatch.setattr(running.desk.recorder, "ask", away)
    response = await running.client.post(
        f"/api/v1/app/{app_id}/msg", json={"eventType": "a", "payload": {}}, headers=running.headers
    )
    told = await response.json()
    assert (response.status, told["code"]) == (503, "unavailable")
    assert words in told["detail"]
    assert int(response.headers["Retry-After"]) > 0
    body = json.dumps({"username": "ada", "password": "correct horse"})
    response = await running.client.post("/api/admin/create", data=body, headers={"admin-id": ADMIN_ID})
    assert (response.status, (await response.json())["code"]) == (503, 503)
    assert words in (await response.json())["message"]


async def test_a_refused_append_is_a_conflict_on_every_surface(running, monkeypatch):
    async def refuse(*_):
        return conflict("taken", "uid")

    monkeypatch.setattr(running.desk.recorder, "ask", refuse)
    assert await running.call("POST", "/app", {"name": "x"}) == (409, {"code": "conflict", "detail": "taken"})


async def test_request_ids_reach_the_log(running):
    headers = running.headers | {"X-Request-Id": "req-7"}
    response = await running.client.post("/api/v1/app", json={"name": "x"}, headers=headers)
    app_id = (await response.json())["id"]
    (recorded,) = [
        each
        for each in await running.log.read([(running.desk.world.partition_of(app_id), 0, None)], 100)
        if each.stream == app_id
    ]
    assert (recorded.actor, recorded.request) == (f"org:{running.org}", "req-7")
