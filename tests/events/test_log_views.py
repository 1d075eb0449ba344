"""The log in pages; the plans are looked at in test_board_views."""

from datetime import timedelta

import pytest

from events.log_views import LogViews
from tests.daemon.api.running import serve


@pytest.fixture
async def running(database):
    async with serve(database) as it:
        yield it


async def test_positions_rule_whatever_the_clock_did(running):
    """A clock that steps back must not make a page leave out what comes before its last event."""
    views = LogViews(running.desk.views.reading)
    app_id = await running.app()
    partition = running.desk.world.partition_of(app_id)
    for step in (0, -20, 20, -20, 10):  # a token is good that long before its time
        running.clock.at += timedelta(seconds=step)
        await running.message(app_id)
    heads = tuple(head.seq for head in await views.heads())
    low, seen = (0,) * 16, []
    while page := await views.after(low, heads, 3):
        seen += page
        low = tuple(max([each.seq for each in page if each.partition == n], default=low[n]) for n in range(16))
    assert [each.seq for each in seen if each.partition == partition] == list(range(1, heads[partition] + 1))
    assert low == heads
    assert (await views.at(running.clock.now()))[partition] == heads[partition]
    high, seen = heads, []
    while page := await views.before(high, 3):
        seen = page + seen
        high = tuple(min([each.seq - 1 for each in page if each.partition == n], default=high[n]) for n in range(16))
    assert [each.seq for each in seen if each.partition == partition] == list(range(1, heads[partition] + 1))


async def test_deleted_things_still_have_an_owner(running):
    views = LogViews(running.desk.views.reading)
    app_id = await running.app()
    endpoint = await running.endpoint(app_id)
    await running.call("DELETE", f"/app/{app_id}", expect=204)
    partition = running.desk.world.partition_of(app_id)
    assert await views.owners([(partition, endpoint)]) == {endpoint: (app_id, running.org)}
