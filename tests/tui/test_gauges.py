import pytest

from tests.tui.support import frames_of
from tests.tui.world import World
from tui.board import Board
from tui.frames import PartitionStats, ProcessStats, Stats
from tui.gauges import chart, health, tiles
from tui.lines import plain, width


def board(seconds: int = 30) -> Board:
    made, world = Board(), World(rate=4200)
    for second in range(seconds):
        for frame in frames_of(*world.second(2)):
            made.take(frame, float(second))
    return made


@pytest.mark.parametrize("size", [(76, 4), (136, 3), (30, 20), (10, 2), (1, 1), (200, 60)])
@pytest.mark.parametrize("seconds", [0, 1, 30, 500])
def test_whatever_the_room_nothing_is_wider(size: tuple[int, int], seconds: int) -> None:
    made = board(seconds)
    for draw in (tiles(made), chart(made), health(made, made.clock(0))):
        rows = draw(*size)
        assert rows
        if size[0] >= 30 and seconds:
            assert all(width(row) <= size[0] for row in rows), plain(rows)


def test_the_figures_of_the_second() -> None:
    shown = plain(tiles(board())(136, 3))
    for words in ("accepted", "delivered", "failed", "delay p95", "undelivered", "2,209", "loop lag"):
        assert words in shown


def test_the_chart_has_failures_hanging_below_the_axis() -> None:
    rows = plain(chart(board())(60, 12)).split("\n")
    axis = next(at for at, row in enumerate(rows) if "now" in row)
    assert "⣿" in rows[axis - 1]
    assert "⠉" in rows[axis + 1] or "⠛" in rows[axis + 1]


def test_the_health_of_the_log_and_of_hookd() -> None:
    made = board()
    shown = plain(health(made, made.clock(0))(40, 12))
    assert "✓ up" in shown
    assert "4,120 open" in shown
    made.take(Stats(made.stats.at, database=False, partitions=(PartitionStats(0, "a"), PartitionStats(1))), 0.0)
    shown = plain(health(made, made.clock(0))(40, 12))
    assert "✗ lost" in shown
    assert "1 of 2 free" in shown
    assert "no checkpoint yet" in shown


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ((16,), "● all 16 here"),
        ((8, 8), "● 8 + 8"),
        ((4, 3, 3, 3, 3), "● 3 to 4 each"),
        ((2,) * 8, "● 2 each"),
    ],
)
def test_how_the_processes_share_the_partitions(shares: tuple[int, ...], said: str) -> None:
    made = board()
    processes = tuple(ProcessStats(f"host:7:ab/{n}", each) for n, each in enumerate(shares, 1))
    owners = [each.name for each in processes for _ in range(each.partitions)]
    partitions = tuple(PartitionStats(n, owner) for n, owner in enumerate(owners))
    made.take(Stats(made.stats.at, process="host:7:ab/1", processes=processes, partitions=partitions), 0.0)
    shown = plain(health(made, made.clock(0))(40, 12))
    assert said in shown
    assert ("host:7:ab/1" in shown) == (len(shares) == 1)
