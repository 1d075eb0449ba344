from datetime import UTC, datetime, timedelta

import pytest

from tests.tui.hostile import TEXTS
from tui.lines import plain, width
from tui.widgets.slider import Slide, Slider, share

FIRST = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)
NOW = FIRST + timedelta(hours=2)


def slide(at: datetime | None = FIRST, **fields) -> Slide:
    return Slide(FIRST, NOW, at, "paused", 1.0, "0/17")._replace(**fields)


def drawn(shown: Slide, cells: int) -> list[str]:
    slider = Slider()
    slider._slide = shown
    lines = slider.draw(cells, 2)
    assert [width(each) for each in lines] == [cells, cells]
    return plain(lines).split("\n")


def test_the_mark_stands_where_one_is() -> None:
    for cells in (80, 140):
        begin, middle, end = (
            drawn(slide(at), cells)[0].index("●") for at in (FIRST, FIRST + timedelta(hours=1), NOW)
        )
        assert begin < middle < end
        assert middle == pytest.approx((begin + end) / 2, abs=1)


def test_moment_speed_and_keys() -> None:
    narrow, wide = drawn(slide(), 80)[1], drawn(slide(speed=4.0), 140)[1]
    assert "paused 1x  2026-03-04 09:30:00" in narrow
    assert "t live" in narrow
    assert "paused 4x  2026-03-04 09:30:00.000 UTC  after 0/17" in wide
    assert "() hour" in wide
    assert "live" not in drawn(slide(leaves=""), 140)[1]


def test_what_is_not_known_does_no_harm() -> None:
    assert share(Slide(None, None, None, "?", 1.0, "")) == 1.0
    assert share(slide(FIRST - timedelta(days=1))) == 0.0
    for cells in (1, 10, 30):
        slider = Slider()
        slider._slide = Slide(None, None, None, "?", 1.0, "")
        assert len(slider.draw(cells, 2)) == 2
    assert Slider().draw(80, 2) == []


@pytest.mark.parametrize("text", TEXTS[:12])
def test_trouble_is_only_text(text: str) -> None:
    row = drawn(slide(trouble=text, position=text), 80)[1]
    assert row.isprintable()
