import pytest
from rich.style import Style

from tests.tui.hostile import TEXTS
from tui.lines import line
from tui.themes import DARK, Palette
from tui.widgets.paint import strip_of

PALETTE = Palette(DARK.to_color_system().generate())


@pytest.mark.parametrize("text", TEXTS)
def test_nothing_but_printable_text_becomes_a_strip_and_its_width_is_exact(text: str) -> None:
    strip = strip_of(line((text, "bad bold"), text), 60, PALETTE, Style.null())
    assert strip.cell_length == 60
    assert all(segment.text.isprintable() and segment.control is None for segment in strip)
