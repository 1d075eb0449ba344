"""How names are spelt on the way in and on the way out."""

import pytest
from pydantic import Field, ValidationError

from daemon.api.models import CamelIn, CamelOut, Strict, absent


class In(CamelIn):
    event_type: str


class Out(CamelOut):
    event_type: str
    uid: str | None = Field(default=None, exclude_if=absent)


class Own(Strict):
    name: str


def test_camel():
    assert In.model_validate({"eventType": "a", "unknown": 1}).event_type == "a"
    with pytest.raises(ValidationError):
        In.model_validate({"event_type": "a"})
    assert Out(event_type="a").model_dump(by_alias=True) == {"eventType": "a"}
    assert Out(event_type="a", uid="u").model_dump(by_alias=True) == {"eventType": "a", "uid": "u"}


def test_strict():
    with pytest.raises(ValidationError):
        Own.model_validate({"name": "a", "nmae": "b"})
