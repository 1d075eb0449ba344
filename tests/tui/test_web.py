"""The console in a browser: who gets in, who does not, and that the far end shows something."""

import asyncio
import json
import shlex
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientSession, CookieJar, WSMsgType, WSServerHandshakeError

from tui.web import COOKIE, SESSIONS_MAX, serve

CHILD = """
from textual.app import App
class Tiny(App):
    def compose(self):
        from textual.widgets import Footer
        yield Footer()
Tiny().run()
"""


class Served:
    def __init__(self, url: str) -> None:
        self.url = url
        self.port = urlsplit(url).port
        self.origin = f"http://127.0.0.1:{self.port}"


@pytest.fixture
async def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    started = []
    start = asyncio.create_subprocess_shell

    async def starting(*arguments: Any, **options: Any) -> asyncio.subprocess.Process:
        started.append(await start(*arguments, **options))
        return started[-1]

    monkeypatch.setattr("asyncio.create_subprocess_shell", starting)
    script = tmp_path / "tiny.py"
    script.write_text(CHILD)
    told: list[str] = []
    runner = await serve(shlex.join([sys.executable, str(script)]), 0, told.append)
    try:
        yield Served(told[0])
    finally:
        await runner.cleanup()
        for process in started:
            await process.wait()


@pytest.fixture
async def stranger() -> AsyncIterator[ClientSession]:
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:  # cookies of a bare address
        yield session


@pytest.fixture
async def browser(served: Served, stranger: ClientSession) -> ClientSession:
    """One that came with the token."""
    async with stranger.get(served.url, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, f"{served.origin}/")
        cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith(f"{COOKIE}=")
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert urlsplit(served.url).query.partition("=")[2] not in cookie
    return stranger


async def status(session: ClientSession, url: str, **headers: str) -> int:
    async with session.get(url, headers=headers, allow_redirects=False) as answer:
        return answer.status


@pytest.mark.parametrize(
    "path", ["/", "/ws", "/static/js/textual.js", "/download/x", "/nothing", "/?token=", "/?token=x"]
)
async def test_who_has_no_cookie_gets_nothing(served: Served, stranger: ClientSession, path: str) -> None:
    assert await status(stranger, served.origin + path, Origin=served.origin) == 403


async def test_who_has_it_gets_the_page_and_its_parts(served: Served, browser: ClientSession) -> None:
    async with browser.get(served.origin) as page:
        text = await page.text()
        assert page.status == 200
        assert f"ws://127.0.0.1:{served.port}/ws" in text
        assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
        assert page.headers["Referrer-Policy"] == "no-referrer"
    assert await status(browser, f"{served.origin}/static/js/textual.js") == 200
    assert await status(browser, f"{served.origin}/", Origin=served.origin) == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "", "https://127.0.0.1", "http://127.0.0.1:1"])
async def test_other_sites_may_not_come(served: Served, browser: ClientSession, origin: str) -> None:
    assert await status(browser, f"{served.origin}/", Origin=origin) == 403
    with pytest.raises(WSServerHandshakeError) as refused:
        await browser.ws_connect(f"{served.origin}/ws", origin=origin)
    assert refused.value.status == 403


async def test_a_websocket_without_an_origin_is_no_browsers(served: Served, browser: ClientSession) -> None:
    assert await status(browser, f"{served.origin}/ws") == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.nip.io:{port}"]
)
async def test_a_rebound_name_is_not_ours(served: Served, browser: ClientSession, host: str) -> None:
    named = host.format(port=served.port)
    assert await status(browser, f"{served.origin}/", Host=named) == 403
    assert await status(browser, f"{served.origin}/ws", Host=named, Origin=f"http://{named}") == 403
    assert await status(browser, served.url, Host=named) == 403


async def test_localhost_is_led_to_the_address(served: Served, browser: ClientSession) -> None:
    async with browser.get(
        f"{served.origin}/?token=x", headers={"Host": f"localhost:{served.port}"}, allow_redirects=False
    ) as answer:
        assert answer.headers["Location"] == f"{served.origin}/?token=x"


async def test_it_listens_on_loopback_alone(served: Served) -> None:
    assert urlsplit(served.url).hostname == "127.0.0.1"
    assert len(urlsplit(served.url).query) > 40


async def test_the_first_frames_arrive(served: Served, browser: ClientSession) -> None:
    async with browser.ws_connect(f"{served.origin}/ws?width=80&height=24", origin=served.origin) as socket:
        seen = b""
        while b"\x1b[" not in seen:
            message = await socket.receive(timeout=60)
            assert message.type in {WSMsgType.BINARY, WSMsgType.TEXT}
            seen += message.data if isinstance(message.data, bytes) else b""
        await socket.send_str(json.dumps(["ping", 7]))
        while (message := await socket.receive(timeout=60)).type != WSMsgType.TEXT:
            pass
        assert message.json() == ["pong", 7]


async def test_there_are_not_too_many(
    served: Served, browser: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.web.SESSIONS_MAX", 0)
    assert SESSIONS_MAX > 0
    assert await status(browser, f"{served.origin}/ws", Origin=served.origin) == 503
