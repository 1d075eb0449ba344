"""What operators look up: every statement goes by an index, on tables that are well filled."""

from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from events.board_views import RECENT, WALK, BoardViews
from events.delivery import DeliveryState
from events.log import Unavailable
from events.log_views import LogViews
from events.postgres import BY_INDEX
from events.views import CLOCKS_APART, EPOCH, Unread
from tests.daemon.api.running import START, serve
from tests.events.test_views import Explaining, nodes

FILL = """
  insert into state.delivery (partition, message, endpoint, accepted_at, next_at, state, attempts, version,
      retention_days)
    select 0, 'msg_' || lpad(n::text, 27, '0'), 'ep_' || (n % 100), $1::timestamptz,
      case when n % 3 > 0 then $1::timestamptz + n * interval '1 second' end,
      case when n % 3 > 0 then 'pending' else 'gone' end, 0, 1, 90
    from generate_series(1, 30000) n;
  insert into state.application
    (partition, id, org, name, metadata, created_at, updated_at, version)
    select 0, 'app_' || lpad(n::text, 4, '0'), 'org_' || (n % 5), '', '{}', $1, $1, 1 from generate_series(1, 500) n;
  insert into state.endpoint
    (partition, id, application, url, description, metadata, api_version, secret, created_at, updated_at,
     breaker_opens, version)
    select 0, 'ep_' || n, 'app_' || lpad((n % 500)::text, 4, '0'), 'https://a.example/', '', '{}', 1, '', $1, $1, 0, 1
    from generate_series(0, 9999) n;
  insert into log.event
    select 0, n, $1::timestamptz + n * interval '1 second', 'msg_' || (n / 2), 'ep_' || (n % 100), 1,
      'AttemptSucceeded', 1, 'hookd', null,
      convert_to('{"attempt":1,"status":200,"duration_ms":1,"timestamp":1,"config":1}', 'UTF8')
    from generate_series(2, 30001) n;
  update log.head set seq = 30001, settled = 30001 where partition = 0;
  insert into state.mention select * from log.mentions(0::smallint, 0, 30001);
  analyze state.delivery, state.application, state.endpoint, log.event;
"""


async def settled(partitions):
    """Nothing waits for its row."""


@pytest.fixture
async def explained(database):
    async with serve(database) as running, running.database() as connection:
        await connection.execute(FILL.replace("$1", f"'{START.isoformat()}'"))
        for name, value in BY_INDEX.items():
            await connection.execute(f"set {name} = '{value}'")
        plans = []

        @asynccontextmanager
        async def reading():
            yield Explaining(connection, plans)

        yield BoardViews(reading, settled), LogViews(reading), plans


def assert_by_index(plans):
    scans = [node for plan in plans for node in nodes(plan) if "Relation Name" in node]
    assert scans
    walked = [node for node in scans if node["Node Type"] == "Seq Scan"]
    # Partitions are few; whatever else is read without an index is read whole.
    assert {node["Relation Name"] for node in walked} <= {"head"}
    sorts = [node for plan in plans for node in nodes(plan) if node["Node Type"] == "Sort"]
    return {node.get("Index Name") for node in scans}, sorts


async def test_the_boards_questions(explained):
    board, _, plans = explained
    assert len(await board.targets(0, "", 50)) == 50
    assert len(await board.targets_of("org_1", None, ("", ""), 50)) == 50
    assert len(await board.targets_of("org_1", "app_0001", ("app_0001", ""), 50)) == 20
    pending = await board.pending([(0, "ep_7"), (0, "ep_none")])
    assert pending["ep_7"].count == 200
    assert pending["ep_none"].count == 0
    endpoints = await board.due_endpoints()
    assert len(endpoints) == 100
    soonest = await board.due(endpoints, (EPOCH, "", ""), 51)
    assert [int(each.message[4:]) for each in soonest[:4]] == [1, 2, 4, 5]
    last = soonest[-1]
    following = await board.due(endpoints, (last.next_at, last.message, last.endpoint), 3)
    assert int(following[0].message[4:]) == int(last.message[4:]) + (2 if int(last.message[4:]) % 3 == 2 else 1)
    gone, walked = await board.ended(DeliveryState.GONE, (0, "~", "~"), 0, None, 5)
    assert [int(each.message[4:]) for each in gone] == [30000, 29997, 29994, 29991, 29988]
    assert walked == (0, f"msg_{30001 - WALK:027d}", f"ep_{(30001 - WALK) % 100}")
    assert len(await board.of_message(0, "msg_" + "1".zfill(27), 10)) == 1
    assert await board.succeeded(0, "msg_7", 10) == {"ep_14": 1, "ep_15": 1}
    recent = await board.recent(0, "ep_7", START)
    assert (recent.delivered, recent.failed, recent.since) == (300, 0, None)
    at = START + timedelta(seconds=29_907)
    assert (await board.recent(0, "ep_7", at)).delivered == 0
    assert (await board.recent(0, "ep_7", at - timedelta(seconds=1))).delivered == 1
    assert await board.breaker(0, "ep_7") is None
    assert await board.secrets(0, "ep_7") == []
    assert len(await board.endpoints([(0, "ep_1"), (0, "ep_2")])) == 2
    used, _ = assert_by_index(plans)
    assert {"delivery_due", "delivery_pkey", "endpoint_pkey", "application_of_org", "mention_pkey"} <= used
    assert RECENT > 300


async def test_the_logs_questions(explained):
    _, log, plans = explained
    heads = tuple(head.seq for head in await log.heads())
    assert heads[0] == 30001
    page = await log.before(heads, 10)
    assert [each.seq for each in page if each.partition == 0][-1] == 30001
    low = (29_000, *heads[1:])
    assert [each.seq for each in await log.after(low, heads, 3)] == [29_001, 29_002, 29_003]
    assert (await log.edges())[1] == page[-1].at
    assert await log.owners([(0, "ep_7"), (0, "app_0001"), (0, "ep_none")]) == {
        "ep_7": ("app_0007", "org_2"),
        "app_0001": ("app_0001", "org_1"),
    }
    used, _ = assert_by_index(plans)
    assert {"event_pkey", "endpoint_pkey", "application_pkey"} <= used


async def test_a_look_that_cannot_have_its_rows_has_changed_nothing() -> None:
    async def away(_: object) -> None:
        raise Unavailable("away")

    with pytest.raises(Unread, match="away"):
        await BoardViews(None, away).overview()  # type: ignore[arg-type]


async def test_the_recent_attempts_of_a_quiet_endpoint_are_looked_for_among_the_recent(explained, monkeypatch):
    board, _, _ = explained
    asked, fetch = [], board._fetch

    async def noting(statement, *arguments):
        asked.append(arguments)
        return await fetch(statement, *arguments)

    monkeypatch.setattr(board, "_fetch", noting)
    assert (await board.recent(0, "ep_none", START + timedelta(seconds=30_000))).delivered == 0
    assert asked[-1][-1] == 30_000 - CLOCKS_APART.seconds - 1, "not from the first event on"
    assert (await board.recent(77, "ep_none", START)).delivered == 0, "there is no such partition"
