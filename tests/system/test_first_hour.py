"""What a newcomer does in the first hour: from an admin to a webhook that verifies, and the log that tells of it."""

import asyncio
import json
from typing import Any

import asyncpg
from standardwebhooks import Webhook

from tests.support.process import Hookd
from tests.support.receiver import Receiver, reply


async def test_from_the_first_admin_to_a_verified_webhook_and_its_history(hookd: Hookd) -> None:
    async with Receiver(reply(503), reply(200)) as receiver:
        headers = {"admin-id": hookd.admin_id}
        ada = {"username": "ada", "password": "correct horse"}
        assert await hookd.call("GET", "/api/health") == (200, {"ping": "pong"})

        status, created = await hookd.call("POST", "/api/admin/create", ada, headers=headers)
        assert status == 201, created
        status, session = await hookd.call("POST", "/api/admin/login", ada, headers=headers)
        assert status == 200, session
        admin, headers = session["data"]["id"], headers | {"authorization": f"Bearer {session['data']['token']}"}
        assert admin == created["data"]["id"]

        status, webhook = await hookd.call("POST", "/api/webhooks/register", {"uri": receiver.url}, headers=headers)
        assert status == 201, webhook
        endpoint = webhook["data"]["id"]
        status, sent = await hookd.call(
            "POST", "/api/webhooks/ip?own=true", {"ipAddr": "203.0.113.7"}, headers=headers
        )
        assert (status, sent["data"], sent["deliveries"]) == (200, "sent", 1)
        (message,) = sent["messages"]

        await receiver.until(lambda: len(receiver.requests) == 2)
        key = await _signing_key(hookd, endpoint)
        for request in receiver.requests:
            assert Webhook(key).verify(request.body, request.headers)["ip"] == "203.0.113.7"
            assert request.headers["webhook-id"] == message
        assert json.loads(receiver.requests[0].body).keys() == {"ip", "ts"}

    async with asyncio.timeout(10):
        history = await _history_of(hookd, message, endpoint)
    assert [(event, actor) for event, actor, _ in history] == [
        ("EndpointRegistered", f"admin:{admin}"),
        ("MessageAccepted", f"admin:{admin}"),
        ("AttemptFailed", "hookd"),
        ("AttemptSucceeded", "hookd"),
    ]
    failed, succeeded = history[2][2], history[3][2]
    assert (failed["attempt"], failed["fault"], failed["status"]) == (1, "status", 503)
    assert (succeeded["attempt"], succeeded["status"]) == (2, 200)


async def _signing_key(hookd: Hookd, endpoint: str) -> str:
    """The admin's own application is one of the default organization's."""
    _, applications = await hookd.call("GET", "/api/v1/app", token=hookd.token())
    (application,) = applications["data"]
    path = f"/api/v1/app/{application['id']}/endpoint/{endpoint}/secret"
    status, secret = await hookd.call("GET", path, token=hookd.token())
    assert status == 200, secret
    key: str = secret["key"]
    return key


async def _history_of(hookd: Hookd, message: str, endpoint: str) -> list[tuple[str, str, dict[str, Any]]]:
    """(type, actor, body) in order, as soon as the success is recorded: the receiver knows of it first."""
    connection = await asyncpg.connect(hookd.dsn, timeout=30)
    try:
        while True:
            rows = await connection.fetch(
                "select type, actor, body from log.history where stream in ($1, $2) order by seq", message, endpoint
            )
            if rows[-1]["type"] == "AttemptSucceeded":
                return [(row["type"], row["actor"], json.loads(row["body"])) for row in rows]
    finally:
        await connection.close()
