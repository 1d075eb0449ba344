"""A delivery becomes evidence: sealed while hookd runs, verified, proven with one file; what is touched is caught."""

import json
from pathlib import Path

import asyncpg
import pytest

from daemon.postgres.embedded import SUPERUSER
from tests.support.process import Command, Hookd
from tests.system.sink import Sink

MESSAGE = {"eventType": "order.paid", "payload": {"n": 1}}


@pytest.fixture
def folder(in_memory: Path, home: Path) -> Path:
    """Where the commands run: no `.env` lies there."""
    folder = in_memory / f"{home.name}-files"
    folder.mkdir()
    return folder


async def _said(folder: Path, home: Path, *arguments: str, status: int = 0) -> str:
    async with Command.start_in(folder, "audit", *arguments, HOOKD_HOME=str(home)) as command:
        assert await command.ended() == status, command.said_all
        assert "Traceback" not in command.said_all
        return command.output


async def test_a_delivery_is_proven_and_a_touched_log_is_caught(hookd: Hookd, folder: Path, sink: Sink) -> None:
    application, endpoint = await hookd.create_endpoint(sink.url)
    token = hookd.token()
    await hookd.call("POST", "/api/v1/event-type", {"name": "order.paid", "description": ""}, token=token)
    status, sent = await hookd.call("POST", f"/api/v1/app/{application}/msg", MESSAGE, token=token)
    assert status == 202, sent
    message = sent["id"]
    await sink.until(lambda: bool(sink.arrivals))
    delivery = f"{message}/{endpoint}"

    kept = await _said(folder, hookd.home, "checkpoint")
    (folder / "kept.txt").write_text(kept)
    assert "All of it holds." in await _said(folder, hookd.home, "verify", "--checkpoint", "kept.txt")
    key = (await _said(folder, hookd.home, "key")).strip()
    await _until_delivered(hookd, message)
    await _said(folder, hookd.home, "receipt", delivery, "--out", "receipt.json")
    (folder / "payload.json").write_bytes(json.dumps(MESSAGE["payload"]).encode())
    said = await _said(folder, Path("/nowhere"), "check-receipt", "receipt.json", "--vkey", key, "--json")
    assert json.loads(said)["state"] == "delivered"
    said = await _said(
        folder, Path("/nowhere"), "check-receipt", "receipt.json", "--vkey", key[:-8] + "AAAAAAA=", status=2
    )
    assert said == ""
    assert "the live tables are the fold of the log" in await _said(folder, hookd.home, "rebuild")

    await _tamper(hookd, "update log.event set actor = 'nobody' where type = 'MessageAccepted'")
    said = await _said(folder, hookd.home, "verify", "--checkpoint", "kept.txt", status=1)
    assert "is not the event that was sealed here" in said
    assert "This log does not hold." in said


async def _until_delivered(hookd: Hookd, message: str) -> None:
    """The receiver has it before its outcome is in the log."""
    connection = await asyncpg.connect(hookd.dsn)
    try:
        while not await connection.fetchval(
            "select count(*) from log.event where stream = $1 and type = 'AttemptSucceeded'", message
        ):
            pass
    finally:
        await connection.close()


async def _tamper(hookd: Hookd, statement: str) -> None:
    connection = await asyncpg.connect(hookd.dsn, user=SUPERUSER)
    try:
        await connection.execute("set session_replication_role = replica")
        await connection.execute(statement)
    finally:
        await connection.close()
