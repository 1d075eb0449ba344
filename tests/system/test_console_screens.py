"""The console's screens and acts, key by key, over a real daemon that delivers to one receiver and not to another."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from textual.widgets import Input

from daemon.api.auth import Tokens
from tests.support.process import Hookd
from tests.support.receiver import Receiver, reply
from tests.system.sink import Sink
from tui import wording
from tui.app import ConsoleApp
from tui.client import Client
from tui.feed import LiveFeed
from tui.screens.confirm import ConfirmScreen, SinceScreen
from tui.screens.detail import DeliveryScreen, EndpointScreen, MessageScreen
from tui.screens.filtered import FilterBar
from tui.screens.help import GoToScreen, HelpScreen
from tui.source import LiveSource

pytestmark = pytest.mark.timeout(90)
SIZES = ((80, 24), (140, 40))
PATIENCE_S = 20.0
ADA = "operator:ada"


@pytest.fixture
async def hookd(home: Path) -> AsyncIterator[Hookd]:
    """One that gives up at once: what fails is exhausted, and two failures open a breaker."""
    async with Hookd(home, STOP_GRACE_S="0.2", RETRY_ATTEMPTS_MAX="1", BREAKER_FAILURES_MAX="2") as hookd:
        yield hookd


class Place:
    """A daemon with one application: `good` answers 200, `bad` answers 500."""

    def __init__(self, hookd: Hookd, sink: Sink, failing: Receiver) -> None:
        self.hookd, self.sink, self.failing = hookd, sink, failing
        self.application = self.good = self.bad = ""

    async def furnish(self) -> None:
        self.application, self.good = await self.hookd.create_endpoint(self.sink.url)
        path = f"/api/v1/app/{self.application}/endpoint"
        self.bad = (await self.hookd.call("POST", path, {"url": self.failing.url}, token=self.hookd.token()))[1]["id"]

    async def send(self) -> str:
        """One message, which has arrived at the good one."""
        body = {"eventType": "order.paid", "payload": {"book": "Ulysses"}}
        path = f"/api/v1/app/{self.application}/msg"
        status, message = await self.hookd.call("POST", path, body, token=self.hookd.token())
        assert status == 202, message
        await self.sink.until(lambda: message["id"] in self.sink.arrivals)
        return str(message["id"])


@pytest.fixture
async def place(hookd: Hookd, sink: Sink) -> AsyncIterator[Place]:
    async with Receiver(reply(500, b"out of ink")) as failing:
        place = Place(hookd, sink, failing)
        await place.furnish()
        yield place


class Desk:
    """The console, as ada sits at it."""

    def __init__(self, place: Place, app: ConsoleApp, pilot: Any, log: asyncpg.Connection) -> None:
        self.place, self.app, self.pilot, self.log = place, app, pilot, log

    @property
    def text(self) -> str:
        """The screen, as text."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)

    async def until(self, there: Callable[[], object]) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not there():
                    await self.pilot.pause()
        except TimeoutError:
            said = [each.message for each in self.app._notifications]
            raise AssertionError(f"it did not come to that\n{self.text}\nsaid: {said}") from None

    async def sees(self, *words: str) -> None:
        """All of it, at once, on the screen."""
        await self.until(lambda: all(each in self.text for each in words))

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def filtered(self, words: str) -> None:
        await self.press("slash")
        self.app.screen.query_one(FilterBar).value = words
        await self.press("enter")
        await self.sees(words)

    async def at(self, screen: type) -> None:
        await self.until(lambda: isinstance(self.app.screen, screen))

    async def opened(self, identifier: str) -> None:
        """By its id."""
        await self.press("ctrl+o")
        await self.at(GoToScreen)
        self.app.screen.query_one(Input).value = identifier
        await self.press("enter")
        await self.until(lambda: getattr(self.app.screen, "identifier", "") == identifier)

    def delivery(self, message: str, endpoint: str) -> str:
        known = self.app.board.deliveries.get(f"{message}/{endpoint}")
        return known.state if known else ""

    async def came_to(self, message: str, endpoint: str, state: str) -> None:
        await self.until(lambda: self.delivery(message, endpoint) == state)

    def breaker(self, endpoint: str) -> str:
        target = self.app.board.targets.get(endpoint)
        return wording.breaker(target.stats.breaker, target.stats.disabled).word if target else ""

    async def stands(self, endpoint: str, word: str) -> None:
        await self.until(lambda: self.breaker(endpoint) == word)

    async def made(self) -> list[tuple[str, str, str | None]]:
        """What the log says that ada did."""
        rows = await self.log.fetch(
            "select type, stream, endpoint from log.event where actor = $1 order by at, partition, seq", ADA
        )
        return [tuple(row) for row in rows]

    async def act(self, key: str, touches: str, tells: str) -> list[tuple[str, str, str | None]]:
        """An act by its key; the first is left alone before it is done. Answers the events it made, by ada."""
        before = await self.made()
        below = self.app.screen
        for sure in (True,) if before else (False, True):
            await self.press(key)
            if key == "R":
                await self.at(SinceScreen)
                await self.press("tab", "enter")  # 1h
            await self.at(ConfirmScreen)
            await self.sees(f"touches {touches}", "y: do it")
            await self.press("y" if sure else "enter")
            await self.until(lambda: self.app.screen is below)
            if not sure:
                assert await self.made() == before
        await self.until(lambda: any(tells in each.message for each in self.app._notifications))
        after = await self.made()
        assert after[: len(before)] == before
        fresh = after[len(before) :]
        await self.until(lambda: self.heard() >= set(fresh))  # the stream brings it too
        return fresh

    def heard(self) -> set[tuple[str, str, str | None]]:
        return {(each.type, each.stream, each.endpoint) for each in self.app.board.log if each.actor == ADA}


@asynccontextmanager
async def desk(place: Place, size: tuple[int, int], folder: Path) -> AsyncIterator[Desk]:
    tokens = Tokens(place.hookd.secrets["SECRET_KEY"], lambda: datetime.now(UTC))
    token = tokens.mint_operator("ada", may_act=True)
    log = await asyncpg.connect(place.hookd.dsn, timeout=30)
    try:
        async with Client(place.hookd.url, token) as client:
            app = ConsoleApp(LiveFeed(client), LiveSource(client), writable=True, folder=folder)
            app.animation_level = "none"
            async with app.run_test(size=size) as pilot:
                desk = Desk(place, app, pilot, log)
                await desk.sees("● live", "WRITE")
                yield desk
    finally:
        await log.close()


async def the_log(at: Desk, message: str) -> None:
    """The events by name, and one of them in full."""
    bad = at.place.bad
    await at.press("4")
    await at.sees("AttemptSucceeded", "MessageAccepted", wording.short(message), "following")
    await at.filtered("BreakerOpened")
    await at.press("g")
    await at.sees("BreakerOpened", wording.short(bad), f"stream        {bad}")
    await at.press("enter")
    await at.at(EndpointScreen)
    await at.press("escape", "escape")


async def the_help(at: Desk) -> None:
    """Over each view, once its details are left."""
    for key, name in zip("1234", ("overview", "deliveries", "targets", "log"), strict=True):
        await at.press(key, key, "question_mark")
        await at.at(HelpScreen)
        await at.sees(f"help: {name}", "esc closes")
        await at.press("escape")


@pytest.mark.parametrize("size", SIZES)
async def test_every_screen_shows_what_the_daemon_did(place: Place, size: tuple[int, int], tmp_path: Path) -> None:
    good, bad = (wording.host(each) for each in (place.sink.url, place.failing.url))
    async with desk(place, size, tmp_path) as at:
        sent = [await place.send() for _ in range(2)]
        for each in sent:
            await at.came_to(each, place.good, "delivered")
            await at.came_to(each, place.bad, "exhausted")
        held = await place.send()
        await at.came_to(held, place.bad, "waiting")

        # Overview: figures, and who needs somebody
        await at.sees("1 Overview", "needs attention (1)", "✗ open", bad)

        # Deliveries, and from there one of them, its endpoint, its message
        await at.press("2")
        await at.sees("✓ delivered", "✗ exhausted", "○ waiting", good, bad)
        await at.filtered(f"{sent[0]}/{place.bad}")
        await at.until(lambda: at.text.count("✗ exhausted") == 1)
        assert "✓ delivered" not in at.text
        await at.press("enter")
        await at.at(DeliveryScreen)
        await at.sees("✗ exhausted", place.failing.url, sent[0], place.bad, place.application, "Attempts (1)", "500")
        await at.press("G")
        await at.sees("Trail (", "MessageAccepted", "AttemptFailed", "DeliveryExhausted")
        await at.press("w")
        await at.until(lambda: list(tmp_path.iterdir()))
        saved = "".join(each.read_text(encoding="utf-8") for each in tmp_path.iterdir())  # noqa: ASYNC240
        assert "out of ink" in saved
        assert f"webhook-id: {sent[0]}" in saved
        await at.press("e")
        await at.at(EndpointScreen)
        await at.sees("✗ open", place.failing.url, place.bad, "Last attempts (2)")
        await at.press("escape")
        await at.at(DeliveryScreen)
        await at.press("m")
        await at.at(MessageScreen)
        await at.sees("order.paid", sent[0], "Deliveries (2)", "✓ delivered", good, bad)
        await at.press("G")
        await at.sees('"book": "Ulysses"')
        await at.press("escape", "escape", "escape")
        await at.sees("Deliveries", "✓ delivered", "following")
        await at.opened(f"{sent[1]}/{place.good}")
        await at.sees("✓ delivered", place.sink.url, sent[1])

        # Targets, and one of them
        await at.press("3")
        await at.sees("● closed", good, "✗ open", bad, "✗ 1 in trouble", "2 endpoints")
        await at.filtered(good)
        await at.until(lambda: bad not in at.text)
        await at.press("enter")
        await at.at(EndpointScreen)
        await at.sees("● closed", place.sink.url, place.good, "Last attempts (3)")
        await the_log(at, held)
        await the_help(at)


@pytest.mark.parametrize("size", SIZES)
async def test_time_is_travelled_over_the_daemons_log(place: Place, size: tuple[int, int], tmp_path: Path) -> None:
    async with desk(place, size, tmp_path) as at:
        first = await place.send()
        await at.came_to(first, place.good, "delivered")
        await at.came_to(first, place.bad, "exhausted")
        whole = await at.log.fetchval("select count(*) from log.event")
        await at.until(lambda: at.app.board.log_count == whole)
        newest = max(at.app.board.log, key=lambda each: each.at).at

        async def moved(*keys: str) -> None:
            for key in keys:
                await at.press(key)
                await at.until(lambda: at.app.past)
                assert at.app.tape is not None
                await at.app.tape.done()

        await at.press("2")
        await moved("t")
        await at.sees("◀ as of", "past · read-only", "paused 1x", "✓ delivered", "✗ exhausted")
        assert "WRITE" not in at.text
        await at.press("r")
        assert not isinstance(at.app.screen, ConfirmScreen)
        assert "you are in the past" in at.app.why_not()
        second = await place.send()  # what is live goes on, elsewhere
        await moved("home")
        await at.sees("Nothing has been delivered lately")
        await moved("end")
        last = await at.log.fetchval("select max(at) from log.event where stream = $1", first)
        assert newest >= last
        await moved("left")
        await at.press("4")
        await at.sees("MessageAccepted", "paused 1x")
        await at.opened(f"{first}/{place.bad}")
        await at.sees(place.failing.url, first)
        await at.press("escape", "2")
        await at.press("t")
        await at.sees("● live", "WRITE")
        assert "as of" not in at.text
        await at.came_to(second, place.good, "delivered")
        assert await at.made() == []


@pytest.mark.parametrize("size", SIZES[:1])
async def test_every_act_is_done_by_its_key_and_named(place: Place, size: tuple[int, int], tmp_path: Path) -> None:
    good, bad = place.good, place.bad
    async with desk(place, size, tmp_path) as at:
        sent = [await place.send() for _ in range(2)]
        for each in sent:
            await at.came_to(each, bad, "exhausted")
        await at.stands(bad, "open")

        # from the list of targets: the one that fails
        await at.press("3")
        await at.filtered(wording.host(place.failing.url))
        await at.sees("✗ open")
        assert await at.act("b", "1 endpoint", "its breaker is closed") == [("BreakerReset", bad, None)]
        await at.sees("◔ ramping")
        assert await at.act("d", "1 endpoint", "disabled") == [("EndpointDisabled", bad, None)]
        await at.stands(bad, "disabled")
        await at.sees("⊘ disabled")
        resent = await at.act("R", "2 deliveries", "2 deliveries sent again")
        assert sorted(resent) == sorted(("DeliveryResent", each, bad) for each in sent)
        held = await place.send()
        await at.came_to(held, bad, "waiting")
        cancelled = await at.act("X", "3 deliveries", "3 deliveries cancelled")
        assert sorted(cancelled) == sorted(("DeliveryCancelled", each, bad) for each in (*sent, held))
        await at.came_to(held, bad, "cancelled")
        assert await at.act("d", "1 endpoint", "enabled") == [("EndpointEnabled", bad, None)]
        await at.until(lambda: at.breaker(bad) != "disabled")

        # from an endpoint's own screen: the one that answers
        await at.opened(good)
        await at.sees(place.sink.url)
        assert await at.act("h", "1 endpoint", "paused") == [("EndpointDisabled", good, None)]
        await at.sees("⊘ disabled", f"paused by {ADA}")
        assert await at.act("h", "1 endpoint", "resumed") == [("EndpointEnabled", good, None)]
        await at.sees("● closed")
        assert await at.act("K", "1 endpoint", "signs with a new key") == [("SecretRotated", good, None)]
        arrived = set(place.sink.arrivals)
        ((made, test, _),) = await at.act("M", "1 endpoint", "test message accepted, msg_")
        assert made == "MessageAccepted"
        await place.sink.until(lambda: set(place.sink.arrivals) - arrived == {test})
        await at.came_to(test, good, "delivered")

        # from a delivery's own screen, and from the list of deliveries
        await at.opened(f"{sent[0]}/{good}")
        await at.sees("✓ delivered")
        assert await at.act("r", "1 delivery", "it is sent again") == [("DeliveryResent", sent[0], good)]
        await place.sink.until(lambda: place.sink.arrivals[sent[0]] == 2)
        await at.press("2")
        await at.filtered(f"{sent[1]}/{good}")
        await at.sees("✓ delivered")
        assert await at.act("r", "1 delivery", "it is sent again") == [("DeliveryResent", sent[1], good)]
        await place.sink.until(lambda: place.sink.arrivals[sent[1]] == 2)

        # and the log shows who it was
        await at.press("4")
        await at.filtered(ADA)
        await at.sees("DeliveryResent", "SecretRotated", "EndpointEnabled")
        await at.press("g")
        await at.sees("BreakerReset", f"actor         {ADA}")
