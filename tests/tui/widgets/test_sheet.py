from textual.app import App, ComposeResult

from tui.lines import line, plain
from tui.widgets.sheet import Sheet


class Harness(App[None]):
    def compose(self) -> ComposeResult:
        yield Sheet()


async def test_it_draws_for_the_room_there_is() -> None:
    async with Harness().run_test(size=(20, 4)) as pilot:
        sheet = pilot.app.query_one(Sheet)
        sheet.styles.height = 4
        sheet.show(lambda width, height: [line(f"{width}x{height}")] * 9)
        await pilot.pause()
        assert plain(sheet._lines) == "\n".join(["20x4"] * 4)
