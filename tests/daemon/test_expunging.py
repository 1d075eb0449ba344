"""Bodies removed by request, on a real log and on one that fails."""

import asyncio
from datetime import timedelta
from hashlib import sha256

import pytest

from daemon.expunging import Expunged, Expunger
from events.catalogue import ContentExpunged, DeliveryExpired, PayloadExpunged, ResponseExpunged
from events.endpoint import UpdateEndpoint
from events.log import Unavailable
from events.message import AcceptMessage
from events.outcome import Fault
from tests.daemon.test_dispatcher import house, kinds, messages
from tests.support.keeping import ASKER, Keeping, keeping
from tests.support.simulated import always, failed, ok
from tests.support.state_equals_fold import assert_state_equals_fold
from tests.support.virtual_loop import virtual


@pytest.fixture
async def made(database):
    async with keeping(database) as it:
        yield it
    await assert_state_equals_fold(database)


async def test_a_payload_goes_once_and_whoever_asked_is_named(made: Keeping) -> None:
    application = await made.application()
    message, other = await made.message(application), await made.message(application)
    assert await made.expunger.payload(message, ASKER)
    assert not await made.expunger.payload(message, ASKER)
    (recorded,) = await made.recorded(PayloadExpunged)
    assert (recorded.stream, recorded.actor, recorded.request) == (message.id, "org:org_1", "req_1")
    assert (recorded.version, recorded.event.reason) == (0, "asked to")
    assert (await made.payload(message), await made.payload(other)) == (None, b"{}")


async def test_asked_twice_at_once_it_is_one_event(made: Keeping) -> None:
    message = await made.message(await made.application())
    went = await asyncio.gather(*(made.expunger.payload(message, ASKER) for _ in range(5)))
    assert sorted(went) == [False] * 4 + [True]
    assert len(await made.recorded(PayloadExpunged)) == 1


async def test_a_response_goes_by_the_position_of_its_attempt(made: Keeping) -> None:
    application = await made.application()
    endpoint = await made.endpoint(application)
    message = await made.message(application)
    for body in (b"one", b"two"):
        await made.attempt(message, endpoint, body, Fault.STATUS)
    seqs = sorted(
        each.seq for each in await made.log.read([(application.partition, 0, None)], 99) if each.endpoint == endpoint
    )
    assert await made.expunger.response(message, seqs[0], ASKER)
    assert not await made.expunger.response(message, seqs[0], ASKER)
    assert not await made.expunger.response(message, 10**9, ASKER)
    assert await made.log.count(message.last_day) == {application.partition: (1, 1)}
    assert [each.event.seq for each in await made.recorded(ResponseExpunged)] == [seqs[0]]


async def test_everything_of_an_application_goes_in_chunks(made: Keeping, monkeypatch) -> None:
    monkeypatch.setattr("daemon.expunging.CHUNK", 3)
    application, other = await made.application(retention_days=7), await made.application()
    endpoint = await made.endpoint(application)
    sent = [await made.message(application, retention_days=None if n % 2 else 9) for n in range(8)]
    kept = await made.message(other)
    await made.attempt(sent[0], endpoint, b"yes")
    await made.attempt(sent[7], endpoint, b"no", Fault.STATUS)
    await made.expunger.payload(sent[1], ASKER)
    assert await made.expunger.application(application, ASKER) == Expunged(7, 2, done=True)
    first, *events = [each.event for each in await made.recorded(ContentExpunged)]
    assert (first.payloads, first.responses, first.reason) == (0, 0, "asked to"), "every process has to learn it"
    assert first.until > sent[-1].id
    assert events == [
        ContentExpunged(sent[2].id, 2, 1, "asked to"),
        ContentExpunged(sent[5].id, 3, 0, "asked to"),
        ContentExpunged(sent[7].id, 2, 1, "asked to"),
    ]
    assert [await made.payload(each) for each in (*sent, kept)] == [None] * 8 + [b"{}"]
    assert await made.expunger.application(application, ASKER) == Expunged(0, 0, done=True)
    assert [each.event.payloads for each in await made.recorded(ContentExpunged)] == [0, 2, 3, 2, 0]
    assert await made.payload(await made.message(application)) == b"{}", "what comes later is kept"


async def test_chunks_go_by_acceptance_and_what_they_name_only_rises(made: Keeping, monkeypatch) -> None:
    monkeypatch.setattr("daemon.expunging.CHUNK", 1)
    application = await made.application()
    one, two = made.mint("msg"), made.mint("msg")
    for key in (two, one):
        await made.recorder.ask(AcceptMessage(key, application.id, "t", b"{}", sha256(b"{}").hexdigest()), "test")
    assert await made.expunger.application(application, ASKER) == Expunged(2, 0, done=True)
    _, *events = [each.event for each in await made.recorded(ContentExpunged)]
    assert events == [ContentExpunged(two, 1, 0, "asked to"), ContentExpunged(two, 1, 0, "asked to")]


async def test_a_crash_between_chunks_leaves_whole_chunks_and_the_next_request_goes_on(
    made: Keeping, monkeypatch
) -> None:
    monkeypatch.setattr("daemon.expunging.CHUNK", 2)
    application = await made.application()
    sent = [await made.message(application) for _ in range(5)]
    append, asked = made.log.append, []

    async def dies(given):
        asked.append(given)
        if len(asked) == 3:
            raise Unavailable("the server died")
        return await append(given)

    monkeypatch.setattr(made.log, "append", dies)
    with pytest.raises(Unavailable):
        await made.expunger.application(application, ASKER)
    assert [await made.payload(each) is None for each in sent] == [True, True, False, False, False]
    again = Expunger(made.log, made.recorder, made.clock)
    assert await again.application(application, ASKER) == Expunged(3, 0, done=True)
    assert [each.event.payloads for each in await made.recorded(ContentExpunged)] == [0, 2, 0, 2, 1]


async def test_a_large_application_is_answered_before_it_is_done(made: Keeping, monkeypatch) -> None:
    monkeypatch.setattr("daemon.expunging.CHUNK", 1)
    application = await made.application()
    for _ in range(3):
        await made.message(application)
    append = made.log.append

    async def slow(given):
        made.clock.at += timedelta(seconds=6)
        return await append(given)

    monkeypatch.setattr(made.log, "append", slow)
    assert await made.expunger.application(application, ASKER) == Expunged(2, 0, done=False)
    assert await made.expunger.application(application, ASKER) == Expunged(1, 0, done=True)


@virtual
async def test_what_waits_for_an_expunged_payload_expires_and_nothing_is_sent() -> None:
    made = await house()
    application = await made.application()
    endpoint = await made.endpoint(application, always(failed()))
    held = await made.endpoint(application, always(ok()))
    await made.ask(UpdateEndpoint(held.id, application, {"disabled": True}))
    (sent, *_) = await messages(made, application, 2)
    await asyncio.sleep(0.1)
    attempts = len(made.endpoints.attempts)
    expunger = Expunger(made.log, made.recorder, made.clock)
    message = next(each for each in made.log.tables.messages.values() if each.id == sent)
    assert await expunger.payload(message, ASKER)
    await made.ask(UpdateEndpoint(held.id, application, {"disabled": False}))
    await asyncio.sleep(3600)
    assert {each.message for each in made.endpoints.attempts[attempts:]} == set(made_ids(made)) - {sent}
    ended = [each for each in made.fold().deliveries.values() if each.reason == "the payload is gone"]
    assert {(each.message, each.endpoint) for each in ended} == {(sent, endpoint.id), (sent, held.id)}
    assert kinds(made).count(DeliveryExpired) == 2


def made_ids(made) -> list[str]:
    return [each.id for each in made.log.tables.messages.values()]


@virtual
async def test_an_answer_under_way_while_all_is_expunged_is_not_stored() -> None:
    made = await house()
    application, other = await made.application(), await made.application()
    for owner in (application, other):
        await made.endpoint(owner, always(failed(took_s=5.0)))
        await messages(made, owner, 1)
    await asyncio.sleep(1)
    found = made.world.application(application)
    assert await Expunger(made.log, made.recorder, made.clock).application(found, ASKER) == Expunged(1, 0, done=True)
    await asyncio.sleep(10)
    (response,) = made.log.tables.responses
    assert response[1] == made.world.application(other).partition


@virtual
async def test_a_payload_read_while_it_is_expunged_is_not_put_back() -> None:
    made = await house(payload_bytes=1)
    application = await made.application()
    await made.endpoint(application, always(ok(took_s=1.0)), batch_size=1)
    sent = await messages(made, application, 3)
    read, gate = made.log.payloads, asyncio.Event()

    async def hesitant(keys):
        answer = await read(keys)
        await gate.wait()
        return answer

    made.log.payloads = hesitant
    await asyncio.sleep(10)
    asked = {each.message for each in made.endpoints.attempts}
    last = next(each for each in made.log.tables.messages.values() if each.id == sent[-1])
    assert last.id not in asked
    assert await Expunger(made.log, made.recorder, made.clock).payload(last, ASKER)
    gate.set()
    await made.settled(60)
    assert last.id not in {each.message for each in made.endpoints.attempts}
    assert kinds(made).count(DeliveryExpired) == 1
