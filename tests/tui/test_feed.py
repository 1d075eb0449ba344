from collections.abc import AsyncIterator

from tests.tui.fake_daemon import TOKEN, FakeDaemon, sse
from tui.client import Client
from tui.feed import BACKOFF_FIRST_S, LiveFeed
from tui.frames import Events, Frame, Hello, Link, Stats


async def until(frames: AsyncIterator[Frame], kind: type) -> Frame:
    async for frame in frames:
        if isinstance(frame, kind):
            return frame
    raise AssertionError


async def state(frames: AsyncIterator[Frame], wanted: str) -> Link:
    while True:
        link = await until(frames, Link)
        assert isinstance(link, Link)
        if link.state == wanted:
            return link


async def test_the_stream_is_read() -> None:
    async with FakeDaemon() as daemon, Client(daemon.url, TOKEN) as client:
        frames = LiveFeed(client).frames()
        assert (await state(frames, "connecting")).tries == 0
        await state(frames, "live")
        assert isinstance(await until(frames, Hello), Hello)
        daemon.play(10)
        assert len((await until(frames, Events)).events) >= 10
        assert (await until(frames, Stats)).attempts > 0
        await frames.aclose()


async def test_a_lost_stream_goes_on_where_it_ended() -> None:
    async with FakeDaemon() as daemon, Client(daemon.url, TOKEN) as client:
        feed = LiveFeed(client)
        frames = feed.frames()
        await state(frames, "live")
        await until(frames, Hello)
        daemon.send(sse("events", [], "5.0.2.1"))
        await until(frames, Events)
        daemon.drop()
        lost = await state(frames, "lost")
        assert lost.retry_at is not None
        assert lost.tries == 1
        again = anext(frames)  # waits; somebody is impatient
        feed.retry()
        assert (await again).state == "connecting"
        await state(frames, "live")
        assert daemon.asked[-1] == "/api/v1/live 5.0.2.1"
        await frames.aclose()


async def test_a_refusal_is_not_asked_again_by_itself() -> None:
    async with FakeDaemon() as daemon, Client(daemon.url, "wrong") as client:
        feed = LiveFeed(client)
        frames = feed.frames()
        assert "token" in (await state(frames, "refused")).detail
        again = anext(frames)
        feed.retry()
        assert (await again).state == "connecting"
        await frames.aclose()


async def test_what_is_not_hookds_stream_is_lost() -> None:
    async with FakeDaemon() as daemon, Client(daemon.url, TOKEN) as client:
        frames = LiveFeed(client).frames()
        await until(frames, Hello)
        daemon.send(b"event: stats\ndata: nonsense\n\n")
        assert "cannot be read" in (await state(frames, "lost")).detail
        await frames.aclose()


async def test_waits_grow_and_are_spread() -> None:
    async with FakeDaemon() as daemon, Client(daemon.url, TOKEN) as client:
        daemon.refuse = 503
        asked: list[tuple[float, float]] = []

        class Recorded:
            def uniform(self, low: float, high: float) -> float:
                asked.append((low, high))
                return 0.0

        frames = LiveFeed(client, random=Recorded()).frames()  # type: ignore[arg-type]
        for tries in range(1, 8):
            assert (await state(frames, "lost")).tries == tries
        assert asked[0] == (BACKOFF_FIRST_S, BACKOFF_FIRST_S)
        assert [high for _, high in asked] == [0.5, 1, 2, 4, 8, 10, 10]
        await frames.aclose()


async def test_it_begins_with_what_happened_lately_once() -> None:
    async with FakeDaemon() as daemon, Client(daemon.url, TOKEN) as client:
        daemon.log = [daemon.world.event("EndpointEnabled", "ep_1", {}) for _ in range(3)]
        feed = LiveFeed(client)
        frames = feed.frames()
        hello = await until(frames, Hello)
        seed = await anext(frames)
        assert isinstance(hello, Hello)
        assert isinstance(seed, Events)
        assert (len(seed.events), seed.positions) == (3, hello.positions)
        assert daemon.queries[-1] == {"before": hello.positions, "limit": "500"}
        daemon.drop()
        await state(frames, "lost")
        feed.retry()
        await until(frames, Hello)
        daemon.play(2)
        assert len((await until(frames, Events)).events) == 2  # and not those before again
        await frames.aclose()


async def test_without_what_happened_lately_it_goes_on() -> None:
    async with FakeDaemon() as daemon, Client(daemon.url, TOKEN) as client:
        daemon.log = [{"not": "an event"}]
        frames = LiveFeed(client).frames()
        await until(frames, Hello)
        daemon.play(2)
        assert len((await until(frames, Events)).events) == 2
        await frames.aclose()
