"""From pydantic's and aiohttp's errors to ours: nothing of the input goes along."""

import pytest
from aiohttp import web
from pydantic import BaseModel, ValidationError, field_validator

from daemon.api.errors import ApiError, from_http, invalid


class Guarded(BaseModel):
    secret: str

    @field_validator("secret")
    @classmethod
    def never(cls, value):
        raise ValueError("no good")


def test_the_input_is_left_out():
    with pytest.raises(ValidationError) as caught:
        Guarded(secret="hunter2")
    error = invalid("body", caught.value, ("outer",))
    assert "hunter2" not in repr(error.issues)
    assert (error.issues[0].path, error.issues[0].message) == (("outer", "secret"), "no good")


def test_routers_errors():
    wrong = from_http(web.HTTPMethodNotAllowed("PUT", ["GET"]))
    assert (wrong.status, wrong.code, wrong.headers) == (405, "method_not_allowed", {"Allow": "GET"})
    assert from_http(web.HTTPRequestEntityTooLarge(1, 2)).code == "payload_too_large"
    assert isinstance(from_http(web.HTTPNotFound()), ApiError)
