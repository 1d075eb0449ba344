from tests.tui.support import Rig
from tui.screens.targets import severity, waiting


def urls(rig: Rig) -> list[str]:
    return [each.stats.url for each in rig.app.screen.grid._rows]


async def test_every_endpoint_has_a_row_with_its_reason(rig: Rig) -> None:
    async with rig.app.run_test(size=(200, 60)) as pilot:
        await pilot.press("3")
        assert "There is no endpoint yet" in rig.text()
        await rig.live(pilot, 5)
        shown = rig.text()
        for words in (
            "✗ open",
            "probe in 25 s, 10 failures in a row (503)",
            "◔ ramping",
            "⊘ disabled",
            "1,840+",
            "LAST MINUTE",
        ):
            assert words in shown
        assert "24 endpoints" in shown
        assert "✗ 3 in trouble" in shown
        assert len(urls(rig)) == 24


async def test_sorting_keeps_the_cursor_on_its_endpoint(rig: Rig) -> None:
    async with rig.app.run_test(size=(140, 40)) as pilot:
        await pilot.press("3")
        await rig.live(pilot, 5)
        await pilot.press("j", "j")
        key = rig.app.screen.grid.key
        assert "RATE/S ▼" in rig.text()
        seen = {tuple(urls(rig))}
        for _ in range(6):
            await pilot.press("s")
            assert rig.app.screen.grid.key == key
            seen.add(tuple(urls(rig)))
        assert len(seen) > 3
        order = urls(rig)
        await pilot.press("S")
        assert urls(rig) != order
        await pilot.click("Grid", offset=(3, 0))
        assert severity(rig.app.screen.grid._rows[0]) == 0
        await pilot.press("g", "enter")
        await rig.settle(pilot)
        assert "✗ open" in rig.text()


async def test_backlog_sorts_and_filters(rig: Rig) -> None:
    async with rig.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        await rig.live(pilot, 2)
        while "BACKLOG ▼" not in rig.text():
            await pilot.press("s")
        backlog = [waiting(each) for each in rig.app.screen.grid._rows]
        assert backlog == sorted(backlog, reverse=True)
        await pilot.press("slash", *"open", "enter")
        assert len(urls(rig)) == 1
        await pilot.press("y")
        assert rig.app.clipboard == rig.world.endpoints[2]
