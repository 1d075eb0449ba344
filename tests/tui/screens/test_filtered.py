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
