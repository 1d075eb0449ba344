"""Each surface over real sockets: what succeeds, and every way to fail, in the surface's own words."""

import json

import pytest

from daemon.api.dialect import SeedDialect
from daemon.api.layer import Surface
from tests.daemon.api.example import BODY_BYTES_MAX

AUTH = {"Authorization": "Bearer yes"}
MSG = "/api/v1/app/app_1/msg"


async def told(response):
    return response.status, json.loads(await response.read())


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b'{"url":1}', 400, "url: Input should be a valid string"),
        (b"{}", 400, "url: Field required"),
        (b'{"url":"u","size":0}', 400, "size: Input should be greater than or equal to 1"),
        (b'{"url":"u","sise":2}', 400, "sise: Extra inputs are not permitted"),
        (b'{"url":', 422, "body: Invalid JSON: EOF while parsing a value at line 1 column 7"),
        (b"", 422, "body: Invalid JSON: EOF while parsing a value at line 1 column 0"),
        (b'{"url":"taken"}', 409, "url: in use"),
    ],
)
async def test_seed_names_the_field(client, body, status, message):
    response = await client.post("/api/webhooks/register", data=body)
    assert await told(response) == (status, {"code": status, "message": message})
    assert response.headers["Content-Type"] == "application/json"


async def test_seed_succeeds(client):
    response = await client.post("/api/webhooks/register", data=b'{"url":"u"}')
    assert await told(response) == (201, {"url": "u"})
    assert response.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("path", [MSG, MSG + "/"])
@pytest.mark.parametrize("field", ["payload", "data"])
async def test_payload_comes_back_byte_for_byte(client, path, field):
    payload = b'{ "a":1.0e0,"a" :\t2, "big":123456789012345678901234567890, "far":1e400}'
    body = b'{"eventType":"a.b", "%s":%s , "unknown":1e400, "n":9999999999999999999999}' % (
        field.encode(),
        payload,
    )
    response = await client.post(path, data=body, headers=AUTH)
    assert response.status == 202
    assert await response.read() == b'{"id":"app_1","eventType":"a.b","payload":%s}' % payload
    assert response.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("body", "loc", "kind"),
    [
        (b'{"eventType"', ["body"], "value_error.jsondecode"),
        (b"", ["body"], "value_error.jsondecode"),
        (b"[]", ["body"], "value_error.jsondecode"),
        (b'{"eventType":"a","payload":{"x":"\xff"}}', ["body"], "value_error.jsondecode"),
        (b'{"eventType":"a","payload":' + b"[" * 3000, ["body"], "value_error.jsondecode"),
        (b'{"eventType":"a"}', ["body", "payload"], "value_error.jsondecode"),
        (b'{"eventType":5,"payload":{}}', ["body", "eventType"], "value_error.jsondecode"),
        (b'{"eventType":"A","payload":{}}', ["body", "eventType"], "value_error"),
        (b'{"eventType":"a","payload":[]}', ["body", "payload"], "value_error.jsondecode"),
        (b'{"eventType":"a","payload":{},"channels":["long"]}', ["body", "channels", "[0]"], "value_error"),
        (b'{"eventType":"a","payload":{},"channels":[]}', ["body", "channels"], "value_error"),
        (b'{"eventType":' + b"9" * 5000 + b"}", ["body", "eventType"], "value_error.jsondecode"),
    ],
)
async def test_svix_422(client, body, loc, kind):
    status, said = await told(await client.post(MSG, data=body, headers=AUTH))
    assert status == 422
    assert (said["detail"][0]["loc"], said["detail"][0]["type"]) == (loc, kind)
    assert set(said) == {"detail"}


async def test_svix_auth_comes_before_the_body(client):
    response = await client.post(MSG, data=b"{")
    assert await told(response) == (401, {"code": "authentication_failed", "detail": "Invalid token"})
    assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("query", "status", "loc"),
    [
        ("limit=251", 422, ["query", "limit"]),
        ("limit=0", 422, ["query", "limit"]),
        ("limit=many", 400, None),
        ("order=sideways", 400, None),
        ("limit=250&unknown=1", 200, None),
    ],
)
async def test_svix_query(client, query, status, loc):
    got, said = await told(await client.get(f"{MSG}?{query}", headers=AUTH))
    assert got == status
    if loc:
        assert said["detail"][0]["loc"] == loc
    elif status == 400:
        assert said["code"] == "generic_error"


async def test_svix_lists(client):
    assert await told(await client.get(MSG, headers=AUTH)) == (
        200,
        {"data": [], "iterator": None, "done": True},
    )
    _, page = await told(await client.get(f"{MSG}?event_types=a,b", headers=AUTH))
    assert (page["iterator"], page["prevIterator"]) == ("msg_b", "-msg_a")


@pytest.mark.parametrize(
    ("app_id", "status", "said"),
    [
        ("refused", 409, {"code": "conflict", "detail": "It is refused"}),
        ("raises", 409, {"code": "conflict", "detail": "It is refused"}),
        ("breaks", 500, {}),
        (
            "uid",
            422,
            {"detail": [{"loc": ["body", "application"], "msg": "no uid", "type": "application_uid_missing"}]},
        ),
    ],
)
async def test_svix_handlers_errors(client, app_id, status, said):
    assert await told(await client.delete(f"/api/v1/app/{app_id}")) == (status, said)


async def test_none_is_an_empty_answer(client):
    response = await client.delete("/api/v1/app/app_1")
    assert (response.status, await response.read()) == (204, b"")


async def test_too_large_is_413_in_each_dialect(client):
    large = b'"' + b"x" * BODY_BYTES_MAX * 2 + b'"'
    assert (await told(await client.post(MSG, data=large, headers=AUTH)))[1]["code"] == "payload_too_large"
    assert (await told(await client.post("/api/webhooks/register", data=large)))[1]["code"] == 413
    assert (await told(await client.post("/log/1", data=large)))[1]["status"] == 413


async def test_unknown_routes_are_404_in_each_dialect(client):
    assert await told(await client.get("/api/v1/nothing")) == (
        404,
        {"code": "not_found", "detail": "Not Found"},
    )
    assert await told(await client.get("/api/nothing")) == (404, {"code": 404, "message": "Not Found"})
    response = await client.get("/apiary")
    assert (await told(response))[1]["type"] == "urn:hookd:not_found"
    assert response.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("path", [MSG, MSG + "/"])
async def test_wrong_method_is_405_with_allow(client, path):
    response = await client.put(path)
    assert await told(response) == (405, {"code": "method_not_allowed", "detail": "Method Not Allowed"})
    assert response.headers["Allow"] == "GET,HEAD,POST"


async def test_problem_points_at_the_fault(client):
    status, said = await told(await client.post("/log/1", data=b'{"a/b":1}'))
    assert (status, [issue["pointer"] for issue in said["errors"]]) == (422, ["/body/url", "/body/a~1b"])
    assert said["request_id"] == "generated"
    status, said = await told(await client.post("/log/-1", data=b"{}"))
    assert (status, said["errors"][0]["pointer"]) == (422, "/path/position")
    status, said = await told(await client.post("/log/1", data=b"{"))
    assert (status, said["code"]) == (400, "invalid")
    status, said = await told(await client.post("/log/1", data=b'{"url":"field"}'))
    assert (status, said["code"], said["errors"]) == (
        422,
        "bad_url",
        [{"pointer": "/body/url", "detail": "not that"}],
    )


async def test_reply_departs_from_the_declaration(client):
    assert (await client.post("/log/0", data=b'{"url":"u"}')).status == 201
    assert (await client.post("/log/1", data=b'{"url":"u"}')).status == 200
    response = await client.get("/healthz")
    assert (response.headers["Content-Type"], await response.text()) == ("text/plain", "well")
    assert response.headers["Cache-Control"] == "no-store"


async def test_head_answers_wherever_get_does(client):
    response = await client.head("/healthz")
    assert (response.status, await response.read()) == (200, b"")


@pytest.mark.parametrize("prefix", ["", "/api", "/api/v1"])
async def test_document_has_the_exact_content_type(client, prefix):
    response = await client.get(f"{prefix}/openapi.json")
    assert response.headers["Content-Type"] == "application/json"
    assert (await told(response))[1]["openapi"] == "3.1.0"


def test_two_operations_cannot_share_a_name():
    surface = Surface("/x", SeedDialect(), title="x", version="1")

    async def same(call): ...

    surface.op("GET", "/a")(same)
    with pytest.raises(TypeError, match="two operations"):
        surface.op("GET", "/b")(same)
    surface.op("GET", "/b", name="other")(same)
    assert {route.template for route in surface.routes({})} == {"/x/a", "/x/b", "/x/openapi.json"}
