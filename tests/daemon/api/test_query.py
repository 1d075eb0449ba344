"""Query strings: the spellings of a list."""

import pytest
from multidict import MultiDict
from yarl import URL

from daemon.api.errors import Invalid
from daemon.api.lists import EventTypesQuery
from daemon.api.query import is_sequence, query_reader

READ = query_reader(EventTypesQuery)


@pytest.mark.parametrize(
    "query",
    [
        "event_types=a,b",
        "event_types=a&event_types=b",
        "event_types[]=a&event_types[]=b",
        "event_types[0]=a&event_types[1]=b",
        "event_types%5B%5D=a&event_types=,b,",
    ],
)
def test_event_types(query):
    assert READ(URL(f"/?{query}").query).event_types == ["a", "b"]


def test_absent_and_empty_lists_differ():
    assert READ(MultiDict()).event_types is None
    assert READ(MultiDict({"event_types": ""})).event_types == []


def test_single_values():
    assert READ(MultiDict([("limit", "2"), ("limit", "3")])).limit == 3
    with pytest.raises(Invalid) as caught:
        READ(MultiDict({"limit": "251"}))
    assert (caught.value.issues[0].place, caught.value.issues[0].path) == ("query", ("limit",))


@pytest.mark.parametrize(("kind", "many"), [(list[int], True), (set[str] | None, True), (str | None, False)])
def test_sequences(kind, many):
    assert is_sequence(kind) is many


async def test_what_nothing_asks_for_is_made_once(client):
    for query, ids in (("", []), ("?event_types=a", ["msg_a"]), ("", []), ("?", [])):
        response = await client.get(f"/api/v1/app/a/msg{query}", headers={"Authorization": "Bearer yes"})
        assert [each["id"] for each in (await response.json())["data"]] == ids
