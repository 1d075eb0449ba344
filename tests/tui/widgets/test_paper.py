from textual.app import App, ComposeResult

from tests.tui.hostile import TEXTS
from tui.lines import line, plain
from tui.widgets.paper import Paper


class Harness(App[None]):
    def compose(self) -> ComposeResult:
        yield Paper()


async def test_long_lines_wrap_and_the_place_is_kept() -> None:
    async with Harness().run_test(size=(20, 10)) as pilot:
        paper = pilot.app.query_one(Paper)
        paper.focus()
        paper.show([line("x" * 100), *(line(f"row {each}") for each in range(50))])
        await pilot.press("G")
        assert "row 49" in plain(paper._lines)
        top = paper.top
        paper.show([line("x" * 100), *(line(f"row {each}!") for each in range(50))])
        assert paper.top == top
        await pilot.press("g", "j", "pagedown")
        assert paper.top > 0


async def test_hostile_text_is_only_text() -> None:
    async with Harness().run_test(size=(40, 20)) as pilot:
        paper = pilot.app.query_one(Paper)
        paper.show([line(each) for each in TEXTS])
        for _ in range(30):
            await pilot.press("pagedown")
        assert pilot.app.is_running
