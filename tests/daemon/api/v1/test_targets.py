"""Targets in pages, one whole, and everything in numbers."""

import pytest

from events.outcome import Fault


@pytest.fixture
async def app_id(running):
    return await running.app()


async def pages(running, limit):
    found, iterator = [], ""
    while True:
        page = await running.call("GET", f"/targets?limit={limit}{iterator}", expect=200)
        found += [each["endpoint"] for each in page["data"]]
        if page["done"]:
            assert page["iterator"] is None
            return found
        iterator = f"&iterator={page['iterator']}"


async def test_pages_hold_each_target_once(running, app_id):
    other = await running.app("Other")
    mine = {await running.endpoint(each) for each in (app_id, other, app_id, other, app_id)}
    of_app = {each for each in mine if running.desk.world.endpoint(each).application == app_id}
    running.as_org("org_other")
    theirs = {await running.endpoint(await running.app("Theirs"))}
    for seen, become in (
        (theirs, lambda: running.as_org("org_other")),
        (mine, lambda: running.as_org("org_test")),
        (of_app, lambda: running.as_app(app_id)),
        (mine | theirs, running.as_operator),
    ):
        become()
        for limit in (1, 2, 50):
            found = await pages(running, limit)
            assert (len(found), set(found)) == (len(seen), seen)


@pytest.mark.parametrize("iterator", ["x", "app_1.ep_1", "70000.ep_1", "1.ep_%00"])
async def test_foreign_iterators_are_refused(running, iterator):
    running.as_operator()
    assert (await running.call("GET", f"/targets?iterator={iterator}"))[0] == 422


async def test_one_target_whole(running, app_id):
    endpoint = await running.endpoint(app_id, description="main", throttleRate=5, uid="main")
    messages = [await running.message(app_id) for _ in range(3)]
    await running.attempt(messages[0], endpoint)
    await running.attempt(messages[1], endpoint, Fault.STATUS, 500, b"oops")
    running.as_operator()
    found = await running.call("GET", f"/endpoints/{endpoint}", expect=200)
    assert (found["endpoint"], found["application"], found["pending"], found["pendingMore"]) == (
        endpoint, app_id, 2, False)  # fmt: skip
    assert (found["breaker"], found["throttleRate"], found["batchSize"]) == ("closed", 5, 10)
    assert (found["description"], found["uid"]) == ("main", "main")
    assert found["configuration"]["url"] == found["url"] == "https://a.example/hook"
    assert found["counts"] == {"delivered": 1, "failed": 1}
    assert [each["statusText"] for each in found["latest"]] == ["fail", "success"]
    assert "secret" not in str(found).lower()
    running.as_org("org_other")
    assert (await running.call("GET", f"/endpoints/{endpoint}"))[0] == 404
    running.as_org("org_test")
    assert await running.call("GET", f"/endpoints/{endpoint}", expect=200)
    assert (await running.call("GET", "/endpoints/ep_none"))[0] == 404


async def test_an_open_breaker_says_why(running, app_id):
    endpoint = await running.endpoint(app_id)
    messages = [await running.message(app_id) for _ in range(10)]
    for message in messages:
        await running.attempt(message, endpoint, Fault.STATUS, 503)
    running.as_operator()
    found = await running.call("GET", f"/endpoints/{endpoint}", expect=200)
    assert (found["breaker"], found["breakerReason"]) == ("open", "status 503")
    assert found["breakerUntil"]
    assert found["failingSince"]


async def test_overview_counts_once_somebody_asks(running, app_id):
    endpoint = await running.endpoint(app_id)
    running.as_operator()
    first = await running.call("GET", "/overview", expect=200)
    assert (first["intervalS"], first["attempts"]) == (0, 0)
    assert first["counts"] == {"applications": 1, "endpoints": 1, "undelivered": 0}
    assert first["database"]["available"]
    assert first["database"]["sizeBytes"] > 0
    running.as_org("org_test")
    for _ in range(2):
        await running.attempt(await running.message(app_id), endpoint)
    await running.message(app_id)
    running.as_operator()
    seen = 0
    while seen < 2:
        found = await running.call("GET", "/overview", expect=200)
        seen = max(seen, found["delivered"])
    assert found["counts"]["undelivered"] == 1
    assert len(found["partitions"]) == 16
    for become in (lambda: running.as_org("org_test"), lambda: running.as_app(app_id)):
        become()
        assert (await running.call("GET", "/overview"))[0] == 403


async def test_counting_ends_when_nobody_asks_any_more(running, app_id):
    running.as_operator()
    before = list(running.desk.recorder.followers)
    await running.call("GET", "/overview", expect=200)
    assert running.desk.recorder.followers != before
    running.hub.reporter.asked(float("-inf"))
    await running.hub.tick()
    assert running.desk.recorder.followers == before
