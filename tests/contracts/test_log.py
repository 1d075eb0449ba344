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
from events.log import Blocked, Fenced, Log, Stale, Stored
from events.outcome import Fault
from events.postgres import PostgresLog
from tests.support.builders import APP, EP, MSG, NOW, P, accepting, changing, creating, moving, registering
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
    assert await log.read(0, 0, 10) == [recorded[0], recorded[2]]
    assert await log.read(0, 1, 10) == [recorded[2]]
    assert await log.read(0, 0, 1) == [recorded[0]]
    assert await log.read(3, 1, 10) == []
    assert recorded[0].at == NOW
    assert (recorded[0].actor, recorded[0].request) == ("test", "req_1")


async def test_positions_have_no_gap_even_after_a_refusal(log: Log) -> None:
    await written(log)
    with pytest.raises(Stale):
        await log.append(accepting(Append(NOW), EP))
    await log.append(accepting(Append(NOW), EP, message="msg_2"))
    events = await log.read(P, 0, 100)
    assert [each.seq for each in events] == list(range(1, len(events) + 1))
    assert (await log.heads())[P] == len(events)


async def test_appends_side_by_side_share_the_positions(log: Log) -> None:
    await written(log)
    await asyncio.gather(*(log.append(accepting(Append(NOW), EP, message=f"msg_{n}x")) for n in range(20)))
    events = await log.read(P, 0, 100)
    assert [each.seq for each in events] == list(range(1, 24))


# --- versions and names -------------------------------------------------------------------------------------------


async def test_a_delivery_that_moved_on_is_stale_and_nothing_is_written(log: Log) -> None:
    delivery = await written(log)
    await stepped(log, delivery, FAILED)
    head = (await log.heads())[P]
    with pytest.raises(Stale):
        await stepped(log, delivery, SUCCEEDED)
    with pytest.raises(Stale):
        await stepped(log, delivery, FAILED)
    assert (await log.heads())[P] == head
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
    assert [each.name for each in await log.load()] == ["B"]


async def test_a_uid_belongs_to_one_living_application_of_an_organization(log: Log) -> None:
    creating(append := Append(NOW), "app_1", uid="u")
    creating(append, "app_2", 3, uid="u", org="org_2")
    await log.append(append)
    creating(append := Append(NOW), "app_3", 5, uid="u")
    with pytest.raises(Stale):
        await log.append(append)
    first = next(each for each in await log.load() if each.id == "app_1")
    changing(append := Append(NOW), first, "app_1", ApplicationDeleted())
    await log.append(append)
    creating(append := Append(NOW), "app_3", 5, uid="u")
    await log.append(append)
    assert {each.id for each in await log.load()} == {"app_2", "app_3"}


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
    moving(append, append.born[0], DeliveryCancelled("why not"))
    await log.append(append)
    assert (await log.deliveries([KEY]))[KEY].reason == "why not"


async def test_a_delivered_row_goes(log: Log) -> None:
    await stepped(log, await written(log), SUCCEEDED)
    assert await log.deliveries([KEY]) == {}
    assert await log.pending([P]) == []


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
    assert [each.version for each in await log.read(P, 0, 99) if each.endpoint] == [2, 3, 4]


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
    for delivery in append.born:
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
    mine = [row for row in append.born if row.endpoint == EP]
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


# --- the fence ----------------------------------------------------------------------------------------------------


async def test_an_epoch_that_is_over_is_fenced(log: Log) -> None:
    await written(log)
    (first, *_) = await log.take("a", 15, force=True)
    await log.take("b", 15, force=True)
    append = accepting(Append(NOW), EP, message="msg_2")
    append.epochs[P] = first.epoch
    with pytest.raises(Fenced):
        await log.append(append)
    append.epochs[P] = first.epoch + 1
    await log.append(append)


async def test_a_lease_keeps_others_out_until_it_is_given_back(log: Log) -> None:
    taken = await log.take("a", 60, force=False)
    assert {each.partition for each in taken} == set(await log.heads())
    assert {(each.epoch, each.seq, each.previous) for each in taken} == {(1, 0, None)}
    assert await log.take("b", 60, force=False) == []
    assert await log.renew("b", 60) == set()
    assert await log.renew("a", 60) == {each.partition for each in taken}
    await log.release("b")
    assert await log.take("b", 60, force=False) == []
    await log.release("a")
    assert {(each.epoch, each.previous) for each in await log.take("b", 60, force=False)} == {(2, None)}


async def test_a_lease_that_ended_is_taken_over(log: Log) -> None:
    await log.take("a", -1, force=False)
    assert {each.previous for each in await log.take("b", 60, force=False)} == {"a"}
    assert await log.renew("a", 60) == set()


# --- what is due --------------------------------------------------------------------------------------------------


async def test_due_rows_come_soonest_first_and_limited(log: Log) -> None:
    append = Append(NOW)
    for number in range(5):
        accepting(append, EP, "ep_2", message=f"msg_{number}")
    await log.append(append)
    rows = {row.message: row for row in append.born if row.endpoint == EP}
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
    await stepped(log, append.born[0], FAILED)
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
    stored = await log.read(P, 0, 10)
    assert [each.event for each in stored] == [each.fact.event for each in append.caused]
    assert isinstance(stored[0].event, MessageAccepted)
    loaded = {each.id: each for each in await log.load()}
    assert loaded == {key: entity for key, (_, entity) in append.entities.items()}


# --- what only a database can promise -------------------------------------------------------------------------------

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
        assert len(await postgres.read(P, 0, 100)) == 3
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
    moving(append, append.born[0], FAILED)
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
    stored = (await log.read(P, recorded.seq - 1, 9))[0]
    assert (stored.version, stored.stream, stored.endpoint, stored.request) == (0, MSG, None, "req_9")
    assert stored.event == ResponseExpunged(6)


@pytest.mark.parametrize("gone", [Body(DAY, P, message="msg_9"), Body(DAY, P, seq=99), Body(NOW.date(), P, seq=6)])
async def test_a_body_that_is_gone_already_is_stale_and_nothing_is_written(log: Log, gone: Body) -> None:
    await filled(log)
    head = (await log.heads())[P]
    with pytest.raises(Stale):
        await log.append(purging(Append(LATER), MSG, PayloadExpunged(), PAYLOAD, gone))
    assert (await log.heads())[P] == head
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
    assert await log.stored(P, APP, "", "msg_2", 9) == Stored("msg_2", ())


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
    await stepped(log, append.born[1], DeliveryCancelled("no"))

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
    head = (await postgres.heads())[P]
    append = purging(Append(LATER), f"content_{SOON}", ContentExpired(SOON, 1, 0))
    append.dropped.append(SOON)
    connection = await asyncpg.connect(database)
    try:
        async with connection.transaction():
            await connection.execute(f"select from content.payload_{SOON:%Y%m%d}")
            with pytest.raises(Blocked):
                await postgres.append(append)
            assert (await postgres.heads())[P] == head
            assert await postgres.days() == [SOON, DAY]
    finally:
        await connection.close()
    await postgres.append(append)
    assert await postgres.days() == [DAY]
