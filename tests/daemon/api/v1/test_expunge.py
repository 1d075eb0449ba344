import pytest

from events.catalogue import ContentExpunged, PayloadExpunged, ResponseExpunged
from events.outcome import Fault


@pytest.fixture
async def app_id(running):
    return await running.app(uid="acme")


async def events(running, app_id, kind):
    partition = running.desk.world.partition_of(app_id)
    return [each for each in await running.log.read([(partition, 0, None)], 1000) if isinstance(each.event, kind)]


async def test_an_expunged_payload_reads_expired(running, app_id):
    message = await running.message(app_id, payload={"secret": 1}, eventId="e1")
    path = f"/app/acme/msg/{message}"
    assert (await running.call("DELETE", f"{path}/content")) == (204, None)
    assert (await running.call("GET", path, expect=200))["payload"] == {"expired": True}
    assert (await running.call("GET", "/app/acme/msg", expect=200))["data"][0]["payload"] == {"expired": True}
    assert (await running.call("DELETE", "/app/acme/msg/e1/content")) == (204, None)
    (recorded,) = await events(running, app_id, PayloadExpunged)
    assert (recorded.actor, recorded.stream, bool(recorded.request)) == (f"org:{running.org}", message, True)


async def test_an_expunged_response_says_so(running, app_id):
    endpoint = await running.endpoint(app_id)
    message = await running.message(app_id)
    await running.attempt(message, endpoint, Fault.STATUS, 500, b"a name", "HTTP status 500")
    await running.attempt(message, endpoint, None, 204)
    listed = f"/app/{app_id}/attempt/msg/{message}"
    silent, answered = (await running.call("GET", listed, expect=200))["data"]
    assert (silent["response"], answered["response"]) == ("", "a name")
    path = f"/app/{app_id}/msg/{message}/attempt/"
    for attempt in (answered, answered, silent):
        assert (await running.call("DELETE", f"{path}{attempt['id']}/content")) == (204, None)
    assert (await running.call("GET", path + answered["id"], expect=200))["response"] == "EXPUNGED"
    shown = (await running.call("GET", listed, expect=200))["data"]
    assert [each["response"] for each in shown] == ["", "EXPUNGED"]
    hidden = (await running.call("GET", f"{listed}?with_content=false", expect=200))["data"]
    assert [each["response"] for each in hidden] == ["{}", "{}"]
    assert len(await events(running, app_id, ResponseExpunged)) == 1


async def test_a_response_whose_time_was_up_says_so(running, app_id):
    endpoint = await running.endpoint(app_id)
    message = await running.message(app_id, payloadRetentionPeriod=5)
    await running.attempt(message, endpoint, None, 200, b"ok")
    ((day, attempt),) = [
        (day, each)
        for day in await running.log.days()
        for each in (await running.call("GET", f"/app/{app_id}/attempt/msg/{message}", expect=200))["data"]
    ]
    assert (day - running.clock.at.date()).days == 5
    async with running.database() as connection:
        await connection.execute("select content.drop($1)", [day])
    running.clock.at = running.clock.at.replace(day=running.clock.at.day + 6)
    path = f"/app/{app_id}/msg/{message}"
    # Sixty days are listed; this one is asked for by its name.
    assert (await running.call("GET", f"{path}/attempt/{attempt['id']}", expect=200))["response"] == "EXPIRED"
    assert (await running.call("GET", path, expect=200))["payload"] == {"expired": True}


async def test_everything_of_an_application_is_erased(running, app_id):
    endpoint = await running.endpoint(app_id)
    sent = [await running.message(app_id) for _ in range(3)]
    other = await running.message(await running.app())
    await running.attempt(sent[0], endpoint, None, 200, b"ok")
    done = {"payloads": 3, "responses": 1, "done": True}
    assert await running.call("POST", "/app/acme/expunge") == (200, done)
    assert await running.call("POST", "/app/acme/expunge") == (200, {"payloads": 0, "responses": 0, "done": True})
    got = await running.call("GET", "/app/acme/msg", expect=200)
    assert [each["payload"] for each in got["data"]] == [{"expired": True}] * 3
    told = await events(running, app_id, ContentExpunged)
    assert [(each.event.payloads, each.event.responses) for each in told] == [(0, 0), (3, 1), (0, 0)]
    assert {each.actor for each in told} == {f"org:{running.org}"}
    assert other


async def test_more_than_one_request_can_do_is_said(running, app_id, monkeypatch):
    monkeypatch.setattr("daemon.expunging.CHUNK", 1)
    monkeypatch.setattr("daemon.expunging.WITHIN_S", 0.0)
    for _ in range(2):
        await running.message(app_id)
    told = {"payloads": 1, "responses": 0, "done": False}
    assert await running.call("POST", "/app/acme/expunge") == (202, told)


async def test_only_the_organization_may_and_only_what_is_there(running, app_id):
    message = await running.message(app_id)
    none = "atmpt_" + "0" * 27
    for method, path in (
        ("DELETE", f"/app/acme/msg/{'msg_' + '0' * 27}/content"),
        ("DELETE", "/app/none/msg/x/content"),
        ("DELETE", f"/app/acme/msg/{message}/attempt/{none}/content"),
        ("POST", "/app/none/expunge"),
    ):
        assert (await running.call(method, path))[0] == 404, path
    running.as_app(app_id)
    for method, path in (
        ("DELETE", f"/app/{app_id}/msg/{message}/content"),
        ("DELETE", f"/app/{app_id}/msg/{message}/attempt/{none}/content"),
        ("POST", f"/app/{app_id}/expunge"),
    ):
        assert (await running.call(method, path))[0] == 403, path
    running.as_org("org_other")
    assert (await running.call("DELETE", f"/app/{app_id}/msg/{message}/content"))[0] == 404


async def test_an_application_says_how_long_its_bodies_are_kept(running):
    app_id = await running.app(retentionDays=7)
    assert (await running.call("GET", f"/app/{app_id}", expect=200))["retentionDays"] == 7
    message = await running.message(app_id)
    longer = await running.message(app_id, payloadRetentionPeriod=90)
    partition = running.desk.world.partition_of(app_id)
    kept = {}
    for key in (message, longer):
        found = await running.desk.views.message(partition, app_id, key)
        kept[key] = found.retention_days
    assert kept == {message: 7, longer: 90}
    await running.call("PATCH", f"/app/{app_id}", {"retentionDays": None}, expect=200)
    assert "retentionDays" not in await running.call("GET", f"/app/{app_id}", expect=200)
    for days in (0, 3651, "x"):
        assert (await running.call("PATCH", f"/app/{app_id}", {"retentionDays": days}))[0] == 422
