"""Endpoints under /api/v1, their settings and their keys."""

import base64
import itertools

import pytest

from tests.daemon.api.running import URL

HMAC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PAIR = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="


@pytest.fixture
async def app_id(running):
    return await running.app(uid="acme")


async def test_a_bare_endpoint_writes_its_nulls(running, app_id):
    made = await running.call("POST", f"/app/{app_id}/endpoint", {"url": "HTTPS://A.Example:443"}, expect=201)
    assert made == {
        "id": made["id"],
        "uid": None,
        "url": "https://a.example/",
        "description": "",
        "disabled": False,
        "version": 1,
        "eventTypes": None,
        "filterTypes": None,
        "channels": None,
        "throttleRate": None,
        "rateLimit": None,
        "metadata": {},
        "createdAt": made["createdAt"],
        "updatedAt": made["createdAt"],
    }
    assert await running.call("GET", f"/app/acme/endpoint/{made['id']}", expect=200) == made


async def test_every_setting_is_kept(running, app_id):
    await running.event_type("user.signup")
    sent = {
        "url": URL,
        "uid": "mine",
        "description": "d",
        "disabled": True,
        "filterTypes": ["user.signup"],
        "channels": ["c1"],
        "rateLimit": 7,
        "metadata": {"k": "v"},
        "version": 3,
        "batchSize": 4,
        "retryDelaysSeconds": [0, 1.5],
    }
    await running.call("POST", f"/app/{app_id}/endpoint", sent, expect=201)
    got = await running.call("GET", "/app/acme/endpoint/mine", expect=200)
    same = {name: got[name] for name in sent}
    assert same == sent
    assert (got["eventTypes"], got["throttleRate"]) == (["user.signup"], 7)
    assert (await running.call("GET", "/app/acme/endpoint", expect=200))["data"] == [got]
    config = running.desk.world.endpoint("mine", app_id)
    assert (config.batch_size, config.retry_delays_s, config.api_version) == (4, (0.0, 1.5), 3)


@pytest.mark.parametrize(
    ("field", "value", "where"),
    [
        ("url", "ftp://x", ["url"]),
        ("url", "http://u:p@x.example/", ["url"]),
        ("url", None, ["url"]),
        ("uid", "ep_x", ["uid"]),
        ("description", "\x08", ["description"]),
        ("eventTypes", [], ["eventTypes"]),
        ("eventTypes", ["a b"], ["eventTypes", "[0]"]),
        ("eventTypes", ["not.declared"], ["eventTypes"]),
        ("channels", [], ["channels"]),
        ("channels", ["c"] * 11, ["channels"]),
        ("channels", ["c", ""], ["channels", "[1]"]),
        ("secret", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", ["secret"]),
        ("secret", "whsec_c2hvcnQ=", ["secret"]),
        ("secret", "whsec_!", ["secret"]),
        ("secret", "whsk_" + base64.b64encode(bytes(64)).decode(), ["secret"]),
        ("metadata", {"k": "v" * 5000}, ["metadata"]),
        ("throttleRate", 0, ["throttleRate"]),
        ("version", 0, ["version"]),
        ("batchSize", 1001, ["batchSize"]),
        ("retryDelaysSeconds", [-1], ["retryDelaysSeconds", "[0]"]),
        ("retryDelaysSeconds", [1] * 51, ["retryDelaysSeconds"]),
        ("headers", {"X-A": "b"}, ["headers"]),
    ],
)
async def test_bad_fields(running, app_id, field, value, where):
    status, told = await running.call("POST", f"/app/{app_id}/endpoint", {"url": URL, field: value})
    assert (status, told["detail"][0]["loc"]) == (422, ["body", *where])


async def test_what_is_not_supported_says_so(running, app_id):
    _, told = await running.call("POST", f"/app/{app_id}/endpoint", {"url": URL, "headers": {"X-A": "b"}})
    assert told["detail"][0]["msg"] == "custom headers are not supported yet: leave it out"
    assert (await running.call("POST", f"/app/{app_id}/endpoint", {"url": URL, "headers": {}}))[0] == 201


async def test_an_archived_event_type_cannot_be_chosen(running, app_id):
    await running.event_type("old", archived=True)
    status, told = await running.call("POST", f"/app/{app_id}/endpoint", {"url": URL, "eventTypes": ["old"]})
    assert (status, told["detail"][0]["loc"]) == (422, ["body", "eventTypes"])


async def test_uids_are_unique_within_an_application(running, app_id):
    await running.endpoint(app_id, uid="mine")
    status, told = await running.call("POST", f"/app/{app_id}/endpoint", {"url": URL, "uid": "mine"})
    assert (status, told["code"]) == (409, "conflict")
    await running.endpoint(await running.app(), uid="mine")
    await running.call("DELETE", f"/app/{app_id}/endpoint/mine", expect=204)
    await running.endpoint(app_id, uid="mine")


async def test_patched(running, app_id):
    await running.event_type("a")
    path = f"/app/{app_id}/endpoint/" + await running.endpoint(
        app_id, uid="mine", eventTypes=["a"], channels=["c"], throttleRate=3, metadata={"k": "v"}, version=2
    )
    got = await running.call("PATCH", path, {"url": "http://b.example", "disabled": True}, expect=200)
    assert (got["url"], got["disabled"], got["eventTypes"], got["version"]) == ("http://b.example/", True, ["a"], 2)
    nulls = dict.fromkeys(("uid", "eventTypes", "channels", "throttleRate", "metadata"))
    got = await running.call("PATCH", path, nulls, expect=200)
    assert [got[name] for name in nulls] == [None, None, None, None, {}]
    assert await running.call("PATCH", path, {}, expect=200) == got
    assert (await running.call("PATCH", path, {"disabled": False}, expect=200))["disabled"] is False
    for name in ("description", "url", "disabled", "version"):
        status, told = await running.call("PATCH", path, {name: None})
        assert (status, told["detail"][0]["loc"]) == (422, ["body", name])
    assert (await running.call("PATCH", f"/app/{app_id}/endpoint/none", {}))[0] == 404


async def test_put_replaces_or_creates(running, app_id):
    path = f"/app/{app_id}/endpoint/" + await running.endpoint(
        app_id, uid="mine", disabled=True, metadata={"k": "v"}, batchSize=3
    )
    got = await running.call("PUT", path, {"url": "http://b.example/"}, expect=200)
    assert (got["uid"], got["disabled"], got["metadata"], got["url"]) == (None, False, {}, "http://b.example/")
    assert "batchSize" not in got
    made = await running.call("PUT", f"/app/{app_id}/endpoint/x", {"url": URL, "channels": ["c"]}, expect=201)
    assert (made["id"].startswith("ep_"), made["channels"]) == (True, ["c"])
    assert (await running.call("PUT", "/app/none/endpoint/x", {"url": URL}))[0] == 404
    key = await running.call("GET", f"/app/{app_id}/endpoint/{made['id']}/secret", expect=200)
    assert key["key"].startswith("whsec_")


async def test_keys(running, app_id):
    async def key(**fields):
        endpoint = await running.endpoint(app_id, **fields)
        got = await running.call("GET", f"/app/{app_id}/endpoint/{endpoint}/secret", expect=200)
        return got["key"]

    generated = [await key(), await key()]
    assert len({*generated}) == 2
    assert all(len(base64.b64decode(each.removeprefix("whsec_"))) == 24 for each in generated)
    assert await key(secret=HMAC) == HMAC
    assert await key(secret=PAIR) == "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
    assert (await running.call("GET", f"/app/{app_id}/endpoint/none/secret"))[0] == 404


async def test_keys_lie_sealed(running, app_id):
    endpoint = running.desk.world.endpoint(await running.endpoint(app_id, secret=HMAC))
    sealed = await running.desk.views.secret(endpoint.partition, endpoint.id, endpoint.secret)
    assert endpoint.secret.startswith("sec_")
    assert HMAC.encode() not in sealed
    assert running.desk.sealer.open(sealed, endpoint.id).decode() == HMAC


async def test_lists_begin_with_the_newest(running, app_id):
    made = [await running.endpoint(app_id) for _ in range(3)]
    await running.endpoint(await running.app())
    newest = list(reversed(made))
    got = await running.call("GET", f"/app/{app_id}/endpoint?limit=2", expect=200)
    assert ([each["id"] for each in got["data"]], got["done"]) == (newest[:2], False)
    got = await running.call("GET", f"/app/{app_id}/endpoint?iterator={got['iterator']}", expect=200)
    assert ([each["id"] for each in got["data"]], got["done"]) == (newest[2:], True)
    got = await running.call("GET", f"/app/{app_id}/endpoint?order=ascending", expect=200)
    assert [each["id"] for each in got["data"]] == made
    for query in itertools.chain([f"iterator=app_{'0' * 27}"], ["limit=251"]):
        assert (await running.call("GET", f"/app/{app_id}/endpoint?{query}"))[0] == 422
    assert (await running.call("GET", "/app/none/endpoint"))[0] == 404
