"""The official Python client of the Svix server, as it comes."""

import asyncio
import base64
import json
import time
from datetime import timedelta

import pytest
from svix.api import (
    ApplicationIn,
    EndpointIn,
    EndpointListOptions,
    EndpointPatch,
    EventTypeIn,
    MessageAttemptListByEndpointOptions,
    MessageCreateOptions,
    MessageIn,
    MessageListOptions,
    Svix,
    SvixOptions,
)
from svix.exceptions import HttpError, HTTPValidationError
from svix.webhooks import Webhook

from daemon import signing
from events.outcome import Fault

PAYLOAD = {"a": 1, "b": [True, None]}


@pytest.fixture
def svix(running):
    # The client takes "now" from the machine, and hookd here from the test.
    token = running.tokens.mint_org("org_svix_python_tests", timedelta(days=1))
    client = Svix(token, SvixOptions(server_url=str(running.client.make_url("")).rstrip("/"), retry_schedule=[]))
    yield client
    client._httpx_client.close()


async def in_thread(work):
    return await asyncio.to_thread(work)


async def test_create_get_and_list(svix):
    def use():
        app = svix.application.create(ApplicationIn(name="Acme", uid="acme", metadata={"k": "v"}))
        assert svix.application.get("acme") == app
        assert svix.application.get_or_create(ApplicationIn(name="Else", uid="acme")) == app
        assert svix.application.list().data == [app]
        svix.event_type.create(EventTypeIn(name="user.signup", description="d", schemas={"1": {"type": "object"}}))
        assert svix.event_type.get("user.signup").schemas == {"1": {"type": "object"}}
        assert [each.name for each in svix.event_type.list().data] == ["user.signup"]
        endpoint = svix.endpoint.create(
            "acme", EndpointIn(url="https://a.example/hook", uid="main", event_types=["user.signup"])
        )
        assert svix.endpoint.get("acme", "main") == endpoint
        assert svix.endpoint.list("acme", EndpointListOptions(limit=5)).data == [endpoint]
        patched = svix.endpoint.patch("acme", "main", EndpointPatch(description="new"))
        assert (patched.description, patched.event_types) == ("new", ["user.signup"])
        message = svix.message.create(
            "acme",
            MessageIn(event_type="user.signup", event_id="e1", payload=PAYLOAD),
            MessageCreateOptions(with_content=True),
        )
        assert message.payload == PAYLOAD
        assert svix.message.get("acme", "e1").id == message.id
        (listed,) = svix.message.list("acme", MessageListOptions(with_content=True)).data
        assert listed == message
        assert svix.message.list("acme").data[0].payload == {}
        return app, endpoint, message

    await in_thread(use)


async def test_the_secret_verifies_what_hookd_signs(svix):
    def use():
        svix.application.create(ApplicationIn(name="Acme", uid="acme"))
        endpoint = svix.endpoint.create("acme", EndpointIn(url="https://a.example/"))
        return svix.endpoint.get_secret("acme", endpoint.id).key

    key = await in_thread(use)
    assert len(base64.b64decode(key.removeprefix("whsec_"))) == signing.GENERATED_KEY_BYTES
    body, now = json.dumps(PAYLOAD).encode(), int(time.time())
    lines = signing.signed_headers([signing.signer(key)], "msg_1", now, body).decode().split("\r\n")
    Webhook(key).verify(body, dict(line.split(": ", 1) for line in lines if line))


async def test_attempts(running, svix):
    def create():
        app = svix.application.create(ApplicationIn(name="Acme", uid="acme"))
        endpoint = svix.endpoint.create(app.id, EndpointIn(url="https://a.example/"))
        return endpoint.id, svix.message.create("acme", MessageIn(event_type="a", payload={})).id

    endpoint, message = await in_thread(create)
    await running.attempt(message, endpoint, Fault.STATUS, 500, b"oops")

    def read():
        (attempt,) = svix.message_attempt.list_by_msg("acme", message).data
        assert (attempt.status, attempt.response_status_code, attempt.endpoint_id) == (2, 500, endpoint)
        assert svix.message_attempt.get("acme", message, attempt.id).response == "oops"
        options = MessageAttemptListByEndpointOptions(limit=1)
        assert svix.message_attempt.list_by_endpoint("acme", endpoint, options).data[0].id == attempt.id

    await in_thread(read)


async def test_errors_are_the_clients_own(svix):
    def use():
        with pytest.raises(HttpError) as missing:
            svix.application.get("none")
        assert (missing.value.status_code, missing.value.code) == (404, "not_found")
        with pytest.raises(HTTPValidationError) as invalid:
            svix.application.create(ApplicationIn(name=""))
        assert invalid.value.detail[0].loc == ["body", "name"]
        svix.application.create(ApplicationIn(name="x", uid="taken"))
        with pytest.raises(HttpError) as conflict:
            svix.application.create(ApplicationIn(name="x", uid="taken"))
        assert conflict.value.code == "conflict"
        svix.application.delete("taken")

    await in_thread(use)
