"""Deliveries: lists of what is not delivered, a message and a delivery whole."""

import asyncio

import pytest
from standardwebhooks import Webhook

from events import board_views
from events.outcome import Fault


@pytest.fixture
async def app_id(running):
    return await running.app()


async def listed(running, query, limit=2):
    found, iterator, asked = [], "", 0
    while True:
        page = await running.call("GET", f"/deliveries?{query}&limit={limit}{iterator}", expect=200)
        found += page["data"]
        asked += 1
        if page["done"]:
            return found
        iterator = f"&iterator={page['iterator']}"


async def test_pending_ones_soonest_first(running, app_id):
    other = await running.app("Other")
    at = [await running.endpoint(each) for each in (app_id, app_id, other)]
    messages = [await running.message(each) for each in (app_id, other, app_id, other)]
    await running.attempt(messages[0], at[0], Fault.STATUS, 500)
    await running.attempt(messages[1], at[2])
    running.as_operator()
    everything = await listed(running, "state=pending")
    keys = [(each["message"], each["endpoint"]) for each in everything]
    assert len(keys) == len(set(keys)) == 5
    assert [each["nextAt"] for each in everything] == sorted(each["nextAt"] for each in everything)
    assert keys[-1] == (messages[0], at[0])
    assert (everything[-1]["reason"], everything[-1]["attempts"]) == ("status 500", 1)
    assert everything[0]["url"] == "https://a.example/hook"
    for query, wanted in (
        (f"endpoint={at[0]}", {(messages[0], at[0]), (messages[2], at[0])}),
        (f"application={other}", {(messages[3], at[2])}),
        (f"application={app_id}&endpoint={at[1]}", {(messages[0], at[1]), (messages[2], at[1])}),
    ):
        assert {(each["message"], each["endpoint"]) for each in await listed(running, query, 1)} == wanted
    assert (await running.call("GET", f"/deliveries?application={other}&endpoint={at[0]}"))[0] == 404
    running.as_org("org_test")
    assert (await running.call("GET", "/deliveries"))[0] == 422
    assert len(await listed(running, f"application={app_id}")) == 4
    running.as_app(other)
    assert len(await listed(running, "state=pending")) == 1
    assert (await running.call("GET", f"/deliveries?application={app_id}"))[0] == 404


async def test_ended_ones_newest_first(running, app_id, monkeypatch):
    at = await running.endpoint(app_id, retryDelaysSeconds=[])
    messages = [await running.message(app_id) for _ in range(7)]
    for message in messages[:5]:
        await running.attempt(message, at, Fault.STATUS, 500)
    running.as_operator()
    for query in ("", f"&endpoint={at}", f"&application={app_id}"):
        found = await listed(running, f"state=exhausted{query}")
        assert [each["message"] for each in found] == messages[4::-1]
    assert await listed(running, "state=gone") == []
    assert (await running.call("GET", "/deliveries?state=delivered"))[0] == 422


@pytest.mark.parametrize(
    "query",
    [
        "state=lost",
        "iterator=x",
        "state=gone&iterator=1.2.3",
        "limit=0",
        "nothing=1",
        "iterator=99999999999999999.msg_1.x",
    ],
)
async def test_what_does_not_fit_is_refused(running, query):
    running.as_operator()
    assert (await running.call("GET", f"/deliveries?{query}"))[0] in (400, 422)


async def test_too_many_endpoints_are_refused(running, app_id, monkeypatch):
    for _ in range(3):
        await running.endpoint(app_id)
    await running.message(app_id)
    running.as_operator()
    monkeypatch.setattr("daemon.api.v1.deliveries.DUE_ENDPOINTS_MAX", 2)
    monkeypatch.setattr(board_views, "DUE_ENDPOINTS_MAX", 2)
    assert (await running.call("GET", "/deliveries"))[0] == 422


async def test_a_message_whole(running, app_id):
    at = [await running.endpoint(app_id) for _ in range(3)]
    message = await running.message(app_id, payload={"a": [1, "ü"]}, eventId="e1", channels=["c"])
    await running.attempt(message, at[0], Fault.STATUS, 500)
    await running.attempt(message, at[0])
    await running.attempt(message, at[1], Fault.TIMEOUT, None)
    running.as_operator()
    found = await running.call("GET", f"/messages/{message}", expect=200)
    assert (found["application"], found["eventType"], found["eventId"], found["channels"], found["payload"]) == (
        app_id, "a.b", "e1", ["c"], {"a": [1, "ü"]})  # fmt: skip
    assert [(each["state"], each["attempts"]) for each in found["deliveries"]] == [
        ("delivered", 2), ("pending", 1), ("pending", 0)]  # fmt: skip
    assert [each["endpoint"] for each in found["deliveries"]] == at
    assert found["deliveries"][1]["reason"] == "timeout"
    running.as_org("org_other")
    assert (await running.call("GET", f"/messages/{message}"))[0] == 404
    for unknown in ("msg_none", app_id, at[0], "%00", "msg_%00"):
        assert (await running.call("GET", f"/messages/{unknown}"))[0] == 404


async def test_a_delivery_whole(running, app_id):
    at = await running.endpoint(app_id, url="https://old.example/hook?a=1")
    key = (await running.call("GET", f"/app/{app_id}/endpoint/{at}/secret", expect=200))["key"]
    message = await running.message(app_id, payload={"a": 1})
    await running.attempt(message, at, Fault.STATUS, 500, b"oops\xff")
    await running.call("PATCH", f"/app/{app_id}/endpoint/{at}", {"url": "https://new.example/"}, expect=200)
    await running.attempt(message, at, None, 204, b"fine")
    running.as_operator()
    found = await running.call("GET", f"/deliveries/{message}/{at}", expect=200)
    first, second = found["attempts"]
    assert (found["state"], found["url"], found["application"]) == ("delivered", "https://new.example/", app_id)
    assert (first["request"]["url"], second["request"]["url"]) == (
        "https://old.example/hook?a=1", "https://new.example/")  # fmt: skip
    assert (first["fault"], first["status"], first["response"], first["responseBytes"]) == (
        "status", 500, "b29wc/8=", 5)  # fmt: skip
    assert (second["status"], second["response"]) == (204, "fine")
    headers = dict(first["request"]["headers"])
    assert list(headers)[:2] == ["host", "accept"]
    assert headers["host"] == "old.example"
    payload = found["payload"]
    assert headers["content-length"] == str(len(payload))
    signature = Webhook(key).sign(message, running_time(first), payload)
    assert headers["webhook-signature"] == headers["svix-signature"] == signature
    assert [each["type"] for each in found["trail"]] == ["MessageAccepted", "AttemptFailed", "AttemptSucceeded"]
    for path in (f"{message}/ep_none", f"msg_none/{at}"):
        assert (await running.call("GET", f"/deliveries/{path}"))[0] == 404
    running.as_org("org_other")
    assert (await running.call("GET", f"/deliveries/{message}/{at}"))[0] == 404


def running_time(attempt):
    from datetime import UTC, datetime

    return datetime.fromtimestamp(attempt["timestamp"], UTC)


async def test_a_key_that_is_gone_leaves_the_signature_unknown(running, app_id):
    at = await running.endpoint(app_id)
    message = await running.message(app_id)
    await running.attempt(message, at)
    async with running.database() as connection:
        await connection.execute("delete from content.secret where owner = $1", at)
    running.as_operator()
    found = await running.call("GET", f"/deliveries/{message}/{at}", expect=200)
    headers = dict(found["attempts"][0]["request"]["headers"])
    assert headers["webhook-signature"] == "unknown"
    assert headers["webhook-id"] == message


async def test_a_payload_that_is_gone(running, app_id):
    at = await running.endpoint(app_id)
    message = await running.message(app_id)
    await running.attempt(message, at)
    async with running.database() as connection:
        await connection.execute("truncate content.payload")
    running.as_operator()
    found, delivery = await asyncio.gather(
        running.call("GET", f"/messages/{message}", expect=200),
        running.call("GET", f"/deliveries/{message}/{at}", expect=200),
    )
    assert (found["payload"], found["payloadGone"]) == (None, "removed before its time")
    assert delivery["payload"] is None
    headers = dict(delivery["attempts"][0]["request"]["headers"])
    assert (headers["svix-signature"], headers["content-length"]) == ("unknown", "unknown")
