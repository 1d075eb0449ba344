"""Svix's routes for the same commands, for tenants."""

import pytest
from standardwebhooks import Webhook

from daemon.api.v1.mending import PING
from events.catalogue import DeliveryResent
from events.outcome import Fault
from tests.daemon.api.running import START

KEY = "whsec_" + "A" * 32
PAIR = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="


@pytest.fixture
async def acme(running):
    await running.app(uid="acme")
    await running.endpoint("acme", uid="main")
    await running.message("acme", eventId="e1")
    return running


async def resent(running):
    partition = running.desk.world.application("acme", running.org).partition
    return [
        each
        for each in await running.log.read([(partition, 0, None)], 1000)
        if isinstance(each.event, DeliveryResent)
    ]


async def test_resend(acme):
    application = acme.desk.world.application("acme", acme.org)
    endpoint = acme.desk.world.endpoint("main", application.id)
    message = (await acme.call("GET", "/app/acme/msg/e1", expect=200))["id"]
    await acme.attempt(message, endpoint.id)
    assert await acme.call("POST", "/app/acme/msg/e1/endpoint/main/resend", expect=202) == {}
    (event,) = await resent(acme)
    assert event.actor == f"org:{acme.org}"
    await acme.call("POST", "/app/acme/msg/e9/endpoint/main/resend", expect=404)
    await acme.call("POST", "/app/acme/msg/e1/endpoint/other/resend", expect=404)
    await acme.call("DELETE", "/app/acme/msg/e1/content", expect=204)
    gone = await acme.call("POST", "/app/acme/msg/e1/endpoint/main/resend", expect=400)
    assert gone["code"] == "missing_payload"
    acme.as_app(application.id)
    assert (await acme.call("POST", "/app/acme/msg/e1/endpoint/main/resend"))[0] == 400
    acme.as_app("app_other")
    await acme.call("POST", "/app/acme/msg/e1/endpoint/main/resend", expect=404)


async def test_recover(acme):
    application = acme.desk.world.application("acme", acme.org)
    endpoint = acme.desk.world.endpoint("main", application.id)
    message = (await acme.call("GET", "/app/acme/msg/e1", expect=200))["id"]
    await acme.attempt(message, endpoint.id, Fault.STATUS, 410)
    await acme.call("PATCH", "/app/acme/endpoint/main", {"disabled": False}, expect=200)
    task = await acme.call("POST", "/app/acme/endpoint/main/recover", {"since": START.isoformat()}, expect=202)
    assert (task["status"], task["task"], task["id"][:6]) == ("finished", "endpoint.recover", "qtask_")
    assert len(await resent(acme)) == 1
    await acme.call("POST", "/app/acme/endpoint/main/recover", {"since": "2026-08-01T00:00:00Z"}, expect=422)
    await acme.call("POST", "/app/acme/endpoint/main/recover", {}, expect=422)
    await acme.call("POST", "/app/acme/endpoint/other/recover", {"since": START.isoformat()}, expect=404)


async def test_rotate(acme):
    old = (await acme.call("GET", "/app/acme/endpoint/main/secret", expect=200))["key"]
    made = (await acme.call("POST", "/app/acme/endpoint/main/secret/rotate", {}, expect=200))["key"]
    assert made != old
    assert Webhook(made)
    assert await acme.call("GET", "/app/acme/endpoint/main/secret", expect=200) == {"key": made}
    given = {"key": KEY, "gracePeriodSeconds": 0}
    assert await acme.call("POST", "/app/acme/endpoint/main/secret/rotate", given, expect=200) == {"key": KEY}
    pair = await acme.call("POST", "/app/acme/endpoint/main/secret/rotate", {"key": PAIR}, expect=200)
    assert pair["key"].startswith("whpk_")
    for wrong in ({"key": "x"}, {"gracePeriodSeconds": 604_801}):
        await acme.call("POST", "/app/acme/endpoint/main/secret/rotate", wrong, expect=422)


async def test_send_an_example(acme):
    path = "/app/acme/endpoint/main/send-example"
    sent = await acme.call("POST", path, {"eventType": PING}, expect=200)
    assert (sent["eventType"], sent["payload"]) == (PING, {})
    found = await acme.call("GET", f"/app/acme/msg/{sent['id']}", expect=200)
    assert found["payload"] == {"success": True}
    await acme.call("POST", path, {"eventType": "a.b"}, expect=404)
    await acme.event_type("a.b")
    assert (await acme.call("POST", path, {"eventType": "a.b"}, expect=400))["code"] == "invalid_scheme"
    await acme.event_type("a.c", schemas={"1": {"type": "object", "examples": [{"k": 1}]}})
    sent = await acme.call("POST", path, {"eventType": "a.c"}, expect=200)
    assert (await acme.call("GET", f"/app/acme/msg/{sent['id']}", expect=200))["payload"] == {"k": 1}
