"""Everything as of a place: the same as folding the log up to there."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace

from events.application import Application
from events.as_of_views import LATEST, AsOfViews, latest
from events.catalogue import BreakerClosed, BreakerOpened, EndpointConfig, EndpointRegistered, EndpointUpdated
from events.delivery import DeliveryState
from events.endpoint import Endpoint
from events.envelope import Recorded
from events.fold import Fold
from events.outcome import Fault
from tests.support.databases import run_apart
from tests.support.histories import HISTORIES, PARTITIONS, written

AT = datetime(2026, 8, 21, tzinfo=UTC)


async def collected(chunks):
    return [each async for chunk in chunks for each in chunk]


def by_fold(told, high):
    fold = Fold(each for each in told.events if each.seq <= high[each.partition])
    waiting: dict[str, int] = {}
    for each in fold.deliveries.values():
        if each.state is DeliveryState.PENDING:
            waiting[each.endpoint] = waiting.get(each.endpoint, 0) + 1
    living = [each for each in fold.entities.values() if getattr(each, "deleted_at", None) is None]
    return living, waiting


def alike(state):
    """What may differ in a state that was made of the last events only."""
    return replace(state, version=0, breaker_opens=0) if isinstance(state, Endpoint) else replace(state, version=0)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=HISTORIES)
def test_it_is_what_the_fold_says(database_server, database_template, told):
    async def check():
        async with written(database_server, database_template, told) as connection:

            @asynccontextmanager
            async def reading():
                yield connection

            views = AsOfViews(reading)
            heads = [0] * PARTITIONS
            for nth, event in enumerate(sorted(told.events, key=lambda each: (each.at, each.partition, each.seq))):
                heads[event.partition] = event.seq
                if nth % 3 and nth < len(told.events) - 1:
                    continue
                high = tuple(heads)
                living, waiting = by_fold(told, high)
                found = [each.endpoint for each in await collected(views.endpoints(high, event.at))]
                found += await collected(views.applications(high, event.at))
                wanted = [each for each in living if isinstance(each, Endpoint | Application)]
                assert sorted(map(alike, found), key=_id) == sorted(map(alike, wanted), key=_id)
                assert await views.undelivered(high) == waiting

    run_apart(check)


def _id(state):
    return state.id


def test_of_a_long_stream_the_last_events_are_enough():
    config = EndpointConfig("http://e.test/")
    opened = BreakerOpened(AT, 1, Fault.STATUS, AT, 500)
    events = [
        EndpointRegistered("app_1", config, "sec_1"),
        EndpointUpdated(replace(config, description="new")),
        *[opened, BreakerClosed()] * LATEST,
        opened,
    ]
    told = [
        Recorded(0, nth, AT + timedelta(seconds=nth), "ep_1", None, nth, "hookd", None, event)
        for nth, event in enumerate(events, 1)
    ]
    whole = latest(Endpoint, told)
    last = {type(each.event): each for each in told[:-LATEST]}
    short = latest(Endpoint, sorted([*last.values(), *told[-LATEST:]], key=lambda each: each.seq))
    assert alike(short) == alike(whole)
    assert short.breaker_until == AT


@pytest.mark.parametrize("database_gone", [False])
async def test_a_long_log_is_not_counted(database_gone):
    @asynccontextmanager
    async def reading():
        await asyncio.sleep(0)
        raise AssertionError("nothing is asked")
        yield

    assert await AsOfViews(reading).undelivered((150_000, 50_001)) is None
