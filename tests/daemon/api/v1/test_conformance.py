"""The routes against their own documents: requests made up from them, with a fixed seed."""

import asyncio
import json

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.daemon.api.running import ADMIN_ID

EXAMPLES = 6
KNOWN = {"app_id": "acme", "endpoint_id": "main", "msg_id": "e1", "event_type_name": "a"}
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def exercise(operation, base_url, headers):
    """Send a few requests that fit the document, to things that exist."""

    @seed(1)
    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def send(case):
        for name in case.path_parameters or ():
            case.path_parameters[name] = KNOWN.get(name, case.path_parameters[name])
        with requests.Session() as session:
            response = case.call(base_url=base_url, headers=headers, session=session)
            case.validate_response(response, checks=CHECKS)

    send()


@pytest.mark.parametrize("prefix", ["/api/v1", "/api"])
async def test_answers_are_as_documented(running, prefix):
    await running.app(uid="acme")
    await running.event_type("a")
    await running.endpoint("acme", uid="main")
    await running.message("acme", eventId="e1")
    headers = running.headers | {"admin-id": ADMIN_ID}
    if prefix == "/api":
        credentials = {"username": "ada", "password": "correct horse"}
        for path in ("create", "login"):
            response = await running.client.post(f"/api/admin/{path}", json=credentials, headers=headers)
        headers["Authorization"] = f"Bearer {(await response.json())['data']['token']}"
    document = json.loads(await (await running.client.get(f"{prefix}/openapi.json")).read())
    schema = schemathesis.openapi.from_dict(document)
    base_url = str(running.client.make_url("")).rstrip("/")
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) > 7
    for operation in operations:
        if operation.path.endswith("/live"):  # never ends: see test_live
            continue
        if operation.method != "delete":  # what exists must stay
            await asyncio.to_thread(exercise, operation, base_url, headers)
