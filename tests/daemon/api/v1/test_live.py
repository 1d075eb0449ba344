"""The live stream, over real sockets and a real log."""

import asyncio
import json
from collections import Counter
from contextlib import asynccontextmanager

import pytest

from daemon.live import hub as hub_module
from daemon.live import subscriber as subscriber_module
from events.outcome import Fault
from events.positions import parse, spell


class Reader:
    """One who reads a stream, frame by frame."""

    def __init__(self, response):
        self.response = response
        self.last = ""
        self.events = []
        self.skipped = 0

    async def frame(self):
        """The next one: (event, data); None at the end. Comments are passed over."""
        while True:
            lines = []
            while line := (await self.response.content.readline()).decode().rstrip("\n"):
                lines.append(line)
            if not lines:
                return None
            fields = dict(line.split(": ", 1) for line in lines if not line.startswith(":"))
            if not fields:
                continue
            self.last = fields.get("id", self.last)
            data = json.loads(fields["data"])
            if fields["event"] == "events":
                self.events += data
            if fields["event"] == "skipped":
                self.skipped += data["count"]
            return fields["event"], data

    async def until(self, kind):
        """The data of the next frame of this kind."""
        while (found := await self.frame())[0] != kind:
            pass
        return found[1]

    async def until_seen(self, count):
        """Read until so many events were sent or skipped."""
        while len(self.events) + self.skipped < count:
            assert await self.frame()

    @property
    def positions(self):
        return [(each["partition"], each["seq"]) for each in self.events]


@asynccontextmanager
async def watching(running, query="", **headers):
    async with running.client.get(f"/api/v1/live{query}", headers=running.headers | headers) as response:
        assert response.status == 200, await response.text()
        assert response.content_type == "text/event-stream"
        yield Reader(response)


@pytest.fixture
async def app_id(running):
    app_id = await running.app()
    running.as_operator()
    return app_id


async def messages(running, app_id, count):
    headers = running.headers
    running.as_org(running.org)
    for _ in range(count):
        await running.message(app_id)
    running.headers = headers


async def nobody_watches(running):
    """Wait until the server has noticed that the readers left."""
    while len(running.hub):
        await running.call("GET", "/health/ping")


async def test_hello_then_what_happens(running, app_id):
    async with watching(running) as reader:
        kind, hello = await reader.frame()
        assert (kind, hello["process"], hello["partitions"], hello["resumed"]) == ("hello", "test", 16, False)
        assert hello["positions"] == reader.last
        running.as_org(running.org)
        endpoint = await running.endpoint(app_id)
        message = await running.message(app_id)
        await running.attempt(message, endpoint, Fault.STATUS, 500, detail="\n\nevent: hello\ndata: {}\n\n<b>\x1b[2J")
        await reader.until_seen(3)
    registered, accepted, failed = reader.events
    assert [each["type"] for each in reader.events] == ["EndpointRegistered", "MessageAccepted", "AttemptFailed"]
    assert (accepted["stream"], accepted["actor"], accepted["body"]["endpoints"]) == (
        message, f"org:{running.org}", [endpoint])  # fmt: skip
    assert "endpoint" not in accepted
    assert failed["endpoint"] == endpoint
    assert failed["body"]["detail"] == "\n\nevent: hello\ndata: {}\n\n<b>\x1b[2J"
    assert registered["body"]["config"]["url"] == "https://a.example/hook"


async def test_stats_add_up(running, app_id):
    async with watching(running) as reader:
        await reader.frame()
        running.as_org(running.org)
        endpoint = await running.endpoint(app_id)
        for number in range(6):
            message = await running.message(app_id)
            await running.attempt(message, endpoint, *((Fault.STATUS, 500) if number % 3 == 0 else ()))
        seen = Counter()
        targets = Counter()
        while seen["attempts"] < 6:
            stats = await reader.until("stats")
            seen.update({name: stats[name] for name in ("accepted", "attempts", "delivered", "failed")})
            for target in stats["targets"]:
                targets.update({name: target[name] for name in ("attempts", "delivered", "failed")})
    assert seen == {"accepted": 6, "attempts": 6, "delivered": 4, "failed": 2}
    assert targets == {"attempts": 6, "delivered": 4, "failed": 2}
    assert (stats["inFlight"], stats["queue"], stats["database"], stats["standingBy"]) == (3, 4, True, False)
    assert len(stats["partitions"]) == 16
    assert stats["partitions"][0]["owner"] == "test"


async def test_nobody_watching_costs_nothing(running, app_id):
    before = list(running.desk.recorder.followers)
    async with watching(running) as reader:
        await reader.frame()
        assert len(running.desk.recorder.followers) == len(before) + 1
    await nobody_watches(running)
    assert running.desk.recorder.followers == before


@pytest.mark.parametrize("how", ["header", "query"])
async def test_who_comes_back_misses_nothing(running, app_id, how):
    async with watching(running) as reader:
        await reader.frame()
        await messages(running, app_id, 3)
        await reader.until_seen(3)
    await messages(running, app_id, 4)
    headers = {"Last-Event-ID": reader.last} if how == "header" else {}
    async with watching(running, "" if headers else f"?from={reader.last}", **headers) as again:
        _, hello = await again.frame()
        assert hello["resumed"]
        assert hello["positions"] == reader.last
        await messages(running, app_id, 2)
        await again.until_seen(6)
    everything = reader.positions + again.positions
    assert [seq for _, seq in everything] == list(range(everything[0][1], everything[0][1] + 9))


def assert_whole(reader, since):
    """Each event after `since` was told once and in order, or is counted as skipped."""
    seqs = [seq for _, seq in reader.positions]
    assert seqs == sorted(set(seqs))
    passed = sum(parse(reader.last, 16)) - sum(parse(since, 16))
    assert len(seqs) + reader.skipped == passed


async def test_resumed_while_others_append(running, app_id):
    async with watching(running, "?rate=2000") as first:
        await first.frame()
        since = first.last
        stop = asyncio.Event()

        async def flood():
            sent = 0
            while not stop.is_set():
                await messages(running, app_id, 1)
                sent += 1
            return sent

        floods = asyncio.gather(*(flood() for _ in range(4)))
        await first.until_seen(20)
        for _ in range(3):
            async with watching(running, f"?rate=2000&from={since}") as again:
                await again.until_seen(len(first.events) + 30)
                assert_whole(again, since)
                assert again.positions[0] == first.positions[0]
        stop.set()
        await first.until_seen(sum(await floods))
    assert_whole(first, since)


async def test_too_much_missed_is_skipped_with_its_count(running, app_id, monkeypatch):
    monkeypatch.setattr(hub_module, "MISSED_MAX", 5)
    async with watching(running) as reader:
        await reader.frame()
    await nobody_watches(running)
    await messages(running, app_id, 9)
    async with watching(running, f"?from={reader.last}") as again:
        await again.until_seen(9)
    assert (again.skipped, len(again.events)) == (4, 5)
    assert [seq for _, seq in again.positions] == list(range(again.positions[0][1], again.positions[0][1] + 5))


async def test_positions_beyond_the_log_begin_anew(running, app_id):
    beyond = spell([10**6] * 16)
    async with watching(running, f"?from={beyond}") as reader:
        _, hello = await reader.frame()
        assert not hello["resumed"]
        await messages(running, app_id, 1)
        await reader.until_seen(1)


@pytest.mark.parametrize(
    "query", ["?from=1.2", "?from=x", "?rate=0", "?rate=2001", "?status=good", "?no=1", "?from=-1" + ".0" * 15]
)
async def test_what_does_not_fit_is_refused(running, app_id, query):
    response = await running.client.get(f"/api/v1/live{query}", headers=running.headers)
    assert response.status in (400, 422)  # as Svix has it: 422 for what cannot be read, 400 for what is unknown


async def test_the_rate_is_kept_and_the_rest_is_counted(running, app_id):
    async with watching(running, "?rate=7") as reader, watching(running, "?rate=2000") as other:
        for each in (reader, other):
            await each.frame()
        await asyncio.gather(*(messages(running, app_id, 10) for _ in range(6)))
        await asyncio.gather(reader.until_seen(60), other.until_seen(60))
    assert len(reader.events) + reader.skipped == 60
    assert reader.skipped > 0
    assert (len(other.events), other.skipped) == (60, 0)
    assert set(reader.positions) <= set(other.positions)


async def test_filters(running, app_id):
    running.as_org(running.org)
    other = await running.app("Other")
    running.as_operator()
    queries = ["?status=ok", "?status=failed", "?status=config", f"?application={other}"]
    async with (
        watching(running, queries[0]) as ok,
        watching(running, queries[1]) as failed,
        watching(running, queries[2]) as config,
        watching(running, queries[3]) as of_other,
    ):
        readers = (ok, failed, config, of_other)
        for each in readers:
            await each.frame()
        running.as_org(running.org)
        endpoint = await running.endpoint(app_id)
        theirs = await running.endpoint(other)
        message, its = await running.message(app_id), await running.message(other)
        await running.attempt(message, endpoint, Fault.STATUS, 500)
        await running.attempt(message, endpoint)
        await running.attempt(its, theirs)
        await asyncio.gather(*(each.until_seen(count) for each, count in zip(readers, (2, 1, 2, 3), strict=True)))
        running.as_operator()
        async with watching(running, f"?endpoint={endpoint}") as of_one:
            await of_one.frame()
            running.as_org(running.org)
            assert await running.message(other)
            last = await running.message(app_id)
            await of_one.until_seen(1)
    assert [each["type"] for each in ok.events] == ["AttemptSucceeded"] * 2
    assert [each["type"] for each in failed.events] == ["AttemptFailed"]
    assert [each["type"] for each in config.events] == ["EndpointRegistered"] * 2
    assert {each["type"] for each in of_other.events} == {"EndpointRegistered", "MessageAccepted", "AttemptSucceeded"}
    assert [each["stream"] for each in of_one.events] == [last]


async def test_an_organization_sees_its_own(running, app_id):
    running.as_org("org_other")
    theirs = await running.app("Theirs")
    at = await running.endpoint(theirs)
    async with watching(running) as reader:
        await reader.frame()
        running.as_org("org_test")
        await running.message(app_id)
        running.as_org("org_other")
        mine = await running.message(theirs)
        await running.call("DELETE", f"/app/{theirs}/endpoint/{at}", expect=204)
        await reader.until_seen(2)
    assert [each["type"] for each in reader.events] == ["MessageAccepted", "EndpointDeleted"]
    assert reader.events[0]["stream"] == mine
    running.as_app(theirs)
    async with watching(running) as reader:
        await reader.frame()
        running.as_org("org_other")
        mine = await running.message(theirs)
        await reader.until_seen(1)
        assert reader.events[0]["stream"] == mine
    for path in (f"/live?application={app_id}", f"/live?endpoint={at}"):
        assert (await running.call("GET", path))[0] == 404
    for path in ("/overview", "/log"):
        assert (await running.call("GET", path))[0] == 403


async def test_a_slow_reader_is_skipped_forward(running, app_id, monkeypatch):
    monkeypatch.setattr(subscriber_module, "BUFFER_BYTES_MAX", 0)
    async with watching(running, "?top=1") as slow, watching(running) as quick:
        for each in (slow, quick):
            await each.frame()
        [subscriber] = [each for each in running.hub._subscribers if each.top == 1]
        subscriber._connection = full = Full(subscriber._connection)
        await messages(running, app_id, 5)
        await quick.until_seen(5)
        full.waiting = 0
        await slow.until_seen(5)
        await messages(running, app_id, 1)
        await asyncio.gather(slow.until_seen(6), quick.until_seen(6))
    assert [(each.skipped, len(each.events)) for each in (slow, quick)] == [(5, 1), (0, 6)]
    assert slow.last == quick.last


class Full:
    def __init__(self, connection):
        self._connection = connection
        self.waiting = 10

    def __getattr__(self, name):
        return getattr(self._connection, name)

    def get_write_buffer_size(self):
        return self.waiting


async def test_streams_end_when_hookd_stops(running, app_id):
    async with watching(running) as reader:
        await reader.frame()
        running.hub.close()
        while await reader.frame():
            pass
    assert (await running.call("GET", "/live"))[0] == 503


async def test_what_another_process_appends_is_told(running, app_id):
    async with watching(running) as reader:
        await reader.frame()
        recorder = running.desk.recorder
        follow = recorder.followers.pop()
        await messages(running, app_id, 3)
        recorder.followers.append(follow)
        await reader.until_seen(3)
        await messages(running, app_id, 1)
        await reader.until_seen(4)
    seqs = [seq for _, seq in reader.positions]
    assert seqs == list(range(seqs[0], seqs[0] + 4))
