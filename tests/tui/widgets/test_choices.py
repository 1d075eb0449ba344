from textual.app import App, ComposeResult

from tui.widgets.choices import Choice, Choices


class Bare(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.pressed: list[str] = []

    def compose(self) -> ComposeResult:
        yield Choices([Choice("a", "[b]Ay[/]"), Choice("b", "Bee")])

    def on_choices_pressed(self, event: Choices.Pressed) -> None:
        self.pressed.append(event.name)


async def test_keys_and_clicks_press_one() -> None:
    app = Bare()
    async with app.run_test(size=(60, 10)) as pilot:
        row = app.query_one(Choices)
        row.focus()
        await pilot.press("enter", "right", "enter", "tab", "enter", "left", "space")
        assert app.pressed == ["a", "b", "a", "b"]
        await pilot.click(Choices, offset=(1, 0))
        await pilot.click(Choices, offset=(17, 0))
        await pilot.click(Choices, offset=(50, 0))
        assert app.pressed[4:] == ["a", "b"]
        row.offer([])
        await pilot.press("enter", "right")
        assert len(app.pressed) == 6
