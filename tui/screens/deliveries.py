"""Deliveries: what is on its way and what came of it, live."""

from typing import Any, ClassVar, Final

from textual import on
from textual.binding import Binding, BindingType

from tui import wording
from tui.acts import ON_DELIVERY, RECOVER_THERE, Subject
from tui.board import Board, Delivery
from tui.lines import Line, line
from tui.screens.acting import Acting, keys_of
from tui.screens.filtered import Tail
from tui.screens.targets import reason
from tui.widgets.grid import Column, Grid

COLUMNS: Final = (
    Column("at", "TIME", 12),
    Column("state", "STATE", 11),
    Column("status", "CODE", 4),
    Column("ms", "MS", 7, 2, "right"),
    Column("attempt", "TRY", 3, 1, "right"),
    Column("type", "EVENT", 12, 3, grow=2),
    Column("endpoint", "ENDPOINT", 20, grow=4),
    Column("next", "NEXT TRY", 11, 1),
    Column("why", "WHY", 14, 4, grow=3),
)
HELD: Final = frozenset({"open", "probing", "disabled"})
EMPTY: Final = [
    line(("Nothing has been delivered lately.", "bold")),
    line(),
    line(("New messages appear here by themselves, the newest at the bottom.", "muted")),
    line(("To make some:  ", "muted"), ("hookd demo", "accent")),
]


class DeliveriesScreen(Acting, Tail):
    """See the module."""

    VIEW = "deliveries"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "endpoint", "Endpoint"),
        Binding("m", "message", "Message"),
        Binding("y", "copy", "Copy id", show=False),
        *keys_of([ON_DELIVERY, RECOVER_THERE]),
    ]

    def table(self) -> Grid:
        """See Filtered."""
        grid = Grid(COLUMNS, self.key_of, self._cells, tail=True)
        grid.empty = EMPTY
        return grid

    def rows(self, board: Board) -> tuple[list[Any], int]:
        """See Tail."""
        return list(board.deliveries.values()), board.delivery_changes

    def key_of(self, row: Delivery) -> str:
        """See Tail."""
        return row.key

    def text_of(self, row: Delivery) -> str:
        """See Tail."""
        url = self.console.board.url(row.endpoint)
        return f"{row.state} {row.status or ''} {row.event_type or ''} {url} {row.what} {row.key}"

    def refilter(self) -> None:
        """Say why nothing is there."""
        nothing = [
            line(("No delivery matches ", "muted"), (self.filter.words, "bold warn")),
            line(("esc clears", "muted")),
        ]
        self.grid.empty = nothing if self._taken and self.filter.active else EMPTY
        super().refilter()

    def _cells(self, row: Delivery) -> dict[str, Line]:
        board, clock = self.console.board, self.console.clock()
        waits = row.state in {"waiting", "retrying"}
        why = f"answered {row.status}" if row.what == "status" else row.what
        target = board.targets.get(row.endpoint) if waits else None
        if target is not None and wording.breaker(target.stats.breaker, target.stats.disabled).word in HELD:
            why = f"held: {reason(target, clock)}"  # it is not this delivery's fault that it waits
        look = wording.delivery(row.state)
        code = "" if not row.attempt else wording.NONE if row.status is None else str(row.status)
        return {
            "at": line((wording.clock_ms(row.at), "muted")),
            "state": look.line,
            "status": line((code, look.role if row.status else "faint")),
            "ms": line(wording.ms(row.duration_ms) if row.duration_ms is not None else ""),
            "attempt": line((str(row.attempt) if row.attempt else "", "muted" if row.attempt == 1 else "warn")),
            "type": line(row.event_type or wording.short(row.message)),
            "endpoint": line(wording.host(board.url(row.endpoint))),
            "next": line((wording.until(row.next_at, clock) if waits and row.attempt else "", "warn")),
            "why": line((why, "muted")),
        }

    @on(Grid.Chosen)
    def _chosen(self, event: Grid.Chosen) -> None:
        self.console.go_to(event.key)

    def action_endpoint(self) -> None:
        """Open the endpoint of the delivery under the cursor."""
        if isinstance(row := self.grid.row, Delivery):
            self.console.go_to(row.endpoint)

    def action_message(self) -> None:
        """Open the message of the delivery under the cursor."""
        if isinstance(row := self.grid.row, Delivery):
            self.console.go_to(row.message)

    def subject(self) -> Subject | None:
        """See Acting."""
        row = self.grid.row
        return self.known(row.endpoint, row.message) if isinstance(row, Delivery) else None

    def copied(self) -> tuple[str, str] | None:
        """See View."""
        row = self.grid.row
        return (row.message, "message id") if isinstance(row, Delivery) else None
