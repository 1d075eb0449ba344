import gzip
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from events.cloudevent import encode, source_of
from events.leaf import RawEvent, at_us
from tests.tui.world import World
from tui.board import Board
from tui.client import Refused
from tui.frames import Clock, Events, Link, Reset, Stats
from tui.recording import FileFeed, FileSource, Player, Recording


def lines(world: World, seconds: int = 3) -> list[bytes]:
    """An export: one partition after the other."""
    events = [event for _ in range(seconds) for event in world.second(20)[0]]
    events.sort(key=lambda each: (each["partition"], each["seq"]))
    return [
        encode(
            RawEvent(
                each["partition"], each["seq"], at_us(datetime.fromisoformat(each["at"])),
                each["stream"], each.get("endpoint"),
                each["version"], each["type"], 1, each["actor"], None, msgspec.json.encode(each["body"]),
            ),
            source_of(each["partition"]),
        )
        for each in events
    ]  # fmt: skip


@pytest.fixture
def export(tmp_path: Path) -> Path:
    path = tmp_path / "export.jsonl"
    path.write_bytes(b"".join(lines(World())))
    return path


@pytest.fixture
def recording(export: Path) -> Iterator[Recording]:
    opened = Recording.open(export)
    yield opened
    opened.close()


def events_of(frames: list) -> list:
    return [event for frame in frames if isinstance(frame, Events) for event in frame.events]


def test_partitions_are_told_as_one_story(recording: Recording) -> None:
    found = list(recording.read(0, len(recording)))
    assert [each.at for each in found] == sorted(each.at for each in found)
    assert len({each.partition for each in found}) > 1


def test_a_packed_file_is_the_same(export: Path, tmp_path: Path) -> None:
    packed = tmp_path / "export.jsonl.gz"
    packed.write_bytes(gzip.compress(export.read_bytes()))
    with closing(Recording.open(packed)) as one, closing(Recording.open(export)) as other:
        assert list(one.read(0, 10)) == list(other.read(0, 10))


def test_lines_that_are_none_are_counted(export: Path) -> None:
    with export.open("ab") as file:
        file.write(b"{}\n\nnonsense\n")
    with closing(Recording.open(export)) as opened:
        assert opened.unreadable == 2


def test_it_plays_at_any_speed(recording: Recording) -> None:
    player = Player(recording)
    first = player.at
    assert events_of(player.advance(0.005))
    assert player.at == first + timedelta(seconds=0.005)
    player.speed = 1000
    frames = player.advance(1)
    assert player.ended
    assert Link("ended", "x1000") in frames
    assert any(isinstance(each, Stats) for each in frames)
    assert player.advance(1) == []


def test_a_pause_stands_still(recording: Recording) -> None:
    player = Player(recording)
    player.playing = False
    assert player.advance(100) == []
    assert player.clock().speed == 0
    assert len(events_of(player.step(3))) == 3


def test_going_back_makes_a_new_board_of_what_was_before(recording: Recording) -> None:
    player = Player(recording)
    forwards = Board()
    half = recording.at(len(recording) // 2)
    for frame in player.seek(half):
        if not isinstance(frame, Reset):
            forwards.take(frame, 0.0)
    player.speed = 1000
    player.advance(1)
    frames = player.seek(half)
    assert isinstance(frames[0], Reset)
    back = Board()
    for frame in frames[1:]:
        back.take(frame, 0.0)
    assert list(back.deliveries.values()) == list(forwards.deliveries.values())
    assert back.clock(0.0) == half
    assert events_of(player.step(-2))[-1] == next(iter(recording.read(player.next - 1, player.next)))


async def test_a_feed_tells_how_it_stands(export: Path) -> None:
    feed = FileFeed(export)
    frames = feed.frames()
    states = []
    async for frame in frames:
        if isinstance(frame, Link):
            states.append(frame.state)
        if isinstance(frame, Clock) and feed.player is not None:
            if feed.player.ended:
                break
            feed.told(feed.player.advance(60))
    assert states[0] == "connecting"
    assert "ended" in states
    feed.step(-1)
    feed.faster(2)
    feed.pause()
    feed.seek(-60)
    assert isinstance(await anext(frames), Reset)
    feed.retry()
    await frames.aclose()


@pytest.mark.parametrize("content", [b"", b"\x1f\x8bnonsense", b"nonsense\n"])
async def test_a_file_that_is_none_is_said_in_words(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    frames = FileFeed(path).frames()
    await anext(frames)
    refused = await anext(frames)
    assert isinstance(refused, Link)
    assert refused.state == "refused"
    assert "x.jsonl" in refused.detail
    await frames.aclose()


async def test_questions_are_answered_from_the_file(export: Path) -> None:
    feed = FileFeed(export)
    source = FileSource(feed)
    with pytest.raises(Refused):
        await source.message("msg_1")
    frames = feed.frames()
    while feed.player is None:
        await anext(frames)
    one = next(each for each in feed.player.recording.read(0, 50) if each.endpoint)
    assert (await source.delivery(one.stream, one.endpoint))["attempts"]
    assert (await source.endpoint(one.endpoint))["attempts"]
    assert (await source.message(one.stream))["deliveries"]
    assert await source.targets() == []
    assert await source.overview() == {}
    with pytest.raises(Refused, match="does not tell"):
        await source.message("msg_never")
    await frames.aclose()
