"""Event types under /api/v1."""

import pytest

SCHEMAS = {"1": {"type": "object", "properties": {"a": {"type": ["string", "null"]}}, "required": ["a"]}}


async def test_created_read_and_listed(running):
    sent = {"name": "user.signup", "description": "d", "deprecated": True, "schemas": SCHEMAS, "featureFlag": "f"}
    made = await running.call("POST", "/event-type", sent, expect=201)
    assert made == {
        **sent,
        "archived": False,
        "createdAt": made["createdAt"],
        "updatedAt": made["createdAt"],
    }
    assert await running.call("GET", "/event-type/user.signup", expect=200) == made
    page = await running.call("GET", "/event-type", expect=200)
    assert page == {
        "data": [made | {"schemas": None}],
        "iterator": "user.signup",
        "prevIterator": "-user.signup",
        "done": True,
    }
    assert (await running.call("GET", "/event-type?with_content=true", expect=200))["data"] == [made]
    assert (await running.call("GET", "/event-type/none"))[0] == 404


async def test_a_name_is_taken_once_unless_archived(running):
    await running.event_type("a")
    status, told = await running.call("POST", "/event-type", {"name": "a", "description": ""})
    assert (status, told["code"]) == (409, "event_type_exists")
    await running.event_type("b", archived=True)
    revived = await running.call("POST", "/event-type", {"name": "b", "description": "new"}, expect=201)
    assert (revived["archived"], revived["description"]) == (False, "new")


async def test_lists_go_by_name(running):
    for name in ("b", "a", "c", "A.1"):
        await running.event_type(name)
    await running.event_type("aa", archived=True)

    async def names(query=""):
        got = await running.call("GET", "/event-type" + query, expect=200)
        return [each["name"] for each in got["data"]], got["done"]

    assert await names() == (["A.1", "a", "b", "c"], True)
    assert await names("?include_archived=true&order=descending") == (["A.1", "a", "aa", "b", "c"], True)
    assert await names("?limit=2&iterator=a") == (["b", "c"], True)
    assert await names("?limit=2&iterator=-c") == (["a", "b"], False)
    status, told = await running.call("GET", "/event-type?iterator=a%20b")
    assert (status, told["detail"][0]["loc"]) == (422, ["query", "iterator"])


async def test_feature_flags_open_types_to_applications(running):
    await running.event_type("open")
    await running.event_type("beta.x", featureFlag="beta")
    await running.event_type("gamma.x", featureFlag="gamma")
    running.as_app(await running.app(), frozenset({"beta"}))
    got = await running.call("GET", "/event-type", expect=200)
    assert [each["name"] for each in got["data"]] == ["beta.x", "open"]
    assert (await running.call("GET", "/event-type/beta.x"))[0] == 200
    assert (await running.call("GET", "/event-type/gamma.x"))[0] == 404


async def test_a_schema_may_speak_of_an_escape(running):
    await running.event_type("a", schemas={"1": {"title": "\\\\u0000"}})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "a b"),
        ("name", ""),
        ("description", None),
        ("featureFlag", "a b"),
        ("featureFlags", ["a"]),
        ("schemas", {"1": {"readOnly": 15}}),
        ("schemas", {"1": {"type": "strange"}}),
        ("schemas", {"1": {"properties": {"a": {"minLength": -1}}}}),
        ("schemas", {"1": {"allOf": []}}),
        ("schemas", {"1": 5}),
        ("schemas", []),
        ("schemas", {"1": {"default": float("inf")}}),
        ("schemas", {"1": {"title": "a\0"}}),
    ],
)
async def test_bad_fields(running, field, value):
    status, told = await running.call("POST", "/event-type", {"name": "a", "description": "", field: value})
    assert (status, told["detail"][0]["loc"]) == (422, ["body", field])
