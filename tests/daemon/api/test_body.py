"""Bodies with and without raw fields, aliases, and numbers beyond all bounds."""

import asyncio

import pytest
from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from daemon.api.body import body_reader
from daemon.api.errors import Invalid
from daemon.api.raw import RawJson


class Aliased(BaseModel):
    payload: RawJson | None = Field(default=None, validation_alias=AliasChoices("payload", "data"))
    number: int = 0
    real: float = 0.0


def test_aliases_and_null():
    read = body_reader(Aliased)
    assert read(b'{"data": [1 ] }').payload == b"[1 ]"
    assert read(b'{"p\\u0061yload":7}').payload == b"7"
    assert read(b'{"data":null}').payload is None
    assert read(b"{}").payload is None


def test_great_numbers_do_not_crash():
    read = body_reader(Aliased)
    assert read(b'{"number":123456789012345678901234567890}').number == 123456789012345678901234567890
    assert read(b'{"real":1e400}').real == float("inf")
    for body in (b'{"number":1e400}', b'{"number":' + b"9" * 5000 + b"}"):
        with pytest.raises(Invalid) as caught:
            read(body)
        assert caught.value.issues[0].path == ("number",)


def test_deep_nesting_beside_the_raw_field_is_refused():
    with pytest.raises(Invalid) as caught:
        body_reader(Aliased)(b'{"number":' + b"[" * 500 + b"]" * 500 + b"}")
    assert caught.value.unreadable


def test_unknown_fields_count_where_forbidden():
    class Narrow(BaseModel):
        model_config = ConfigDict(extra="forbid")
        payload: RawJson

    with pytest.raises(Invalid) as caught:
        body_reader(Narrow)(b'{"payload":1,"x":2}')
    assert caught.value.issues[0].kind == "extra_forbidden"


def test_raw_below_the_top_level_is_refused_at_the_declaration():
    class Deep(BaseModel):
        inner: Aliased

    with pytest.raises(TypeError, match="top level"):
        body_reader(Deep)


def test_without_raw_fields():
    class Plain(BaseModel):
        a: int

    assert body_reader(Plain)(b'{"a":1}').a == 1
    with pytest.raises(Invalid) as caught:
        body_reader(Plain)(b'{"a":"\xff"}')
    assert caught.value.unreadable


@pytest.mark.parametrize(("size", "fits"), [(10_000, True), (10_001, False)])
@pytest.mark.parametrize("at_once", [True, False])
async def test_the_limit_holds_however_the_body_comes(client, size, fits, at_once):
    body = b'{"url":"%b"}' % (b"x" * (size - 10))

    async def parts():
        yield body[:20]
        await asyncio.sleep(0.02)
        yield body[20:]

    response = await client.post("/log/0", data=body if at_once else parts())
    assert response.status == (201 if fits else 413)
    assert (await response.read() == b'{"url":"' + body[8:-2] + b'","size":1}') is fits


class Several(BaseModel):
    items: list[Aliased] = Field(max_length=2)


def test_raw_in_the_objects_of_a_list():
    found = body_reader(Several)(b'{"items":[ {"data":[1 ]}, {"payload":{"a":1.0e0},"number":7} ]}').items
    assert [(each.payload, each.number) for each in found] == [(b"[1 ]", 0), (b'{"a":1.0e0}', 7)]
    assert body_reader(Several)(b'{"items":[]}').items == []


@pytest.mark.parametrize(
    ("body", "path", "kind"),
    [
        (b'{"items":[{},{"number":"x"}]}', ("items", 1, "number"), "int_parsing"),
        (b'{"items":[{},{"number":1e400}]}', ("items", 1, "number"), "finite_number"),
        (b'{"items":[{},{"number":' + b"9" * 5000 + b"}]}", ("items", 1, "number"), "json_invalid"),
        (b'{"items":[{},7]}', ("items", 1), "model_type"),
        (b'{"items":[{},[{}]]}', ("items", 1), "model_type"),
        (b'{"items":{}}', ("items",), "list_type"),
        (b'{"items":null}', ("items",), "list_type"),
        (b'{"items":[{},{},{"number":"x"},{}]}', ("items",), "too_long"),
        (b'{"items":[{},{]}', (), "json_invalid"),
    ],
)
def test_what_is_wrong_in_a_list_is_named_by_its_place(body, path, kind):
    with pytest.raises(Invalid) as caught:
        body_reader(Several)(body)
    assert (caught.value.issues[0].path, caught.value.issues[0].kind) == (path, kind)


def test_a_list_of_raw_without_a_bound_is_refused_at_the_declaration():
    class Endless(BaseModel):
        items: list[Aliased]

    with pytest.raises(TypeError, match="max_length"):
        body_reader(Endless)
