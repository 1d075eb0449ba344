"""Pictures are whole XML with every point inside its panel."""

from xml.etree import ElementTree as ET

import pytest

from benchmarks.svg import PANEL_HEIGHT, PANEL_WIDTH, Panel, Series, count, picture, positions, scale

PANEL = Panel("CPU <each>", "µs", [Series("daemon & co", [(0, 10), (1e6, 20), (1e7, 15)]), Series("PG", [(1e6, 3)])])
NAMES = {"svg": "http://www.w3.org/2000/svg"}


def test_a_picture_is_whole_and_follows_the_readers_scheme():
    root = ET.fromstring(picture("What it costs", "events", [PANEL, PANEL, PANEL]))
    assert len(root.findall("svg:g", NAMES)) == 3
    assert "prefers-color-scheme: dark" in root.find("svg:style", NAMES).text
    assert {"daemon & co", "PG", "CPU <each>: ", "events", "1 M", "10 M", "0"} <= {
        text.text for text in root.iter(f"{{{NAMES['svg']}}}text")
    }


def test_every_point_lies_within_its_panel():
    root = ET.fromstring(picture("x", "y", [PANEL]))
    circles = list(root.iter(f"{{{NAMES['svg']}}}circle"))
    assert len(circles) == 4
    for circle in circles:
        assert 0 < float(circle.get("cx")) < PANEL_WIDTH
        assert 0 < float(circle.get("cy")) < PANEL_HEIGHT


def test_nothing_to_draw_is_drawn_too():
    ET.fromstring(picture("x", "y", [Panel("empty", "s", [Series("none", [])])]))


@pytest.mark.parametrize("most", [0, 0.3, 1, 7, 42.5, 100, 134, 99_999])
def test_ticks_are_few_and_reach_the_top(most):
    ticks = scale(most)
    assert ticks[0] == 0
    assert ticks[-1] >= most
    assert 2 <= len(ticks) <= 6


def test_tenfold_is_the_same_way_everywhere_and_nothing_stands_left():
    across = positions([0, 1e5, 1e6, 1e7], 0, 100)
    assert across[0] == 0
    assert across[1e7] == 100
    assert across[1e6] - across[1e5] == pytest.approx(across[1e7] - across[1e6])
    assert across[1e5] > 0


def test_one_length_alone_has_a_place():
    assert positions([1e6], 0, 100) == {1e6: 50}
    assert positions([0.0], 0, 100) == {0.0: 0}


@pytest.mark.parametrize(("number", "told"), [(0, "0"), (1500, "1.5 k"), (1e6, "1 M"), (2.5e9, "2.5 G")])
def test_numbers_are_short(number, told):
    assert count(number) == told
