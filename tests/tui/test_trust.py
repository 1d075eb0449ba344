import msgspec
import pytest

from tests.tui.world import START, World
from tui.board import Board
from tui.frames import Clock, Hello, Link, PartitionStats, Skipped, Stats
from tui.lines import plain
from tui.trust import banner, skipped, trust_line


def board(*frames, at: float = 0.0) -> Board:
    made = Board()
    for frame in frames:
        made.take(frame, at)
    return made


def words(made: Board, now: float) -> tuple[str, str]:
    trust = made.trust(now)
    line = trust_line(trust, writable=False, clock=made.clock(now))
    return plain([line]), plain([banner(made, trust)])


STATS = Stats(START)
SHARED = (PartitionStats(0, "a"), PartitionStats(1, "b"), PartitionStats(2))


def test_live_data_tells_its_age() -> None:
    assert words(board(Link("live"), STATS), 0.3) == ("read-only  ● live · 0.3 s", "")


def test_a_lost_connection_tells_since_when_and_what_next() -> None:
    made = board(Link("live"), STATS)
    made.take(Link("lost", "nothing answers", 15.0, 3), 2.0)
    line, said = words(made, 12.0)
    assert "✗ lost · 12 s" in line
    assert said == "✗ connection lost 12 s ago, next try in 3.0 s (ctrl+r: now), try 4 · nothing answers"


@pytest.mark.parametrize(
    ("frames", "now", "said"),
    [
        ([], 0, ""),
        ([Link("connecting", tries=2)], 0, "connecting again (try 3)"),
        ([Link("live"), STATS], 8, "nothing has come for 8.0 s"),
        ([Link("live")], 1, "connected, but nothing has come:"),
        ([Link("refused", "this token may not")], 0, "this token may not · ctrl+r tries again"),
        ([Link("live"), msgspec.structs.replace(STATS, database=False)], 0, "lost its database"),
        (
            [Link("live"), msgspec.structs.replace(STATS, partitions=SHARED)],
            0,
            "1 of 3 partitions free: their deliver",
        ),
    ],
)
def test_the_banner_is_there_while_something_is_wrong(frames, now: float, said: str) -> None:
    assert said in words(board(*frames), now)[1]
    assert bool(said) == bool(words(board(*frames), now)[1])


def test_a_recording_tells_its_own_time() -> None:
    made = board(Hello(), Link("playing", "x2"), Clock(START, 2.0))
    assert words(made, 5.0)[0] == "▶ playing x2 · 2026-03-04 09:30:10"


def test_write_is_said_aloud() -> None:
    assert plain([trust_line(Board().trust(0), writable=True)]).startswith("WRITE")


def test_what_was_not_shown_is_said() -> None:
    assert skipped(board()) == ()
    made = board(Skipped(4500), msgspec.convert(World().stats(), Stats))
    assert plain([skipped(made)]) == "▽ 4,500/s not shown"
    made.take(STATS, 1.0)
    assert plain([skipped(made)]) == "▽ 4,500 not shown"
