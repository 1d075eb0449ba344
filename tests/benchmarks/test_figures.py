"""Rounds become medians and ranges."""

import pytest

from benchmarks.figures import Result, better, summed_up


def test_rounds_of_a_scenario_become_one_row():
    rounds = [[Result("single", {"per_s": value}, notes=[f"round {value:g}"])] for value in (5.0, 1.0, 3.0)]
    (row,) = summed_up(rounds)
    found = row.figures["per_s"]
    assert (found.median, found.least, found.most, found.rounds) == (3.0, 1.0, 5.0, [5.0, 1.0, 3.0])
    assert row.notes == ["round 5", "round 1", "round 3"]


def test_what_was_skipped_or_lost_stays_told():
    rows = summed_up([[Result("a", skipped="no route"), Result("b")], [Result("a"), Result("b", lost="msg_1")]])
    assert [(row.skipped, row.lost) for row in rows] == [("no route", ""), ("", "msg_1")]


@pytest.mark.parametrize(
    ("name", "sense"),
    [
        ("per_s", 1),
        ("empty_accepted_s", -1),
        ("daemon_us", -1),
        ("rss_mib", -1),
        ("of_bare_cpu_pct", 1),
        ("core_pct", 0),
    ],
)
def test_the_unit_says_what_is_better(name, sense):
    assert better(name) == sense
