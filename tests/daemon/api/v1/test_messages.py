"""Messages under /api/v1: accepted, read, listed."""

import json
from datetime import timedelta

import pytest

from events.catalogue import MessageAccepted
from tests.daemon.api.running import START

PAYLOAD = b'{ "a":1.0e0,"a" :\t2, "big":123456789012345678901234567890, "far":1e400, "\xc3\xa9":"\\u0000"}'


@pytest.fixture
async def app_id(running):
    return await running.app(uid="acme")


async def test_the_payload_is_kept_byte_for_byte(running, app_id):
    body = b'{"eventType":"a.b","payload":%b,"eventId":"e1","channels":["c"]}' % PAYLOAD
    response = await running.client.post(f"/api/v1/app/{app_id}/msg", data=body, headers=running.headers)
    assert response.status == 202
    raw = await response.read()
    assert b'"payload":' + PAYLOAD in raw
    made = json.loads(raw)
    assert {name: made[name] for name in ("eventId", "eventType", "channels")} == {
        "eventId": "e1",
        "eventType": "a.b",
        "channels": ["c"],
    }
    for path in (f"msg/{made['id']}", "msg/e1"):
        response = await running.client.get(f"/api/v1/app/acme/{path}", headers=running.headers)
        assert await response.read() == raw
    recorded = (await running.log.read([(running.desk.world.partition_of(app_id), 0, None)], 100))[-1]
    assert isinstance(recorded.event, MessageAccepted)
    message = await running.desk.views.message(recorded.partition, app_id, made["id"])
    assert (message.size, message.digest) == (len(PAYLOAD), recorded.event.digest)


async def test_without_content_the_payload_stays_away(running, app_id):
    sent = {"eventType": "a", "data": {"x": 1}}
    made = await running.call("POST", f"/app/{app_id}/msg?with_content=false", sent, expect=202)
    assert (made["payload"], made["eventId"], made["channels"]) == ({}, None, None)
    got = await running.call("GET", f"/app/{app_id}/msg/{made['id']}", expect=200)
    assert got == made | {"payload": {"x": 1}}
    got = await running.call("GET", f"/app/{app_id}/msg/{made['id']}?with_content=false", expect=200)
    assert got == made


async def test_an_event_id_is_taken_for_ever(running, app_id):
    await running.message(app_id, eventId="once")
    status, told = await running.call(
        "POST", f"/app/{app_id}/msg", {"eventType": "a", "payload": {}, "eventId": "once"}
    )
    assert (status, told["code"]) == (409, "conflict")
    await running.message(await running.app(), eventId="once")


async def test_it_goes_to_those_who_want_it(running, app_id):
    await running.event_type("x")
    every = await running.endpoint(app_id)
    typed = await running.endpoint(app_id, eventTypes=["x"])
    channelled = await running.endpoint(app_id, channels=["c"])
    for fields, expected in [
        ({"event_type": "x"}, {every, typed}),
        ({"event_type": "y", "channels": ["c", "d"]}, {every, channelled}),
    ]:
        await running.message(app_id, **fields)
        recorded = (await running.log.read([(running.desk.world.partition_of(app_id), 0, None)], 100))[-1]
        assert set(recorded.event.endpoints) == expected


@pytest.mark.parametrize(
    ("field", "value", "where"),
    [
        ("eventType", "a b", ["eventType"]),
        ("eventType", None, ["eventType"]),
        ("payload", [], ["payload"]),
        ("payload", None, ["payload"]),
        ("eventId", "msg_x", ["eventId"]),
        ("eventId", "a b", ["eventId"]),
        ("channels", [], ["channels"]),
        ("channels", ["c"] * 6, ["channels"]),
        ("channels", ["a b"], ["channels", "[0]"]),
        ("payloadRetentionPeriod", 4, ["payloadRetentionPeriod"]),
        ("payloadRetentionHours", 1, ["payloadRetentionHours"]),
        ("deliverAt", "2026-08-22T00:00:00Z", ["deliverAt"]),
        ("transformationsParams", {"rawPayload": "x"}, ["transformationsParams"]),
    ],
)
async def test_bad_fields(running, app_id, field, value, where):
    status, told = await running.call("POST", f"/app/{app_id}/msg", {"eventType": "a", "payload": {}, field: value})
    assert (status, told["detail"][0]["loc"]) == (422, ["body", *where])


async def test_what_changes_nothing_is_taken(running, app_id):
    await running.message(app_id, payloadRetentionPeriod=90, deliverAt=None, transformationsParams={}, unknown=1)


async def test_later_delivery_is_refused_in_words(running, app_id):
    body = {"eventType": "a", "payload": {}, "deliverAt": "2026-08-22T00:00:00Z"}
    _, told = await running.call("POST", f"/app/{app_id}/msg", body)
    assert told["detail"][0]["msg"] == "delivery at a later time is not supported yet: leave it out"


async def test_an_application_may_come_along(running):
    body = {"eventType": "a", "payload": {}}
    assert (await running.call("POST", "/app/new/msg", body))[0] == 404
    for application, kind in [({"name": "N"}, "missing"), ({"name": "N", "uid": "else"}, "mismatch")]:
        status, told = await running.call("POST", "/app/new/msg", body | {"application": application})
        assert (status, told["detail"][0]["type"]) == (422, f"application_uid_{kind}")
    whole = body | {"application": {"name": "N", "uid": "new"}}
    await running.call("POST", "/app/new/msg", whole, expect=202)
    await running.call("POST", "/app/new/msg", whole, expect=202)
    assert (await running.call("GET", "/app/new", expect=200))["name"] == "N"
    assert len((await running.call("GET", "/app/new/msg", expect=200))["data"]) == 2


async def test_an_expired_payload_says_so(running, app_id):
    message = await running.message(app_id, payload={"a": 1})
    async with running.database() as connection:
        await connection.execute("delete from content.payload")
    got = await running.call("GET", f"/app/{app_id}/msg/{message}", expect=200)
    assert got["payload"] == {"expired": True}
    got = await running.call("GET", f"/app/{app_id}/msg", expect=200)
    assert got["data"][0]["payload"] == {"expired": True}


async def test_unknown_ones_are_not_found(running, app_id):
    other = await running.message(await running.app())
    for msg_id in ("msg_" + "0" * 27, "nothing", other, "%00", "%ff", "x" * 3000):
        assert (await running.call("GET", f"/app/{app_id}/msg/{msg_id}"))[0] == 404
    assert (await running.call("GET", "/app/none/msg"))[0] == 404


async def ids_of(running, app_id, query=""):
    got = await running.call("GET", f"/app/{app_id}/msg{query}", expect=200)
    return [each["id"] for each in got["data"]], got["done"]


async def test_lists_are_narrowed(running, app_id):
    a = await running.message(app_id, "a", channels=["c1", "c2"])
    b = await running.message(app_id, "b", channels=["c2"])
    c = await running.message(app_id, "c")
    for query, expected in [
        ("", [c, b, a]),
        ("?channel=c2", [b, a]),
        ("?channel=c1&event_types=b", []),
        ("?event_types=a,c", [c, a]),
        ("?event_types[]=a&event_types[]=b", [b, a]),
        ("?with_content=false", [c, b, a]),
    ]:
        assert await ids_of(running, app_id, query) == (expected, True)


@pytest.mark.parametrize("query", ["channel=%00", "channel=a%20b", "event_types=a,%00"])
async def test_bad_filters(running, app_id, query):
    status, told = await running.call("GET", f"/app/{app_id}/msg?{query}")
    assert (status, told["detail"][0]["loc"][:2]) == (422, ["query", query.partition("=")[0]])


async def test_pages_go_both_ways(running, app_id):
    made = [await running.message(app_id) for _ in range(5)]
    newest = made[::-1]
    assert await ids_of(running, app_id, "?limit=2") == (newest[:2], False)
    assert await ids_of(running, app_id, f"?limit=3&iterator={newest[1]}") == (newest[2:], True)
    assert await ids_of(running, app_id, f"?limit=2&iterator=-{newest[3]}") == (newest[1:3], False)
    assert await ids_of(running, app_id, f"?limit=9&iterator=-{newest[3]}") == (newest[:3], True)
    for bad in ("app_" + "0" * 27, "msg_x", "-"):
        status, told = await running.call("GET", f"/app/{app_id}/msg?iterator={bad}")
        assert (status, told["detail"][0]["loc"]) == (422, ["query", "iterator"])


async def test_lists_are_limited_in_time(running, app_id):
    old = await running.message(app_id)
    running.clock.at += timedelta(days=100)
    new, newer = await running.message(app_id), await running.message(app_id)
    seen = {name: (await running.call("GET", f"/app/{app_id}/msg/{name}"))[1]["timestamp"] for name in (old, new)}
    for query, expected in [
        ("", [newer, new]),
        ("?before=2026-08-21%2012:30:00%20UTC", [old]),
        (f"?before={seen[new]}", []),
        (f"?after={seen[old]}", []),
        (f"?after={seen[new]}", [newer]),
        ("?limit=1&after=2026-10-01T00:00:00Z", [new]),
        ("?after=2026-08-01T00:00:00Z&before=2026-12-31T00:00:00%2B00:00", [newer, new]),
        ("?before=2026-12-31T00:00:00 00:00", [newer, new]),
        (f"?iterator={new}", []),
        (f"?iterator=-{old}", []),
        ("?before=0001-01-01T00:00:00Z", []),
        ("?after=9999-12-31T23:00:00-10:00", []),
    ]:
        assert (await ids_of(running, app_id, query))[0] == expected, query
    for bad in ("before=yesterday", "after=1700000000", "before=2026-08-21", "after=2026-08-21T12:00:00"):
        status, told = await running.call("GET", f"/app/{app_id}/msg?{bad}")
        assert (status, told["code"]) == (400, "generic_error"), bad


async def test_nothing_from_the_future(running, app_id):
    running.clock.at += timedelta(hours=3)
    await running.message(app_id)
    running.clock.at = START + timedelta(seconds=1)
    assert await ids_of(running, app_id) == ([], True)


async def batch(running, app_id, *messages, query="", expect=202):
    told = await running.call("POST", f"/app/{app_id}/msg/batch{query}", {"messages": list(messages)}, expect=expect)
    return told["data"] if expect == 202 else told


async def test_a_batch_is_accepted_in_its_order_and_each_payload_kept_byte_for_byte(running, app_id):
    one = b'{"eventType":"a.b","payload":%b,"eventId":"e1","channels":["c"]}' % PAYLOAD
    body = b'{"messages":[%b, {"eventType":"c","data":{ }}]}' % one
    response = await running.client.post(f"/api/v1/app/{app_id}/msg/batch", data=body, headers=running.headers)
    raw = await response.read()
    first, second = json.loads(raw)["data"]
    assert (response.status, first["eventId"], second["eventType"]) == (202, "e1", "c")
    assert b'"payload":' + PAYLOAD in raw
    assert second["payload"] == {}
    for made in (first, second):
        assert await running.call("GET", f"/app/acme/msg/{made['id']}", expect=200) == made
    recorded = (await running.log.read([(running.desk.world.partition_of(app_id), 0, None)], 100))[-2:]
    assert [each.stream for each in recorded] == [first["id"], second["id"]]
    assert len({each.at for each in recorded}) == 1  # one commit


async def test_of_a_batch_only_what_is_taken_is_refused(running, app_id):
    await running.message(app_id, eventId="once")
    sent = [{"eventType": "a", "payload": {}, "eventId": name} for name in ("e1", "once", "e2", "e1")]
    first, taken, second, again = await batch(running, app_id, *sent)
    assert [first["eventId"], second["eventId"]] == ["e1", "e2"]
    detail = "a message with event id once exists already"
    assert taken == {"index": 1, "status": 409, "code": "conflict", "detail": detail}
    assert (again["index"], again["code"]) == (3, "conflict")


async def test_a_batch_that_does_not_fit_is_refused_as_a_whole(running, app_id):
    fine = {"eventType": "a", "payload": {}}
    told = await batch(running, app_id, fine, {"eventType": "a b", "payload": {}}, expect=422)
    assert told["detail"][0]["loc"] == ["body", "messages", "[1]", "eventType"]
    told = await batch(running, app_id, fine, fine, {"eventType": "a", "payload": []}, expect=422)
    assert told["detail"][0]["loc"] == ["body", "messages", "[2]", "payload"]
    for many in (0, 1001):
        told = await batch(running, app_id, *[fine] * many, expect=422)
        assert told["detail"][0]["loc"] == ["body", "messages"]
    assert (await running.call("GET", f"/app/{app_id}/msg", expect=200))["data"] == []


async def test_a_batch_without_content(running, app_id):
    (made,) = await batch(running, app_id, {"eventType": "a", "payload": {"x": 1}}, query="?with_content=false")
    assert made["payload"] == {}
    assert (await running.call("GET", f"/app/acme/msg/{made['id']}", expect=200))["payload"] == {"x": 1}


async def test_a_batch_makes_the_application_it_names(running):
    fine = {"eventType": "a", "payload": {}}
    assert (await batch(running, "new", fine, expect=404))["code"] == "not_found"
    made = await batch(running, "new", fine, fine | {"application": {"name": "New", "uid": "new"}})
    assert [each["eventType"] for each in made] == ["a", "a"]


async def test_a_full_queue_takes_nothing_of_a_batch(running, app_id):
    running.desk.recorder._queue_max = 0
    told = await batch(running, app_id, {"eventType": "a", "payload": {}}, expect=503)
    assert told["code"] == "unavailable"


async def test_a_thousand_in_one_batch(running, app_id):
    made = await batch(running, app_id, *({"eventType": f"t{number}", "payload": {}} for number in range(1000)))
    assert [each["eventType"] for each in made] == [f"t{number}" for number in range(1000)]
