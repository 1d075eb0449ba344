import gzip
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.cloudevent import encode, source_of
from events.leaf import RawEvent, at_us
from tests.tui.world import START, World
from tui import recording as recordings
from tui.frames import Happened
from tui.recording import EVERY, Recording, happened


def raw_of(each: dict) -> RawEvent:
    return RawEvent(
        each["partition"], each["seq"], at_us(datetime.fromisoformat(each["at"])), each["stream"],
        each.get("endpoint"), each["version"], each["type"], 1, each["actor"], None,
        msgspec.json.encode(each["body"]),
    )  # fmt: skip


def lines(events: list[dict]) -> list[bytes]:
    """An export: one partition after the other."""
    told = sorted(events, key=lambda each: (each["partition"], each["seq"]))
    return [encode(raw_of(each), source_of(each["partition"])) for each in told]


def story(world: World, seconds: int = 3) -> list[dict]:
    found = [
        world.event("EndpointRegistered", each, {"application": world.application, "config": {"url": url}})
        for each, url in world.urls.items()
    ]
    return found + [event for _ in range(seconds) for event in world.second(200)[0]]


@pytest.fixture(scope="module")
def events() -> list[dict]:
    return story(World())


@pytest.fixture
def export(tmp_path: Path, events: list[dict]) -> Path:
    path = tmp_path / "export.jsonl"
    path.write_bytes(b"".join(lines(events)))
    return path


@pytest.fixture
def recording(export: Path) -> Iterator[Recording]:
    with closing(Recording.open(export)) as opened:
        yield opened


def told(page: object) -> list[Happened]:
    return [shot.event for shot in page.shots]


def test_partitions_are_told_as_one_story(recording: Recording, events: list[dict]) -> None:
    found = told(recording.following((0,) * len(recording.end()), 10_000))
    assert len(found) == len(events) == len(recording) > 2 * EVERY
    assert [each.at for each in found] == sorted(each.at for each in found)
    assert len({each.partition for each in found}) > 1


@pytest.mark.parametrize("count", [23, 300])
def test_forwards_and_backwards_meet(recording: Recording, count: int) -> None:
    begin = (0,) * len(recording.end())
    every = told(recording.following(begin, 10_000))
    forwards, place = [], begin
    while (page := recording.following(place, count)).shots and len(forwards) < 900:
        assert page.begin == place
        forwards += told(page)
        assert told(recording.leading(page.end, len(page.shots))) == told(page)
        place = page.end
    assert forwards == every[: len(forwards)]
    backwards: list[Happened] = []
    while (page := recording.leading(place, count)).shots:
        assert page.end == place
        backwards = told(page) + backwards
        place = page.begin
    assert (backwards, place) == (forwards, begin)


def test_a_moment_is_a_place(recording: Recording) -> None:
    every = told(recording.following((0,) * len(recording.end()), 10_000))
    for nth in (0, 1, EVERY, len(every) // 2, len(every) - 1):
        at = every[nth].at
        upto = [each for each in every if each.at <= at]
        place = recording.place_at(at)
        assert sum(place) == len(upto)
        assert told(recording.leading(place, 3)) == upto[-3:]
    assert not any(recording.place_at(START - timedelta(days=1)))
    assert recording.place_at(START + timedelta(days=1)) == recording.end()
    assert recording.span == (every[0].at, every[-1].at)


async def test_endpoints_stand_as_they_were_set(recording: Recording) -> None:
    page = await recording.before(None, 1)
    standing = await recording.standing(page.end)
    assert {each.url for each in standing.targets} == set(World().urls.values())
    assert standing.undelivered is None
    assert (await recording.standing((0,) * len(page.end))).undelivered == {}
    assert told(await recording.at(recording.span[1], 1)) == told(page)
    assert told(await recording.after(page.end, 1)) == []


def test_a_packed_file_is_the_same(export: Path, tmp_path: Path) -> None:
    packed = tmp_path / "export.jsonl.gz"
    packed.write_bytes(gzip.compress(export.read_bytes()))
    seen = []
    with (
        closing(Recording.open(packed, lambda *each: seen.append(each))) as one,
        closing(Recording.open(export)) as other,
    ):
        assert told(one.leading(one.end(), 10)) == told(other.leading(other.end(), 10))
    assert seen


def test_progress_is_told(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "PROGRESS_BYTES", 1000)
    seen: list[tuple[int, int]] = []
    Recording.open(export, lambda *each: seen.append(each)).close()
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert {of for _, of in seen} == {export.stat().st_size}


def test_lines_that_are_none_are_counted(export: Path) -> None:
    with export.open("ab") as file:
        file.write(b"{}\n\nnonsense\n" + b'{"type":"hookd.X","partition":1,"time":"2026-01-01T00:00:00Z"}\n')
    with closing(Recording.open(export)) as opened:
        assert opened.unreadable == 2
        page = opened.following((0,) * len(opened.end()), 10_000)
        assert any("unreadable" in each.body for each in told(page))  # a line that only begins well is shown as such


def test_a_body_that_is_no_object_is_shown(events: list[dict]) -> None:
    raw = raw_of(events[0])
    assert happened(msgspec.structs.replace(raw, body=b"[1]")).body == {"value": [1]}
    assert happened(msgspec.structs.replace(raw, body=b"\xff")).body == {"unreadable": "\ufffd"}


def test_events_that_name_an_id(recording: Recording, events: list[dict]) -> None:
    wanted = next(each["stream"] for each in events if each.get("endpoint"))
    found = recording.mentioning(wanted)
    assert [each.type for each in found][:1] == ["MessageAccepted"]
    assert {each.stream for each in found} == {wanted}
    assert recording.mentioning("msg_never") == []


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 9), order=st.randoms(use_true_random=False), count=st.integers(1, 40))
def test_whatever_the_order_of_lines_nothing_is_lost(tmp_path_factory, seed: int, order: Random, count: int) -> None:
    path = tmp_path_factory.mktemp("any") / "x.jsonl"
    some = lines(story(World(seed=seed, endpoints=3), 1))[:120]
    order.shuffle(some)
    path.write_bytes(b"".join(some))
    with closing(Recording.open(path)) as opened:
        begin = (0,) * len(opened.end())
        every = [each.position for each in told(opened.following(begin, 1000))]
        assert len(set(every)) == len(some)
        page = opened.leading(opened.end(), count)
        assert [each.position for each in told(page)] == every[-count:]
        assert [each.position for each in told(opened.following(page.begin, 1000))] == every[-count:]
