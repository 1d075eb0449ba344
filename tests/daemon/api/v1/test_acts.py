"""What operators do, over HTTP, against a real log; nothing is ever sent."""

import pytest

from daemon.api.v1.acts import GRACE_MAX_S, TEST
from events.breaker import FailureRow
from events.catalogue import AttemptFailed, BreakerReset, DeliveryResent, EndpointDisabled, SecretRotated
from events.outcome import Fault
from tests.daemon.api.running import START
from tests.support.state_equals_fold import assert_state_equals_fold


@pytest.fixture
async def acting(running, database):
    """Somebody who may act, an application with two endpoints, and one message."""
    running.app_id = await running.app()
    running.one, running.two = [await running.endpoint(running.app_id) for _ in range(2)]
    running.msg = await running.message(running.app_id)
    running.as_operator(may_act=True)
    yield running
    await assert_state_equals_fold(database)


async def told(running, kind):
    """Events of a kind, in the order of the log."""
    partition = running.desk.world.endpoint(running.one).partition
    return [each for each in await running.log.read([(partition, 0, None)], 1000) if isinstance(each.event, kind)]


async def act(running, what, body=None, *, endpoint=None, dry=False, expect=200):
    path = f"/endpoints/{endpoint or running.one}/{what}" + ("?dryRun=true" if dry else "")
    return await running.call("POST", path, body or {}, expect=expect)


async def test_send_one_again(acting):
    await acting.attempt(acting.msg, acting.one)
    path = f"/deliveries/{acting.msg}/{acting.one}/resend"
    assert await acting.call("POST", path + "?dryRun=true", expect=200) == {"touches": 1}
    assert await acting.call("POST", path, expect=200) == {"touched": 1}
    assert await acting.call("POST", path, expect=200) == {"touched": 0}
    (event,) = await told(acting, DeliveryResent)
    assert (event.actor, event.stream, event.endpoint, event.version) == (
        "operator:ada",
        acting.msg,
        acting.one,
        3,
    )
    assert event.request
    shown = await acting.call("GET", f"/deliveries/{acting.msg}/{acting.one}", expect=200)
    assert (shown["state"], len(shown["attempts"]), shown["trail"][-1]["type"]) == ("pending", 1, "DeliveryResent")


async def test_what_is_not_there_cannot_be_sent_again(acting):
    for message, endpoint in (("msg_x", acting.one), (acting.msg, "ep_x"), ("a%00b", acting.one)):
        await acting.call("POST", f"/deliveries/{message}/{endpoint}/resend", expect=404)
    third = None
    acting.as_org(acting.org)
    third = await acting.endpoint(acting.app_id)
    await acting.call("DELETE", f"/app/{acting.app_id}/msg/{acting.msg}/content", expect=204)
    acting.as_operator(may_act=True)
    await acting.call("POST", f"/deliveries/{acting.msg}/{third}/resend", expect=404)
    gone = await acting.call("POST", f"/deliveries/{acting.msg}/{acting.one}/resend", expect=400)
    assert gone["code"] == "missing_payload"


@pytest.mark.parametrize(("off", "on"), [("disable", "enable"), ("pause", "resume")])
async def test_switch_off_and_on(acting, off, on):
    assert await act(acting, off, dry=True) == {"touches": 1}
    assert await act(acting, on, dry=True) == {"touches": 0}
    assert await act(acting, off) == {"touched": 1}
    assert await act(acting, off) == {"touched": 0}
    assert await act(acting, on, dry=True) == {"touches": 1}
    assert await act(acting, on) == {"touched": 1}
    (event,) = await told(acting, EndpointDisabled)
    words = {"disable": "by operator:ada", "pause": "paused by operator:ada"}
    assert (event.actor, event.event.reason) == ("operator:ada", words[off])
    await act(acting, off, {"reason": "their wish"})
    *_, event = await told(acting, EndpointDisabled)
    assert event.event.reason == {"disable": "their wish", "pause": "paused by operator:ada: their wish"}[off]


async def test_a_body_need_not_be_sent(acting):
    for what in ("pause", "resume", "rotate-secret", "cancel-pending", "test"):
        response = await acting.client.post(
            f"/api/v1/endpoints/{acting.one}/{what}", headers=acting.headers, skip_auto_headers=["content-type"]
        )
        assert response.status == 200, await response.text()
    await act(acting, "recover", expect=422)


async def test_reset_a_breaker(acting):
    assert await act(acting, "reset-breaker", dry=True) == {"touches": 0}
    assert await act(acting, "reset-breaker") == {"touched": 0}
    acting.desk.world.rows[acting.one] = FailureRow(3, START)
    assert await act(acting, "reset-breaker", dry=True) == {"touches": 1}
    assert await act(acting, "reset-breaker") == {"touched": 1}
    assert acting.one not in acting.desk.world.rows
    assert [each.actor for each in await told(acting, BreakerReset)] == ["operator:ada"]


async def test_rotate_a_key(acting):
    assert await act(acting, "rotate-secret", dry=True) == {"touches": 1}
    assert await act(acting, "rotate-secret", {"graceS": 60}) == {"touched": 1}
    assert await act(acting, "rotate-secret") == {"touched": 1}
    first, second = await told(acting, SecretRotated)
    assert second.event.previous == first.event.secret
    assert (first.event.previous_until - first.at).total_seconds() == 60
    assert (second.event.previous_until - second.at).total_seconds() == 86_400
    assert acting.desk.world.endpoint(acting.one).secret == second.event.secret
    for grace in (-1, GRACE_MAX_S + 1, "x"):
        await act(acting, "rotate-secret", {"graceS": grace}, expect=422)
    for _ in range(8):
        await act(acting, "rotate-secret")
    assert (await act(acting, "rotate-secret", expect=400))["code"] == "limit_reached"


async def test_send_a_test_message_to_one(acting):
    assert await act(acting, "test", dry=True) == {"touches": 1}
    sent = await act(acting, "test")
    shown = await acting.call("GET", f"/messages/{sent['message']}", expect=200)
    assert shown["eventType"] == TEST
    assert shown["payload"]["test"] is True
    assert shown["payload"]["at"].startswith("2026-08-21T12:")
    assert [each["endpoint"] for each in shown["deliveries"]] == [acting.one]
    sent = await act(acting, "test", {"eventType": "a.b"})
    assert (await acting.call("GET", f"/messages/{sent['message']}", expect=200))["eventType"] == "a.b"


async def test_recover_and_cancel(acting):
    acting.as_org(acting.org)
    messages = [acting.msg, *[await acting.message(acting.app_id) for _ in range(4)]]
    acting.as_operator(may_act=True)
    assert await act(acting, "cancel-pending", dry=True) == {"touches": 5}
    assert await act(acting, "cancel-pending", {"reason": "not wanted"}) == {"touched": 5}
    assert await act(acting, "cancel-pending") == {"touched": 0}
    listed = await acting.call("GET", f"/deliveries?state=cancelled&endpoint={acting.one}", expect=200)
    assert {each["reason"] for each in listed["data"]} == {"not wanted"}
    since = {"since": START.isoformat()}
    assert await act(acting, "recover", since, dry=True) == {"touches": 5}
    third = await acting.call("GET", f"/messages/{messages[2]}", expect=200)
    later = {"since": third["acceptedAt"]}
    assert await act(acting, "recover", later, dry=True) == {"touches": 3}
    assert await act(acting, "recover", since | {"until": third["acceptedAt"]}) == {"touched": 2}
    assert await act(acting, "recover", since) == {"touched": 3}
    assert await act(acting, "recover", since) == {"touched": 0}
    assert {each.actor for each in await told(acting, DeliveryResent)} == {"operator:ada"}
    backwards = {"since": third["acceptedAt"], "until": START.isoformat()}
    await act(acting, "recover", backwards, expect=422)
    for far in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        await act(acting, "recover", {"since": far}, dry=True)


async def test_only_an_operator_who_may_act(acting):
    for path in (f"/deliveries/{acting.msg}/{acting.one}/resend", f"/endpoints/{acting.one}/pause"):
        acting.as_operator(may_act=True)
        await acting.call("POST", path + "?dryRun=perhaps", {}, expect=400)
        acting.as_operator()
        assert "may only read" in (await acting.call("POST", path, {}, expect=403))["detail"]
        acting.as_org(acting.org)
        await acting.call("POST", path, {}, expect=403)
    await acting.attempt(acting.msg, acting.two, Fault.STATUS, 500)
    acting.as_operator(may_act=True)
    assert [each.actor for each in await told(acting, AttemptFailed)] == ["hookd"]
    await act(acting, "pause", endpoint="ep_x", expect=404)
