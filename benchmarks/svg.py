"""Line charts as SVG, written by hand: panels beside each other, a logarithmic axis of events. Pure.

Readable on light and dark: colours are set in a style sheet that follows the reader's scheme.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

PANEL_WIDTH: Final = 430
PANEL_HEIGHT: Final = 250
LEFT: Final = 58
RIGHT: Final = 16
TOP: Final = 52
BOTTOM: Final = 46
COLUMNS: Final = 2
HEADER: Final = 34
TICKS: Final = 4
STYLE: Final = """
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600; font-size: 13px }
  .lead { font-weight: 600; font-size: 15px }
  .small { font-size: 11px; fill: #57606a }
  .grid { stroke: #d0d7de; stroke-width: 1 }
  .line { fill: none; stroke-width: 2 }
  .s0 { stroke: #0969da } .f0 { fill: #0969da }
  .s1 { stroke: #bc4c00 } .f1 { fill: #bc4c00 }
  .s2 { stroke: #1a7f37 } .f2 { fill: #1a7f37 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .small { fill: #9198a1 }
    .grid { stroke: #3d444d }
    .s0 { stroke: #4493f8 } .f0 { fill: #4493f8 }
    .s1 { stroke: #f0883e } .f1 { fill: #f0883e }
    .s2 { stroke: #3fb950 } .f2 { fill: #3fb950 }
  }
"""


@dataclass(frozen=True)
class Series:
    """One line."""

    name: str
    points: Sequence[tuple[float, float]]  # x, y; x from 0


@dataclass(frozen=True)
class Panel:
    """One chart; the unit is that of its y axis."""

    title: str
    unit: str
    series: Sequence[Series]


def picture(lead: str, x_title: str, panels: Sequence[Panel]) -> str:
    """A whole SVG file."""
    rows = math.ceil(len(panels) / COLUMNS)
    width, height = COLUMNS * PANEL_WIDTH, HEADER + rows * PANEL_HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(lead)}</title>",
        f"<style>{STYLE}</style>",
        f'<text class="lead" x="{LEFT}" y="22">{escape(lead)}</text>',
    ]
    for number, panel in enumerate(panels):
        x, y = number % COLUMNS * PANEL_WIDTH, HEADER + number // COLUMNS * PANEL_HEIGHT
        parts += [f'<g transform="translate({x} {y})">', *_panel(panel, x_title), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel, x_title: str) -> list[str]:
    bottom, right = PANEL_HEIGHT - BOTTOM, PANEL_WIDTH - RIGHT
    xs = sorted({x for each in panel.series for x, _ in each.points})
    most = max((y for each in panel.series for _, y in each.points), default=1.0)
    ticks = scale(most)
    across = positions(xs, LEFT + 8, right - 8)

    def up(y: float) -> float:
        return bottom - (bottom - TOP) * y / ticks[-1]

    unit = f'<tspan class="small">{escape(panel.unit)}</tspan>'
    parts = [f'<text class="title" x="{LEFT}" y="16">{escape(panel.title)}: {unit}</text>']
    for tick in ticks:
        parts.append(f'<line class="grid" x1="{LEFT}" y1="{up(tick):.1f}" x2="{right}" y2="{up(tick):.1f}"/>')
        parts.append(f'<text class="small" text-anchor="end" x="{LEFT - 6}" y="{up(tick) + 4:.1f}">{tick:g}</text>')
    parts += [
        f'<text class="small" text-anchor="middle" x="{across[x]:.1f}" y="{bottom + 16}">{count(x)}</text>'
        for x in xs
    ]
    parts.append(
        f'<text class="small" text-anchor="middle" x="{(LEFT + right) / 2:.0f}" y="{bottom + 34}">'
        f"{escape(x_title)}</text>"
    )
    at = LEFT
    for number, each in enumerate(panel.series):
        colour = number % 3
        drawn = " ".join(f"{across[x]:.1f},{up(y):.1f}" for x, y in each.points)
        parts.append(f'<polyline class="line s{colour}" points="{drawn}"/>')
        parts += [f'<circle class="f{colour}" cx="{across[x]:.1f}" cy="{up(y):.1f}" r="3"/>' for x, y in each.points]
        if len(panel.series) > 1:
            parts.append(f'<rect class="f{colour}" x="{at}" y="26" width="10" height="10" rx="2"/>')
            parts.append(f'<text class="small" x="{at + 14}" y="35">{escape(each.name)}</text>')
            at += 30 + 7 * len(each.name)
    return parts


def scale(most: float) -> list[float]:
    """Round ticks from 0 to no less than `most`."""
    if most <= 0:
        return [0.0, 1.0]
    rough = most / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))
    return [number * step for number in range(math.ceil(most / step - 1e-9) + 1)]


def positions(xs: Sequence[float], left: float, right: float) -> dict[float, float]:
    """Where each x stands: by its logarithm; 0 has no logarithm, and stands on the left edge, apart."""
    logs = {x: math.log10(x) for x in xs if x > 0}
    least, most = min(logs.values(), default=0.0), max(logs.values(), default=0.0)
    begin = left + (right - left) / max(len(xs), 2) if len(logs) < len(xs) and logs else left
    return {
        x: left if x <= 0 else begin + (right - begin) * ((logs[x] - least) / (most - least) if most > least else 0.5)
        for x in xs
    }


def count(number: float) -> str:
    """A number of events, short."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {letter}"
    return f"{number:g}"
