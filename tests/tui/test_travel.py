"""Into the past and back, at the keys; and a file, which is always past."""

from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from tests.tui.reels import MemoryLog
from tests.tui.support import Rig, WorldSource, frames_of
from tests.tui.test_app import assert_harmless
from tests.tui.test_recording import lines, story
from tests.tui.test_tape import Still
from tests.tui.world import World
from tui.app import ConsoleApp
from tui.frames import Happened
from tui.screens.help import WhenScreen
from tui.tape import FileFeed
from tui.then import FileSource

SIZES = [(80, 24), (140, 40)]


class Daemon(WorldSource, MemoryLog):
    """Has a log, and takes acts."""

    def __init__(self, world: World) -> None:
        WorldSource.__init__(self, world)
        MemoryLog.__init__(self, [msgspec.convert(each, Happened) for each in story(world, 4)])
        self.acts: list[str] = []

    async def do(self, path: str, body: dict, *, dry: bool) -> dict:
        self.acts.append(path)
        return {}


class PastRig(Rig):
    def __init__(self, **options) -> None:
        super().__init__(World(endpoints=8), **options)
        self.daemon = Daemon(self.world)
        self.app = ConsoleApp(self.feed, self.daemon, ticks=lambda: self.time, **options)

    @asynccontextmanager
    async def shown(self, size=(80, 24)):
        async with self.app.run_test(size=size) as pilot:
            await self.live(pilot, 1, 20)
            yield pilot

    async def press(self, pilot, *keys: str) -> None:
        for key in keys:
            await pilot.press(key)
            if self.app.tape is not None:
                while self.app.tape.journey is None:
                    await pilot.pause()
                await self.app.tape.done()
        await self.paint(pilot)


@pytest.mark.parametrize("size", SIZES)
async def test_there_and_back_while_live_goes_on(size: tuple[int, int]) -> None:
    rig = PastRig()
    async with rig.shown(size) as pilot:
        assert "as of" not in rig.text()
        await rig.press(pilot, "t", "2", "left", "left", "comma")
        shown = rig.text()
        assert "◀ as of 2026-03-04" in shown
        assert "past · read-only" in shown
        assert "paused 1x" in shown
        assert rig.app.board.log[-1] == rig.daemon.events[-4]
        at = rig.app.board.log_count
        events, stats = rig.world.second(20)
        await rig.give(pilot, *frames_of(events, stats))  # what is live now goes to the live board only
        assert rig.app.board.log_count == at
        await rig.press(pilot, "right", "full_stop")
        assert rig.app.board.log[-1] == rig.daemon.events[-2]
        await rig.press(pilot, "home")
        assert rig.app.board.log[-1] == rig.daemon.events[0]
        await rig.press(pilot, "end", "left_parenthesis", "right_curly_bracket")
        await rig.press(pilot, "t")
        assert "as of" not in rig.text()
        assert "● live" in rig.text()
        assert rig.app.board.log[-1].position == f"{events[-1]['partition']}/{events[-1]['seq']}"
        assert rig.app.board.log_count == 20 + len(events)  # without a gap


async def test_it_plays_on_the_consoles_clock() -> None:
    rig = PastRig()
    async with rig.shown() as pilot:
        await rig.press(pilot, "t", "home", "greater_than_sign", "space")
        assert "playing 2x" in rig.text()
        begun = rig.app.board.log_count
        rig.time += 1
        while rig.app.board.log_count == begun:
            await pilot.pause()
        journey = rig.app.tape.journey
        assert (journey.at - rig.daemon.events[0].at).total_seconds() == pytest.approx(2, abs=1e-3)
        await rig.press(pilot, "P", "less_than_sign")
        assert "paused 1x" in rig.text()


async def test_escape_leads_back_too_but_last() -> None:
    rig = PastRig()
    async with rig.shown() as pilot:
        await rig.press(pilot, "t", "2", "slash", "x", "escape")
        assert rig.app.past
        rig.app.go_to("msg_1")
        await rig.press(pilot, "escape")
        assert rig.app.past
        await rig.press(pilot, "escape")
        assert not rig.app.past
        assert rig.app.is_running


async def test_keys_that_are_typed_move_nothing() -> None:
    rig = PastRig()
    async with rig.shown() as pilot:
        await rig.press(pilot, "t", "2", "slash", "a", "space", "b", "left", "home")
        assert not rig.app.tape.journey.playing
        assert rig.app.screen.filter.words.strip("/ ") == "a b"


async def test_a_moment_is_typed() -> None:
    rig = PastRig()
    async with rig.shown() as pilot:
        await rig.press(pilot, "at", *"nonsense", "enter")
        assert rig.app.tape is None
        await pilot.press("at")
        assert isinstance(rig.app.screen, WhenScreen)
        wanted = rig.daemon.events[100].at
        await rig.press(pilot, *wanted.isoformat().replace("+00:00", "Z"), "enter")
        assert rig.app.tape.journey.at == wanted
        await rig.press(pilot, "at", *"2h ago", "enter")
        assert rig.app.tape.journey.at == rig.daemon.events[0].at  # there is nothing before
        await rig.press(pilot, "at", "escape")
        assert rig.app.past


async def test_nothing_acts_in_the_past() -> None:
    rig = PastRig(writable=True)
    async with rig.shown() as pilot:
        await rig.press(pilot, "3", "t")
        assert "t returns to live" in rig.app.why_not()
        await rig.press(pilot, "d", "R", "enter", "enter")
        assert rig.daemon.acts == []
        assert "WRITE" not in rig.text()
        await rig.press(pilot, "escape", "t")
        assert not rig.app.why_not()


async def test_the_bar_is_clicked() -> None:
    rig = PastRig()
    async with rig.shown() as pilot:
        await rig.press(pilot, "t")
        await pilot.click("Slider", offset=(18, 0))
        await rig.app.tape.done()
        assert rig.app.tape.journey.at == rig.daemon.events[0].at


async def test_a_daemon_that_is_away_is_said_on_the_slider() -> None:
    rig = PastRig()
    async with rig.shown() as pilot:
        await rig.press(pilot, "t")
        rig.daemon.down = True
        await rig.press(pilot, "home")
        assert "✗ nothing answers" in rig.text()


async def test_without_a_log_there_is_no_past(rig: Rig) -> None:
    async with rig.app.run_test(size=(80, 24)) as pilot:
        await rig.live(pilot)
        await pilot.press("t", "space", "left", "at")
        assert not rig.app.past
        assert "Time" not in rig.text()


@pytest.mark.parametrize("size", SIZES)
async def test_hostile_text_is_only_text_in_the_past(size: tuple[int, int]) -> None:
    from tests.tui.fake_daemon import spoil

    rig = PastRig()
    events, stats = rig.world.second(60)
    spoil(events, stats)
    rig.daemon.add([msgspec.convert(each, Happened) for each in events])
    async with rig.shown(size) as pilot:
        await rig.press(pilot, "t")
        for key in "1234":
            await rig.press(pilot, key, "left", "right", "comma")
            assert_harmless(rig)
        rig.app.tape.trouble = events[0]["actor"]
        await rig.paint(pilot)
        assert_harmless(rig)


@pytest.mark.parametrize("size", SIZES)
async def test_a_file_has_the_slider_and_its_keys(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "export.jsonl"
    told = story(World(), 3)
    path.write_bytes(b"".join(lines(told)))
    ticks = Still()
    feed = FileFeed(path, ticks=ticks)
    rig = PastRig()
    rig.app = ConsoleApp(feed, FileSource(feed), ticks=ticks)
    async with rig.app.run_test(size=size) as pilot:
        while feed.journey is None:
            await pilot.pause()
        await rig.press(pilot, "2", "end", "space")
        shown = rig.text()
        assert "2026-03-04" in shown
        assert "t live" not in shown
        assert rig.app.slide() is not None
        count = len(feed.recording)
        await rig.press(pilot, "left")
        assert sum(feed.journey.place) == count - 1
        await rig.press(pilot, "enter")
        await rig.settle(pilot)
        assert "Attempts (" in rig.text()
        assert "unknown" not in rig.text()
        await rig.press(pilot, "escape", "escape", "t")
        assert rig.app.is_running
        assert rig.app.why_not()
    feed.close()
