"""Tapes: over a file and over the daemon's log."""

from pathlib import Path

import msgspec
import pytest

from tests.tui.reels import MemoryLog
from tests.tui.test_recording import lines, story
from tests.tui.world import World
from tui.client import Unreachable
from tui.frames import Clock, Happened, Link, Reset
from tui.tape import Archive, FileFeed, LogReel, LogTape


class Still:
    """A clock that is driven: so much later at each look."""

    def __init__(self, step: float = 0.0) -> None:
        self.time = 0.0
        self.step = step

    def __call__(self) -> float:
        self.time += self.step
        return self.time


@pytest.fixture
def export(tmp_path: Path) -> Path:
    path = tmp_path / "export.jsonl"
    path.write_bytes(b"".join(lines(story(World(), 2))))
    return path


async def until_clock(frames) -> list:
    found = []
    async for frame in frames:
        found.append(frame)
        if isinstance(frame, Clock):
            return found
    return found


async def test_a_file_plays_by_the_clock(export: Path) -> None:
    feed = FileFeed(export, ticks=Still(60))
    frames = feed.frames()
    states = []
    async for frame in frames:
        if isinstance(frame, Link):
            states.append(frame.state)
            if frame.state == "ended":
                break
    assert states[0] == "connecting"
    assert states[-2:] == ["playing", "ended"]
    feed.step(-1)
    assert isinstance(await anext(frames), Reset)
    for move in (feed.begin, feed.end, feed.pause, feed.retry):
        move()
    feed.faster(2)
    feed.jump(-60)
    feed.seek(feed.journey.at)
    await until_clock(frames)
    await frames.aclose()
    feed.close()


@pytest.mark.parametrize("content", [b"", b"\x1f\x8bnonsense", b"nonsense\n"])
async def test_a_file_that_is_none_is_said_in_words(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    feed = FileFeed(path)
    told = [frame async for frame in feed.opened()]
    assert isinstance(told[-1], Link)
    assert told[-1].state == "refused"
    assert "x.jsonl" in told[-1].detail
    feed.close()


def filled() -> MemoryLog:
    return MemoryLog([msgspec.convert(each, Happened) for each in story(World(), 2)])


async def test_the_log_begins_at_its_end_and_stands_still() -> None:
    log = filled()
    assert isinstance(log, Archive)
    tape = LogTape(log, None, ticks=Still())
    frames = tape.frames()
    told = await until_clock(frames)
    assert any(isinstance(each, Reset) for each in told)
    assert tape.journey is not None
    assert tape.journey.at == log.events[-1].at
    assert not tape.journey.playing
    await frames.aclose()


async def test_a_daemon_that_is_away_is_said_and_asked_again() -> None:
    log = filled()
    log.down = True
    tape = LogTape(log, log.events[5].at, ticks=Still())
    frames = tape.frames()
    await anext(frames)
    assert (await anext(frames)).detail == "nothing answers"
    log.down = False
    tape.seek(log.events[5].at)
    while tape.journey is None:
        await anext(frames)
    log.down = True
    tape.jump(-1)
    while not tape.trouble:
        await anext(frames)
    assert tape.trouble == "nothing answers"
    log.down = False
    tape.jump(-1)
    while tape.trouble:
        await anext(frames)
    await frames.aclose()


class Odd(MemoryLog):
    def __init__(self, answer: dict) -> None:
        super().__init__()
        self.answer = answer

    async def log(self, **_query) -> dict:
        return self.answer


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"data": [{}], "from": "0", "to": "0"},
        {"data": [], "from": "x", "to": "0"},
        {"data": [], "from": "0.0", "to": "0"},
        {"data": [{"partition": 9, "seq": 1, "at": "2026-03-04T09:30:00Z", "stream": "", "type": ""}], "from": "0",
         "to": "0"},
    ],
)  # fmt: skip
async def test_pages_that_cannot_be_read_are_said(answer: dict) -> None:
    with pytest.raises(Unreachable, match="page of the log"):
        await LogReel(Odd(answer)).before(None, 1)
