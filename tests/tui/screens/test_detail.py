from pathlib import Path

from tests.tui.support import Rig
from tui.client import Refused, Unreachable
from tui.screens.detail import DeliveryScreen, EndpointScreen, MessageScreen


async def test_a_delivery_with_its_attempts_and_curl(rig: Rig) -> None:
    async with rig.app.run_test(size=(100, 40)) as pilot:
        await rig.live(pilot)
        rig.app.go_to(f"msg_1/{rig.world.endpoints[0]}")
        await rig.settle(pilot)
        shown = rig.text()
        assert "✓ delivered" in shown
        assert "Attempts (3)" in shown
        assert "webhook-signature" in shown
        await pilot.press("c")
        assert rig.app.clipboard.startswith("curl -i -X POST https://api.northwind.example/hooks")
        await pilot.press("e")
        await rig.settle(pilot)
        assert isinstance(rig.app.screen, EndpointScreen)
        assert "Overview ▸ msg_1 ep_…" in rig.text()
        await pilot.press("escape", "m")
        await rig.settle(pilot)
        assert isinstance(rig.app.screen, MessageScreen)
        await pilot.press("1")
        assert len(rig.app.screen_stack) == 1


async def test_what_cannot_be_asked_is_said_and_asked_again(rig: Rig) -> None:
    async with rig.app.run_test(size=(100, 30)) as pilot:
        await rig.live(pilot)
        rig.source.error = Unreachable("nothing answers")
        rig.app.go_to("msg_1")
        await rig.settle(pilot)
        assert "✗ nothing answers" in rig.text()
        rig.source.error = None
        await pilot.press("ctrl+r")
        await rig.settle(pilot)
        assert "order.created" in rig.text()
        rig.source.error = Refused("not found (404)", 404)
        await pilot.press("ctrl+r")
        await rig.settle(pilot)
        assert "✗ not found (404)" in rig.text()
        assert "order.created" in rig.text()  # the last answer stays


async def test_a_delivery_is_asked_for_again_when_something_happens_to_it(rig: Rig) -> None:
    async with rig.app.run_test(size=(100, 30)) as pilot:
        await pilot.press("2")
        await rig.live(pilot)
        await pilot.press("enter")
        await rig.settle(pilot)
        screen = rig.app.screen
        assert isinstance(screen, DeliveryScreen)
        first = screen.answer
        await rig.live(pilot)
        assert screen.answer is first  # it was about others
        message, _, endpoint = screen.identifier.partition("/")
        rig.world.message = lambda: [rig.world.event("DeliveryCancelled", message, {"reason": "x"}, endpoint)]
        await rig.live(pilot, 2, 1)
        assert screen.answer is not first


async def test_no_request_to_copy(rig: Rig) -> None:
    async with rig.app.run_test(size=(100, 30)) as pilot:
        rig.source.answers["delivery"] = {"state": "waiting", "attempts": []}
        rig.app.go_to("msg_1/ep_1")
        await rig.settle(pilot)
        await pilot.press("c")
        assert rig.app.clipboard == ""


async def test_w_saves_what_is_shown(tmp_path: Path) -> None:
    rig = Rig(folder=tmp_path)
    async with rig.app.run_test(size=(100, 30)) as pilot:
        await rig.live(pilot)
        rig.app.go_to("msg_1")
        await rig.settle(pilot)
        await pilot.press("w")
        saved = (tmp_path / "hookd-msg_1.txt").read_text()
        assert "order.created" in saved
        assert '"paid": true' in saved
        assert [each.message for each in rig.app._notifications] == [f"saved to {tmp_path}/hookd-msg_1.txt"]
        rig.app._folder = tmp_path / "gone"
        await pilot.press("w")
        assert "could not be saved" in [each.message for each in rig.app._notifications][-1]
