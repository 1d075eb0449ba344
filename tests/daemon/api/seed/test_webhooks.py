"""Webhooks under /api: registered, changed, listed, deleted, called."""

import pytest

from tests.daemon.api.running import URL


async def test_webhooks_live(ada, bob):
    first = (await ada.call("POST", "/webhooks/register", {"uri": "HTTP://A.example:80"}, expect=201))["data"]
    assert first["url"] == "http://a.example/"
    second, others = await ada.register(), await bob.register("https://b.example/")
    assert [w["id"] for w in (await ada.call("GET", "/webhooks", expect=200))["data"]] == [first["id"], second]
    assert [w["id"] for w in (await ada.call("GET", "/webhooks?own=true", expect=200))["data"]] == [
        first["id"],
        second,
    ]
    every = (await ada.call("GET", "/webhooks?own=false", expect=200))["data"]
    assert [w["id"] for w in every] == [first["id"], second, others]
    moved = {"data": {"id": first["id"], "url": "https://c.example/x"}}
    update = f"/webhooks/{first['id']}/update"
    for _ in range(2):  # the same again changes nothing, and says the same
        assert await ada.call("PATCH", update, {"newTargetURL": "https://c.example/x"}, expect=200) == moved
    assert await ada.call("DELETE", f"/webhooks/{first['id']}/delete", expect=200) == moved
    assert (await ada.call("DELETE", f"/webhooks/{first['id']}/delete"))[0] == 404
    assert [w["id"] for w in (await ada.call("GET", "/webhooks", expect=200))["data"]] == [second]


async def test_only_ones_own_webhooks_can_be_changed(ada, bob):
    hook = await bob.register()
    for method, path, body in [
        ("PATCH", f"/webhooks/{hook}/update", {"newTargetURL": URL}),
        ("DELETE", f"/webhooks/{hook}/delete", None),
        ("DELETE", "/webhooks/nothing/delete", None),
    ]:
        assert await ada.call(method, path, body) == (404, {"code": 404, "message": "Endpoint not found"})


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("ftp://a.example", "uri: not an absolute http or https URL: 'ftp://a.example'"),
        ("/relative", "uri: not an absolute http or https URL: '/relative'"),
        ("http://u:p@a.example/", "uri: a URL with a user or a password is not accepted"),
        ("http://a.example:70000/", "uri: Port out of range 0-65535"),
        ("http://" + "a" * 5000, "uri: String should have at most 4096 characters"),
        (None, "uri: Input should be a valid string"),
    ],
)
async def test_bad_urls_name_the_field(ada, uri, message):
    told = await ada.call("POST", "/webhooks/register", {"uri": uri})
    assert told == (400, {"code": 400, "message": message})
    hook = await ada.register()
    told = await ada.call("PATCH", f"/webhooks/{hook}/update", {"newTargetURL": uri})
    assert told == (400, {"code": 400, "message": message.replace("uri:", "newTargetURL:")})


async def test_everything_else_bad_names_the_field(ada):
    told = await ada.call("POST", "/webhooks/ip", {"ipAddr": "1.2.3"})
    assert told == (400, {"code": 400, "message": "ipAddr: not an IPv4 or IPv6 address"})
    told = await ada.call("POST", "/webhooks/ip", {})
    assert told == (400, {"code": 400, "message": "ipAddr: Field required"})
    told = await ada.call("GET", "/webhooks?own=maybe")
    assert told == (400, {"code": 400, "message": "own: Input should be 'true' or 'false'"})
    status, told = await ada.call("POST", "/webhooks/register", b'{"uri":')
    assert (status, told["code"]) == (422, 422)


async def test_an_address_goes_to_all_or_to_ones_own(running, ada, bob):
    assert await ada.call("POST", "/webhooks/ip", {"ipAddr": "192.0.2.1"}, expect=200) == {
        "data": "sent",
        "messages": [],
        "deliveries": 0,
    }
    for caller in (ada, ada, bob):
        await caller.register()
    own = await ada.call("POST", "/webhooks/ip?own=true", {"ipAddr": "192.0.2.1"}, expect=200)
    assert (own["data"], len(own["messages"]), own["deliveries"]) == ("sent", 1, 2)
    every = await ada.call("POST", "/webhooks/ip?own=false", {"ipAddr": "2001:db8::1"}, expect=200)
    assert (len(every["messages"]), every["deliveries"]) == (2, 3)
    admin = running.desk.world.admin_named("ada")
    message = await running.desk.views.message(admin.partition, admin.application, own["messages"][0])
    payload = (await running.desk.views.payloads([message]))[message.id]
    assert payload == b'{"ip":"192.0.2.1","ts":%d}' % int(message.accepted_at.timestamp())
    assert (message.event_type, message.deliveries) == ("ip.changed", 2)


async def test_customers_endpoints_are_nobodys_webhooks(running, ada):
    await running.endpoint(await running.app())
    assert await ada.call("GET", "/webhooks?own=false", expect=200) == {"data": []}
    sent = await ada.call("POST", "/webhooks/ip?own=false", {"ipAddr": "192.0.2.1"}, expect=200)
    assert sent["deliveries"] == 0


async def test_admins_applications_show_on_v1(running, ada):
    hook = await ada.register()
    running.as_org("org_23rb8YdGqMT0qIzpgGwdXfHirMu")
    apps = (await running.call("GET", "/app", expect=200))["data"]
    assert [app["name"] for app in apps] == ["ada"]
    assert (await running.call("GET", f"/app/{apps[0]['id']}/endpoint/{hook}", expect=200))["url"] == URL


async def test_what_was_asked_stands_in_the_log(running, ada):
    response = await running.client.post(
        "/api/webhooks/register", json={"uri": URL}, headers=ada.headers | {"X-Request-Id": "req-1"}
    )
    assert response.status == 201
    admin = running.desk.world.admin_named("ada")
    last = (await running.log.read([(admin.partition, 0, None)], 100))[-1]
    assert (last.actor, last.request) == (f"admin:{admin.id}", "req-1")
