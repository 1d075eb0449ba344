"""The words of the trust line and of the banner: how old the data is, and what to do when it is not coming. Pure."""

from datetime import datetime

from tui import wording
from tui.board import Board, Trust
from tui.lines import Line, Span, line


def trust_line(trust: Trust, *, writable: bool, clock: datetime | None = None, past: bool = False) -> Line:
    """The right end of the first line: may one act, does the data come, and how old is it."""
    look = wording.LINK[trust.state]
    mode: Line = (Span("WRITE", "bold warn"),) if writable else (Span("read-only", "muted"),)
    shown = f"{look.glyph} {'lost' if trust.state == 'lost' else look.word}"
    if trust.state in {"live", "silent", "lost"} and trust.age_s is not None:
        shown += f" · {wording.duration(trust.age_s)}"
    if past:
        return line(("◀ past · read-only", "bold warn"))
    if trust.state in {"playing", "paused"}:
        return line((f"{shown} {trust.detail} · {wording.day(clock)}", f"bold {look.role}"))
    return (*mode, Span("  "), Span(shown, f"bold {look.role}"))


def banner(board: Board, trust: Trust) -> Line:
    """What is wrong, in one line; empty when nothing is."""
    match trust.state:
        case "lost":
            return line((_lost(trust), "bold on-bad ground"))
        case "refused":
            return line((f"✗ {trust.detail} · ctrl+r tries again", "bold on-bad ground"))
        case "silent":
            said = (
                f"nothing has come for {wording.duration(trust.age_s)}"
                if trust.age_s is not None
                else "nothing has come"
            )
            return line((f"◐ connected, but {said}: what you see is old", "bold on-warn ground"))
        case "connecting" if trust.tries or trust.age_s is not None:
            return line((f"◌ connecting again (try {trust.tries + 1})", "bold on-warn ground"))
    stats = board.stats
    if stats is not None and not stats.database:
        return line(("✗ hookd has lost its database: it accepts nothing and delivers nothing", "bold on-bad ground"))
    if stats is not None and stats.orphans:
        said = f"{stats.orphans} of {wording.plural(len(stats.partitions), 'partition')} free: their deliveries wait"
        return line((f"‖ {said} until a process takes them", "bold on-warn ground"))
    return ()


def as_of(past: str) -> Line:
    """The banner of the past."""
    return line((f"◀ as of {past}, not now · t returns to live", "bold on-warn ground"))


def _lost(trust: Trust) -> str:
    ago = f" {wording.duration(trust.age_s)} ago" if trust.age_s is not None else ""
    tries = f", try {trust.tries + 1}" if trust.tries > 1 else ""
    when = wording.duration(trust.retry_in_s) if trust.retry_in_s is not None else "a moment"
    return f"✗ connection lost{ago}, next try in {when} (ctrl+r: now){tries} · {trust.detail}"


def skipped(board: Board) -> Line:
    """How much went by unseen."""
    if not board.skipped:
        return ()
    if board.skipped_now:
        return line((f"▽ {wording.count(board.skipped_now)}/s not shown", "warn"))
    return line((f"▽ {wording.count(board.skipped)} not shown", "muted"))
