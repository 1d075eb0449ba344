"""The figures of the overview, drawn for the room there is: tiles, the chart, and the health of hookd. Pure."""

from collections.abc import Callable
from datetime import datetime
from typing import Final, NamedTuple

from tui import wording
from tui.board import Board, Second
from tui.charts import area, gauge, nice
from tui.frames import Quantiles, Stats
from tui.lines import BLANK, Line, Span, fit, line, spread

Draw = Callable[[int, int], list[Line]]
TILE_CELLS_MIN: Final = 17
LAG_BAD_MS: Final = 100.0
SHARES_SHOWN_MAX: Final = 4
_NO_STATS: Final = [line(("waiting for the first second of hookd …", "muted italic"))]
_PAST: Final = [
    line(("The log does not tell how", "muted")),
    line(("process and database were.", "muted")),
]


class Tile(NamedTuple):
    """One figure: its name, its value, what stands beside it, and its last minute."""

    name: str
    value: str
    unit: str
    remark: str
    series: list[float]
    role: str = ""


def tiles(board: Board) -> Draw:
    """The second in eight figures."""
    stats = board.stats

    def draw(width: int, height: int) -> list[Line]:
        if stats is None:
            return list(_NO_STATS)
        shown = _tiles(stats, list(board.history)[-60:])
        across = max(min(width // TILE_CELLS_MIN, len(shown)), 1)
        across = next(each for each in (8, 4, 2, 1) if each <= across)
        lines_each = 3 if height >= 3 * (len(shown) // across) else 2
        rows: list[Line] = []
        for start in range(0, len(shown), across):
            block = [_tile(each, width // across - 1, lines_each) for each in shown[start : start + across]]
            rows += [
                tuple(span for tile in block for span in (*fit(tile[at], width // across - 1), Span(" ")))
                for at in range(lines_each)
            ]
        return rows

    return draw


def _tile(tile: Tile, width: int, lines: int) -> list[Line]:
    unit = "" if tile.value.endswith(" s") else tile.unit  # from ten seconds on, milliseconds are told in those
    value: Line = (Span(tile.value, f"bold {tile.role}"), Span(f" {unit}" if unit else "", "muted"))
    if lines == 2:  # noqa: PLR2004 - no room for the chart
        return [line((tile.name, "muted")), (*value, Span(f"  {tile.remark}", "faint"))]
    value = spread(value, line((f"{tile.remark} ", "faint")), width)
    return [line((tile.name, "muted")), value, line((wording.spark(tile.series, width - 1), tile.role or "info"))]


def _tiles(stats: Stats, past: list[Second]) -> list[Tile]:
    per = stats.interval_s or 1.0
    failed = stats.failed / per
    tried = stats.delivered + stats.failed
    delay, spent = stats.delay_ms or Quantiles(), stats.duration_ms or Quantiles()
    lag = stats.loop_lag_ms
    waiting = stats.pending if stats.pending is not None or stats.past else stats.queue
    oldest = stats.oldest_due_s
    return [
        Tile("accepted", wording.rate(stats.accepted / per), "/s", "", [each.accepted for each in past]),
        Tile(
            "delivered",
            wording.rate(stats.delivered / per),
            "/s",
            wording.share(stats.delivered, tried),
            [each.delivered for each in past],
            "ok" if stats.delivered else "",
        ),
        Tile(
            "failed",
            wording.rate(failed),
            "/s",
            wording.share(stats.failed, tried) if failed else "",
            [each.failed for each in past],
            "bad" if failed else "",
        ),
        Tile("delay p95", wording.ms(delay.p95), "ms", f"p50 {wording.ms(delay.p50)}", _known(past, "delay_p95")),
        Tile(
            "attempt p95", wording.ms(spent.p95), "ms", f"p50 {wording.ms(spent.p50)}", _known(past, "duration_p95")
        ),
        Tile(
            "in flight",
            wording.count(None if stats.past else stats.in_flight),
            "",
            "",
            [float(each.in_flight) for each in past],
        ),
        Tile(
            "undelivered",
            wording.count(waiting),
            "",
            f"due {wording.duration(oldest)}" if oldest else "",
            [float(each.pending or 0) for each in past],
            "warn" if oldest and oldest > 60 else "",  # noqa: PLR2004 - a minute late is late
        ),
        Tile(
            "loop lag",
            wording.ms(lag),
            "ms",
            "",
            _known(past, "loop_lag_ms"),
            "warn" if lag is not None and lag > LAG_BAD_MS else "",
        ),
    ]


def _known(past: list[Second], name: str) -> list[float]:
    return [getattr(each, name) or 0.0 for each in past]


def chart(board: Board) -> Draw:
    """Deliveries upwards, failures downwards, as far back as there is room."""
    past = list(board.history)

    def draw(width: int, height: int) -> list[Line]:
        if not past:
            return list(_NO_STATS)
        axis = 7
        cells = max(width - axis, 4)
        seen = past[-2 * cells :]
        good, bad = [each.delivered for each in seen], [each.failed for each in seen]
        below = max(height // 4, 1) if any(bad) else 0
        above = max(height - below - 1, 1)
        top, bottom = nice(max(good)), nice(max(bad))
        up = area(good, cells, above, top, "ok")
        down = area(bad, cells, below, bottom, "bad", down=True)
        marks = [wording.count(top), *[""] * (above - 2), ""][:above]
        rows = [(Span(f"{mark:>{axis - 1}} ", "faint"), *each) for mark, each in zip(marks, up, strict=True)]
        rows.append(_axis(len(seen), cells, axis))
        for at, each in enumerate(down):
            mark = wording.count(bottom) if at == below - 1 else ""
            rows.append((Span(f"{mark:>{axis - 1}} ", "faint"), *each))
        return rows

    return draw


def _axis(seconds: int, cells: int, axis: int) -> Line:
    ago = f"{wording.duration(seconds)} ago " if seconds > 9 else ""  # noqa: PLR2004
    from_left = max(cells - seconds // 2, 0)
    rule = "─" * max(cells - len(" now"), 0)
    if ago and from_left + len(ago) < len(rule):
        rule = rule[:from_left] + ago + rule[from_left + len(ago) :]
    return (Span(f"{'0':>{axis - 1}} ", "faint"), Span(rule, "faint"), Span(" now", "faint"))


def health(board: Board, clock: datetime | None) -> Draw:
    """The processes, their database, and how far the log is sealed."""
    stats, hello = board.stats, board.hello

    def draw(width: int, height: int) -> list[Line]:
        if stats is None:
            return list(_NO_STATS)
        if stats.past:
            return list(_PAST)
        version = f" {hello.version}" if hello and hello.version else ""
        rows = [
            spread(line((f"hookd{version}", "bold")), line((_who(stats), "muted")), width),
            _fact("database", ("✓ up", "ok") if stats.database else ("✗ lost", "bad bold"), width),
            _fact("partitions", _shares(stats), width),
            _fact(
                "appends", (f"{wording.count(stats.appends)}/s x {wording.rate(stats.batch_rows)} rows", ""), width
            ),
            _fact("queue", (f"{stats.queue:,}", ""), width),
            BLANK,
            *_sealing(stats, clock, width),
        ]
        return rows[:height] if height > len(rows) - 2 else [each for each in rows if each][:height]

    return draw


def _who(stats: Stats) -> str:
    return stats.process if len(stats.processes) <= 1 else f"{len(stats.processes)} processes"


def _shares(stats: Stats) -> tuple[str, str]:
    """How the processes share the partitions: `● 8 + 8`; the shares of many are told as a range."""
    if stats.orphans:
        return f"‖ {stats.orphans} of {len(stats.partitions)} free", "warn"
    shares = [each.partitions for each in stats.processes]
    if len(shares) <= 1:
        return f"● all {len(stats.partitions)} here", "ok"
    told = " + ".join(map(str, shares))
    if len(shares) > SHARES_SHOWN_MAX:
        told = f"{min(shares)} to {max(shares)} each" if min(shares) < max(shares) else f"{shares[0]} each"
    return f"● {told}", "ok"


def _sealing(stats: Stats, clock: datetime | None, width: int) -> list[Line]:
    rows = []
    if stats.partitions:
        events = sum(each.seq for each in stats.partitions)
        value = f"{wording.count(events)} in {wording.plural(len(stats.partitions), 'partition')}"
        rows.append(_fact("events", (value, ""), width))
    checkpoint = stats.checkpoint
    if checkpoint is None:
        rows.append(_fact("sealed", ("no checkpoint yet", "muted"), width))
        return rows
    whole = checkpoint.sealed + checkpoint.unsealed
    share = checkpoint.sealed / whole if whole else 1.0
    rows.append(_fact("sealed", (wording.until(checkpoint.at, clock), ""), width))
    label = f" {wording.count(checkpoint.unsealed)} open"
    rows.append(line((gauge(share, max(width - len(label), 4)), "accent"), (label, "muted")))
    return rows


def _fact(name: str, value: tuple[str, str], width: int) -> Line:
    return spread(line((name, "muted")), line(value), width)
