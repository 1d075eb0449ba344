from tests.tui.support import Rig
from tui.screens.detail import MessageScreen
from tui.screens.help import GoToScreen, HelpScreen


async def test_help_is_about_the_screen_it_is_opened_on(rig: Rig) -> None:
    async with rig.app.run_test(size=(100, 60)) as pilot:
        await pilot.press("2", "question_mark")
        await pilot.pause()
        assert isinstance(rig.app.screen, HelpScreen)
        shown = rig.text()
        for words in (
            "help: deliveries",
            "Filter",
            "Invert filter",
            "Pause",
            "go to an id",
            "✓ delivered",
            "◐ probing",
        ):
            assert words in shown
        await pilot.press("escape")
        assert not isinstance(rig.app.screen, HelpScreen)


async def test_an_id_is_gone_to(rig: Rig) -> None:
    async with rig.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("ctrl+o", *"msg_7", "enter")
        await rig.settle(pilot)
        assert isinstance(rig.app.screen, MessageScreen)
        await pilot.press("ctrl+o")
        assert isinstance(rig.app.screen, GoToScreen)
        await pilot.press("escape")
        assert isinstance(rig.app.screen, MessageScreen)
        await pilot.press("ctrl+o", *"nonsense", "enter")
        assert isinstance(rig.app.screen, MessageScreen)
