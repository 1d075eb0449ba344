from collections import Counter

from hypothesis import given, settings

from daemon.audit.as_of import positions
from daemon.audit.diff import NEW, Changed, Moved, everything
from events.delivery import DeliveryState
from events.fold import Fold
from events.past import plain
from tests.support.databases import Server
from tests.support.histories import HISTORIES, Historian, written


@settings(max_examples=10)
@given(HISTORIES)
async def test_what_differs_leads_from_one_fold_to_the_other(
    database_server: Server, database_template: str, told: Historian
) -> None:
    moments = sorted({each.at for each in told.events})
    async with written(database_server, database_template, told) as connection:
        for start, end in ((moments[0], moments[-1]), (moments[len(moments) // 2], moments[-1])):
            first, last = await positions(connection, start), await positions(connection, end)
            found = [each async for each in everything(connection, first, last, lambda _: None)]
            before = Fold(each for each in told.events if each.at <= start)
            after = Fold(each for each in told.events if each.at <= end)
            _check_changed([each for each in found if isinstance(each, Changed)], before, after)
            _check_moved([each for each in found if isinstance(each, Moved)], before, after)


def _check_changed(found: list[Changed], before: Fold, after: Fold) -> None:
    differing = {key for key, each in after.entities.items() if before.entities.get(key) != each}
    assert {each.id for each in found} == differing
    for each in found:
        was, now = before.entities.get(each.id), plain(after.entities[each.id])
        assert each.how.startswith("created") == (was is None)
        assert each.how.endswith("deleted") == (now.get("deleted_at") is not None)
        told = ({} if was is None else plain(was)) | {name: value for name, (_, value) in each.fields.items()}
        assert {name: told.get(name) for name in now} == now
        assert each.by


def _check_moved(found: list[Moved], before: Fold, after: Fold) -> None:
    wanted: Counter[tuple[str, str]] = Counter()
    accepted = {key[2] for key in after.messages}
    for key in before.deliveries.keys() | after.deliveries.keys():
        was = before.deliveries[key].state if key in before.deliveries else NEW
        now = after.deliveries[key].state if key in after.deliveries else DeliveryState.DELIVERED
        if was != now:
            wanted[key[2], f"{was} → {now}"] += 1
    counted: Counter[tuple[str, str]] = Counter()
    for each in found:
        for move, count in each.counts.items():
            counted[each.endpoint, move] = count
            assert set(each.moves[move]) <= accepted
    # What was accepted and delivered in between is in neither fold.
    assert all(counted[key] == count for key, count in wanted.items())
    assert all(move == f"{NEW} → {DeliveryState.DELIVERED}" for _, move in counted.keys() - wanted.keys())
