"""What every log promises: one suite, run against the one in memory and the one in PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import asyncpg
import msgspec
import pytest

from daemon.postgres.database import Database
from events.append import Append
from events.catalogue import (
    ApplicationDeleted,
    ApplicationUpdated,
    AttemptFailed,
    AttemptSucceeded,
    ContentExpired,
    ContentExpunged,
    DeliveryCancelled,
    DeliveryExhausted,
    DeliveryResent,
    Event,
    MessageAccepted,
    PayloadExpunged,
    ResponseExpunged,
)
from events.content import Body
from events.delivery import Delivery, DeliveryState
from events.envelope import Fact
from events.log import Blocked, Fenced, Head, Log, Outdated, Ownership, Stale, Stored, Unavailable
from events.outcome import Fault
from events.postgres import PostgresLog
from tests.support.builders import APP, EP, MSG, NOW, P, accepting, born_in, changing, creating, moving, registering
from tests.support.memory_log import MemoryLog
from tests.support.state_equals_fold import assert_state_equals_fold

KEY = (P, MSG, EP)
LATER = NOW + timedelta(seconds=5)
FAILED = AttemptFailed(1, Fault.STATUS, 12, 1767268800, 1, status=500, next_at=LATER)
SUCCEEDED = AttemptSucceeded(1, 200, 12, 1767268800, 1)


@pytest.fixture
async def postgres(database: str) -> AsyncIterator[PostgresLog]:
    opened = await Database.open(database, readers=2)
    log = PostgresLog(opened.dedicated, opened.reading)
    yield log
    await log.close()
    await opened.close()
    await assert_state_equals_fold(database)


@pytest.fixture(params=["memory", "postgres"])
def log(request: pytest.FixtureRequest) -> Log:
    return MemoryLog() if request.param == "memory" else request.getfixturevalue("postgres")


async def written(log: Log, *, endpoints: tuple[str, ...] = (EP,)) -> Delivery | None:
    """A log with an application, an endpoint and a message; answers its first delivery."""
    append = Append(NOW)
    creating(append)
    registering(append)
    await log.append(accepting(append, *endpoints))
    return (await log.deliveries([KEY])).get(KEY)


async def head(log: Log, partition: int = P) -> int:
    """The last position of a partition."""
    return (await log.load()).known[partition]


async def stepped(log: Log, delivery: Delivery, *events, now: datetime = NOW) -> Delivery:
    append = Append(now)
    for event in events:
        delivery = moving(append, delivery, event)
    await log.append(append)
    return delivery


# --- order --------------------------------------------------------------------------------------------------------


async def test_what_is_appended_is_read_in_order(log: Log) -> None:
    append = Append(NOW)
    creating(append, "app_1")
    creating(append, "app_2", 3)
    registering(append)
    recorded = await log.append(append)
    assert [(each.partition, each.seq, each.stream) for each in recorded] == [
        (0, 1, "app_1"),
        (3, 1, "app_2"),
        (0, 2, EP),
    ]
    assert await log.read([(0, 0, None)], 10) == [recorded[0], recorded[2]]
    assert await log.read([(0, 1, None)], 10) == [recorded[2]]
    assert await log.read([(0, 0, None)], 1) == [recorded[0]]
    assert await log.read([(3, 1, None)], 10) == []
    assert recorded[0].at == NOW
    assert (recorded[0].actor, recorded[0].request) == ("test", "req_1")


async def test_positions_have_no_gap_even_after_a_refusal(log: Log) -> None:
    await written(log)
    with pytest.raises(Stale):
        await log.append(accepting(Append(NOW), EP))
    await log.append(accepting(Append(NOW), EP, message="msg_2"))
    events = await log.read([(P, 0, None)], 100)
    assert [each.seq for each in events] == list(range(1, len(events) + 1))
    assert await head(log) == len(events)


async def test_appends_side_by_side_share_the_positions(log: Log) -> None:
    await written(log)
    await asyncio.gather(*(log.append(accepting(Append(NOW), EP, message=f"msg_{n}x")) for n in range(20)))
    events = await log.read([(P, 0, None)], 100)
    assert [each.seq for each in events] == list(range(1, 24))


# --- versions and names -------------------------------------------------------------------------------------------


async def test_a_delivery_that_moved_on_is_stale_and_nothing_is_written(log: Log) -> None:
    delivery = await written(log)
    await stepped(log, delivery, FAILED)
    before = await head(log)
    with pytest.raises(Stale):
        await stepped(log, delivery, SUCCEEDED)
    with pytest.raises(Stale):
        await stepped(log, delivery, FAILED)
    assert await head(log) == before
    assert (await log.deliveries([KEY]))[KEY].version == 2


async def test_an_entity_that_moved_on_is_stale(log: Log) -> None:
    append = Append(NOW)
    first = creating(append)
    await log.append(append)
    changing(append := Append(NOW), first, APP, ApplicationUpdated("B"))
    await log.append(append)
    changing(append := Append(NOW), first, APP, ApplicationUpdated("C"))
    with pytest.raises(Stale):
        await log.append(append)
    assert [each.name for each in (await log.load()).entities] == ["B"]


async def test_a_uid_belongs_to_one_living_application_of_an_organization(log: Log) -> None:
    creating(append := Append(NOW), "app_1", uid="u")
    creating(append, "app_2", 3, uid="u", org="org_2")
    await log.append(append)
    creating(append := Append(NOW), "app_3", 5, uid="u")
    with pytest.raises(Stale):
        await log.append(append)
    first = next(each for each in (await log.load()).entities if each.id == "app_1")
    changing(append := Append(NOW), first, "app_1", ApplicationDeleted())
    await log.append(append)
    creating(append := Append(NOW), "app_3", 5, uid="u")
    await log.append(append)
    assert {each.id for each in (await log.load()).entities} == {"app_2", "app_3"}


async def test_an_event_id_belongs_to_one_message_of_an_application(log: Log) -> None:
    await written(log)
    await log.append(accepting(Append(NOW), message="msg_2", event_id="e"))
    await log.append(accepting(Append(NOW), message="msg_3", event_id="e", application="app_2"))
    with pytest.raises(Stale):
        await log.append(accepting(Append(NOW), message="msg_4", event_id="e"))
    asked = [(P, APP, "e"), (P, APP, "f"), (P, "app_2", "e"), (1, APP, "e")]
    assert await log.taken_event_ids(asked) == {(APP, "e"), ("app_2", "e")}
    assert await log.taken_event_ids([]) == set()


async def test_many_steps_of_one_delivery_are_one_row(log: Log) -> None:
    delivery = await written(log)
    last = await stepped(log, delivery, FAILED, AttemptFailed(2, Fault.DNS, 1, 1, 1), DeliveryExhausted(2))
    assert await log.deliveries([KEY]) == {KEY: last}
    assert (last.state, last.attempts, last.version, last.reason) == (DeliveryState.EXHAUSTED, 2, 4, "dns")


async def test_a_delivery_may_be_born_and_end_in_one_append(log: Log) -> None:
    append = accepting(Append(NOW), EP)
    moving(append, born_in(append)[0], DeliveryCancelled("why not"))
    await log.append(append)
    assert (await log.deliveries([KEY]))[KEY].reason == "why not"


async def test_a_delivered_row_goes(log: Log) -> None:
    await stepped(log, await written(log), SUCCEEDED)
    assert await log.deliveries([KEY]) == {}
    assert await log.pending([P]) == []


# --- without rows -----------------------------------------------------------------------------------------------


def knowing(settled: int, *untried: Delivery, seq: int = 3) -> Append:
    """An append by the owner of the partition, who knows what has no row."""
    append = Append(NOW)
    append.settled = {P: settled}
    append.untried = {P: {(each.message, each.endpoint): (seq, each.accepted_at, 90) for each in untried}}
    return append


async def accepted(log: Log, *endpoints: str) -> list[Delivery]:
    """The same as `written`, but nobody looks."""
    append = Append(NOW)
    creating(append)
    registering(append)
    await log.append(accepting(append, *endpoints))
    return born_in(append)


async def rows(log: Log, *endpoints: str) -> list[str]:
    """The endpoints for which there are rows that wait, without having any made."""
    found = await log.due([(P, endpoint, 9) for endpoint in endpoints])
    return [endpoint for endpoint in endpoints if endpoint in found]


async def test_what_is_accepted_has_no_row_until_somebody_looks(log: Log) -> None:
    await accepted(log, EP, "ep_2")
    assert await rows(log, EP, "ep_2") == []
    assert await log.waiting(P, EP) == 1
    assert await rows(log, EP, "ep_2") == [EP, "ep_2"]
    await log.settle(None)
    await log.settle([P, 1])
    assert await log.waiting(P, "ep_2") == 1


async def test_who_knows_records_what_has_no_row(log: Log) -> None:
    first, second, _ = await accepted(log, EP, "ep_2", "ep_3")
    append = knowing(0, first, second)
    moving(append, first, SUCCEEDED)
    moving(append, second, FAILED)
    await log.append(append)
    assert append.settled == {P: 0}
    assert await rows(log, EP, "ep_2", "ep_3") == ["ep_2"]
    await log.settle([P])
    assert await rows(log, EP, "ep_2", "ep_3") == ["ep_2", "ep_3"]
    assert [row.version for row in (await log.due([(P, "ep_2", 9)]))["ep_2"]] == [2]


async def test_who_does_not_know_that_it_was_settled_is_told_and_the_rows_count(log: Log) -> None:
    first, second = await accepted(log, EP, "ep_2")
    await log.settle([P])
    append = knowing(0, first, second)
    moving(append, first, SUCCEEDED)
    await log.append(append)
    assert append.settled == {P: 3}
    assert await rows(log, EP, "ep_2") == ["ep_2"]


async def test_what_moved_after_it_was_settled_is_stale_for_who_does_not_know(log: Log) -> None:
    first, second = await accepted(log, EP, "ep_2")
    await stepped(log, first, DeliveryCancelled("no"))
    for event in (SUCCEEDED, FAILED):
        moving(append := knowing(0, first, second), first, event)
        with pytest.raises(Stale):
            await log.append(append)
    moving(append := knowing(-1, second), second, SUCCEEDED)
    await log.append(append)
    assert append.settled == {P: 4}
    moving(again := knowing(-1, second), second, SUCCEEDED)
    with pytest.raises(Stale):
        await log.append(again)


async def test_an_append_gives_rows_and_settles(log: Log) -> None:
    first, second, third = await accepted(log, EP, "ep_2", "ep_3")
    append = knowing(0, first, second, third)
    append.waiting = [(P, MSG, EP, NOW, 90)]
    assert await log.append(append) == []
    assert (append.settled, await rows(log, EP, "ep_2", "ep_3")) == ({P: 0}, [EP])
    append = knowing(0, second, third)
    append.settle, append.waiting = {P: 3}, [(P, MSG, "ep_3", NOW, 90)]
    moving(append, second, SUCCEEDED)
    await log.append(append)
    assert (append.settled, await rows(log, EP, "ep_2", "ep_3")) == ({P: 3}, [EP, "ep_3"])
    append = knowing(0, third)  # out of date
    append.settle, append.waiting = {P: 2}, [(P, MSG, "ep_3", NOW, 90)]
    await log.append(append)
    assert append.settled == {P: 4}
    assert await log.pending([P]) == [(P, EP, NOW), (P, "ep_3", NOW)]


async def test_what_is_settled_has_the_rows_that_the_acceptance_says(log: Log) -> None:
    append = Append(NOW)
    creating(append)
    accepting(append, EP, 'ep_"x"', message="msg_2", retention_days=7)
    accepting(append, message="msg_3")
    accepting(append, EP, partition=3, message="msg_4", application="app_3x")
    await log.append(append)
    found = await log.deliveries([(P, "msg_2", EP), (P, "msg_2", 'ep_"x"'), (3, "msg_4", EP)])
    assert list(found.values()) == born_in(append)


# --- sent again -------------------------------------------------------------------------------------------------


RESENT = DeliveryResent(LATER, NOW)


async def test_a_delivered_one_gets_its_row_again(log: Log) -> None:
    delivered = await stepped(log, await written(log, endpoints=(EP, "ep_2")), SUCCEEDED)
    again = await stepped(log, delivered, RESENT)
    assert await log.deliveries([KEY]) == {KEY: again}
    assert (again.state, again.attempts, again.version, again.next_at) == (DeliveryState.PENDING, 0, 3, LATER)
    assert again.accepted_at == NOW
    assert sorted(await log.pending([P])) == [(P, EP, LATER), (P, "ep_2", NOW)]
    await stepped(log, again, SUCCEEDED)
    assert await log.deliveries([KEY]) == {}


async def test_of_two_who_send_it_again_one_is_stale(log: Log) -> None:
    delivered = await stepped(log, await written(log), SUCCEEDED)
    again = await stepped(log, delivered, RESENT)
    with pytest.raises(Stale):
        await stepped(log, delivered, RESENT)
    done = await stepped(log, again, SUCCEEDED)
    with pytest.raises(Stale):
        await stepped(log, delivered, RESENT)
    with pytest.raises(Stale):  # it leaves no row either way: only its last event tells
        await stepped(log, delivered, RESENT, SUCCEEDED)
    with pytest.raises(Stale):
        await stepped(log, msgspec.structs.replace(delivered, endpoint="ep_9"), RESENT)
    assert done.version == 4
    assert [each.version for each in await log.read([(P, 0, None)], 99) if each.endpoint] == [2, 3, 4]


async def test_it_may_be_delivered_and_sent_again_in_one_append(log: Log) -> None:
    delivery = await written(log)
    again = await stepped(log, delivery, SUCCEEDED, RESENT)
    assert await log.deliveries([KEY]) == {KEY: again}
    done = await stepped(log, again, SUCCEEDED, RESENT, SUCCEEDED)
    assert await log.deliveries([KEY]) == {}
    cancelled = await stepped(log, done, RESENT, DeliveryCancelled("why not"))
    assert await log.deliveries([KEY]) == {KEY: cancelled}
    assert await log.due([(P, EP, 9)]) == {}


async def test_a_story_is_that_of_one_delivery(log: Log) -> None:
    append = accepting(Append(NOW), EP, "ep_2")
    accepting(append, EP, message="msg_2")
    await log.append(append)
    for delivery in born_in(append):
        await stepped(log, delivery, FAILED)
    found = await log.stories([KEY, (P, "msg_2", EP), (P, "msg_9", EP)])
    assert found.keys() == {KEY, (P, "msg_2", EP)}
    assert [type(each.event) for each in found[KEY]] == [MessageAccepted, AttemptFailed]
    assert [(each.stream, each.endpoint) for each in found[KEY]] == [(MSG, None), (MSG, EP)]
    assert await log.stories([]) == {}


async def test_what_ended_undelivered_comes_in_pages(log: Log) -> None:
    append = Append(NOW)
    for number in range(6):
        accepting(append, EP, "ep_2", message=f"msg_{number}")
    await log.append(append)
    mine = [row for row in born_in(append) if row.endpoint == EP]
    assert await log.waiting(P, EP) == 6
    for row in mine[1:5]:
        await stepped(log, row, DeliveryCancelled("no"))
    await stepped(log, mine[5], SUCCEEDED)
    assert await log.waiting(P, EP) == 1
    assert await log.waiting(1, EP) == 0

    async def ended(after: str, until: str, limit: int) -> list[str]:
        return [row.message for row in await log.ended(P, EP, after, until, limit)]

    assert await ended("", "msg_9", 3) == ["msg_1", "msg_2", "msg_3"]
    assert await ended("msg_3", "msg_9", 3) == ["msg_4"]
    assert await ended("", "msg_2", 3) == ["msg_1", "msg_2"]
    assert await log.ended(1, EP, "", "msg_9", 9) == []


async def test_a_key_that_is_replaced_is_good_for_a_while(log: Log) -> None:
    await written(log)
    append = accepting(Append(NOW), message="msg_2")
    append.secrets.append((P, EP, "sec_1", b"old"))
    await log.append(append)
    append = accepting(Append(LATER), message="msg_3")
    append.secrets += [(P, EP, "sec_2", b"short-lived"), (P, EP, "sec_3", b"new")]
    append.retired += [(P, EP, "sec_1", LATER), (P, EP, "sec_2", LATER)]
    await log.append(append)
    found = {each.id: each.expires_at for each in await log.secrets([(P, EP)])}
    assert found == {"sec_1": LATER, "sec_2": LATER, "sec_3": None}
    append = accepting(Append(LATER), message="msg_4")
    append.retired.append((P, EP, "sec_9", LATER))
    with pytest.raises(Stale):
        await log.append(append)


# --- who owns what ------------------------------------------------------------------------------------------------

ALL = range(16)
SOME = (0, 3, 7)


def epochs(taken: list[Ownership]) -> dict[int, tuple[int, str | None]]:
    return {each.partition: (each.epoch, each.previous) for each in taken}


async def owners(log: Log) -> set[tuple[int, str]]:
    roll = await log.attend("watch", 60)
    await log.leave("watch")
    return {(each.partition, each.owner) for each in roll.heads if each.owner is not None}


async def test_who_is_about_to_leave_is_not_on_the_roll_and_keeps_what_it_owns(log: Log) -> None:
    await log.attend("a", 60)
    await log.take("a", [P])
    assert (await log.attend("a", 60, leaving=True)).processes == ()
    assert (await log.attend("b", 60)).processes == ("b",)
    assert await log.take("b", [P]) == []
    assert (await log.attend("a", 60)).processes == ("a", "b")


async def test_who_attends_is_seen_until_it_leaves(log: Log) -> None:
    assert (await log.attend("b", 60)).processes == ("b",)
    assert (await log.attend("a", 60, '{"queue":1}')).processes == ("a", "b")
    assert (await log.attend("c", -1)).processes == ("a", "b")
    await log.leave("b")
    await log.leave("nobody")
    roll = await log.attend("a", 60)
    assert roll.processes == ("a",)
    assert roll.heads == tuple(Head(partition, 0, 0, None) for partition in ALL)


async def test_what_processes_tell_is_for_all_and_whoever_asks_has_the_others_asked(log: Log) -> None:
    await log.attend("a", 60, '{"queue": 1}')
    await log.attend("b", 60)
    await log.attend("gone", -1, "{}", asks=True)
    assert await log.told() == {"a": '{"queue": 1}'}
    assert not (await log.attend("a", 60, asks=True)).asked
    assert await log.told() == {}
    assert (await log.attend("b", 60, "[1]")).asked
    assert not (await log.attend("a", 60)).asked
    assert await log.told() == {"b": "[1]"}


async def test_the_roll_says_how_far_each_partition_is_and_whose(log: Log) -> None:
    await written(log)
    await log.take("a", [P, 1])
    heads = {each.partition: each for each in (await log.attend("b", 60)).heads}
    assert heads[P] == Head(P, 3, 2, "a")
    assert heads[1] == Head(1, 0, 0, "a")
    assert heads[2] == Head(2, 0, 0, None)


async def test_only_what_is_free_is_taken(log: Log) -> None:
    await written(log)
    await log.attend("a", 60)
    taken = await log.take("a", SOME)
    assert {each.partition: (each.epoch, each.seq, each.previous) for each in taken} == {
        0: (1, 3, None),
        3: (1, 0, None),
        7: (1, 0, None),
    }
    await log.attend("b", 60)
    assert epochs(await log.take("b", (7, 8))) == {8: (1, None)}
    assert await log.take("a", (7, 8)) == [], "not even what it owns already: its epoch goes on"
    assert await log.take("b", []) == []
    assert await owners(log) == {(0, "a"), (3, "a"), (7, "a"), (8, "b")}


async def test_what_is_given_back_is_free_and_nobody_gives_what_is_not_theirs(log: Log) -> None:
    for name in ("a", "b"):
        await log.attend(name, 60)
    await log.take("a", SOME)
    await log.release("b", SOME)
    await log.release("a", [])
    assert await log.take("b", SOME) == []
    await log.release("a", (0, 3, 9))
    assert epochs(await log.take("b", SOME)) == {0: (2, None), 3: (2, None)}


async def test_a_lease_that_ended_keeps_nobody_out_and_one_that_is_prolonged_in_time_does(log: Log) -> None:
    await log.attend("a", -1)
    await log.take("a", SOME)
    await log.attend("a", 60)
    await log.attend("b", 60)
    assert await log.take("b", SOME) == []
    await log.attend("a", -1)
    assert epochs(await log.take("b", SOME)) == dict.fromkeys(SOME, (2, "a"))
    await log.attend("a", 60)
    assert await log.take("a", SOME) == []
    await log.release("a", SOME)
    assert await owners(log) == {(partition, "b") for partition in SOME}


async def test_whoever_leaves_frees_all_it_owned(log: Log) -> None:
    for name in ("a", "b"):
        await log.attend(name, 60)
    await log.take("a", SOME)
    await log.take("b", [5])
    await log.leave("a")
    assert await owners(log) == {(5, "b")}
    assert epochs(await log.take("b", SOME)) == dict.fromkeys(SOME, (2, None))


async def test_of_two_who_take_at_once_each_partition_has_one_owner(log: Log) -> None:
    for name in ("a", "b"):
        await log.attend(name, 60)
    first, second = await asyncio.gather(log.take("a", ALL), log.take("b", ALL))
    assert sorted(each.partition for each in first + second) == list(ALL)


# --- the fence ----------------------------------------------------------------------------------------------------


async def test_epochs_that_are_over_are_fenced_and_named_and_nothing_is_written(log: Log) -> None:
    await written(log)
    first = {each.partition: each.epoch for each in await log.take("a", (P, 1, 2))}
    await log.take("b", (P, 2))
    append = accepting(Append(NOW), EP, message="msg_2")
    for partition in (1, 2, 3):
        accepting(append, message=f"msg_{partition}x", partition=partition, application=f"app_{partition}x")
    append.epochs = dict(first)
    append.known = {P: 0}  # outdated too: but whoever has lost it need not learn
    with pytest.raises(Fenced) as fenced:
        await log.append(append)
    assert fenced.value.partitions == {P, 2}
    assert await head(log) == 3
    assert await head(log, 1) == 0
    append.epochs, append.known = {P: 2, 1: 1, 2: 2}, {}
    await log.append(append)
    assert await head(log) == 4


async def test_configuration_that_is_not_known_is_outdated_and_named_and_nothing_is_written(log: Log) -> None:
    await written(log)  # position 2 is the last event of configuration
    creating(append := Append(NOW), "app_3x", 3)
    creating(append, "app_5x", 5)
    await log.append(append)
    append = Append(NOW)
    creating(append, "app_1x", 1, name="first: it is locked, and moves on, before the others are found outdated")
    append.known = {1: 0}
    for partition, known in ((P, 2), (3, 0), (5, 0)):
        accepting(append, message=f"msg_{partition}x", partition=partition, application=f"app_{partition}x")
        append.known[partition] = known
    with pytest.raises(Outdated) as outdated:
        await log.append(append)
    assert outdated.value.partitions == {3, 5}
    assert [await head(log, partition) for partition in (P, 1, 3, 5)] == [3, 0, 1, 1]
    append.known |= {3: 1, 5: 1}
    await log.append(append)
    assert [await head(log, partition) for partition in (P, 1, 3, 5)] == [4, 1, 2, 2]


async def test_messages_and_deliveries_outdate_nobody(log: Log) -> None:
    delivery = await written(log)
    await stepped(log, delivery, FAILED)
    await log.append(accepting(Append(NOW), EP, message="msg_2"))
    append = accepting(Append(NOW), EP, message="msg_3")
    append.known = {P: 2}
    await log.append(append)


async def test_of_two_who_change_the_configuration_side_by_side_one_has_to_learn(log: Log) -> None:
    await written(log)

    async def change(stream: str) -> str:
        creating(append := Append(NOW), stream)
        append.known = {P: 2}
        await log.append(append)
        return stream

    done = await asyncio.gather(change("app_2"), change("app_3"), return_exceptions=True)
    (outdated,) = (each for each in done if isinstance(each, Outdated))
    assert outdated.partitions == {P}
    (new,) = await log.config({P: 2})
    assert new.stream in done
    creating(append := Append(NOW), "app_4")
    append.known = {P: new.seq}
    await log.append(append)


# --- reading on ---------------------------------------------------------------------------------------------------


async def test_configuration_is_told_after_a_position_of_each_partition(log: Log) -> None:
    delivery = await written(log)
    await stepped(log, delivery, FAILED)
    creating(append := Append(NOW), "app_3x", 3)
    await log.append(purging(append, MSG, PayloadExpunged("asked"), PAYLOAD))
    told = await log.config({P: 0, 3: 0, 5: 0})
    assert [(each.partition, each.seq) for each in sorted(told, key=lambda each: each.partition)] == [
        (P, 1), (P, 2), (P, 5), (3, 1),
    ]  # fmt: skip
    assert [each.seq for each in await log.config({P: 2, 3: 1})] == [5]
    assert await log.config({}) == []


async def test_stretches_of_several_partitions_are_read_within_their_bounds(log: Log) -> None:
    await written(log)
    for partition in (1, 2):
        for number in range(5):
            append = accepting(
                Append(NOW), message=f"msg_{number}", partition=partition, application=f"app_{partition}x"
            )
            await log.append(append)

    async def found(*stretches: tuple[int, int, int | None], limit: int = 9) -> dict[int, list[int]]:
        by_partition: dict[int, list[int]] = {}
        for each in await log.read(stretches, limit):
            by_partition.setdefault(each.partition, []).append(each.seq)
        return by_partition

    assert await found((1, 1, 4), (P, 0, None), (2, 3, None)) == {1: [2, 3], P: [1, 2, 3], 2: [4, 5]}
    assert await found((1, 0, None), (2, 2, None), limit=2) == {1: [1, 2], 2: [3, 4]}
    assert await found((1, 2, 3), (2, 5, None), (9, 0, None)) == {}
    assert await found((1, 0, 99), limit=9) == {1: [1, 2, 3, 4, 5]}
    assert await found() == {}


async def test_what_was_loaded_says_up_to_where_it_is_known(log: Log) -> None:
    await written(log)
    creating(append := Append(NOW), "app_3x", 3)
    await log.append(append)
    loaded = await log.load()
    assert {each.id for each in loaded.entities} == {APP, EP, "app_3x"}
    assert (loaded.known[P], loaded.known[3], loaded.known[1]) == (3, 1, 0)
    assert await log.config(loaded.known) == []


# --- news ---------------------------------------------------------------------------------------------------------


class Ear:
    """Hears news; `nth` waits for so many."""

    def __init__(self, log: Log) -> None:
        self.told: list[str] = []
        self._more = asyncio.Event()
        self.task = asyncio.create_task(log.hear(self.heard))

    def heard(self, text: str) -> None:
        self.told.append(text)
        self._more.set()

    async def until(self, text: str) -> list[str]:
        async with asyncio.timeout(10):
            while text not in self.told:
                self._more.clear()
                await self._more.wait()
        return self.told


async def listening(log: Log) -> Ear:
    """Somebody who surely hears what is appended from now on."""
    ear = Ear(log)
    for number in range(1000):
        append = accepting(Append(NOW), message=f"msg_hello{number}", partition=15, application="app_hello")
        append.news = "hello"
        await log.append(append)
        await asyncio.sleep(0)
        if ear.told:
            break
    append = accepting(Append(NOW), message="msg_end", partition=15, application="app_hello")
    append.news = "end of hello"
    await log.append(append)
    await ear.until("end of hello")
    ear.told.clear()
    return ear


async def test_news_is_heard_when_it_is_committed_and_not_when_nothing_is(log: Log) -> None:
    await written(log)
    ear = await listening(log)
    stale = accepting(Append(NOW), EP)
    stale.news = "stale"
    with pytest.raises(Stale):
        await log.append(stale)
    outdated = accepting(Append(NOW), EP, message="msg_2")
    outdated.news, outdated.known = "outdated", {P: 0}
    with pytest.raises(Outdated):
        await log.append(outdated)
    await log.append(accepting(Append(NOW), EP, message="msg_3"))
    told = accepting(Append(NOW), EP, message="msg_4")
    told.news = "it happened"
    await log.append(told)
    assert await ear.until("it happened") == ["it happened"]
    ear.task.cancel()
    await asyncio.gather(ear.task, return_exceptions=True)


# --- what is due --------------------------------------------------------------------------------------------------


async def test_due_rows_come_soonest_first_and_limited(log: Log) -> None:
    append = Append(NOW)
    for number in range(5):
        accepting(append, EP, "ep_2", message=f"msg_{number}")
    await log.append(append)
    rows = {row.message: row for row in born_in(append) if row.endpoint == EP}
    await stepped(log, rows["msg_0"], FAILED)
    await stepped(log, rows["msg_3"], DeliveryCancelled("no"))
    due = await log.due([(P, EP, 3), (P, "ep_2", 2), (P, "ep_3", 9), (1, EP, 9)])
    assert {key: [row.message for row in rows] for key, rows in due.items()} == {
        EP: ["msg_1", "msg_2", "msg_4"],
        "ep_2": ["msg_0", "msg_1"],
    }
    assert [row.message for row in (await log.due([(P, EP, 99)]))[EP]] == ["msg_1", "msg_2", "msg_4", "msg_0"]
    assert await log.due([]) == {}


async def test_pending_says_who_waits_and_since_when(log: Log) -> None:
    append = accepting(accepting(Append(NOW), EP), "ep_2", message="msg_2")
    await log.append(append)
    await stepped(log, born_in(append)[0], FAILED)
    assert sorted(await log.pending([P, 1])) == [(P, EP, LATER), (P, "ep_2", NOW)]
    assert await log.pending([1]) == []


# --- contents -----------------------------------------------------------------------------------------------------


async def test_payloads_are_found_by_their_day(log: Log) -> None:
    payload = bytes(range(256))
    await log.append(accepting(Append(NOW), message="msg_1", payload=payload))
    day = NOW.date() + timedelta(days=90)
    asked = [(day, P, "msg_1"), (day, P, "msg_2"), (day + timedelta(days=1), P, "msg_1")]
    assert await log.payloads(asked) == {"msg_1": payload}
    assert await log.payloads([]) == {}


@pytest.mark.parametrize("day", [datetime(2031, 12, 31, 23, 59, 59, 999999, UTC), datetime(2040, 1, 1, tzinfo=UTC)])
async def test_a_day_without_a_table_gets_one(log: Log, day: datetime) -> None:
    append = accepting(Append(day), payload=b"late", retention_days=7)
    append.responses.append((0, day.date(), b"x"))
    await log.append(append)
    kept_until = day.date() + timedelta(days=7)
    assert await log.payloads([(kept_until, P, MSG)]) == {MSG: b"late"}
    assert await log.days() == [day.date(), kept_until]


async def test_days_are_prepared_once(log: Log) -> None:
    days = [NOW.date() + timedelta(days=number) for number in (7, 0, 90)]
    assert await log.prepare_days(days[:2]) == 4
    assert await log.prepare_days(days) == 2
    assert await log.prepare_days(days) == 0
    assert await log.prepare_days([]) == 0
    assert await log.days() == [days[1], days[0], days[2]]


async def test_secrets_come_newest_first(log: Log) -> None:
    for second, key in enumerate(("sec_1", "sec_2")):
        append = accepting(Append(NOW + timedelta(seconds=second)), message=f"msg_{key}")
        append.secrets.append((P, EP, key, b"sealed"))
        await log.append(append)
    found = await log.secrets([(P, EP), (P, "ep_2"), (1, EP)])
    assert [(each.owner, each.id, each.sealed, each.expires_at) for each in found] == [
        (EP, "sec_2", b"sealed", None),
        (EP, "sec_1", b"sealed", None),
    ]
    append = accepting(Append(NOW), message="msg_9")
    append.secrets.append((P, EP, "sec_1", b"other"))
    with pytest.raises(Stale):
        await log.append(append)


CHANNELS = ("a", "null", "NULL", "", 'q"uote', "back\\slash", "com,ma", "{brace}", " space ", "ünïcode")


async def test_every_text_comes_back_as_it_went_in(log: Log) -> None:
    append = accepting(Append(NOW), EP, event_type="a,b{}\"\\'", channels=CHANNELS)
    creating(append, name="né\u202ee\n\\x", metadata={"k": 'v"\\', "": ""})
    registering(append, event_types=CHANNELS, channels=(), retry_delays_s=(0.1, 5.0), metadata={"x": "y"})
    await log.append(append)
    stored = await log.read([(P, 0, None)], 10)
    assert [each.event for each in stored] == [each.fact.event for each in append.caused]
    assert isinstance(stored[0].event, MessageAccepted)
    loaded = {each.id: each for each in (await log.load()).entities}
    assert loaded == {key: entity for key, (_, entity) in append.entities.items()}


# --- what only a database can promise -------------------------------------------------------------------------------


async def test_news_is_not_heard_before_it_is_committed(postgres: PostgresLog, database: str) -> None:
    await written(postgres)
    ear = await listening(postgres)
    connection = await asyncpg.connect(database)
    held = connection.transaction()
    await held.start()
    await connection.execute("update log.head set seq = seq where partition = $1", P)
    try:
        append = accepting(Append(NOW), EP, message="msg_2")
        append.news = "late"
        waiting = asyncio.create_task(postgres.append(append))
        await until_waiting(connection)
        another = await asyncpg.connect(database)
        await another.execute("select pg_notify('hookd', 'in between')")
        await another.close()
        assert await ear.until("in between") == ["in between"]
    finally:
        await held.rollback()
    await waiting
    assert await ear.until("late") == ["in between", "late"]
    await connection.close()
    ear.task.cancel()
    await asyncio.gather(ear.task, return_exceptions=True)


async def test_who_hears_is_told_when_the_connection_ends(postgres: PostgresLog, database: str) -> None:
    ear = await listening(postgres)
    connection = await asyncpg.connect(database)
    await connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where query ilike 'listen%' "
        "and pid <> pg_backend_pid() and datname = current_database()"
    )
    await connection.close()
    with pytest.raises(Unavailable):
        async with asyncio.timeout(10):
            await ear.task


async def test_leases_do_not_wait_for_a_long_append(postgres: PostgresLog, database: str) -> None:
    await written(postgres)
    connection = await asyncpg.connect(database)
    held = connection.transaction()
    await held.start()
    await connection.execute("update log.head set seq = seq where partition = $1", P)
    try:
        waiting = asyncio.create_task(postgres.append(accepting(Append(NOW), EP, message="msg_2")))
        await until_waiting(connection)
        assert (await postgres.attend("a", 60)).processes == ("a",)
        assert epochs(await postgres.take("a", [1])) == {1: (1, None)}
        assert not waiting.done()
    finally:
        await held.rollback()
    await waiting
    await connection.close()


CHANGES = ["update log.event set actor = 'x'", "delete from log.event", "truncate log.event"]


@pytest.mark.parametrize("change", CHANGES)
async def test_the_owner_cannot_change_an_event(postgres: PostgresLog, database: str, change: str) -> None:
    await written(postgres)
    connection = await asyncpg.connect(database)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(change)
    finally:
        await connection.close()


@pytest.mark.parametrize("change", CHANGES)
async def test_a_superuser_cannot_change_an_event_by_mistake(
    postgres: PostgresLog, database: str, database_server, change: str
) -> None:
    await written(postgres)
    name = database.rpartition("/")[2].partition("?")[0]
    connection = await asyncpg.connect(database_server.admin_dsn, database=name)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await connection.execute(change)
    finally:
        await connection.close()


async def test_a_late_commit_is_never_passed(postgres: PostgresLog, database: str) -> None:
    """While one append is not committed, the next of its partition waits; other partitions do not."""
    await written(postgres)
    connection = await asyncpg.connect(database)
    held = connection.transaction()
    await held.start()
    await connection.execute("update log.head set seq = seq where partition = $1", P)
    try:
        waiting = asyncio.create_task(postgres_append(database, P))
        await until_waiting(connection)
        other = await postgres_append(database, 1)
        assert other == [1]
        assert not waiting.done()
        assert await head(postgres) == 3
    finally:
        await held.rollback()
    assert await waiting == [4]
    await connection.close()


async def postgres_append(database: str, partition: int) -> list[int]:
    """An append on a connection of its own."""
    opened = await Database.open(database, readers=1)
    log = PostgresLog(opened.dedicated, opened.reading)
    try:
        append = accepting(Append(NOW), message=f"msg_{partition}x", partition=partition, application=f"a{partition}")
        return [each.seq for each in await log.append(append)]
    finally:
        await log.close()
        with suppress(TimeoutError):
            await opened.close()


BLOCKED = "select exists (select from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid)))"


async def until_waiting(connection: asyncpg.Connection) -> None:
    """Until somebody waits for a lock that this connection holds."""
    async with asyncio.timeout(10):
        while not await connection.fetchval(BLOCKED):  # noqa: ASYNC110 - another process's state has no event
            await asyncio.sleep(0)


# --- contents that go ---------------------------------------------------------------------------------------------

DAY = NOW.date() + timedelta(days=90)
SOON = NOW.date() + timedelta(days=1)


async def filled(log: Log) -> None:
    """Two messages kept long and one kept for a day, each with a payload; the first has an answered attempt."""
    append = Append(NOW)
    creating(append)
    registering(append)
    accepting(append, EP)
    accepting(append, message="msg_2")
    accepting(append, EP, message="msg_3", retention_days=1)
    moving(append, born_in(append)[0], FAILED)
    append.responses.append((5, DAY, b"no"))
    accepting(append, message="msg_1", partition=2, application="app_2")
    await log.append(append)


def purging(append: Append, stream: str, event: Event, *bodies: Body, partition: int = P) -> Append:
    append.add(Fact(partition, stream, 0, event), "test", "req_9")
    append.expunged += bodies
    return append


PAYLOAD = Body(DAY, P, message=MSG)
ANSWER = Body(DAY, P, seq=6)


async def test_what_is_kept_is_known_by_its_name(log: Log) -> None:
    await filled(log)
    there = [PAYLOAD, ANSWER, Body(SOON, P, message="msg_3"), Body(DAY, 2, message="msg_1")]
    gone = [Body(SOON, P, message=MSG), Body(DAY, P, seq=7), Body(DAY, 2, seq=6), Body(NOW.date(), P, message=MSG)]
    assert set(await log.kept(there + gone)) == set(there)
    assert await log.kept([]) == []
    assert await log.days() == [SOON, DAY]
    assert await log.count(DAY) == {P: (2, 1), 2: (1, 0)}
    assert await log.count(SOON) == {P: (1, 0)}


async def test_bodies_go_together_with_the_event_that_says_so(log: Log) -> None:
    await filled(log)
    await log.append(purging(Append(LATER), MSG, PayloadExpunged("asked"), PAYLOAD))
    (recorded,) = await log.append(purging(Append(LATER), MSG, ResponseExpunged(6), ANSWER))
    assert await log.kept([PAYLOAD, ANSWER]) == []
    assert await log.payloads([(DAY, P, MSG), (DAY, P, "msg_2")]) == {"msg_2": b"{}"}
    stored = (await log.read([(P, recorded.seq - 1, None)], 9))[0]
    assert (stored.version, stored.stream, stored.endpoint, stored.request) == (0, MSG, None, "req_9")
    assert stored.event == ResponseExpunged(6)


@pytest.mark.parametrize("gone", [Body(DAY, P, message="msg_9"), Body(DAY, P, seq=99), Body(NOW.date(), P, seq=6)])
async def test_a_body_that_is_gone_already_is_stale_and_nothing_is_written(log: Log, gone: Body) -> None:
    await filled(log)
    before = await head(log)
    with pytest.raises(Stale):
        await log.append(purging(Append(LATER), MSG, PayloadExpunged(), PAYLOAD, gone))
    assert await head(log) == before
    assert await log.kept([PAYLOAD]) == [PAYLOAD]


async def test_what_an_application_has_is_found_chunk_by_chunk(log: Log) -> None:
    await filled(log)
    first = await log.stored(P, APP, "", "msg_9", 2)
    assert (first.until, set(first.bodies)) == ("msg_2", {PAYLOAD, ANSWER, Body(DAY, P, message="msg_2")})
    second = await log.stored(P, APP, "msg_2", "msg_9", 2)
    assert (second.until, second.bodies) == ("msg_3", (Body(SOON, P, message="msg_3"),))
    assert await log.stored(P, APP, "msg_3", "msg_9", 2) is None
    assert (await log.stored(P, APP, "", "msg_1", 9)).until == MSG
    assert await log.stored(P, "app_9", "", "msg_9", 9) is None
    await log.append(purging(Append(LATER), APP, ContentExpunged("msg_2", 2, 1), *first.bodies))
    assert await log.stored(P, APP, "", "msg_2", 9) == Stored("msg_2", "msg_2", ())


async def test_a_day_that_is_over_goes_as_a_whole(log: Log) -> None:
    await filled(log)
    append = purging(Append(LATER), f"content_{SOON}", ContentExpired(SOON, 1, 0))
    append.dropped.append(SOON)
    await log.append(append)
    assert await log.days() == [DAY]
    assert await log.payloads([(SOON, P, "msg_3"), (DAY, P, MSG)]) == {MSG: b"{}"}
    again = Append(LATER)
    again.dropped.append(SOON)
    with pytest.raises(Stale):
        await log.append(again)
    without_events = Append(LATER)
    without_events.dropped.append(DAY)
    assert await log.append(without_events) == []
    assert await log.days() == []


async def test_pending_deliveries_are_found_by_the_end_of_their_payload(log: Log) -> None:
    await filled(log)
    append = accepting(Append(NOW), "ep_2", "ep_3", message="msg_4", retention_days=1)
    await log.append(append)
    await stepped(log, born_in(append)[1], DeliveryCancelled("no"))

    async def found(day, limit=9, after=None):
        return [(row.endpoint, row.message) for row in await log.pending_until(day, P, after, limit)]

    assert await found(NOW.date()) == []
    assert await found(SOON) == [(EP, "msg_3"), ("ep_2", "msg_4")]
    (first,) = await log.pending_until(SOON, P, None, 1)
    assert first.retention_days == 1
    assert await found(SOON, after=first) == [("ep_2", "msg_4")]
    assert (EP, MSG) in await found(DAY)
    assert await log.pending_until(DAY, 2, None, 9) == []


async def test_a_day_in_use_is_not_waited_for_long(postgres: PostgresLog, database: str) -> None:
    await filled(postgres)
    before = await head(postgres)
    append = purging(Append(LATER), f"content_{SOON}", ContentExpired(SOON, 1, 0))
    append.dropped.append(SOON)
    connection = await asyncpg.connect(database)
    try:
        async with connection.transaction():
            await connection.execute(f"select from content.payload_{SOON:%Y%m%d}")
            with pytest.raises(Blocked):
                await postgres.append(append)
            assert await head(postgres) == before
            assert await postgres.days() == [SOON, DAY]
    finally:
        await connection.close()
    await postgres.append(append)
    assert await postgres.days() == [DAY]
