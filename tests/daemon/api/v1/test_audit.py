"""The log asked under /api/v1: what somebody did, what was, what changed; each caller sees what is theirs."""

from datetime import datetime, timedelta
from urllib.parse import quote

import pytest

from events import ids
from events.outcome import Fault


@pytest.fixture
async def app_id(running):
    return await running.app(uid="acme")


@pytest.fixture
async def endpoint(running, app_id):
    return await running.endpoint(app_id, description="old")


async def get(running, path, *, expect=200, **query):
    told = "&".join(f"{name.rstrip('_')}={quote(str(value), safe='')}" for name, value in query.items())
    return await running.call("GET", f"/audit/{path}?{told}", expect=expect)


async def kinds(running, path, **query):
    return [each["type"] for each in (await get(running, f"trail/{path}", **query))["data"]]


async def test_the_trail_of_each_kind_of_thing(running, app_id, endpoint):
    await running.event_type("a.b")
    message = await running.message(app_id)
    await running.attempt(message, endpoint, Fault.STATUS, 500)
    await running.attempt(message, endpoint)
    delivery = ["MessageAccepted", "AttemptFailed", "AttemptSucceeded"]
    assert await kinds(running, app_id) == ["ApplicationCreated"]
    assert await kinds(running, endpoint) == ["EndpointRegistered", *delivery[1:]]
    assert await kinds(running, message) == await kinds(running, f"{message}/{endpoint}") == delivery
    told = (await get(running, f"trail/{message}"))["data"]
    failed = told[1]
    attempt = ids.attempt_id(failed["partition"], failed["seq"])
    assert (await get(running, f"trail/{attempt}"))["data"] == [failed]
    assert failed["body"]["status"] == 500
    assert failed["text"].startswith("attempt 1 failed: answered 500")
    assert (failed["stream"], failed["endpoint"], failed["version"], failed["actor"]) == (
        message,
        endpoint,
        2,
        "hookd",
    )
    assert told[0]["actor"] == f"org:{running.org}"
    assert told[0]["request"]
    (event_type,) = [each async for each in streams(running, "EventTypeCreated")]
    assert await kinds(running, event_type) == ["EventTypeCreated"]


async def streams(running, kind):
    async with running.database() as connection:
        for row in await connection.fetch("select stream from log.event where type = $1 order by at", kind):
            yield row[0]


async def test_a_trail_is_paged_both_ways(running, app_id, endpoint):
    for nth in range(4):
        await running.call("PATCH", f"/app/{app_id}/endpoint/{endpoint}", {"description": str(nth)}, expect=200)
    whole = (await get(running, f"trail/{endpoint}"))["data"]
    assert len(whole) == 5
    first = await get(running, f"trail/{endpoint}", limit=2)
    assert (first["data"], first["done"], first["iterator"]) == (whole[:2], False, whole[1]["position"])
    second = await get(running, f"trail/{endpoint}", limit=2, iterator=first["iterator"])
    third = await get(running, f"trail/{endpoint}", limit=2, iterator=second["iterator"])
    assert (second["data"], third["data"], third["done"]) == (whole[2:4], whole[4:], True)
    back = await get(running, f"trail/{endpoint}", limit=2, iterator=third["prevIterator"])
    assert (back["data"], back["done"]) == (whole[2:4], False)
    newest = await get(running, f"trail/{endpoint}", limit=2, order="descending")
    assert newest["data"] == whole[:2:-1]
    bounded = await get(running, f"trail/{endpoint}", since=whole[1]["at"], until=whole[3]["at"])
    assert bounded["data"] == whole[1:4]
    bounded = await get(running, f"trail/{endpoint}", since=whole[1]["position"], until=whole[3]["position"])
    assert bounded["data"] == whole[1:4]


async def test_what_an_endpoint_was(running, app_id, endpoint):
    path = f"/app/{app_id}/endpoint/{endpoint}"
    await running.call("PATCH", path, {"description": "new"}, expect=200)
    await running.call("DELETE", path, expect=204)
    created, updated, deleted = (await get(running, f"trail/{endpoint}"))["data"]
    assert (await get(running, f"as-of/{endpoint}", at=created["at"]))["state"]["description"] == "old"
    told = await get(running, f"as-of/{endpoint}", at=updated["position"])
    assert (told["standing"], told["position"], told["last"]) == ("live", updated["position"], updated)
    assert (told["state"]["description"], told["state"]["throttleRate"]) == ("new", None)
    assert not [name for name in told["state"] if "_" in name]
    gone = await get(running, f"as-of/{endpoint}")
    assert (gone["standing"], gone["state"]["description"]) == ("deleted", "new")
    earlier = datetime.fromisoformat(created["at"]) - timedelta(microseconds=1)
    absent = await get(running, f"as-of/{endpoint}", at=earlier.isoformat())
    assert (absent["standing"], absent["state"], absent["last"], absent["kind"]) == ("not_yet", None, None, None)
    told = await get(running, f"diff/{endpoint}", from_=created["position"], to=updated["at"])
    by = [updated["position"]]
    assert {"field": "description", "before": "old", "after": "new", "by": by} in told["changes"]
    assert {each["field"] for each in told["changes"]} == {"description", "updatedAt", "version"}
    assert (told["was"], told["now"], told["events"], told["eventCount"]) == ("live", "live", [updated], 1)
    assert (told["from"], told["to"]) == (created["position"], updated["position"])
    whole = await get(running, f"diff/{endpoint}", from_=earlier.isoformat())
    assert (whole["was"], whole["now"], whole["events"]) == ("not_yet", "deleted", [created, updated, deleted])


async def test_what_a_message_and_its_deliveries_were(running, app_id, endpoint):
    other = await running.endpoint(app_id)
    message = await running.message(app_id)
    accepted = (await get(running, f"trail/{message}"))["data"][0]
    await running.attempt(message, endpoint)
    await running.attempt(message, other, Fault.STATUS, 503)
    told = (await get(running, f"as-of/{message}"))["state"]
    assert told["byEndpoint"][endpoint]["state"] == "delivered"
    assert (told["byEndpoint"][other]["state"], told["byEndpoint"][other]["attempts"]) == ("pending", 1)
    before = await get(running, f"as-of/{message}/{endpoint}", at=accepted["position"])
    assert (before["kind"], before["state"]["state"], before["state"]["nextAt"]) == (
        "delivery",
        "pending",
        before["state"]["acceptedAt"],
    )
    of_one = await get(running, f"diff/{message}/{endpoint}", from_=accepted["position"])
    assert {each["field"] for each in of_one["changes"]} == {"state", "attempts", "nextAt", "version"}
    of_all = await get(running, f"diff/{message}", from_=accepted["position"])
    assert f"byEndpoint.{other}.nextAt" in {each["field"] for each in of_all["changes"]}


async def test_everybody_sees_their_own(running, app_id, endpoint):
    await running.event_type("a.b")
    (event_type,) = [each async for each in streams(running, "EventTypeCreated")]
    message, other = await running.message(app_id), await running.app("Other")
    await running.call("DELETE", f"/app/{other}", expect=204)
    theirs = [app_id, endpoint, message, f"{message}/{endpoint}"]

    async def seen(name):
        statuses = {
            (await running.call("GET", f"/audit/{kind}/{name}?from=0/0"))[0] for kind in ("trail", "as-of", "diff")
        }
        return statuses != {404}

    everything = [*theirs, event_type, other]
    assert [await seen(each) for each in everything] == [True] * 6
    running.as_app(app_id)
    assert [await seen(each) for each in everything] == [True] * 4 + [False] * 2
    running.as_app(other)  # its token lives on, and what it may see is what was its own
    assert [await seen(each) for each in everything] == [False] * 5 + [True]
    running.as_org("org_stranger")
    assert [await seen(each) for each in everything] == [False] * 6
    running.as_app(app_id)  # a token of the other organization that names this application
    assert [await seen(each) for each in everything] == [False] * 6
    for unknown in ("ep_nobody", f"{message}/ep_nobody", "atmpt_x", "log_0", "%00", "x" * 200):
        assert not await seen(unknown)


@pytest.mark.parametrize(
    ("path", "query", "field", "words"),
    [
        ("as-of", {"at": "then"}, "at", "is no moment"),
        ("as-of", {"at": "2026-02-30"}, "at", "not on the calendar"),
        ("as-of", {"at": "2026-02-03T04:05:06"}, "at", "lacks its offset"),
        ("as-of", {"at": "{partition}/999"}, "at", "not reached yet"),
        ("as-of", {"at": "99/1"}, "at", "another partition"),
        ("diff", {"from_": "now", "to": "{partition}/0"}, "from", "comes after"),
        ("diff", {"from_": "{partition}/0", "to": "x"}, "to", "is no moment"),
        ("trail", {"since": "x"}, "since", "is no moment"),
        ("trail", {"until": "99/1"}, "until", "another partition"),
        ("trail", {"since": "99/1"}, "since", "another partition"),
        ("trail", {"iterator": "x"}, "iterator", "must be the position"),
        ("trail", {"iterator": "99/1"}, "iterator", "must be the position"),
        ("trail", {"iterator": "{partition}/99999999999999999999"}, "iterator", "must be the position"),
        ("trail", {"limit": "0"}, "limit", "greater than or equal to 1"),
    ],
)
async def test_what_is_wrong_is_named(running, endpoint, path, query, field, words):
    partition = running.desk.world.endpoint(endpoint).partition
    filled = {name: value.format(partition=partition) for name, value in query.items()}
    (found,) = (await get(running, f"{path}/{endpoint}", expect=422, **filled))["detail"]
    assert found["loc"] == ["query", field]
    assert words in found["msg"]


async def test_a_difference_has_a_beginning(running, endpoint):
    told = await get(running, f"diff/{endpoint}", expect=400)
    assert told["detail"] == "from: Field required"


async def test_an_attempt_has_no_state(running, app_id, endpoint):
    message = await running.message(app_id)
    await running.attempt(message, endpoint)
    at = (await get(running, f"trail/{message}"))["data"][1]
    (found,) = (await get(running, f"as-of/{ids.attempt_id(at['partition'], at['seq'])}", expect=422))["detail"]
    assert found["loc"] == ["path", "id"]
    assert f"{message}/{endpoint}" in found["msg"]


async def test_secrets_are_nowhere(running, app_id, endpoint):
    key = (await running.call("GET", f"/app/{app_id}/endpoint/{endpoint}/secret", expect=200))["key"]
    for path in (f"trail/{endpoint}", f"as-of/{endpoint}", f"diff/{endpoint}"):
        assert key.removeprefix("whsec_") not in str(await get(running, path, from_="2020-01-01"))


async def test_the_routes_are_in_the_document(running):
    document = await running.call("GET", "/openapi.json", expect=200)
    paths = {path for path in document["paths"] if "/audit/" in path}
    kinds = ("trail", "as-of", "diff")
    of_one = {f"/api/v1/audit/{kind}/{{{key}" for kind in kinds for key in ("id}", "message_id}/{endpoint_id}")}
    assert paths == of_one | {"/api/v1/audit/as-of"}
    parameters = {each["name"]: each for each in document["paths"]["/api/v1/audit/diff/{id}"]["get"]["parameters"]}
    assert parameters.keys() == {"id", "from", "to"}
    assert (parameters["from"]["in"], parameters["from"]["required"]) == ("query", True)
