from tests.tui.support import Rig


async def test_views_are_clicked_and_crumbs_tell_the_way(rig: Rig) -> None:
    async with rig.app.run_test(size=(80, 24)) as pilot:
        await rig.live(pilot)
        first, second = rig.text().split("\n")[:2]
        assert first.startswith(" hookd  1 Overview  2 Deliveries  3 Targets  4 Log")
        assert first.endswith("● live · 0.0 s")
        assert second.startswith(" Overview")
        await pilot.click("Header", offset=(39, 0))
        await rig.settle(pilot)
        assert rig.app.current_mode == "targets"
        await pilot.press("enter")
        await rig.settle(pilot)
        assert rig.text().split("\n")[1].startswith(" Targets ▸ ep_…")


async def test_the_banner_takes_no_room_while_all_is_well(rig: Rig) -> None:
    async with rig.app.run_test(size=(80, 24)) as pilot:
        await rig.live(pilot)
        assert not rig.app.screen.query_one("Banner").display
