"""What is shown, and what is kept."""

import json

from benchmarks.bench import Options
from benchmarks.deliver import kept
from benchmarks.figures import Result, summed_up
from benchmarks.histogram import Histogram
from benchmarks.report import WIDTH, plain, remarks, table

DONE = {"deliveries": 12_345.0, "per_s": 6789.0, "daemon_us": 90.04, "postgres_us": 25.0, "of_bare_cpu_pct": 11.0}


def test_a_table_is_narrow_and_has_a_line_for_each():
    rows = summed_up(
        [[Result("single", DONE), Result("hole_beside", {"p99_ms": 20.0}), Result("start", {"up_s": 1})]]
    )
    lines = table(rows).splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["single", "hole_beside"]
    assert "12,345" in lines[2]
    assert "90.0" in lines[2]
    assert all(len(line) <= WIDTH for line in lines)


def test_what_has_no_column_is_told_below():
    rows = summed_up(
        [
            [
                Result("start", {"up_s": 1.25}, notes=["slow disk"]),
                Result("batch", skipped="no route"),
                Result("a", lost="msg_1"),
                Result("b", failed="no answer"),
            ]
        ]
    )
    told = remarks(rows)
    for text in ("up_s 1.25", "slow disk", "skipped: no route", "LOST: msg_1", "FAILED: no answer"):
        assert text in told


def test_numbers_are_plain():
    assert [plain(value) for value in (3.0, 3.14159, 12_345.6)] == ["3", "3.14", "12,346"]


def test_what_is_kept_is_json_with_histograms_of_all_rounds():
    rounds = [[Result("single", DONE, histograms={"received_ns": Histogram([value]).dump()})] for value in (5, 7)]
    again = json.loads(json.dumps(kept(Options(), summed_up(rounds), 2)))
    single = again["scenarios"]["single"]
    assert single["figures"]["per_s"]["rounds"] == [6789.0, 6789.0]
    assert Histogram.load(single["histograms"]["received_ns"]).count == 2
    assert again["options"]["rate"] == 1000.0
