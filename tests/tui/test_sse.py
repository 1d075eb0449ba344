import pytest

from tests.tui.fake_daemon import sse
from tests.tui.world import World
from tui.frames import Events, Hello, Skipped, Stats
from tui.sse import BadStream, Parser


def told(*pieces: bytes) -> tuple[list, Parser]:
    parser = Parser()
    return [frame for piece in pieces for frame in parser.feed(piece)], parser


def stream() -> bytes:
    world = World()
    events, stats = world.second(4)
    return (
        sse("hello", world.hello())
        + sse("events", events, "4.0.1.0")
        + b": ping\n\n"
        + sse("skipped", {"count": 7})
        + sse("stats", stats)
    )


def test_frames_come_out_whole() -> None:
    frames, parser = told(stream())
    assert [type(each) for each in frames] == [Hello, Events, Skipped, Stats]
    assert parser.last_id == "4.0.1.0"


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_however_the_bytes_are_cut(size: int) -> None:
    data = stream()
    frames, _ = told(*(data[at : at + size] for at in range(0, len(data), size)))
    assert frames == told(data)[0]


def test_both_ends_of_line_and_data_on_many_lines() -> None:
    frames, parser = told(b'event: skipped\r\nid: 9\r\ndata: {"count":\r\ndata: 3}\r\n\r\n')
    assert frames == [Skipped(3)]
    assert parser.last_id == "9"


def test_kinds_that_are_not_known_are_passed_over() -> None:
    assert told(b"event: novel\ndata: {}\n\nretry: 10\n\n")[0] == []


@pytest.mark.parametrize("data", [b"{", b"[]", b'{"at": 4}', b"\xff", b"[" * 100_000])
def test_what_is_not_hookds_is_said(data: bytes) -> None:
    with pytest.raises(BadStream):
        told(b"event: stats\ndata: " + data + b"\n\n")


def test_a_line_without_end_is_not_kept_for_ever() -> None:
    with pytest.raises(BadStream):
        told(*[b"data: " + b"x" * (1 << 20)] * 20)
