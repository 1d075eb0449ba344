"""Everything as of a moment."""

from urllib.parse import quote

import pytest

from daemon.api.v1 import as_of
from events.outcome import Fault


async def ask(running, at):
    return await running.call("GET", f"/audit/as-of?at={quote(at, safe='')}", expect=200)


@pytest.fixture
async def filled(running):
    app_id = await running.app("Acme", uid="acme")
    endpoint = await running.endpoint(app_id, description="old", channels=["c"])
    message = await running.message(app_id, channels=["c"])
    await running.attempt(message, endpoint, Fault.STATUS, 500)
    await running.call("PATCH", f"/app/{app_id}/endpoint/{endpoint}", {"description": "new"}, expect=200)
    await running.attempt(message, endpoint)
    await running.call("PATCH", f"/app/{app_id}/endpoint/{endpoint}", {"disabled": True}, expect=200)
    await running.call("DELETE", f"/app/{app_id}/endpoint/{endpoint}", expect=204)
    running.as_operator()
    return await running.call("GET", "/log?limit=1000", expect=200)


async def test_what_there_was_after_each_event(running, filled):
    seen = []
    for nth, event in enumerate(filled["data"]):
        seqs = [0] * 16
        for each in filled["data"][: nth + 1]:
            seqs[each["partition"]] = each["seq"]
        answer = await ask(running, ".".join(map(str, seqs)))
        assert answer["at"] == event["at"]
        shown = [(each["description"], each.get("disabled")) for each in answer["endpoints"]]
        seen.append((event["type"], shown, sum(answer["undelivered"].values()), len(answer["applications"])))
        assert answer["more"] is False
        assert (await ask(running, event["at"]))["positions"]
    assert seen[16:] == [
        ("ApplicationCreated", [], 0, 1),
        ("EndpointRegistered", [("old", None)], 0, 1),
        ("MessageAccepted", [("old", None)], 1, 1),
        ("AttemptFailed", [("old", None)], 1, 1),
        ("EndpointUpdated", [("new", None)], 1, 1),
        ("AttemptSucceeded", [("new", None)], 0, 1),
        ("EndpointDisabled", [("new", "by request")], 0, 1),
        ("EndpointDeleted", [], 0, 1),
    ]


async def test_no_secret_and_the_names_of_its_neighbours(running, filled):
    places = filled["data"][17]
    [told] = (await ask(running, places["at"]))["endpoints"]
    assert told.keys() == {
        "endpoint", "application", "url", "description", "breaker", "createdAt", "updatedAt", "eventTypes",
        "channels", "metadata", "retryDelaysS",
    }  # fmt: skip
    assert (told["breaker"], told["channels"]) == ("closed", ["c"])


async def test_before_all_there_was_nothing(running, filled):
    answer = await ask(running, "2014-01-01T00:00:00Z")
    assert (answer["endpoints"], answer["applications"], answer["undelivered"]) == ([], [], {})
    assert set(answer["positions"]) == {"0", "."}


async def test_more_than_is_shown_is_said(running, filled, monkeypatch):
    monkeypatch.setattr(as_of, "SHOWN_MAX", 0)
    answer = await ask(running, filled["data"][17]["at"])
    assert (answer["endpoints"], answer["more"]) == ([], True)


@pytest.mark.parametrize("at", ["", "then", "1.2", "9" * 30, "2026-13-01T00:00:00Z"])
async def test_what_is_no_moment_is_refused(running, at):
    running.as_operator()
    assert (await running.call("GET", f"/audit/as-of?at={at}"))[0] in {400, 422}


async def test_it_is_for_operators(running):
    assert (await running.call("GET", "/audit/as-of?at=now"))[0] == 403
