"""Applications under /api/v1, and who may do what."""

import pytest

from daemon.api.auth import ADMIN_LIFE
from events.catalogue import EndpointDeleted


async def test_created_read_and_listed(running):
    made = await running.call(
        "POST", "/app", {"name": "Acme", "uid": "acme", "rateLimit": 5, "metadata": {"k": "v"}}, expect=201
    )
    assert made == {
        "id": made["id"],
        "uid": "acme",
        "name": "Acme",
        "throttleRate": 5,
        "rateLimit": 5,
        "metadata": {"k": "v"},
        "createdAt": made["createdAt"],
        "updatedAt": made["createdAt"],
    }
    assert made["createdAt"].startswith("2026-08-21T12:00:")
    assert made["createdAt"].endswith("Z")
    assert await running.call("GET", f"/app/{made['id']}", expect=200) == made
    assert await running.call("GET", "/app/acme/", expect=200) == made
    page = {"data": [made], "iterator": made["id"], "prevIterator": "-" + made["id"], "done": True}
    assert await running.call("GET", "/app", expect=200) == page


async def test_a_bare_one_omits_what_is_absent(running):
    app = await running.call("GET", f"/app/{await running.app()}", expect=200)
    assert (app["throttleRate"], app["metadata"]) == (None, {})
    assert not {"uid", "rateLimit"} & set(app)


async def test_a_uid_is_taken_once_and_freed_by_deletion(running):
    app_id = await running.app(uid="acme")
    body = {"name": "Other", "uid": "acme"}
    status, told = await running.call("POST", "/app", body)
    assert (status, told["code"]) == (409, "conflict")
    existing = await running.call("POST", "/app?get_if_exists=true", body, expect=200)
    assert (existing["id"], existing["name"]) == (app_id, "Acme")
    assert await running.call("DELETE", "/app/acme", expect=204) is None
    assert await running.app(uid="acme") != app_id


async def test_patched(running):
    app_id = await running.app(uid="acme", throttleRate=5, metadata={"a": "1"})
    changed = await running.call("PATCH", "/app/acme", {"name": "New", "uid": None, "metadata": None}, expect=200)
    assert (changed["name"], changed["throttleRate"], changed["metadata"]) == ("New", 5, {})
    assert "uid" not in changed
    assert await running.call("PATCH", f"/app/{app_id}", {}, expect=200) == changed
    status, told = await running.call("PATCH", f"/app/{app_id}", {"name": None})
    assert (status, told["detail"][0]["loc"]) == (422, ["body", "name"])
    await running.app(uid="taken")
    assert (await running.call("PATCH", f"/app/{app_id}", {"uid": "taken"}))[0] == 409
    assert (await running.call("PATCH", "/app/app_none", {"name": "x"}))[0] == 404


async def test_put_replaces_or_creates(running):
    await running.app(uid="acme", throttleRate=5, metadata={"a": "1"})
    put = await running.call("PUT", "/app/acme", {"name": "New"}, expect=200)
    assert (put["name"], put["throttleRate"], put["metadata"]) == ("New", None, {})
    made = await running.call("PUT", "/app/nothing", {"name": "Made"}, expect=201)
    assert made["id"].startswith("app_")
    assert "uid" not in made


async def test_deletion_takes_the_endpoints_along(running):
    app_id = await running.app()
    endpoint = await running.endpoint(app_id)
    await running.call("DELETE", f"/app/{app_id}", expect=204)
    for path in (f"/app/{app_id}", f"/app/{app_id}/endpoint/{endpoint}", f"/app/{app_id}/msg"):
        assert await running.call("GET", path) == (404, {"code": "not_found", "detail": "Entity not found"})
    assert (await running.call("DELETE", f"/app/{app_id}"))[0] == 404
    partition = running.desk.world.partition_of(app_id)
    assert EndpointDeleted in {type(each.event) for each in await running.log.read([(partition, 0, None)], 100)}


@pytest.mark.parametrize(
    ("field", "value", "where"),
    [
        ("name", "", ["name"]),
        ("name", "a\x00", ["name"]),
        ("uid", "app_x", ["uid"]),
        ("uid", "a b", ["uid"]),
        ("uid", "", ["uid"]),
        ("uid", "x" * 257, ["uid"]),
        ("throttleRate", 0, ["throttleRate"]),
        ("throttleRate", 65536, ["throttleRate"]),
        ("metadata", {"k": "v" * 4090}, ["metadata"]),
        ("metadata", {"k": 1}, ["metadata", "k"]),
        ("metadata", {"k": "\x00"}, ["metadata", "k"]),
    ],
)
async def test_bad_fields(running, field, value, where):
    status, told = await running.call("POST", "/app", {"name": "x", field: value})
    assert (status, told["detail"][0]["loc"]) == (422, ["body", *where])


async def test_pages_go_both_ways(running):
    apps = [await running.app() for _ in range(5)]

    async def page(query):
        got = await running.call("GET", f"/app?limit=2{query}", expect=200)
        return [app["id"] for app in got["data"]], got["iterator"], got.get("prevIterator"), got["done"]

    assert await page("") == (apps[0:2], apps[1], "-" + apps[0], False)
    assert await page(f"&iterator={apps[1]}") == (apps[2:4], apps[3], "-" + apps[2], False)
    assert await page(f"&iterator={apps[3]}") == (apps[4:], apps[4], "-" + apps[4], True)
    assert await page(f"&iterator={apps[4]}") == ([], None, None, True)
    assert await page(f"&iterator=-{apps[4]}") == (apps[2:4], apps[3], "-" + apps[2], False)
    assert await page(f"&iterator=-{apps[2]}") == (apps[0:2], apps[1], "-" + apps[0], True)
    assert await page("&order=descending") == ([apps[4], apps[3]], apps[3], "-" + apps[4], False)
    assert (await page(f"&order=descending&iterator=-{apps[2]}"))[0] == [apps[4], apps[3]]


@pytest.mark.parametrize("iterator", ["ep_" + "0" * 27, "app_" + "!" * 27, "app_", "x"])
async def test_iterators_of_other_things_are_refused(running, iterator):
    status, told = await running.call("GET", f"/app?iterator={iterator}")
    assert (status, told["detail"][0]["loc"]) == (422, ["query", "iterator"])


async def test_another_organization_sees_nothing(running):
    app_id = await running.app(uid="acme")
    running.as_org("org_other")
    for name in (app_id, "acme"):
        assert (await running.call("GET", f"/app/{name}"))[0] == 404
        assert (await running.call("PATCH", f"/app/{name}", {"name": "x"}))[0] == 404
        assert (await running.call("POST", f"/app/{name}/msg", {"eventType": "a", "payload": {}}))[0] == 404
    assert (await running.call("GET", "/app", expect=200))["data"] == []
    assert await running.app(uid="acme") != app_id


MESSAGE = {"eventType": "a", "payload": {}}
ORG_ONLY = [
    ("GET", "/app", None),
    ("POST", "/app", {"name": "x"}),
    ("PUT", "/app/APP", {"name": "x"}),
    ("PATCH", "/app/APP", {"name": "x"}),
    ("DELETE", "/app/APP", None),
    ("POST", "/event-type", {"name": "x", "description": ""}),
    ("POST", "/app/APP/msg", MESSAGE),
]
BOTH = [
    "/app/APP",
    "/app/APP/endpoint",
    "/app/APP/endpoint/EP",
    "/app/APP/endpoint/EP/secret",
    "/app/APP/msg",
    "/app/APP/attempt/endpoint/EP",
]


async def test_an_applications_token_reaches_its_own_and_no_more(running):
    mine, other = await running.app(), await running.app()
    endpoints = {mine: await running.endpoint(mine), other: await running.endpoint(other)}
    running.as_app(mine)
    for method, path, body in ORG_ONLY:
        status, told = await running.call(method, path.replace("APP", mine), body)
        assert (status, told["code"]) == (403, "insufficient access")
    for path in BOTH:
        for app_id, expected in ((mine, 200), (other, 404)):
            filled = path.replace("APP", app_id).replace("EP", endpoints[app_id])
            assert (await running.call("GET", filled))[0] == expected, filled
    made = await running.call("POST", f"/app/{mine}/endpoint", {"url": "http://x.example"}, expect=201)
    partition = running.desk.world.partition_of(mine)
    last = (await running.log.read([(partition, 0, None)], 1000))[-1]
    assert (last.stream, last.actor) == (made["id"], f"app:{mine}")


async def test_tokens_that_are_none(running):
    token = running.tokens.mint_org("org_x")
    for sent, status in [
        ({}, 401),
        ({"Authorization": "Bearer nonsense"}, 401),
        ({"Authorization": f"Bearer {'x' * 32}"}, 401),
        ({"Authorization": f"Bearer {running.tokens.mint_admin('adm_x', ADMIN_LIFE)}"}, 401),
        ({"Authorization": f"Bearer {running.tokens.mint_org('nobody')}"}, 400),
        ({"Authorization": f"bearer  {token}"}, 200),
    ]:
        running.headers = sent
        got, told = await running.call("GET", "/app")
        assert got == status, told
