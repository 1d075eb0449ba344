"""The documents are valid OpenAPI 3.1, and say what the routes do."""

import json

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.daemon.api.example import own, seed, svix


@pytest.mark.parametrize("surface", [own, seed, svix])
def test_documents_are_valid(surface):
    document = json.loads(surface().openapi())
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_an_operation_is_told_whole():
    document = json.loads(svix().openapi())
    create = document["paths"]["/api/v1/app/{app_id}/msg"]["post"]
    assert (create["operationId"], create["summary"]) == ("create_message", "Create a message.")
    assert create["description"] == "Its payload is kept as it is."
    assert (create["tags"], create["security"]) == (["Message"], [{"bearer": []}])
    assert [(p["name"], p["in"], p["required"]) for p in create["parameters"]] == [("app_id", "path", True)]
    assert sorted(create["responses"]) == ["202", "401", "404", "409", "413", "422", "500"]
    assert document["components"]["securitySchemes"] == {"bearer": {"type": "http", "scheme": "bearer"}}
    message = document["components"]["schemas"]["MessageIn"]
    assert message["properties"]["payload"] == {"title": "Payload", "type": "object"}
    assert message["required"] == ["eventType", "payload"]


def test_queries_are_parameters_and_no_component():
    document = json.loads(svix().openapi())
    parameters = document["paths"]["/api/v1/app/{app_id}/msg"]["get"]["parameters"]
    assert [p["name"] for p in parameters] == ["app_id", "limit", "iterator", "order", "event_types"]
    assert parameters[1]["schema"]["maximum"] == 250
    assert "EventTypesQuery" not in document["components"]["schemas"]


def test_media_and_error_media():
    paths = json.loads(own().openapi())["paths"]
    assert list(paths["/healthz"]["get"]["responses"]["200"]["content"]) == ["text/plain"]
    append = paths["/log/{position}"]["post"]
    assert append["parameters"][0]["schema"] == {"minimum": 0, "type": "integer"}
    assert list(append["responses"]["422"]["content"]) == ["application/problem+json"]
    assert {"200", "201"} <= set(append["responses"])
