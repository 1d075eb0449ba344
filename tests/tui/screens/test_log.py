from tests.tui.support import Rig
from tui.screens.detail import Detail


async def test_events_and_the_one_under_the_cursor_in_full(rig: Rig) -> None:
    async with rig.app.run_test(size=(140, 40)) as pilot:
        await pilot.press("4")
        assert "Nothing has happened yet" in rig.text()
        await rig.live(pilot, 2)
        await pilot.press("k")
        row = rig.app.screen.grid.row
        shown = rig.text()
        assert row.position in shown
        assert f"stream        {row.stream}" in shown
        await pilot.press("d", "G", "d", "enter")
        await rig.settle(pilot)
        assert isinstance(rig.app.screen, Detail)


async def test_at_80_by_24(rig: Rig) -> None:
    async with rig.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("4")
        await rig.live(pilot, 2)
        assert "AttemptSucceeded" in rig.text()
        assert "attempt 1 succeeded: 200 in" in rig.text()
