"""Every act, from its key to the daemon's answer."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.tui.fake_daemon import TOKEN, FakeDaemon
from tests.tui.hostile import MIXED, SENDABLE
from tests.tui.support import Rig, frames_of
from tests.tui.world import World
from tui.client import Client
from tui.frames import Link
from tui.screens.confirm import ConfirmScreen, SinceScreen
from tui.source import LiveSource

ACTS = (  # view, key, whether disabled, the route's last word, what the dialog and the toast say
    ("2", "r", False, "resend", "Its attempts start over", "it is sent again"),
    ("2", "R", False, "recover", "ended undelivered", "3 deliveries sent again"),
    ("3", "R", False, "recover", "ended undelivered", "3 deliveries sent again"),
    ("3", "d", False, "disable", "until it is enabled", "disabled"),
    ("3", "d", True, "enable", "Deliver there again", "enabled"),
    ("3", "h", False, "pause", "until it is resumed", "paused"),
    ("3", "h", True, "resume", "Deliver there again", "resumed"),
    ("3", "b", False, "reset-breaker", "Close the breaker", "its breaker is closed"),
    ("3", "M", False, "test", "hookd.test", "test message accepted, msg_1"),
    ("3", "K", False, "rotate-secret", "new key", "signs with a new key"),
    ("3", "X", False, "cancel-pending", "Stop trying", "3 deliveries cancelled"),
)


class Desk:
    """A rig that acts at a fake daemon, over a real connection."""

    def __init__(self, rig: Rig, daemon: FakeDaemon, pilot: Any) -> None:
        self.rig, self.daemon, self.pilot = rig, daemon, pilot

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def settle(self) -> None:
        await self.rig.settle(self.pilot)

    @property
    def words(self) -> str:
        """What the dialog says, whatever its width."""
        return " ".join(" ".join(re.findall("│(.*?)│", self.rig.text())).split())

    @property
    def said(self) -> list[str]:
        return [each.message for each in self.rig.app._notifications]

    @property
    def dialog(self) -> bool:
        return isinstance(self.rig.app.screen, ConfirmScreen)


@asynccontextmanager
async def desk(view: str = "3", size: tuple[int, int] = (80, 24), world: World | None = None) -> AsyncIterator[Desk]:
    rig = Rig(world, writable=True)
    async with FakeDaemon() as daemon, Client(daemon.url, TOKEN) as client:
        daemon.answers = {"test": {"message": "msg_1"}}
        rig.source.doer = LiveSource(client)
        async with rig.app.run_test(size=size) as pilot:
            await pilot.press(view)
            await rig.live(pilot)
            yield Desk(rig, daemon, pilot)


@pytest.mark.parametrize(("view", "key", "disabled", "route", "asks", "tells"), ACTS)
async def test_an_act(view: str, key: str, route: str, asks: str, tells: str, *, disabled: bool) -> None:
    async with desk(view) as at:
        if disabled:
            for target in at.rig.world.endpoints:
                event = at.rig.world.event("EndpointDisabled", target, {"reason": "x"}, actor="operator:ada")
                await at.rig.give(at.pilot, *frames_of([event]))
        await at.press(key)
        if route == "recover":
            assert isinstance(at.rig.app.screen, SinceScreen)
            await at.press(*"nonsense", "enter")
            assert "how far back?" in at.rig.text()
            await at.press("tab", "right", "enter")  # 1d
        await at.settle()
        shown = at.rig.text()
        assert asks in at.words
        assert "touches 3" in shown
        assert [dry for _, _, dry in at.daemon.acts] == [True]
        await at.press("enter")  # the default is to leave it
        await at.settle()
        assert not at.dialog
        assert len(at.daemon.acts) == 1
        await at.press(key, *(["tab", "enter"] if route == "recover" else []))
        await at.settle()
        await at.press("y")
        await at.settle()
        path, body, dry = at.daemon.acts[-1]
        assert (path.rpartition("/")[2], dry) == (route, False)
        assert (set(body) == {"since"}) is (route == "recover")
        assert not at.dialog
        assert at.said[-1].endswith(tells)


async def test_a_click_on_the_button_does_it_and_escape_does_not() -> None:
    async with desk() as at:
        for keys in (["escape"], ["n"], ["q"], ["right", "left", "enter"]):
            await at.press("d")
            await at.settle()
            await at.press(*keys)
            assert not at.dialog
        assert at.rig.app.is_running
        assert not any(not dry for _, _, dry in at.daemon.acts)
        await at.press("d")
        await at.settle()
        await at.pilot.click("Choices", offset=(15, 0))
        await at.settle()
        assert not at.dialog
        assert at.daemon.acts[-1][2] is False
        await at.press("d")
        await at.settle()
        await at.press("right", "enter")
        await at.settle()
        assert at.daemon.acts[-1][2] is False


async def test_impatient_keys_end_a_dialog_once() -> None:
    async with desk() as at:
        await at.press("d")
        await at.settle()
        dialog = at.rig.app.screen
        assert isinstance(dialog, ConfirmScreen)
        for _ in range(3):
            dialog.action_cancel()
        await at.settle()
        assert len(at.rig.app.screen_stack) == 1


async def test_while_it_runs_it_says_so_and_does_it_once() -> None:
    async with desk() as at:
        await at.press("d")
        await at.settle()
        at.daemon.acting.clear()
        await at.press("y", "y", "escape", "enter")
        at.rig.app.screen._spin()
        await at.pilot.pause()
        assert at.dialog
        assert "disabling …" in at.rig.text()
        at.daemon.acting.set()
        await at.settle()
        assert [dry for _, _, dry in at.daemon.acts] == [True, False]


async def test_what_takes_long_goes_on_until_it_is_done() -> None:
    async with desk() as at:
        await at.press("X")
        await at.settle()
        answers = [{"touched": 500, "done": False}, {"touched": 20}]
        source = at.rig.source.doer
        assert source is not None

        class Pages:
            async def do(self, path: str, body: dict, *, dry: bool) -> dict:
                return answers.pop(0)

        at.rig.source.doer = Pages()
        await at.press("y")
        await at.settle()
        assert at.said[-1].endswith("520 deliveries cancelled")


async def test_nothing_to_do_and_refusals_and_a_daemon_that_is_gone() -> None:
    async with desk() as at:
        at.daemon.answers["disable"] = {"touches": 0}
        await at.press("d")
        await at.settle()
        assert "It is disabled already." in at.rig.text()
        await at.press("y", "enter")
        assert not at.dialog
        at.daemon.answers["disable"] = {"refuse": 409, "detail": "the endpoint is [/deleted]"}
        await at.press("d")
        await at.settle()
        await at.press("y")
        assert "refused (409): the endpoint is [/deleted]" in at.rig.text()
        await at.press("enter")
        at.daemon.refuse = 403
        await at.press("d")
        await at.settle()
        shown = at.words
        assert "this token may not do that (403): ask for one that may, `hookd token" in shown
        await at.press("escape")
        at.daemon.refuse = None
        at.daemon.answers = {}
        await at.press("d")
        await at.settle()
        await at.daemon.__aexit__()
        await at.press("y")
        await at.settle()
        shown = at.words
        assert "nothing answers at" in shown
        assert "look at the log" in shown
        await at.press("enter")
        assert not at.dialog


async def test_a_connection_lost_meanwhile_refuses() -> None:
    async with desk() as at:
        await at.press("d")
        await at.settle()
        await at.rig.give(at.pilot, Link("lost", "nothing answers"))
        await at.press("y")
        await at.settle()
        assert "connection lost: nothing can be changed now" in at.rig.text()
        assert [dry for _, _, dry in at.daemon.acts] == [True]


async def test_the_row_shows_what_came_of_it() -> None:
    async with desk("2") as at:
        row = at.rig.app.screen.subject()
        await at.press("r")
        await at.settle()
        await at.press("y")
        await at.settle()
        body = {"next_at": at.rig.world.last["at"], "accepted_at": at.rig.world.last["at"]}
        event = at.rig.world.event("DeliveryResent", row.message, body, row.endpoint, actor="operator:ada")
        await at.rig.give(at.pilot, *frames_of([event]))
        resent = at.rig.app.board.deliveries[f"{row.message}/{row.endpoint}"]
        assert (resent.state, resent.attempt, resent.what) == ("waiting", 0, "sent again by operator:ada")


async def test_acts_of_the_detail_screens() -> None:
    async with desk() as at:
        endpoint = at.rig.world.endpoints[0]
        for identifier, key, route in ((f"msg_1/{endpoint}", "r", "resend"), (endpoint, "K", "rotate-secret")):
            at.rig.app.go_to(identifier)
            await at.settle()
            await at.press(key)
            await at.settle()
            await at.press("y")
            await at.settle()
            assert at.daemon.acts[-1][0].endswith(route)
        at.rig.app.go_to("ep_unheard_of")
        await at.settle()
        assert at.rig.app.screen.subject().url


@pytest.mark.parametrize("size", [(80, 24), (40, 12)])
async def test_hostile_text_in_the_dialog(size: tuple[int, int]) -> None:
    world = World()
    async with desk(size=size, world=world) as at:
        for text in (*MIXED, SENDABLE[0]):
            target = at.rig.app.board.targets[at.rig.app.screen.subject().endpoint]
            target.take(type(target.stats)(target.stats.endpoint, url=text), at.rig.app.board.second)
            at.daemon.answers["disable"] = {"refuse": 409, "detail": text}
            await at.press("d")
            await at.settle()
            await at.press("y")
            shown = at.rig.text()
            assert all(each.isprintable() or each == "\n" for each in shown)
            await at.press("enter")
            assert not at.dialog
