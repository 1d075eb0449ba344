import pytest
from aiohttp import web

from tests.tui.fake_daemon import TOKEN, FakeDaemon
from tui import client as clients
from tui.client import Client, Refused, Unreachable, refusal


async def test_answers_are_decoded() -> None:
    async with FakeDaemon() as daemon, Client(daemon.url, TOKEN) as client:
        assert (await client.get("/api/v1/targets", limit=3))["done"]


async def test_a_token_that_is_not_known_is_said_in_words() -> None:
    async with FakeDaemon() as daemon, Client(daemon.url, "wrong") as client:
        with pytest.raises(Refused, match="hookd token --operator"):
            await client.get("/api/v1/targets")
        with pytest.raises(Refused, match="does not know this token"):
            async with client.stream("/api/v1/live", ""):
                pass


async def test_nobody_there_is_said_in_words() -> None:
    async with FakeDaemon() as daemon:
        url = daemon.url
    async with Client(url, TOKEN) as client:
        with pytest.raises(Unreachable, match="nothing answers"):
            await client.get("/api/v1/targets")
    async with Client("not a url", TOKEN) as client:
        with pytest.raises(Unreachable):
            await client.get("/x")


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [(403, Refused, "--write"), (404, Refused, "not found"), (409, Refused, "409"), (503, Unreachable, "503")],
)
def test_what_failures_mean(status: int, kind: type[Exception], words: str) -> None:
    found = refusal(status, b'{"detail": "because\x1b]0;x"}')
    assert isinstance(found, kind)
    assert words in str(found)
    assert "\x1b" not in str(refusal(status, b'{"detail": "because \\u001b]0;x"}'))
    assert isinstance(refusal(status, b"<html>"), kind)


async def test_answers_that_are_not_hookds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "ANSWER_BYTES_MAX", 1000)

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=b"x" * (2000 if request.path == "/long" else 10))

    app = web.Application()
    app.router.add_route("*", "/{any}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with Client(f"http://127.0.0.1:{runner.addresses[0][1]}", TOKEN) as client:
        with pytest.raises(Unreachable, match="not hookd's"):
            await client.get("/html")
        with pytest.raises(Unreachable, match="64 MiB"):
            await client.post("/long")
    await runner.cleanup()
