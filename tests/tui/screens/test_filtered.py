from tests.tui.support import Rig
from tui.screens import filtered


async def test_what_rows_read_like_is_kept_within_bounds(rig: Rig, monkeypatch) -> None:
    monkeypatch.setattr(filtered, "TEXTS_MAX", 20)
    async with rig.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2", "slash", *"delivered", "enter")
        await rig.live(pilot, 4)
        assert len(rig.app.screen._texts) <= 20
        assert "✓ delivered" in rig.text()


async def test_new_rows_go_through_the_filter(rig: Rig) -> None:
    async with rig.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("4", "slash", *"AttemptFailed", "enter")
        await rig.live(pilot, 3)
        assert "MessageAccepted" not in rig.text()
        assert "AttemptFailed" in rig.text()


async def test_n_goes_from_hit_to_hit_also_when_the_filter_is_cleared(rig: Rig) -> None:
    async with rig.app.run_test(size=(120, 30)) as pilot:
        await pilot.press("3", "n")
        await rig.live(pilot)
        assert "there is no filter yet" in [each.message for each in rig.app._notifications][-1]
        await pilot.press("slash", *"stark", "enter", "escape")
        grid = rig.app.screen.grid
        hits = []
        for key in "nnnN":
            await pilot.press(key)
            hits.append(grid.row.stats.url)
        assert all("stark" in each for each in hits)
        assert hits[0] == hits[2] != hits[1] == hits[3]
        await pilot.press("slash", *"xyz", "enter", "escape", "n")
        assert "no other row matches /xyz" in [each.message for each in rig.app._notifications][-1]
