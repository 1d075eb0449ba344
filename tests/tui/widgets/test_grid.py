"""The table by itself, in a small app."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from textual.app import App, ComposeResult

from tui.lines import line, plain
from tui.themes import DARK
from tui.widgets.grid import Column, Grid

COLUMNS = (Column("a", "A", 4), Column("b", "B", 6, 2, "right"), Column("c", "C", 5, 1, grow=1))


class Harness(App[None]):
    def __init__(self, *, tail: bool = False) -> None:
        super().__init__()
        self.register_theme(DARK)
        self.theme = DARK.name
        self.tail = tail
        self.chosen: list[str] = []
        self.heads: list[str] = []

    def compose(self) -> ComposeResult:
        yield Grid(COLUMNS, str, lambda row: {each: line(f"{each}{row}") for each in "abc"}, tail=self.tail, id="g")

    def on_grid_chosen(self, event: Grid.Chosen) -> None:
        self.chosen.append(event.key)

    def on_grid_head_clicked(self, event: Grid.HeadClicked) -> None:
        self.heads.append(event.column)


@asynccontextmanager
async def grid(rows: int = 100, *, tail: bool = False, size: tuple[int, int] = (40, 11)) -> AsyncIterator[tuple]:
    app = Harness(tail=tail)
    async with app.run_test(size=size) as pilot:
        found = app.query_one(Grid)
        found.focus()
        found.show(range(rows))
        await pilot.pause()
        yield app, pilot, found


async def test_columns_that_do_not_fit_vanish_by_rank() -> None:
    async with grid() as (_, _, found):
        assert [each.name for each, _ in found.fitting(20)] == ["a", "b", "c"]
        assert [each.name for each, _ in found.fitting(12)] == ["a", "c"]
        assert [each.name for each, _ in found.fitting(5)] == ["a"]
        assert sum(wide for _, wide in found.fitting(38)) + 2 == 38


async def test_keys_move_the_cursor_and_the_view_follows() -> None:
    async with grid() as (app, pilot, found):
        await pilot.press("j", "down", "j")
        assert (found.index, found.top) == (3, 0)
        await pilot.press("pagedown", "pagedown")
        assert (found.index, found.top) == (21, 12)
        await pilot.press("G")
        assert (found.index, found.top) == (99, 90)
        await pilot.press("g", "k", "enter")
        assert (found.index, found.top) == (0, 0)
        assert app.chosen == ["0"]


async def test_the_cursor_stays_on_its_row_and_at_its_height() -> None:
    async with grid() as (_, _, found):
        found.action_move(50)
        height = found.index - found.top
        found.show([*range(100, 130), *range(100)])
        assert found.key == "50"
        assert found.index == 80
        assert found.index - found.top == height
        found.show(sorted(range(100), key=lambda each: -each))
        assert found.key == "50"
        found.show([1, 2])  # it is gone
        assert found.key == "2"
        found.show([])
        assert found.row is None


async def test_a_tail_follows_until_one_looks_up_and_again_at_the_end() -> None:
    async with grid(tail=True) as (_, pilot, found):
        assert found.index == 99
        found.show(range(120))
        assert found.index == 119
        await pilot.press("k")
        assert not found.following
        await pilot.press("j")
        assert found.following
        found.action_page(-1)
        assert not found.following
        await pilot.press("end")
        assert found.following
        found.hold()
        await pilot.press("k", "j")
        assert not found.following  # held on purpose
        await pilot.press("G")
        assert found.following


async def test_the_wheel_scrolls_and_stops_following() -> None:
    async with grid(tail=True) as (_, _, found):
        found.scroll_rows(-3)
        assert (found.top, found.index, found.following) == (87, 96, False)
        found.scroll_rows(3)
        assert found.following


async def test_the_mouse_chooses() -> None:
    async with grid() as (app, pilot, found):
        await pilot.click(Grid, offset=(3, 4))
        assert found.index == 3
        await pilot.click(Grid, offset=(3, 4))
        assert app.chosen == ["3"]
        await pilot.click(Grid, offset=(2, 0))
        assert app.heads == ["a"]


async def test_only_rows_that_are_seen_are_drawn() -> None:
    drawn = []
    async with grid() as (_, _, found):
        found._cells_of = lambda row: drawn.append(row) or {}
        found.show(range(5000))
        assert len(drawn) <= 10


async def test_an_empty_table_says_what_to_do() -> None:
    async with grid(0) as (_, pilot, found):
        found.empty = [line("nothing yet")]
        found.show([])
        await pilot.press("j", "enter", "G")
        assert "nothing yet" in plain(found._lines)


async def test_only_lines_that_changed_are_painted() -> None:
    async with grid() as (_, pilot, found):
        regions: list = []
        found.refresh = lambda *given, **_: regions.append(given)
        found.show(range(100))
        assert regions == []
        found._cells_of = lambda row: (
            {"a": line("new" if row == 4 else f"a{row}")} | {e: line(f"{e}{row}") for e in "bc"}
        )
        found.show(range(100))
        assert [region.y for region in regions[0]] == [5]
        del found.refresh
        await pilot.pause()
