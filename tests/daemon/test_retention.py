"""Retention on a real log, under a clock that is moved."""

import asyncio
from datetime import date, timedelta

import asyncpg
import pytest
from structlog.testing import capture_logs

from daemon.audit.retention_report import line, report
from daemon.retention import AGAIN_S, DAYS_AHEAD, LOOK_S, Retention
from events import bodies
from events.catalogue import ContentExpired, DeliveryExpired
from events.decide import Rules
from events.endpoint import UpdateEndpoint
from events.log import Unavailable
from events.outcome import Fault
from tests.daemon.test_dispatcher import house, messages
from tests.support.keeping import START, Keeping, keeping
from tests.support.simulated import always, ok
from tests.support.state_equals_fold import assert_state_equals_fold
from tests.support.virtual_loop import virtual

TODAY = START.date()


@pytest.fixture
async def made(database):
    async with keeping(database) as it:
        yield it
    await assert_state_equals_fold(database)


def days(count: int) -> date:
    return TODAY + timedelta(days=count)


async def test_each_body_is_kept_for_as_long_as_the_nearest_setting_says(made: Keeping) -> None:
    usual, short = await made.application(), await made.application(retention_days=3)
    kept = {
        90: await made.message(usual, b'"90"'),
        5: await made.message(usual, b'"5"', retention_days=5),
        3: await made.message(short, b'"3"'),
        10: await made.message(short, b'"10"', retention_days=10),
    }
    endpoint = await made.endpoint(short)
    answered = await made.message(short)
    await made.attempt(answered, endpoint, b"thanks")
    assert await made.log.days() == [days(3), days(5), days(10), days(90)]
    seen = []
    for count in range(92):
        made.clock.on(days(count))
        await made.retention.sweep()
        seen.append({each for each, message in kept.items() if await made.payload(message) is not None})
    assert [{each for each in kept if count <= each} for count in range(92)] == seen
    events = [(each.stream, each.partition, each.event) for each in await made.recorded(ContentExpired)]
    assert sorted(event.day for _, _, event in events) == [days(3), days(5), days(10), days(90)]
    assert (f"content_{days(3)}", short.partition, ContentExpired(days(3), 2, 1)) in events
    assert await made.log.days() == []
    assert made.retention.stuck == {}


async def test_the_setting_of_the_daemon_holds_where_nobody_else_says(database) -> None:
    async with keeping(database, Rules(retention_days=2)) as made:
        message = await made.message(await made.application())
        made.clock.on(days(2), 23)
        await made.retention.sweep()
        assert await made.payload(message) == b"{}"
        made.clock.on(days(3))
        await made.retention.sweep()
        assert await made.payload(message) is None


async def test_just_after_midnight_a_day_is_left_alone(made: Keeping) -> None:
    await made.message(await made.application(retention_days=1))
    made.clock.on(days(2), 0)
    await made.retention.sweep()
    assert await made.log.days() == [days(1)]
    made.clock.at += timedelta(minutes=6)
    await made.retention.sweep()
    assert await made.log.days() == []


async def test_what_is_pending_is_ended_before_its_payload_goes(made: Keeping, monkeypatch) -> None:
    monkeypatch.setattr("daemon.retention.PAGE", 2)
    application = await made.application(retention_days=1)
    endpoint, held = await made.endpoint(application), await made.endpoint(application)
    await made.recorder.ask(UpdateEndpoint(held, application.id, {"disabled": True}), "test")
    sent = [await made.message(application) for _ in range(5)]
    later = await made.message(application, retention_days=2)
    await made.attempt(sent[0], endpoint, b"no", Fault.STATUS)
    made.clock.on(days(2))
    await made.retention.sweep()
    ended = await made.recorded(DeliveryExpired)
    assert {(each.stream, each.endpoint) for each in ended} == {
        (message.id, each) for message in sent for each in (endpoint, held)
    }
    assert {each.event.reason for each in ended} == {"its retention of 1 days is over"}
    pending = await made.log.due([(application.partition, endpoint, 9), (application.partition, held, 9)])
    assert {row.message for rows in pending.values() for row in rows} == {later.id}


async def test_an_answer_whose_day_is_over_is_not_stored(made: Keeping) -> None:
    application = await made.application(retention_days=1)
    endpoint = await made.endpoint(application)
    message = await made.message(application)
    made.clock.on(days(2))
    await made.attempt(message, endpoint, b"late")
    assert await made.log.count(days(1)) == {application.partition: (1, 0)}


async def test_a_day_in_use_is_kept_with_its_reason_and_dropped_later(made: Keeping, database) -> None:
    message = await made.message(await made.application(retention_days=1), b'"x"')
    other = await made.message(await made.application(retention_days=2))
    made.clock.on(days(3))
    connection = await asyncpg.connect(database, server_settings={"application_name": "a report"})
    reader = await asyncpg.connect(database)
    try:
        async with connection.transaction():
            await connection.execute(f"select from content.payload_{days(1):%Y%m%d}")
            with capture_logs() as logs:
                await made.retention.sweep()
            assert set(made.retention.stuck) == {days(1)}
            assert "lock" in made.retention.stuck[days(1)]
            assert [each["day"] for each in logs if each["event"] == "day_not_dropped"] == [str(days(1))]
            assert await made.payload(message) == b'"x"'
            assert await made.payload(other) is None, "the other days are not held up"
            (overdue,) = await bodies.overdue(reader, days(3))
            assert overdue.day == days(1)
            assert overdue.bytes > 0
            (day,) = await report(reader, days(3))
            assert (day.overdue, day.goes_on, day.held_by[0].name) == (True, days(2), "a report")
            assert f"OVERDUE since {days(2)}: in use by a report" in line(day)
            await made.message(await made.application())  # the log goes on
        (day,) = [each for each in await report(reader, days(3)) if each.overdue]
        assert "no running hookd has come to it yet" in line(day)
        await made.retention.sweep()
        assert made.retention.stuck == {}
        assert await made.payload(message) is None
        (day,) = await report(reader, days(3))
        assert f"goes on {days(94)}" in line(day)
    finally:
        await connection.close()
        await reader.close()


async def test_of_several_processes_the_owner_of_partition_0_drops(made: Keeping) -> None:
    await made.message(await made.application(retention_days=1))
    made.clock.on(days(9))
    epoch = made.recorder.epochs.pop(0)
    await made.retention.sweep()
    assert await made.log.days() == [days(1)]
    made.recorder.epochs[0] = epoch
    await made.retention.sweep()
    assert await made.log.days() == []


async def test_the_tables_of_the_days_to_come_are_made_for_every_setting_in_use(made: Keeping) -> None:
    await made.application(retention_days=400)
    await made.application(retention_days=7)
    await made.application()
    await made.retention.prepare()
    expected = {days(span + ahead) for span in (7, 90, 400) for ahead in range(DAYS_AHEAD)}
    assert set(await made.log.days()) == expected


@virtual
async def test_it_looks_when_it_starts_then_hourly_and_sooner_while_something_is_stuck() -> None:
    made = await house()
    application = await made.application(retention_days=1)
    endpoint = await made.endpoint(application, always(ok()))
    await made.ask(UpdateEndpoint(endpoint.id, application, {"disabled": True}))
    await messages(made, application, 3)
    (day,) = await made.log.days()
    retention = Retention(made.log, made.recorder, made.world, made.limits.rules, made.clock, asyncio.Lock())
    made.supervisor.service("retention", retention.run)
    made.clock.skew_s = 3 * 86400
    made.log.in_use.add(day)
    with capture_logs() as logs:
        await asyncio.sleep(LOOK_S + 1)
        assert retention.stuck == {day: "a day is in use"}
        made.log.in_use.clear()
        await asyncio.sleep(AGAIN_S)
    assert {each["event"] for each in logs} == {"day_not_dropped", "day_dropped"}
    assert (retention.stuck, await made.log.days(), made.pending()) == ({}, [], [])
    made.clock.skew_s = 0.0
    await messages(made, application, 1)
    made.clock.skew_s = 9 * 86400
    made.log.days = unavailable
    with capture_logs() as logs:
        await asyncio.sleep(LOOK_S)
    assert logs[0]["event"] == "retention_postponed"
    assert retention.stuck
    made.fold()


async def unavailable() -> list[date]:
    raise Unavailable("away")


@virtual
async def test_what_expires_is_not_sent_from_memory() -> None:
    """The payload is at hand and the delivery waits for its turn: once it has expired, it has none."""
    made = await house(in_flight_max=1)
    application = await made.application(retention_days=1)
    await made.endpoint(application, always(ok(took_s=10.0)))
    await messages(made, application, 5)
    retention = Retention(made.log, made.recorder, made.world, made.limits.rules, made.clock, asyncio.Lock())
    made.clock.skew_s = 3 * 86400
    await retention.sweep()
    await made.settled(100)
    assert len(made.endpoints.attempts) == 1
    assert (
        len(
            [
                each
                for events in made.log.events.values()
                for each in events
                if isinstance(each.event, DeliveryExpired)
            ]
        )
        == 5
    )
