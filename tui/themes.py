"""Colours: hookd's own two themes, and what each role of a span looks like in whatever theme is chosen."""

from typing import Final

from rich.style import Style
from textual.color import Color, ColorParseError
from textual.theme import Theme

DARK: Final = Theme(
    name="hookd-dark",
    primary="#7aa2f7",
    secondary="#7dcfff",
    accent="#bb9af7",
    foreground="#c8d0e8",
    background="#11141c",
    surface="#151924",
    panel="#1f2534",
    success="#73d08a",
    warning="#e6b450",
    error="#f7768e",
    dark=True,
    variables={"border": "#2b3347", "footer-key-foreground": "#7aa2f7", "footer-background": "#151924"},
)
LIGHT: Final = Theme(
    name="hookd-light",
    primary="#2f5fc4",
    secondary="#0f7395",
    accent="#7c46b8",
    foreground="#1f2937",
    background="#fbfbfd",
    surface="#f1f3f8",
    panel="#e3e7f0",
    success="#1d7a3a",
    warning="#935f00",
    error="#c0264b",
    dark=False,
    variables={"border": "#c5ccda", "footer-key-foreground": "#2f5fc4", "footer-background": "#f1f3f8"},
)
THEMES: Final = (DARK, LIGHT)
DEFAULT: Final = DARK.name

_FALLBACK: Final = Color(200, 208, 232)
_COLOURS: Final = {
    "ok": "success",
    "bad": "error",
    "warn": "warning",
    "accent": "primary",
    "info": "secondary",
    "mark": "accent",
}


class Palette:
    """Roles as styles of one theme. A role that is not known is plain: words never fail a paint."""

    def __init__(self, variables: dict[str, str]) -> None:
        self._variables = variables
        self._styles: dict[str, Style] = {"": Style.null()}
        ground, text = self._colour("background"), self._colour("foreground")
        self._named = {role: self._colour(name) for role, name in _COLOURS.items()}
        self._named |= {
            "text": text,
            "muted": ground.blend(text, 0.62),
            "faint": ground.blend(text, 0.34),
            "ground": ground,
            "cursor": ground.blend(self._named["accent"], 0.30),
            "cursor-blur": ground.blend(text, 0.12),
            "bar": self._colour("panel"),
            "hit": ground.blend(self._named["warn"], 0.45),
        }

    def __getitem__(self, role: str) -> Style:
        """The style of a role."""
        found = self._styles.get(role)
        if found is None:
            found = self._styles[role] = self._resolve(role)
        return found

    def _resolve(self, role: str) -> Style:
        words = role.split()
        front = next((self._named[word] for word in words if word in self._named), None)
        back = next(
            (self._named[word[3:]] for word in words if word.startswith("on-") and word[3:] in self._named), None
        )
        return Style(
            color=front.rich_color if front else None,
            bgcolor=back.rich_color if back else None,
            bold="bold" in words or None,
            italic="italic" in words or None,
            underline="underline" in words or None,
            reverse="reverse" in words or None,
        )

    def _colour(self, name: str) -> Color:
        try:
            return Color.parse(self._variables[name])
        except (ColorParseError, KeyError):
            return _FALLBACK
