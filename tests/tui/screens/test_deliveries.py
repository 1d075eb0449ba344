from tests.tui.support import Rig
from tui.frames import Skipped
from tui.screens.detail import DeliveryScreen, EndpointScreen, MessageScreen


async def test_the_tail_shows_what_happens(rig: Rig) -> None:
    async with rig.app.run_test(size=(140, 40)) as pilot:
        await pilot.press("2")
        assert "Nothing has been delivered lately" in rig.text()
        await rig.live(pilot, 2)
        shown = rig.text()
        for words in ("✓ delivered", "↻ retrying", "held: probe in", "following ▼", "order.", "NEXT TRY", "WHY"):
            assert words in shown


async def test_at_80_columns_what_matters_is_there(rig: Rig) -> None:
    async with rig.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await rig.live(pilot, 2)
        head = rig.text().split("\n")[2]
        for title in ("TIME", "STATE", "CODE", "ENDPOINT", "NEXT TRY"):
            assert title in head
        assert "WHY" not in head


async def test_looking_up_pauses_and_counts_what_comes(rig: Rig) -> None:
    async with rig.app.run_test(size=(140, 40)) as pilot:
        await pilot.press("2")
        await rig.live(pilot, 2)
        await pilot.press("k")
        await rig.live(pilot, 2)
        grid = rig.app.screen.grid
        key = grid.key
        assert "‖ paused +8" in rig.text()
        await pilot.press("G")
        assert "following ▼" in rig.text()
        assert grid.key != key
        await pilot.press("p")
        assert "‖ paused" in rig.text()
        await pilot.press("space")
        assert "following" in rig.text()


async def test_the_filter_works_as_it_is_typed_also_while_paused(rig: Rig) -> None:
    async with rig.app.run_test(size=(140, 40)) as pilot:
        await pilot.press("2")
        await rig.live(pilot, 2)
        await pilot.press("p", "slash", *"retrying")
        shown = rig.text()
        assert "/retrying" in shown
        assert "✓ delivered" not in shown
        assert "↻ retrying" in shown
        await pilot.press("enter", "exclamation_mark")
        assert "↻ retrying" not in rig.text()
        assert "/!retrying" in rig.text()
        await pilot.press("slash", *"200")
        assert "✓ delivered" in rig.text()
        await pilot.press("escape")
        assert "↻ retrying" in rig.text()


async def test_a_filter_that_nothing_matches_says_so(rig: Rig) -> None:
    async with rig.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await rig.live(pilot)
        await pilot.press("slash", *"zzz", "enter")
        assert "No delivery matches /zzz" in rig.text()
        await pilot.press("escape")
        assert "✓ delivered" in rig.text()


async def test_a_row_opens_its_delivery_endpoint_and_message(rig: Rig) -> None:
    async with rig.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await rig.live(pilot, 1)
        row = rig.app.screen.grid.row
        for key, kind, identifier in (
            ("enter", DeliveryScreen, row.key),
            ("e", EndpointScreen, row.endpoint),
            ("m", MessageScreen, row.message),
        ):
            await pilot.press(key)
            await rig.settle(pilot)
            assert isinstance(rig.app.screen, kind)
            assert rig.app.screen.identifier == identifier
            await pilot.press("escape")


async def test_what_is_not_shown_is_said_and_ids_are_copied(rig: Rig) -> None:
    async with rig.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await rig.give(pilot, Skipped(1234))
        await rig.live(pilot)
        assert "▽ 1,234/s not shown" in rig.text()
        await pilot.press("y")
        assert rig.app.clipboard == rig.app.screen.grid.row.message
