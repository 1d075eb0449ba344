import pytest

from tests.tui.support import Rig
from tui.screens.detail import EndpointScreen


@pytest.mark.parametrize("size", [(80, 24), (140, 40), (200, 60), (40, 12)])
async def test_the_second_in_figures_at_any_size(rig: Rig, size: tuple[int, int]) -> None:
    async with rig.app.run_test(size=size) as pilot:
        await rig.live(pilot, 5)
        shown = rig.text()
        if size[0] >= 80:
            for words in (
                "accepted",
                "delivered",
                "failed",
                "undelivered",
                "needs attention (3)",
                "billing.globex",
                "✓ up",
            ):
                assert words in shown, shown


async def test_it_paints_before_anything_has_come(rig: Rig) -> None:
    async with rig.app.run_test(size=(80, 24)):
        assert "◌ connecting" in rig.text()
        assert "waiting for the first second" in rig.text()
        assert "Not known yet" in rig.text()
        assert "All endpoints take" not in rig.text()  # nothing heard is not all well


async def test_what_needs_attention_opens(rig: Rig) -> None:
    async with rig.app.run_test(size=(80, 24)) as pilot:
        await rig.live(pilot, 3)
        await pilot.press("enter")
        await rig.settle(pilot)
        assert isinstance(rig.app.screen, EndpointScreen)
        assert rig.app.screen.identifier == rig.world.endpoints[2]  # the open breaker comes first
