"""From pydantic's errors and HTTP's own to ours: nothing of the input goes along."""

import pytest
from pydantic import BaseModel, ValidationError, field_validator

from daemon.api.errors import from_status, invalid


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


def test_what_http_has_a_status_for():
    wrong = from_status(405, {"Allow": "GET"})
    assert (wrong.status, wrong.code, wrong.headers) == (405, "method_not_allowed", {"Allow": "GET"})
    assert from_status(413).code == "payload_too_large"
