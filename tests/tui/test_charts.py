from tui.charts import area, gauge, nice
from tui.lines import plain


def test_an_area_has_its_newest_value_at_the_right() -> None:
    assert plain(area([4, 4], 2, 1, 4, "ok")) == " ⣿"
    assert plain(area([8, 0], 1, 2, 8, "ok")) == "⡇\n⡇"


def test_the_smallest_value_can_be_seen() -> None:
    assert plain(area([0.01, 0], 1, 1, 1000, "ok")) == "⡀"
    assert plain(area([0, 0], 1, 1, 1000, "ok")) == " "


def test_downwards_it_hangs() -> None:
    assert plain(area([1, 1], 1, 2, 8, "bad", down=True)) == "⠉\n "


def test_scales_are_round() -> None:
    assert [nice(each) for each in (0, 0.4, 1, 7, 12, 4999, 5001)] == [1, 0.5, 1, 10, 20, 5000, 10000]


def test_a_gauge_is_full_at_one() -> None:
    assert gauge(0.5, 4) == "██░░"
    assert gauge(7, 2) == "██"
