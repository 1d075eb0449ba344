"""What operators do, to a real daemon with a real database and real receivers."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from daemon.api.auth import Tokens
from tests.support.process import Hookd
from tests.support.receiver import Receiver, reply
from tests.support.state_equals_fold import assert_state_equals_fold

pytestmark = pytest.mark.timeout(60)


class Operator:
    """Somebody who may act."""

    def __init__(self, hookd: Hookd) -> None:
        self.hookd = hookd
        tokens = Tokens(hookd.secrets["SECRET_KEY"], lambda: datetime.now(UTC))
        self.token = tokens.mint_operator("ada", may_act=True)

    async def act(self, path: str, **body: object) -> dict:
        status, told = await self.hookd.call("POST", f"/api/v1{path}", body, token=self.token)
        assert status == 200, told
        return told

    async def get(self, path: str) -> dict:
        status, told = await self.hookd.call("GET", f"/api/v1{path}", token=self.token)
        assert status == 200, told
        return told


@pytest.fixture
async def operator(home: Path) -> AsyncIterator[Operator]:
    async with Hookd(home, STOP_GRACE_S="0.2", RETRY_ATTEMPTS_MAX="1") as hookd:
        yield Operator(hookd)
        await assert_state_equals_fold(hookd.dsn)


async def send(hookd: Hookd, application: str, payload: dict) -> str:
    body = {"eventType": "a.b", "payload": payload}
    status, message = await hookd.call("POST", f"/api/v1/app/{application}/msg", body, token=hookd.token())
    assert status == 202, message
    return message["id"]


async def state_of(operator: Operator, message: str, endpoint: str) -> str:
    return (await operator.get(f"/deliveries/{message}/{endpoint}"))["state"]


async def key_of(hookd: Hookd, application: str, endpoint: str) -> str:
    path = f"/api/v1/app/{application}/endpoint/{endpoint}/secret"
    return (await hookd.call("GET", path, token=hookd.token()))[1]["key"]


async def test_what_was_delivered_arrives_again_under_its_id(operator: Operator) -> None:
    async with Receiver(reply()) as receiver:
        application, endpoint = await operator.hookd.create_endpoint(receiver.url)
        message = await send(operator.hookd, application, {"n": 1})
        await receiver.until(lambda: len(receiver.requests) == 1)
        while await state_of(operator, message, endpoint) != "delivered":
            pass
        assert await operator.act(f"/deliveries/{message}/{endpoint}/resend") == {"touched": 1}
        await receiver.until(lambda: len(receiver.requests) == 2)
        first, second = receiver.requests
        assert first.headers["webhook-id"] == second.headers["webhook-id"] == message
        assert first.body == second.body == b'{"n": 1}'
        while await state_of(operator, message, endpoint) != "delivered":
            pass
        trail = (await operator.get(f"/deliveries/{message}/{endpoint}"))["trail"]
        assert [each["type"] for each in trail] == [
            "MessageAccepted", "AttemptSucceeded", "DeliveryResent", "AttemptSucceeded",
        ]  # fmt: skip
        assert [each["version"] for each in trail] == [1, 2, 3, 4]


async def test_both_keys_verify_while_the_grace_lasts(operator: Operator) -> None:
    async with Receiver(reply()) as receiver:
        application, endpoint = await operator.hookd.create_endpoint(receiver.url)
        old = await key_of(operator.hookd, application, endpoint)
        await send(operator.hookd, application, {"n": 1})
        await receiver.until(lambda: len(receiver.requests) == 1)
        await operator.act(f"/endpoints/{endpoint}/rotate-secret")
        new = await key_of(operator.hookd, application, endpoint)
        assert new != old
        await operator.act(f"/endpoints/{endpoint}/test")
        await receiver.until(lambda: len(receiver.requests) == 2)
        before, during = receiver.requests
        Webhook(old).verify(before.body, before.headers)
        for key in (old, new):
            Webhook(key).verify(during.body, during.headers)
        assert during.body.startswith(b'{"test":true,"at":"')
        with pytest.raises(WebhookVerificationError):
            Webhook(new).verify(before.body, before.headers)
        await operator.act(f"/endpoints/{endpoint}/rotate-secret", graceS=0)
        await operator.act(f"/endpoints/{endpoint}/test")
        await receiver.until(lambda: len(receiver.requests) == 3)
        after = receiver.requests[2]
        Webhook(old).verify(after.body, after.headers)  # its grace goes on
        Webhook(await key_of(operator.hookd, application, endpoint)).verify(after.body, after.headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(new).verify(after.body, after.headers)


async def test_an_outage_is_recovered(operator: Operator) -> None:
    async with Receiver(*[reply(503)] * 9, reply()) as receiver:
        application, endpoint = await operator.hookd.create_endpoint(receiver.url)
        since = datetime.now(UTC).isoformat()
        messages = [await send(operator.hookd, application, {"n": number}) for number in range(9)]
        await receiver.until(lambda: len(receiver.requests) == 9)
        while {await state_of(operator, each, endpoint) for each in messages} != {"exhausted"}:
            pass
        assert await operator.act(f"/endpoints/{endpoint}/recover?dryRun=true", since=since) == {"touches": 9}
        assert await operator.act(f"/endpoints/{endpoint}/recover", since=since) == {"touched": 9}
        await receiver.until(lambda: len(receiver.requests) == 18)
        again = {each.headers["webhook-id"] for each in receiver.requests[9:]}
        assert again == set(messages)
        while {await state_of(operator, each, endpoint) for each in messages} != {"delivered"}:
            pass


async def test_a_reset_breaker_sends_at_once(operator: Operator) -> None:
    async with Receiver(*[reply(500)] * 10, reply()) as receiver:
        application, endpoint = await operator.hookd.create_endpoint(receiver.url)
        for number in range(10):
            await send(operator.hookd, application, {"n": number})
        await receiver.until(lambda: len(receiver.requests) == 10)
        while "breakerUntil" not in await operator.get(f"/endpoints/{endpoint}"):
            pass
        late = await send(operator.hookd, application, {"late": True})
        assert await operator.act(f"/endpoints/{endpoint}/reset-breaker") == {"touched": 1}
        await receiver.until(lambda: receiver.requests[-1].headers["webhook-id"] == late)


async def test_what_is_paused_waits_and_can_be_cancelled(operator: Operator) -> None:
    async with Receiver(reply()) as receiver:
        application, endpoint = await operator.hookd.create_endpoint(receiver.url)
        assert await operator.act(f"/endpoints/{endpoint}/pause") == {"touched": 1}
        held = [await send(operator.hookd, application, {"n": number}) for number in range(3)]
        assert await operator.act(f"/endpoints/{endpoint}/cancel-pending", reason="not wanted") == {"touched": 3}
        assert await operator.act(f"/endpoints/{endpoint}/resume") == {"touched": 1}
        kept = await send(operator.hookd, application, {"n": 3})
        await receiver.until(lambda: len(receiver.requests) == 1)
        assert receiver.requests[0].headers["webhook-id"] == kept
        assert {await state_of(operator, each, endpoint) for each in held} == {"cancelled"}
