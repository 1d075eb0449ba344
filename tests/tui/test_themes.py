import pytest
from textual.color import Color

from tui.themes import DARK, LIGHT, Palette

ROLES = ("text", "ok", "bad", "warn", "accent", "info", "muted")


def contrast(one: Color, other: Color) -> float:
    """WCAG 2.1, relative luminance."""

    def luminance(colour: Color) -> float:
        parts = [each / 255 for each in (colour.r, colour.g, colour.b)]
        red, green, blue = (each / 12.92 if each <= 0.03928 else ((each + 0.055) / 1.055) ** 2.4 for each in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda each: each.name)
@pytest.mark.parametrize("role", ROLES)
def test_every_role_can_be_read_on_its_ground(theme, role: str) -> None:
    palette = Palette(theme.to_color_system().generate())
    style = palette[role]
    assert style.color is not None
    assert contrast(Color.from_rich_color(style.color), Color.parse(theme.background)) > 4


def test_roles_are_words() -> None:
    palette = Palette(DARK.to_color_system().generate())
    style = palette["bold bad on-cursor"]
    assert style.bold
    assert style.bgcolor is not None
    assert palette["no such role"].color is None
    assert palette[""].color is None


def test_a_theme_that_leaves_colours_out_is_no_failure() -> None:
    assert Palette({"background": "nonsense"})["ok on-bar"].color is not None
