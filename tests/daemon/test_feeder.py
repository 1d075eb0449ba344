import asyncio
from collections.abc import Iterable

from structlog.testing import capture_logs

from events.append import Append
from events.catalogue import DeliveryExpired
from events.delivery import Delivery
from events.endpoint import UpdateEndpoint
from events.envelope import Recorded
from tests.daemon.test_dispatcher import house, kinds, messages
from tests.support.simulated import always, ok
from tests.support.virtual_loop import virtual


@virtual
async def test_payloads_larger_than_the_cache_are_delivered_all_the_same() -> None:
    made = await house(payload_bytes=100)
    application = await made.application()
    await made.endpoint(application, always(ok(took_s=0.1)), batch_size=1)
    sent = [await made.message(application, b"%d" % number * 60) for number in range(12)]
    await made.settled(60)
    assert [each.message for each in made.endpoints.attempts] == sent
    assert [each.body for each in made.endpoints.attempts] == [b"%d" % number * 60 for number in range(12)]


@virtual
async def test_more_than_a_lane_holds_is_read_from_the_table() -> None:
    made = await house()
    application = await made.application()
    await made.endpoint(application, always(ok(took_s=0.1)), batch_size=1)
    sent = await messages(made, application, 300)
    await made.settled(120)
    assert sorted(each.message for each in made.endpoints.attempts) == sorted(sent)


@virtual
async def test_the_table_is_read_when_what_is_to_be_there_is_written() -> None:
    made = await house()
    application = await made.application()
    endpoint = await made.endpoint(application, always(ok()))
    first = await made.message(application)
    await asyncio.sleep(1)
    append, due = made.log.append, made.log.due

    async def written_slowly(asked: Append) -> list[Recorded]:
        await asyncio.sleep(5 if asked.waiting else 0)
        return await append(asked)

    async def read_slowly(asked: Iterable[tuple[int, str, int]]) -> dict[str, list[Delivery]]:
        await asyncio.sleep(1)
        return await due(asked)

    made.log.append, made.log.due = written_slowly, read_slowly  # type: ignore[method-assign]
    target = made.dispatcher.target(endpoint.id)
    assert target is not None
    made.dispatcher.look_again(target, 0)
    await asyncio.sleep(0.5)
    second = await made.message(application)  # while the table is read: it goes there, too
    await asyncio.sleep(30)
    assert [each.message for each in made.endpoints.attempts] == [first, second]


@virtual
async def test_a_payload_that_is_gone_expires_the_delivery() -> None:
    made = await house()
    application = await made.application()
    endpoint = await made.endpoint(application, always(ok()))
    await made.ask(UpdateEndpoint(endpoint.id, application, {"disabled": True}))
    await messages(made, application, 3)
    await made.crash()
    made.log.tables.payloads.clear()
    await made.start()
    await made.ask(UpdateEndpoint(endpoint.id, application, {"disabled": False}))
    await made.settled(60)
    assert kinds(made).count(DeliveryExpired) == 3
    assert made.endpoints.attempts == []
    assert {row.reason for row in made.fold().deliveries.values()} == {"the payload is gone"}


@virtual
async def test_a_key_that_does_not_open_holds_its_endpoint_alone() -> None:
    made = await house()
    application = await made.application()
    for _ in range(3):
        await made.endpoint(application, always(ok()))
    broken, nonsense, _ = (key for key in made.log.tables.secrets)
    secrets = made.log.tables.secrets
    good = dict(secrets)
    secrets[broken] = replaced(good[broken], b"short")
    secrets[nonsense] = replaced(good[nonsense], made.sealer.seal(b"no key", nonsense[1]))
    with capture_logs() as logs:
        await messages(made, application, 5)
        await asyncio.sleep(1)
    assert {each.endpoint for each in made.endpoints.attempts} == {"e2"}
    assert {each["event"] for each in logs} == {"secret_not_opened"}
    secrets |= good
    with capture_logs():
        await made.settled(100)
    assert len(made.endpoints.attempts) == 15


def replaced(secret, sealed: bytes):
    return type(secret)(secret.owner, secret.id, sealed, secret.created_at, secret.expires_at)


@virtual
async def test_each_request_is_signed_with_the_endpoints_key() -> None:
    made = await house()
    application = await made.application()
    await made.endpoint(application, always(ok()))
    heads: list[bytes] = []
    post = made.endpoints.post
    made.endpoints.post = lambda to, head, *rest: (heads.append(head), post(to, head, *rest))
    await messages(made, application, 1)
    await made.settled(60)
    assert heads[0].count(b"webhook-signature: v1,") == 1
