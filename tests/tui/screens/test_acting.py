"""Which keys act where, and what they say when they may not."""

import pytest

from tests.tui.support import Rig
from tests.tui.world import World
from tui.frames import Link
from tui.screens.confirm import ConfirmScreen

ENDPOINT_KEYS = "RdhbMKX"


@pytest.mark.parametrize(("view", "keys"), [("2", "rR"), ("3", ENDPOINT_KEYS)])
async def test_read_only_keys_say_so_and_are_not_offered(rig: Rig, view: str, keys: str) -> None:
    async with rig.app.run_test(size=(160, 40)) as pilot:
        await pilot.press(view)
        await rig.live(pilot)
        assert "Resend" not in rig.text()
        for key in keys:
            rig.app.clear_notifications()
            await pilot.press(key)
            await rig.paint(pilot)
            assert [each.message for each in rig.app._notifications] == ["read-only: start with --write"]
            assert not isinstance(rig.app.screen, ConfirmScreen)
        await pilot.press("question_mark")
        await pilot.pause()
        assert "Recover (with --write)" in rig.text()


async def test_with_write_they_are_in_footer_help_and_palette() -> None:
    rig = Rig(World(rate=4200), writable=True)
    async with rig.app.run_test(size=(100, 50)) as pilot:
        await pilot.press("2")
        await rig.live(pilot)
        assert "r Resend" in rig.text()
        titles = {each.title for each in rig.app.get_system_commands(rig.app.screen)}
        assert {"Resend (r)", "Recover (R)"} <= titles
        await pilot.press("3")
        await rig.settle(pilot)
        titles = {each.title for each in rig.app.get_system_commands(rig.app.screen)}
        assert {"Disable/enable (d)", "Rotate secret (K)", "Cancel pending (X)"} <= titles
        await pilot.press("question_mark")
        await pilot.pause()
        assert "Hold/resume" in rig.text()
        assert "--write" not in rig.text()


async def test_without_a_connection_or_a_row_nothing_is_asked() -> None:
    rig = Rig(writable=True)
    async with rig.app.run_test(size=(100, 30)) as pilot:
        await pilot.press("2", "r")
        await rig.give(pilot, Link("live"))
        await pilot.press("r")
        await rig.live(pilot)
        await rig.give(pilot, Link("lost", "nothing answers"))
        await pilot.press("r")
        said = [each.message for each in rig.app._notifications]
        assert said == [
            "connecting: nothing can be changed now (ctrl+r connects)",
            "there is nothing under the cursor to do that to",
            "connection lost: nothing can be changed now (ctrl+r connects)",
        ]
