"""What a curve shows."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

from benchmarks.bench import Options
from benchmarks.curve import Step, keep, table

ROW = {
    "daemon_us": 120.0, "postgres_us": 70.0, "background_us": 2.0, "per_s": 5000.0, "commits": 0.03,
    "wal_bytes": 3500.0, "wal_page_images": 0.01, "page_hits": 40.0, "page_reads": 0.02,
}  # fmt: skip
FIGURES = {"single": ROW, "fanout_100": ROW}


def step(events: int) -> Step:
    return Step(events, 0.0, 1.0, 80.0, 1.0, 500.0, FIGURES, FIGURES, {"single": 101.5, "fanout_100": 99.0})


def test_steps_are_kept_and_drawn(tmp_path: Path):
    steps = [step(3000), step(1_200_000)]
    keep(steps, Options(), tmp_path / "curve.json", tmp_path / "curve.svg")
    assert [Step(**each) for each in json.loads((tmp_path / "curve.json").read_text())["steps"]] == steps
    texts = {
        text.text for text in ET.parse(tmp_path / "curve.svg").getroot().iter("{http://www.w3.org/2000/svg}text")
    }
    assert {"0", "1.2 M", "in the background"} <= texts


def test_the_table_tells_what_serves_and_what_works_behind_apart():
    lines = table([step(1_200_000)]).splitlines()
    assert len(lines) == 6
    assert lines[2].split()[:5] == ["single", "120.0", "68.0", "2.0", "101.5"]
    assert lines[3].split()[:4] == ["empty", "120.0", "68.0", "2.0"]
