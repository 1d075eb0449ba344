from textual.app import App

from tui.screens.dialog import Dialog


async def test_it_ends_once() -> None:
    results: list[str | None] = []
    app = App[None]()
    async with app.run_test() as pilot:
        dialog = Dialog[str]()
        await app.push_screen(dialog, results.append)
        dialog.end("first")
        dialog.end("second")
        await pilot.pause()
        assert results == ["first"]
        assert len(app.screen_stack) == 1
