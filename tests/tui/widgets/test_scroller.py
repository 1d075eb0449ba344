from textual.app import App, ComposeResult

from tui.lines import line, plain
from tui.widgets.scroller import Scroller


class Rows(Scroller):
    def total(self) -> int:
        return 100

    def draw(self, width: int, height: int) -> list:
        return self.with_bar([line(str(self.top + y)) for y in range(height)], width)


class Harness(App[None]):
    def compose(self) -> ComposeResult:
        yield Rows()


async def test_the_view_stays_within_the_rows_and_a_bar_shows_where() -> None:
    async with Harness().run_test(size=(10, 10)) as pilot:
        rows = pilot.app.query_one(Rows)
        rows.focus()
        assert plain(rows._lines).split("\n")[0].endswith("▐")
        await pilot.press("k")
        assert rows.top == 0
        await pilot.press("G")
        assert rows.top == 90
        assert plain(rows._lines).split("\n")[-1].endswith("▐")
        rows.scroll_rows(-3)
        assert rows.top == 87
