"""The console at a real daemon: what its feed, its source and its board make of it; and its process on a terminal."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from daemon.api.auth import Tokens
from tests.support.process import PROGRAM, Command, Hookd
from tests.support.terminal import terminal
from tests.system.sink import Sink
from tui import pages
from tui.acts import DISABLE, RECOVER, RESEND, Subject, request
from tui.board import Board
from tui.client import Client, Refused
from tui.feed import LiveFeed
from tui.frames import Happened, Link
from tui.lines import plain
from tui.source import LiveSource

pytestmark = pytest.mark.timeout(90)
DEAD = "http://127.0.0.1:9/dead"


class Watcher:
    """The console without its screens."""

    def __init__(self, client: Client) -> None:
        self.feed = LiveFeed(client)
        self.source = LiveSource(client)
        self.board = Board()
        self.links: list[Link] = []
        self._stirred = asyncio.Event()

    async def read(self) -> None:
        loop = asyncio.get_running_loop()
        async for frame in self.feed.frames():
            self.board.take(frame, loop.time())
            if isinstance(frame, Link):
                self.links.append(frame)
            self._stirred.set()

    async def until(self, there: Callable[[Board], object]) -> None:
        async with asyncio.timeout(30):
            while not there(self.board):
                self._stirred.clear()
                await self._stirred.wait()

    async def page(self, made: Callable, asked: object) -> str:
        return plain(made(await asked, None))


def operator(hookd: Hookd, *, may_act: bool = True) -> str:
    tokens = Tokens(hookd.secrets["SECRET_KEY"], lambda: datetime.now(UTC))
    return tokens.mint_operator("ada", may_act=may_act)


@asynccontextmanager
async def watching(hookd: Hookd, *, may_act: bool = True) -> AsyncIterator[Watcher]:
    async with Client(hookd.url, operator(hookd, may_act=may_act)) as client:
        watcher = Watcher(client)
        reading = asyncio.create_task(watcher.read())
        try:
            yield watcher
        finally:
            reading.cancel()


async def send(hookd: Hookd, application: str, count: int = 1) -> list[str]:
    found = []
    for n in range(count):
        body = {"eventType": "order.paid", "payload": {"n": n}}
        status, message = await hookd.call("POST", f"/api/v1/app/{application}/msg", body, token=hookd.token())
        assert status == 202, message
        found.append(message["id"])
    return found


def state_of(message: str, endpoint: str) -> Callable[[Board], str]:
    def look(board: Board) -> str:
        known = board.deliveries.get(f"{message}/{endpoint}")
        return known.state if known else ""

    return look


def succeeded(event: Happened, message: str) -> bool:
    return event.stream == message and event.type == "AttemptSucceeded"


async def whole_log(watcher: Watcher) -> set[str]:
    page = await watcher.source._get("/log", limit=1000)
    return {f"{each['partition']}/{each['seq']}" for each in page["data"]}


async def test_what_every_screen_shows_arrives_and_acts_have_names(home: Path, sink: Sink) -> None:
    async with Hookd(home, STOP_GRACE_S="0.2", RETRY_ATTEMPTS_MAX="1") as hookd:
        application, good = await hookd.create_endpoint(sink.url)
        path = f"/api/v1/app/{application}/endpoint"
        bad = (await hookd.call("POST", path, {"url": DEAD}, token=hookd.token()))[1]["id"]
        before = (await send(hookd, application))[0]
        await sink.until(lambda: before in sink.arrivals)
        async with watching(hookd) as watcher:
            # what happened before it came on is there, and what happens after
            await watcher.until(lambda board: state_of(before, bad)(board) == "exhausted")
            await watcher.until(lambda board: state_of(before, good)(board) == "delivered")
            after = (await send(hookd, application))[0]
            await watcher.until(lambda board: state_of(after, good)(board) == "delivered")
            await watcher.until(lambda board: state_of(after, bad)(board) == "exhausted")
            await watcher.until(lambda board: board.stats and board.stats.database)
            board, source = watcher.board, watcher.source
            assert board.hello.partitions > 0
            assert board.event_type(after) == "order.paid"
            listed = {each.endpoint: each.url for page in await source.targets() for each in page.targets}
            assert listed == {good: sink.url, bad: DEAD}
            assert (await source.overview())["counts"]["endpoints"] == 2
            delivered = await watcher.page(pages.delivery, source.delivery(after, good))
            assert delivered.startswith("✓ delivered")
            assert "webhook-signature: v1," in delivered
            assert '"n": 0' in delivered
            assert (await watcher.page(pages.delivery, source.delivery(after, bad))).startswith("✗ exhausted")
            assert DEAD in await watcher.page(pages.endpoint, source.endpoint(bad))
            assert "Deliveries (2)" in await watcher.page(pages.message, source.message(after))
            with pytest.raises(Refused, match="not found"):
                await source.message("msg_nothing")
            # acts: counted first, then done, and each names who did it
            subject = Subject(bad, DEAD, after)
            for act, count in ((DISABLE, 1), (RECOVER, 2), (RESEND, 1)):
                since = datetime.now(UTC) - timedelta(hours=1) if act is RECOVER else None
                asked = request(act, subject if act is not RESEND else subject._replace(endpoint=good), since)
                assert await source.do(*asked, dry=True) == {"touches": count}
                assert (await source.do(*asked, dry=False))["touched"] == count
            await sink.until(lambda: sink.arrivals[after] == 2)
            await watcher.until(lambda board: sum(succeeded(each, after) for each in board.log) == 2)
            await watcher.until(lambda board: state_of(after, bad)(board) == "waiting")
            made = [each for each in board.log if each.actor == "operator:ada"]
            types = sorted(each.type for each in made)
            assert types == ["DeliveryResent"] * 3 + ["EndpointDisabled"]
            assert board.targets[bad].stats.disabled is not None
            assert {each.position for each in board.log} == await whole_log(watcher)
            assert len(board.log) == len({each.position for each in board.log})
        async with watching(hookd, may_act=False) as reader:
            with pytest.raises(Refused, match="--write"):
                await reader.source.do(*request(DISABLE, subject), dry=True)


async def test_a_daemon_that_is_killed_is_missed_and_found_again(home: Path, sink: Sink) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with Hookd(home, PORT=str(port)) as hookd:
        application, endpoint = await hookd.create_endpoint(sink.url)
        async with watching(hookd) as watcher:
            sent = await send(hookd, application, 20)
            await watcher.until(lambda board: all(state_of(each, endpoint)(board) == "delivered" for each in sent))
            kept = dict(watcher.board.deliveries)
            await hookd.down(signal.SIGKILL)
            await watcher.until(lambda board: board.link.state == "lost")
            assert watcher.board.link.detail
            assert dict(watcher.board.deliveries) == kept
            await hookd.up()
            watcher.feed.retry()
            more = await send(hookd, application, 20)
            await watcher.until(lambda board: all(state_of(each, endpoint)(board) == "delivered" for each in more))
            board = watcher.board
            assert board.link.state == "live"
            assert board.hello.resumed
            assert board.skipped == 0
            seen = [each.position for each in board.log]
            assert len(seen) == len(set(seen))
            assert set(seen) == await whole_log(watcher)
            for partition in {each.partition for each in board.log}:
                seqs = [each.seq for each in board.log if each.partition == partition]
                assert seqs == list(range(1, len(seqs) + 1))


async def test_on_a_terminal_it_paints_and_quits_and_a_wrong_token_is_refused(hookd: Hookd, sink: Sink) -> None:
    application, _ = await hookd.create_endpoint(sink.url)
    await send(hookd, application)
    cwd = hookd.home.parent
    environ = {"HOOKD_URL": hookd.url, "HOOKD_TOKEN": operator(hookd), "XDG_CONFIG_HOME": str(cwd)}
    async with terminal(PROGRAM, "console", cwd=cwd, environ=environ, size=(80, 24)) as far:
        await far.until("● live")
        await far.pressed("2", "✓ delivered")
        await far.pressed("r", "read-only")
        far.press("q")
        assert await far.ended() == 0
    far.assert_clean()
    async with terminal(PROGRAM, "console", cwd=cwd, environ=environ | {"HOOKD_TOKEN": "wrong"}) as far:
        await far.until("does not know this token (401)")
        far.press("q")
        assert await far.ended() == 0
    async with Command.start_in(cwd, "console", **environ) as command:
        assert await command.ended() != 0
        assert "the console needs a terminal" in command.said_all
        assert "Traceback" not in command.said_all


async def test_the_demo_opens_the_console_on_itself(in_memory: Path) -> None:
    folder = in_memory / "demo"
    folder.mkdir(mode=0o711)
    environ = {"TMPDIR": str(folder), "XDG_CONFIG_HOME": str(folder)}
    async with terminal(PROGRAM, "demo", "--rate", "20", cwd=folder, environ=environ) as far:
        await far.until("● live")
        await far.until("WRITE")
        await far.pressed("2", "✓ delivered")
        await far.pressed("r", "touches ")
        await far.pressed("y", "it is sent again", "It is due already")  # whichever row has come to stand there
        far.press("q")
        assert await far.ended() == 0
    far.assert_clean()
    assert not list(folder.glob("hookd-demo-*"))
