"""What operators do, in a little world without sockets: what is recorded, what is sent, and what is not."""

import asyncio
from datetime import timedelta

from daemon import acting
from daemon.expunging import Asker
from events.breaker import BreakerPolicy
from events.catalogue import (
    AttemptFailed,
    AttemptSucceeded,
    BreakerReset,
    DeliveryCancelled,
    DeliveryExhausted,
    DeliveryResent,
    SecretRotated,
)
from events.decide import Rules
from events.delivery import DeliveryState
from events.endpoint import Endpoint, UpdateEndpoint
from events.message import AcceptMessage
from events.refusal import Refusal
from events.retry import RetryPolicy
from tests.daemon.test_dispatcher import house, kinds, messages
from tests.support.simulated import OPERATOR, Simulated, always, black_hole, failed, failing, host_of, ok
from tests.support.virtual_loop import virtual

ONCE = Rules(RetryPolicy(delays_s=(), jitter=0.0), BreakerPolicy(failures_max=1_000_000))


def states(made: Simulated) -> list[DeliveryState]:
    return [row.state for row in made.log.rows().values()]


def whole(made: Simulated) -> None:
    """The tables are the fold of the log."""
    assert made.fold().deliveries == made.log.rows()
    assert made.endpoints.twice == []


async def disabled(made: Simulated, endpoint: Endpoint, *, yes: bool) -> None:
    await made.ask(UpdateEndpoint(endpoint.id, endpoint.application, {"disabled": yes}))


@virtual
async def test_what_was_delivered_is_sent_again_and_named() -> None:
    made = await house()
    application = await made.application()
    endpoint, other = [await made.endpoint(application, always(ok())) for _ in range(2)]
    (message,) = await messages(made, application, 1)
    await made.settled(60)
    assert await made.resend(message, endpoint) == 1
    await made.settled(60)
    assert len(made.endpoints.of(host_of(endpoint), message)) == 2
    assert len(made.endpoints.of(host_of(other))) == 1
    (resent,) = [each for each in made.log.events[endpoint.partition] if isinstance(each.event, DeliveryResent)]
    assert (resent.actor, resent.stream, resent.endpoint, resent.version) == (
        "operator:ada",
        message,
        endpoint.id,
        3,
    )
    last = [each for each in made.log.events[endpoint.partition] if each.endpoint == endpoint.id][-1]
    assert (type(last.event), getattr(last.event, "attempt", 0), last.version) == (AttemptSucceeded, 1, 4)
    whole(made)


@virtual
async def test_one_whose_target_is_forgotten_is_sent_again() -> None:
    made = await house()
    application = await made.application()
    endpoint = await made.endpoint(application, always(ok()))
    (message,) = await messages(made, application, 1)
    await asyncio.sleep(100)
    assert list(made.dispatcher.targets()) == []
    await made.resend(message, endpoint)
    await made.settled(5)
    assert len(made.endpoints.attempts) == 2


@virtual
async def test_what_is_to_be_tried_later_is_tried_now_and_has_all_its_attempts_again() -> None:
    made = await house(rules=Rules(RetryPolicy(delays_s=(3600.0, 3600.0), jitter=0.0)))
    application = await made.application()
    endpoint = await made.endpoint(application, failing(3))
    (message,) = await messages(made, application, 1)
    await asyncio.sleep(3700)
    assert len(made.endpoints.attempts) == 2
    assert await made.resend(message, endpoint) == 1
    await asyncio.sleep(1)
    assert len(made.endpoints.attempts) == 3
    await made.settled(8000)
    spent = [each.event.attempt for events in made.log.events.values() for each in events
             if isinstance(each.event, AttemptFailed | AttemptSucceeded)]  # fmt: skip
    assert spent == [1, 2, 1, 2]
    whole(made)


@virtual
async def test_an_attempt_under_way_stays_the_only_one() -> None:
    made = await house()
    application = await made.application()
    endpoint = await made.endpoint(application, lambda attempt, _: failed(took_s=5) if attempt.nth < 3 else ok(1.0))
    (message,) = await messages(made, application, 1)
    await asyncio.sleep(1)
    assert await made.resend(message, endpoint) == 0, "it is on its way"
    await asyncio.sleep(10)  # the second attempt is out
    assert [await made.resend(message, endpoint) for _ in range(3)] == [1, 0, 0]
    assert await made.cancel_pending(endpoint) == 1
    assert await made.resend(message, endpoint) == 1
    await made.settled(600)
    assert len(made.endpoints.attempts) == 3
    whole(made)


@virtual
async def test_of_many_who_ask_at_once_one_is_heard() -> None:
    made = await house()
    application = await made.application()
    endpoint = await made.endpoint(application, always(ok()))
    (message,) = await messages(made, application, 1)
    await made.settled(60)
    assert sorted(await asyncio.gather(*(made.resend(message, endpoint) for _ in range(5)))) == [0, 0, 0, 0, 1]
    await made.settled(60)
    assert len(made.endpoints.attempts) == 2
    whole(made)


@virtual
async def test_what_cannot_be_sent_again_is_refused_in_words() -> None:
    made = await house()
    application = await made.application()
    endpoint = await made.endpoint(application, always(ok()))
    (message,) = await messages(made, application, 1)
    later = await made.endpoint(application, always(ok()))
    known = made.log.tables.messages[endpoint.partition, application, message]
    refused = await made.acts.resend(known, later, OPERATOR)
    assert isinstance(refused, Refusal)
    assert refused.code == "not_found"
    made.log.tables.payloads.clear()
    refused = await made.acts.resend(known, endpoint, OPERATOR, dry=True)
    assert isinstance(refused, Refusal)
    assert refused.code == "missing_payload"


@virtual
async def test_what_an_outage_spoilt_is_recovered_in_pages() -> None:
    made = await house(rules=ONCE)
    application = await made.application()
    endpoint = await made.endpoint(application, always(failed()))
    spared = await messages(made, application, 2)
    await asyncio.sleep(10)
    since = made.clock.now()
    await messages(made, application, acting.PAGE + 20)
    await asyncio.sleep(3000)
    await disabled(made, endpoint, yes=True)
    await messages(made, application, 3)
    await made.cancel_pending(endpoint)
    assert set(states(made)) == {DeliveryState.EXHAUSTED, DeliveryState.CANCELLED}
    gone = next(iter(key for key in made.log.tables.payloads if key[2] not in spared))
    del made.log.tables.payloads[gone]
    made.endpoints.scripts[host_of(endpoint)] = always(ok())
    await disabled(made, endpoint, yes=False)
    count = len(states(made)) - len(spared) - 1
    dry = await made.acts.recover(endpoint, since, None, OPERATOR, dry=True)
    assert (dry.touched, kinds(made).count(DeliveryResent)) == (count, 0)
    none = await made.acts.recover(endpoint, since - timedelta(days=1), since - timedelta(seconds=11), OPERATOR)
    assert none.touched == 0
    assert await made.recover(endpoint, since) == count
    assert await made.recover(endpoint, since) == 0, "done is done"
    await made.settled(1000)
    assert len(states(made)) == len(spared) + 1
    whole(made)


@virtual
async def test_what_takes_too_long_goes_on_where_it_was_left() -> None:
    made = await house(rules=ONCE)
    application = await made.application()
    endpoint = await made.endpoint(application, always(failed()))
    began = made.clock.now()
    await messages(made, application, acting.PAGE * 2)
    await asyncio.sleep(4000)
    await disabled(made, endpoint, yes=True)
    ask_all = made.recorder.ask_all

    async def slow(*arguments):
        await asyncio.sleep(acting.WITHIN_S + 1)
        return await ask_all(*arguments)

    made.recorder.ask_all = slow  # type: ignore[method-assign]
    ended = sum(state is not DeliveryState.PENDING for state in states(made))
    first = await made.acts.recover(endpoint, began, None, OPERATOR)
    assert (first.touched, first.done) == (acting.PAGE, False)
    rest = await made.acts.recover(endpoint, began, None, OPERATOR)
    assert first.touched + rest.touched >= ended
    first = await made.acts.cancel_pending(endpoint, "no", OPERATOR)
    assert not first.done
    while not (await made.acts.cancel_pending(endpoint, "no", OPERATOR)).done:
        pass
    assert DeliveryState.PENDING not in states(made)


@virtual
async def test_what_is_pending_is_cancelled_with_its_reason() -> None:
    made = await house(batch_size=2)
    application = await made.application()
    endpoint = await made.endpoint(application, black_hole)
    await made.endpoint(application, always(ok()))
    await messages(made, application, 100)
    await asyncio.sleep(1)
    assert (await made.acts.cancel_pending(endpoint, "x", OPERATOR, dry=True)).touched == 100
    assert await made.cancel_pending(endpoint) == 100
    await asyncio.sleep(60)
    assert len(made.endpoints.of(host_of(endpoint))) == 2, "those that were out"
    rows = made.log.rows().values()
    assert {(row.state, row.reason) for row in rows} == {(DeliveryState.CANCELLED, "by an operator")}
    named = {each.actor for events in made.log.events.values() for each in events
             if isinstance(each.event, DeliveryCancelled)}  # fmt: skip
    assert named == {"operator:ada"}
    assert made.dispatcher.target(endpoint.id) is None, "nothing is held, so it was forgotten"
    whole(made)


@virtual
async def test_a_breaker_that_is_reset_lets_attempts_go_at_once() -> None:
    made = await house(batch_size=8)
    application = await made.application()
    endpoint = await made.endpoint(application, always(failed()))
    await messages(made, application, 30)
    await asyncio.sleep(20)
    made.endpoints.scripts[host_of(endpoint)] = always(ok(took_s=1.0))
    during = len(made.endpoints.attempts)
    opened = made.world.endpoint(endpoint.id)
    assert opened is not None
    assert opened.breaker_until is not None
    assert await made.reset(endpoint) == 1
    assert await made.reset(endpoint) == 0, "there is nothing to forget"
    await asyncio.sleep(0.5)
    assert len(made.endpoints.attempts) == during + 1, "one at a time again"
    await asyncio.sleep(1)
    assert len(made.endpoints.attempts) == during + 3, "then twice as many"
    assert kinds(made).count(BreakerReset) == 1
    await made.settled(4000)


def signatures(made: Simulated) -> list[int]:
    """How many signatures each request has, from now on."""
    counts: list[int] = []
    post = made.endpoints.post

    def noted(to, head, *rest) -> None:
        line = head.partition(b"webhook-signature: ")[2].partition(b"\r\n")[0]
        counts.append(len(line.split(b" ")))
        post(to, head, *rest)

    made.endpoints.post = noted  # type: ignore[method-assign]
    return counts


@virtual
async def test_two_keys_sign_while_the_grace_lasts() -> None:
    made = await house()
    application = await made.application()
    endpoint = await made.endpoint(application, always(ok()))
    counts = signatures(made)
    await messages(made, application, 1)
    await made.settled(60)
    await made.rotate(endpoint, grace_s=60)
    await messages(made, application, 2)
    await made.settled(10)
    await made.rotate(endpoint, grace_s=300)
    await messages(made, application, 1)
    await made.settled(10)
    await asyncio.sleep(61)
    await messages(made, application, 1)
    await asyncio.sleep(300)
    await messages(made, application, 1)
    await made.rotate(endpoint, grace_s=0)
    await messages(made, application, 1)
    await made.settled(60)
    assert counts == [1, 2, 2, 3, 2, 1, 1]
    assert kinds(made).count(SecretRotated) == 3
    secrets = await made.log.secrets([(endpoint.partition, endpoint.id)])
    assert [each.expires_at is None for each in secrets] == [True, False, False, False]


@virtual
async def test_a_key_rotated_while_keys_are_read_is_not_missed() -> None:
    made = await house()
    application = await made.application()
    endpoint = await made.endpoint(application, always(ok()))
    counts = signatures(made)
    read = made.log.secrets

    async def slow(owners):
        found = await read(owners)
        made.log.secrets = read  # type: ignore[method-assign]
        await made.rotate(endpoint)
        return found

    made.log.secrets = slow  # type: ignore[method-assign]
    await messages(made, application, 1)
    await made.settled(60)
    assert counts == [2]


@virtual
async def test_old_keys_are_not_gathered_without_end() -> None:
    made = await house()
    endpoint = await made.endpoint(await made.application(), always(ok()))
    for _ in range(acting.OLD_KEYS_MAX):
        assert await made.rotate(endpoint) == 1
    refused = await made.acts.rotate(endpoint, "whsec_" + "A" * 32, "sec_x", 60, OPERATOR)
    assert isinstance(refused, Refusal)
    assert refused.code == "limit_reached"
    await asyncio.sleep(61)
    assert await made.rotate(endpoint) == 1


@virtual
async def test_a_message_for_one_endpoint_goes_nowhere_else() -> None:
    made = await house()
    application = await made.application()
    endpoint, _ = [await made.endpoint(application, always(ok())) for _ in range(2)]
    await made.ask(AcceptMessage(made.mint("msg"), application, "hookd.test", b"{}", "d", only=endpoint.id))
    await made.settled(60)
    assert [each.endpoint for each in made.endpoints.attempts] == [host_of(endpoint)]


@virtual
async def test_an_endpoint_that_fails_again_ends_again() -> None:
    made = await house(rules=ONCE)
    application = await made.application()
    endpoint = await made.endpoint(application, always(failed()))
    (message,) = await messages(made, application, 1)
    await made.settled(60)
    await made.acts.resend(
        made.log.tables.messages[endpoint.partition, application, message], endpoint, Asker("operator:bob", "req_1")
    )
    await made.settled(60)
    assert kinds(made).count(DeliveryExhausted) == 2
    whole(made)
