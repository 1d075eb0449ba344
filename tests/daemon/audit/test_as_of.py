from datetime import timedelta

import pytest
from hypothesis import given, settings

from daemon.audit.as_of import everything, positions
from events.application import CreateApplication
from events.fold import Fold
from events.history import Misplaced
from events.when import Position
from tests.support.builders import NOW
from tests.support.databases import Server
from tests.support.histories import HISTORIES, PARTITIONS, Historian, written


@settings(max_examples=10)
@given(HISTORIES)
async def test_everything_at_a_moment_is_the_fold_of_all_until_then(
    database_server: Server, database_template: str, told: Historian
) -> None:
    async with written(database_server, database_template, told) as connection:
        for moment in sorted({NOW - timedelta(days=1), *(each.at for each in told.events)}):
            read: list[int] = []
            upto = await positions(connection, moment)
            found = [state async for _, state in everything(connection, upto, read.append)]
            until = [each for each in told.events if each.at <= moment]
            fold = Fold(until)
            living = [each for each in fold.entities.values() if getattr(each, "deleted_at", None) is None]
            assert {repr(each) for each in found} == {repr(each) for each in (*living, *fold.deliveries.values())}
            assert sum(read) == len(until)


async def test_a_position_is_of_one_partition(database_server: Server, database_template: str) -> None:
    told = Historian()
    for nth in range(6):
        told.step(CreateApplication(f"app_{nth}", "org_1", "A"), 1)
    async with written(database_server, database_template, told) as connection:
        partition = told.events[-1].partition
        last = max(each.seq for each in told.events if each.partition == partition)
        assert await positions(connection, Position(partition, 1)) == {partition: 1}
        found = [each async for each in everything(connection, {partition: last}, lambda _: None)]
        assert len(found) == last
        assert {place for place, _ in found} == {Position(partition, last)}
        with pytest.raises(Misplaced):
            await positions(connection, Position(partition, last + 1))
        with pytest.raises(Misplaced):
            await positions(connection, Position(30_000, 1))
        assert (await positions(connection, NOW)).keys() >= set(range(PARTITIONS))
