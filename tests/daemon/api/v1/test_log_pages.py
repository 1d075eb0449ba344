"""The log in pages, over all partitions."""

import pytest

from events.positions import parse


@pytest.fixture
async def filled(running):
    for number in range(5):
        app_id = await running.app(f"App {number}")
        await running.endpoint(app_id)
        for _ in range(3):
            await running.message(app_id)
    running.as_operator()
    return await running.call("GET", "/log?limit=1000", expect=200)


async def read(running, query):
    return await running.call("GET", f"/log?{query}", expect=200)


async def test_the_whole_log_merged_by_moment(running, filled):
    events = filled["data"]
    assert [each["type"] for each in events].count("MessageAccepted") == 15
    assert [each["at"] for each in events] == sorted(each["at"] for each in events)
    assert (filled["first"], filled["last"]) == (events[0]["at"], events[-1]["at"])
    for partition in range(16):
        seqs = [each["seq"] for each in events if each["partition"] == partition]
        assert seqs == list(range(1, len(seqs) + 1))
        assert parse(filled["to"], 16)[partition] == len(seqs)
    assert set(parse(filled["from"], 16)) == {0}


@pytest.mark.parametrize("limit", [1, 4, 7])
async def test_forwards_and_backwards_meet(running, filled, limit):
    forwards, place = [], filled["from"]
    while (page := await read(running, f"limit={limit}&from={place}"))["data"]:
        assert page["from"] == place
        forwards += page["data"]
        place = page["to"]
    assert (forwards, place) == (filled["data"], filled["to"])
    backwards, place = [], filled["to"]
    while (page := await read(running, f"limit={limit}&before={place}"))["data"]:
        assert page["to"] == place
        backwards = page["data"] + backwards
        place = page["from"]
    assert (backwards, place) == (filled["data"], filled["from"])


async def test_the_last_ones_up_to_a_moment(running, filled):
    nth = len(filled["data"]) // 2
    at = filled["data"][nth]["at"]
    upto = [each for each in filled["data"] if each["at"] <= at]
    page = await read(running, f"limit=4&at={at}")
    assert page["data"] == upto[-4:]
    assert (await read(running, f"limit=1000&from={page['to']}"))["data"] == filled["data"][len(upto) :]
    assert (await read(running, "at=2014-01-01T00:00:00Z"))["data"] == []


@pytest.mark.parametrize(
    "query", ["from=1", "before=x", "from=0&at=2026-01-01T00:00:00Z", "limit=1001", "limit=0", "at=then", "x=1"]
)
async def test_what_does_not_fit_is_refused(running, query):
    running.as_operator()
    assert (await running.call("GET", f"/log?{query}"))[0] in (400, 422)


async def test_it_is_for_operators(running):
    assert (await running.call("GET", "/log"))[0] == 403
