"""The commands as people meet them: said in words when something is wrong, ended cleanly by Ctrl-C."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.support.process import Command, Hookd
from tests.system.sink import Sink

REFUSED = 2
UNREACHABLE = "postgresql://hookd:secret-of-mine@127.0.0.1:{port}/hookd"


@pytest.fixture
def folder(in_memory: Path) -> Path:
    """Where the commands run: no `.env` lies there."""
    return in_memory


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port on which somebody listens already."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


async def test_a_port_in_use_and_a_home_in_use_are_said_in_words(
    hookd: Hookd, folder: Path, taken_port: int, home: Path
) -> None:
    other = home.with_name("other")
    async with Command.start_in(folder, "up", HOOKD_HOME=str(other), PORT=str(taken_port)) as command:
        assert await command.ended() == REFUSED, command.said_all
        _assert_plain(command, f"cannot listen on 127.0.0.1:{taken_port}")
    async with Command.start_in(folder, "up", HOOKD_HOME=str(hookd.home), PORT="0") as command:
        assert await command.ended() == REFUSED, command.said_all
        _assert_plain(command, f"another hookd (pid {hookd.pid}) runs on {hookd.home}")
    assert (await hookd.call("GET", "/api/health"))[0] == 200


async def test_all_that_is_wrong_with_the_settings_is_said_at_once(folder: Path) -> None:
    dsn = UNREACHABLE.format(port=1)
    async with Command.start_in(folder, "up", DATABASE_URL=dsn, PORT="high", TRIGGER_BATCH_SIZE="0") as command:
        assert await command.ended() == REFUSED
        _assert_plain(command, "PORT: ", "TRIGGER_BATCH_SIZE: ")
    async with Command.start_in(folder, "up", DATABASE_URL=dsn) as command:
        assert await command.ended() == REFUSED
        _assert_plain(command, "SECRET_KEY: ", "ADMIN_IDS: ", "SEALING_KEYS: ")


async def test_a_database_that_does_not_answer_is_named_without_its_password(folder: Path) -> None:
    with socket.socket() as nobody:  # bound, and nobody listens
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        environ = {
            "DATABASE_URL": UNREACHABLE.format(port=port),
            "SECRET_KEY": "k" * 32,
            "ADMIN_IDS": "a" * 16,
            "SEALING_KEYS": "c" * 43 + "=",
        }
        async with Command.start_in(folder, "doctor", **environ) as command:
            assert await command.ended() == 1, command.said_all
            _assert_plain(command, f"127.0.0.1:{port}/hookd")


async def test_the_doctor_examines_a_running_hookd(hookd: Hookd, folder: Path) -> None:
    async with Command.start_in(folder, "doctor", HOOKD_HOME=str(hookd.home)) as command:
        assert await command.ended() == 0, command.said_all
    assert "WRONG" not in command.output
    for finding in (
        "settings",
        "database: PostgreSQL",
        "schema: current",
        "every head stands at its last event",
        "seals: ",
    ):
        assert finding in command.output


async def test_the_past_of_a_running_hookd_is_told(hookd: Hookd, folder: Path, hole: Sink) -> None:
    application, endpoint = await hookd.create_endpoint(hole.url)
    path = f"/api/v1/app/{application}/endpoint/{endpoint}"
    status, answer = await hookd.call("PATCH", path, {"description": "moved"}, token=hookd.token())
    assert status == 200, answer
    moment = answer["updatedAt"]
    status, answer = await hookd.call("DELETE", path, token=hookd.token())
    assert status == 204, answer
    for arguments, words in (
        (("trail", endpoint), "endpoint registered: "),
        (("as-of", endpoint, "--at", moment), "description:    moved"),
        (("as-of", "--all", "--at", "-0s"), f'"id": "{application}"'),
        (("diff", endpoint, "--from", moment), ": deleted"),
        (("diff", "--all", "--from", moment), f"deleted endpoint {endpoint}"),
    ):
        async with Command.start_in(folder, "audit", *arguments, HOOKD_HOME=str(hookd.home)) as command:
            assert await command.ended() == 0, command.said_all
            _assert_plain(command, words)


async def test_listen_shows_what_hookd_sends_and_checks_it(hookd: Hookd, folder: Path, hole: Sink) -> None:
    application, endpoint = await hookd.create_endpoint(hole.url)
    token, path = hookd.token(), f"/api/v1/app/{application}/endpoint/{endpoint}"
    _, secret = await hookd.call("GET", f"{path}/secret", token=token)
    async with Command.start_in(folder, "listen", "--port", "0", "--secret", secret["key"]) as command:
        url = (await command.said(r"listening on (http://\S+)"))[1]
        status, answer = await hookd.call("PATCH", path, {"url": f"{url}hook"}, token=token)
        assert status == 200, answer
        message = {"eventType": "order.paid", "payload": {"order": 7}}
        await hookd.call("POST", f"/api/v1/app/{application}/msg", message, token=token)
        await command.said(r"POST /hook  msg_\w+\n  signature good, answered 200\n  \{")
        async with aiohttp.ClientSession() as session, session.post(url, data=b"{}") as reply:
            assert reply.status == 200
        await command.said("SIGNATURE WRONG")
        command.send(signal.SIGINT)
        assert await command.ended() == 0, command.said_all
        assert "Traceback" not in command.said_all


async def test_the_demo_delivers_until_it_is_told_to_stop(folder: Path) -> None:
    async with Command.start_in(folder, "demo", "--rate", "20", TMPDIR=str(folder)) as command:
        await command.said("hookd runs at http://")
        await command.said(r"healthy +\w+  .*200")
        await command.said(r"flaky +\w+  .*503")
        command.send(signal.SIGINT)
        assert await command.ended() == 0, command.said_all
        assert "Traceback" not in command.said_all
    assert not _left_by_demo(folder)


def _left_by_demo(folder: Path) -> list[Path]:
    return list(folder.glob("hookd-demo-*"))


def _assert_plain(command: Command, *words: str) -> None:
    """It says this, in a message for people."""
    for each in words:
        assert each in command.errors + command.output, command.said_all
    assert "Traceback" not in command.said_all
    assert "secret-of-mine" not in command.said_all
