"""Journeys over a log in memory and over a file: both ways lead to the same boards."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.databases import run_apart
from tests.tui.reels import MemoryLog
from tests.tui.world import World
from tui import journey as journeys
from tui.board import Board
from tui.frames import Clock, Events, Frame, Happened, Link, Reset
from tui.journey import Journey
from tui.tape import LogReel


def happened(seed: int, seconds: int, shown: int) -> list[Happened]:
    world = World(seed=seed, endpoints=8)
    told = [
        world.event("EndpointRegistered", each, {"application": world.application, "config": {"url": url}})
        for each, url in world.urls.items()
    ]
    told += [event for _ in range(seconds) for event in world.second(shown)[0]]
    told.append(world.event("EndpointDeleted", world.endpoints[1], {}))
    return [msgspec.convert(each, Happened) for each in told]


class Screen:
    """Takes what a journey says."""

    def __init__(self) -> None:
        self.board = Board()

    def take(self, frames: list[Frame]) -> "Screen":
        for each in frames:
            if isinstance(each, Reset):
                self.board = Board()
            else:
                self.board.take(each, 0.0)
        return self

    def shown(self, last: int = 10_000) -> dict[str, Any]:
        board = self.board
        return {
            "log": [each.position for each in list(board.log)[-last:]],
            "deliveries": list(board.deliveries.values())[-last:],
            "targets": {
                each: (target.stats.url, target.stats.disabled, target.stats.breaker)
                for each, target in board.targets.items()
            },
            "clock": board.clock(0.0),
        }


LOGS = st.builds(happened, st.integers(0, 20), st.integers(1, 9), st.integers(1, 12))


def travel(log: MemoryLog, **options: Any) -> Journey:
    return Journey(LogReel(log), **options)


@settings(max_examples=30, deadline=None)
@given(events=LOGS, at=st.floats(0, 1), steps=st.integers(1, 30))
def test_forward_and_back_is_where_one_was(events: list[Happened], at: float, steps: int) -> None:
    async def check() -> None:
        log, screen = MemoryLog(events), Screen()
        journey = travel(log)
        await journey.end()
        first, last = journey.reel.span
        screen.take(await journey.seek(first + (last - first) * at))
        screen.take(await journey.step(-1))
        screen.take(await journey.step(1))
        before, place = screen.shown(), journey.place
        moved = min(steps, sum(log.high()) - sum(place))
        for _ in range(moved):
            screen.take(await journey.step(1))
        assert sum(journey.place) == sum(place) + moved
        for _ in range(moved):
            screen.take(await journey.step(-1))
        assert journey.place == place
        assert screen.shown() == before

    run_apart(check)


@settings(max_examples=30, deadline=None)
@given(events=LOGS, share=st.floats(0, 1), window=st.sampled_from([4, 16, 1000]))
def test_a_place_shows_what_playing_from_the_start_shows(events: list[Happened], share: float, window: int) -> None:
    async def check() -> None:
        log, there, played = MemoryLog(events), Screen(), Screen()
        wanted = log.events[int(share * (len(events) - 1))].at
        journey = travel(log, window=window)
        there.take(await journey.seek(wanted))
        other = travel(log)
        played.take(await other.begin())
        while other.place != journey.place:
            played.take(await other.step(1))
        shown = there.shown(window)
        assert shown == played.shown(window) | {"clock": shown["clock"], "deliveries": shown["deliveries"]}
        by_key = {each.key: each for each in played.board.deliveries.values()}
        for each in there.board.deliveries.values():
            known = by_key[each.key]
            assert (known.state, known.at, known.attempt) == (each.state, each.at, each.attempt)
        waits = {each: target.stats.backlog for each, target in there.board.targets.items() if target.stats.counted}
        assert waits.keys() == there.board.targets.keys()

    run_apart(check)


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog(happened(1, 20, 40))


async def test_it_plays_by_a_clock_that_is_driven(log: MemoryLog) -> None:
    journey = travel(log)
    await journey.end()
    await journey.begin()
    assert await journey.advance(5) == []  # it stands still at first
    assert Link("playing", "x1") in journey.pause()
    begun = journey.at
    frames = await journey.advance(2.5)
    assert journey.at == begun + timedelta(seconds=2.5)
    events = [each for frame in frames if isinstance(frame, Events) for each in frame.events]
    assert events
    assert all(begun <= each.at <= journey.at for each in events)
    journey.faster(1e9)
    frames = await journey.advance(60)
    assert Link("ended", "x4096") in frames
    assert journey.at == log.events[-1].at
    assert await journey.advance(1) == []
    journey.pause()  # looks again
    assert journey.playing
    log.add([msgspec.structs.replace(log.events[-1], seq=log.events[-1].seq + 1)])
    assert any(isinstance(each, Events) for each in await journey.advance(1))


async def test_much_at_once_takes_its_time(log: MemoryLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journeys, "BURST", 10)
    journey = travel(log)
    await journey.begin()
    await journey.end()
    await journey.begin()
    journey.pause()
    journey.faster(4096)
    begun = sum(journey.place)
    await journey.advance(10)
    assert sum(journey.place) == begun + 10
    assert journey.at == journey.last.at


async def test_what_was_forgotten_is_read_again(log: MemoryLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journeys, "KEPT_MAX", 50)
    journey = travel(log, window=20)
    await journey.seek(log.events[0].at)
    await journey.step(300)
    assert len(list(journey.behind)) == 50
    frames = await journey.step(-250)
    assert isinstance(frames[0], Reset)
    assert journey.last == log.events[sum(journey.place) - 1]
    await journey.step(3)
    assert journey.last == log.events[sum(journey.place) - 1]


async def test_the_edges(log: MemoryLog) -> None:
    journey = travel(log)
    assert await travel(MemoryLog()).begin() == []
    await journey.end()
    assert await journey.step(1) == [journey.link(), journey.clock()]
    await journey.seek(log.events[0].at - timedelta(days=9))
    assert journey.at == log.events[0].at
    await journey.step(-5)
    assert not any(journey.place)
    assert await journey.step(-1) == [journey.link(), journey.clock()]
    await journey.jump(3600)
    assert journey.at == log.events[-1].at
    assert Clock(journey.at, 0.0) in journey.faster(0.0001)
    empty = travel(MemoryLog())
    frames = await empty.end()
    assert isinstance(frames[0], Reset)


async def test_what_cannot_be_counted_is_not_said() -> None:
    screen, log = Screen(), MemoryLog(happened(1, 5, 40), counted=False)
    journey = travel(log, window=20)
    screen.take(await journey.end())
    assert {each.stats.counted for each in screen.board.targets.values()} == {False}
