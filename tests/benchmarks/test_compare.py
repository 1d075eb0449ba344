"""What moved between two runs, and what is noise."""

import pytest

from benchmarks.compare import compared, moves


def run(**scenarios):
    return {"options": {}, "scenarios": {name: {"figures": figures} for name, figures in scenarios.items()}}


def figure(*rounds):
    return {
        "median": sorted(rounds)[len(rounds) // 2],
        "least": min(rounds),
        "most": max(rounds),
        "rounds": list(rounds),
    }


def only(name, before, after):
    (move,) = moves(run(s={name: before}), run(s={name: after}))
    return move


@pytest.mark.parametrize(
    ("name", "before", "after", "verdict"),
    [
        ("daemon_us", (100, 101, 102), (90, 91, 92), "better"),
        ("daemon_us", (100, 101, 102), (110, 111, 112), "worse"),
        ("per_s", (100, 101, 102), (110, 111, 112), "better"),
        ("per_s", (100, 101, 102), (90, 91, 92), "worse"),
        ("resumed", (100, 101, 102), (90, 91, 92), "moved"),
        ("rate_per_s", (100, 101, 102), (90, 91, 92), "moved"),
        ("daemon_us", (100, 101, 130), (90, 91, 92), ""),  # less than one round differed from another
        ("daemon_us", (100, 101, 102), (101, 102, 103), ""),  # the ranges touch
        ("daemon_us", (100.0, 100.1, 100.2), (101.0, 101.1, 101.2), ""),  # apart, but too little to mean anything
        ("daemon_us", (100,), (110,), ""),  # one round shows no noise
        ("daemon_us", (100,), (130,), "worse"),
        ("duplicates", (0,), (0,), ""),
        ("duplicates", (0,), (5,), "moved"),
    ],
)
def test_a_figure_has_moved_only_beyond_the_noise(name, before, after, verdict):
    assert only(name, figure(*before), figure(*after)).verdict == verdict


def test_a_ratio_is_that_of_the_medians():
    assert only("daemon_us", figure(1, 2, 9), figure(3, 4, 5)).ratio == 2


def test_only_what_both_have_is_held_against_each_other():
    before = run(a={"p50_ms": figure(1)}, b={"p50_ms": figure(1)})
    after = run(a={"p50_ms": figure(1), "p99_ms": figure(2)}, c={})
    told = compared(before, after)
    assert [move.figure for move in moves(before, after)] == ["p50_ms"]
    assert "only in A: b" in told
    assert "only in B: c" in told


def test_other_options_are_told():
    assert "options of both runs differ" in compared(run() | {"options": {"connections": 1}}, run())
