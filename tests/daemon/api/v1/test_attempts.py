"""Attempts under /api/v1, told from the log."""

import base64
from datetime import timedelta

import pytest

from events import ids
from events.outcome import Fault
from tests.daemon.api.running import PARTITIONS


@pytest.fixture
async def app_id(running):
    return await running.app()


async def of_message(running, app_id, message, query=""):
    got = await running.call("GET", f"/app/{app_id}/attempt/msg/{message}{query}", expect=200)
    return got["data"]


async def test_a_failure_then_a_success(running, app_id):
    endpoint = await running.endpoint(app_id, url="https://old.example/")
    message = await running.message(app_id, eventId="e1")
    await running.attempt(message, endpoint, Fault.STATUS, 500, b"oops")
    path = f"/app/{app_id}/endpoint/{endpoint}"
    await running.call("PATCH", path, {"description": "the same place"}, expect=200)
    await running.call("PATCH", path, {"url": "https://new.example/"}, expect=200)
    await running.attempt(message, endpoint, None, 204)
    success, failure = await of_message(running, app_id, "e1")
    assert failure == {
        "id": failure["id"],
        "msgId": message,
        "endpointId": endpoint,
        "url": "https://old.example/",
        "response": "oops",
        "responseStatusCode": 500,
        "responseDurationMs": 12,
        "status": 2,
        "statusText": "fail",
        "triggerType": 0,
        "timestamp": failure["timestamp"],
    }
    assert (success["url"], success["response"], success["status"], success["statusText"]) == (
        "https://new.example/",
        "",
        0,
        "success",
    )
    for each in (success, failure):
        got = await running.call("GET", f"/app/{app_id}/msg/{message}/attempt/{each['id']}", expect=200)
        assert got == each
    assert (await running.call("GET", f"/app/{app_id}/attempt/endpoint/{endpoint}", expect=200))["data"] == [
        success,
        failure,
    ]


@pytest.mark.parametrize(
    ("fault", "status", "body", "detail", "response", "code"),
    [
        (Fault.DNS, None, b"", "no such name", "no such name", 0),
        (Fault.TIMEOUT, None, b"", "", "timeout", 0),
        (Fault.STATUS, 404, b"", "", "", 404),
        (Fault.STATUS, 500, b"\xff\xfe", "", base64.b64encode(b"\xff\xfe").decode(), 500),
        (Fault.STATUS, 500, "aä".encode()[:2], "", "a", 500),
        (Fault.INTERNAL, None, b"", "stopped", "stopped", 0),
    ],
)
async def test_what_came_back(running, app_id, fault, status, body, detail, response, code):
    endpoint = await running.endpoint(app_id)
    message = await running.message(app_id)
    await running.attempt(message, endpoint, fault, status, body, detail)
    (told,) = await of_message(running, app_id, message)
    assert (told["response"], told["responseStatusCode"], told["status"]) == (response, code, 2)
    assert told["url"] == "https://a.example/hook"
    (told,) = await of_message(running, app_id, message, "?with_content=false")
    assert told["response"] == "{}"


async def test_lists_are_narrowed(running, app_id):
    one, two = await running.endpoint(app_id, uid="one"), await running.endpoint(app_id)
    message = await running.message(app_id, "a", channels=["c"])
    other = await running.message(app_id, "b")
    await running.attempt(message, one, Fault.STATUS, 503)
    await running.attempt(message, one, Fault.CONNECT, None)
    await running.attempt(message, two, None, 200)
    await running.attempt(other, one, None, 202)
    codes = {
        "": [200, 0, 503],
        "?status=0": [200],
        "?status=2": [0, 503],
        "?status=1": [],
        "?status=3": [],
        "?status_code_class=500": [503],
        "?status_code_class=0": [0],
        "?status_code_class=400": [],
        "?endpoint_id=one": [0, 503],
        f"?endpoint_id={two}": [200],
        "?channel=c": [200, 0, 503],
        "?channel=d": [],
        "?event_types=a,x": [200, 0, 503],
        "?event_types=b": [],
    }
    for query, expected in codes.items():
        told = await of_message(running, app_id, message, query)
        assert [each["responseStatusCode"] for each in told] == expected, query
    for query, expected in {"": [202, 0, 503], "?event_types=b": [202], "?channel=c&status=2": [0, 503]}.items():
        got = await running.call("GET", f"/app/{app_id}/attempt/endpoint/one{query}", expect=200)
        assert [each["responseStatusCode"] for each in got["data"]] == expected
    for bad, status in [
        ("status=7", 400),
        ("status_code_class=150", 400),
        ("limit=0", 422),
        ("iterator=msg_" + "0" * 27, 422),
        ("iterator=" + ids.attempt_id((running.desk.world.partition_of(app_id) + 1) % PARTITIONS, 5), 422),
        ("endpoint_id=none", 404),
    ]:
        got, _ = await running.call("GET", f"/app/{app_id}/attempt/msg/{message}?{bad}")
        assert got == status, bad


async def test_pages_go_both_ways(running, app_id):
    endpoint = await running.endpoint(app_id)
    for _ in range(3):
        message = await running.message(app_id)
        await running.attempt(message, endpoint, Fault.STATUS, 500)
        await running.attempt(message, endpoint, None, 200)

    async def page(query):
        got = await running.call("GET", f"/app/{app_id}/attempt/endpoint/{endpoint}?{query}", expect=200)
        return [each["id"] for each in got["data"]], got["done"]

    every, done = await page("")
    assert (len(every), done, every) == (6, True, sorted(every, reverse=True))
    assert await page("limit=4") == (every[:4], False)
    assert await page(f"limit=4&iterator={every[3]}") == (every[4:], True)
    assert await page(f"limit=2&iterator=-{every[4]}") == (every[2:4], False)
    assert await page(f"limit=4&iterator=-{every[4]}") == (every[:4], True)


async def test_lists_are_limited_in_time(running, app_id):
    endpoint = await running.endpoint(app_id)
    old = await running.message(app_id)
    await running.attempt(old, endpoint, None, 200)
    running.clock.at += timedelta(days=100)
    new, newer = await running.message(app_id), await running.message(app_id)
    await running.attempt(new, endpoint, None, 200)
    await running.attempt(newer, endpoint, None, 200)

    async def messages(query):
        got = await running.call("GET", f"/app/{app_id}/attempt/endpoint/{endpoint}?{query}", expect=200)
        return [each["msgId"] for each in got["data"]]

    everything = await running.call(
        "GET", f"/app/{app_id}/attempt/endpoint/{endpoint}?after=2026-11-01T00:00:00Z", expect=200
    )
    second, first = (each["timestamp"] for each in everything["data"])
    for query, expected in [
        ("", [newer, new]),
        ("before=2026-08-22T00:00:00Z", [old]),
        (f"before={second}", [new]),
        (f"after={first}", [newer]),
        ("limit=1&after=2026-10-01T00:00:00Z", [new]),
        ("after=2026-08-01T00:00:00Z&before=2026-12-31T00:00:00Z", [newer, new]),
        ("after=2026-08-01T00:00:00Z", [old]),
    ]:
        assert await messages(query) == expected, query


async def test_unknown_ones_are_not_found(running, app_id):
    endpoint = await running.endpoint(app_id)
    message, other = await running.message(app_id), await running.message(app_id)
    await running.attempt(message, endpoint, None, 200)
    ((attempt),) = await of_message(running, app_id, message)
    for path in (
        f"/app/{app_id}/msg/{other}/attempt/{attempt['id']}",
        f"/app/{app_id}/msg/{message}/attempt/atmpt_{'0' * 27}",
        f"/app/{app_id}/msg/{message}/attempt/atmpt_{'z' * 27}",
        f"/app/{app_id}/msg/{message}/attempt/x",
        f"/app/{app_id}/attempt/msg/none",
        f"/app/{app_id}/attempt/endpoint/none",
        f"/app/none/attempt/endpoint/{endpoint}",
    ):
        assert (await running.call("GET", path))[0] == 404, path
