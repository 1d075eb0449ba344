"""The routes under /api, end to end: every answer, and every way to be refused."""

import pytest

from tests.daemon.api.running import ADMIN_ID, URL

HEADER = {"admin-id": ADMIN_ID}
GOOD = {"username": "ada", "password": "correct horse"}


class Caller:
    def __init__(self, running, username="ada"):
        self.running = running
        self.client = running.client
        self.name = username
        self.headers = dict(HEADER)

    async def join(self):
        credentials = {"username": self.name, "password": "correct horse"}
        await self.call("POST", "/admin/create", credentials, expect=201)
        token = (await self.call("POST", "/admin/login", credentials, expect=200))["data"]["token"]
        self.headers["Authorization"] = f"Bearer {token}"
        return self

    async def call(self, method, path, body=None, expect=None, headers=None):
        sent = {"data": body} if isinstance(body, bytes) else {"json": body}
        response = await self.client.request(method, "/api" + path, headers=headers or self.headers, **sent)
        told = await response.json()
        if expect is None:
            return response.status, told
        assert response.status == expect, told
        return told

    async def register(self, uri=URL):
        return (await self.call("POST", "/webhooks/register", {"uri": uri}, expect=201))["data"]["id"]


@pytest.fixture
async def ada(running):
    return await Caller(running).join()


@pytest.fixture
async def bob(running):
    return await Caller(running, "bob").join()


async def test_health_needs_nothing(running):
    response = await running.client.get("/api/health")
    assert (response.status, await response.json()) == (200, {"ping": "pong"})


async def test_admins_are_created_and_log_in(running):
    caller = Caller(running)
    made = await caller.call("POST", "/admin/create", GOOD, expect=201)
    admin_id = made["data"]["id"]
    assert made == {"code": 201, "message": "created", "data": {"id": admin_id, "username": "ada"}}
    assert admin_id.startswith("adm_")
    again = await caller.call("POST", "/admin/create", GOOD)
    assert again == (409, {"code": 409, "message": "an admin named ada exists already"})
    told = await caller.call("POST", "/admin/login", GOOD, expect=200)
    assert (told["code"], told["data"]["id"]) == (200, admin_id)
    caller.headers["Authorization"] = f"Bearer {told['data']['token']}"
    assert await caller.call("GET", "/admin", expect=200) == {"data": {"id": admin_id, "username": "ada"}}


async def test_the_password_is_kept_sealed_and_hashed(running, ada):
    admin = running.desk.world.admin_named("ada")
    sealed = await running.desk.views.secret(admin.partition, admin.id, "password")
    assert running.desk.sealer.open(sealed, admin.id).startswith(b"$argon2id$")


@pytest.mark.parametrize("username", ["ada", "nobody"])
async def test_a_wrong_name_and_a_wrong_password_are_answered_alike(ada, username):
    told = await ada.call("POST", "/admin/login", {"username": username, "password": "wrong"})
    assert told == (401, {"code": 401, "message": "username or password is wrong"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"username": "ab"}, "username: a username has 3 to 64 letters, digits, '.', '_', '-' or '@'"),
        ({"username": "ä" * 5}, "username: a username has 3 to 64 letters, digits, '.', '_', '-' or '@'"),
        ({"username": 5}, "username: Input should be a valid string"),
        ({"password": "short"}, "password: a password has 8 to 128 characters"),
        ({"password": "x" * 129}, "password: a password has 8 to 128 characters"),
        ({"pasword": "x"}, "pasword: Extra inputs are not permitted"),
    ],
)
async def test_rules_for_admins_are_said(running, change, message):
    told = await Caller(running).call("POST", "/admin/create", GOOD | change)
    assert told == (400, {"code": 400, "message": message})


ROUTES = [
    ("POST", "/admin/create", GOOD),
    ("POST", "/admin/login", GOOD),
    ("GET", "/admin", None),
    ("POST", "/webhooks/register", {"uri": URL}),
    ("PATCH", "/webhooks/ep_1/update", {"newTargetURL": URL}),
    ("GET", "/webhooks", None),
    ("DELETE", "/webhooks/ep_1/delete", None),
    ("POST", "/webhooks/ip", {"ipAddr": "192.0.2.1"}),
]


@pytest.mark.parametrize("header", [{}, {"admin-id": "wrong"}])
@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
async def test_every_route_needs_the_admin_id(ada, method, path, body, header):
    headers = {"Authorization": ada.headers["Authorization"], **header}
    status, told = await ada.call(method, path, body, headers=headers)
    assert (status, told["code"]) == (403, 403)


@pytest.mark.parametrize(("method", "path", "body"), ROUTES[2:])
async def test_routes_need_a_login(running, method, path, body):
    status, told = await Caller(running).call(method, path, body)
    assert (status, told) == (401, {"code": 401, "message": "Invalid token"})
    unknown = HEADER | {"Authorization": f"Bearer {running.tokens.mint_admin('adm_gone')}"}
    assert (await Caller(running).call(method, path, body, headers=unknown))[0] == 401
    tenant = HEADER | {"Authorization": f"Bearer {running.tokens.mint_org('org_x')}"}
    assert (await Caller(running).call(method, path, body, headers=tenant))[0] == 403


async def test_the_old_admin_id_is_good_too(running):
    headers = {"admin-id": "the-old-one"}
    assert (await Caller(running).call("POST", "/admin/create", GOOD, headers=headers))[0] == 201


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
    last = (await running.log.read(admin.partition, 0, 100))[-1]
    assert (last.actor, last.request) == (f"admin:{admin.id}", "req-1")
