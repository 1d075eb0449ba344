from tests.tui.support import Rig
from tui.frames import Link
from tui.lines import line
from tui.screens.view import View, joined


async def test_nothing_is_shown_anew_while_nothing_changes(rig: Rig) -> None:
    async with rig.app.run_test(size=(80, 24)) as pilot:
        await rig.live(pilot)
        view = rig.app.screen
        assert isinstance(view, View)
        shown: list[object] = []
        view.show = shown.append
        await rig.paint(pilot)
        assert shown == []
        rig.time += 1
        await rig.paint(pilot)
        assert len(shown) == 1  # ages and countdowns


async def test_old_data_stays_and_is_dimmed(rig: Rig) -> None:
    async with rig.app.run_test(size=(80, 24)) as pilot:
        await rig.live(pilot, 2)
        rig.time += 12
        await rig.give(pilot, Link("lost", "nothing answers", rig.time + 3, 1))
        shown = rig.text()
        assert "✗ connection lost 12 s ago, next try in 3.0 s" in shown
        assert "billing.globex" in shown
        assert rig.app.screen.has_class("-stale")
        await pilot.press("ctrl+r")
        assert rig.feed.retries == 1
        await rig.live(pilot)
        assert not rig.app.screen.has_class("-stale")


def test_remarks_that_say_nothing_are_left_out() -> None:
    assert joined((), line("a"), (), line("b")) == (*line("a"), *line((" · ", "faint")), *line("b"))
