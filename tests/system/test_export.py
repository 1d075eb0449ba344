"""A log leaves one hookd as a file and comes to life again, for looking at, in another home."""

import asyncio
from pathlib import Path

import pytest

from tests.support.process import Command, Hookd
from tests.system.sink import Sink


@pytest.fixture
def folder(in_memory: Path, home: Path) -> Path:
    """Where the commands run: no `.env` lies there."""
    folder = in_memory / f"{home.name}-files"
    folder.mkdir()
    return folder


async def said(folder: Path, *arguments: str, status: int = 0, **environ: str) -> str:
    async with Command.start_in(folder, *arguments, **environ) as command:
        assert await command.ended() == status, command.said_all
        assert "Traceback" not in command.said_all
        return command.output if status == 0 and command.output else command.said_all


async def test_a_log_is_carried_to_another_home(hookd: Hookd, folder: Path, sink: Sink) -> None:
    application, _ = await hookd.create_endpoint(sink.url)
    ours, other = {"HOOKD_HOME": str(hookd.home)}, {"HOOKD_HOME": f"{hookd.home}-other"}
    await said(folder, "audit", "checkpoint", **ours)
    assert "written to log.jsonl.gz" in await said(folder, "audit", "export", "--out", "log.jsonl.gz", **ours)
    refused = await said(folder, "audit", "export", "--out", "log.jsonl.gz", status=2, **ours)
    assert "is there already" in refused
    await said(folder, "audit", "export", "--out", "log.parquet", "--format", "parquet", **ours)
    assert "owns this database" in await said(folder, "audit", "import", "log.jsonl.gz", status=2, **ours)

    key = (await said(folder, "audit", "key", **ours)).strip()
    loaded = await said(folder, "audit", "import", "log.jsonl.gz", "--vkey", key, **other)
    assert "signatures fit your key" in loaded
    assert "this database is for auditing" in loaded
    assert "the database is not empty" in await said(folder, "audit", "import", "log.parquet", status=2, **other)
    assert "only the log's own database can sign" in await said(folder, "audit", "checkpoint", status=2, **other)
    stranger = {**ours, "SEALING_KEYS": "A" * 43 + "="}
    assert "the log cannot be sealed" in await said(folder, "audit", "checkpoint", status=2, **stranger)
    assert await said(folder, "audit", "trail", application, **other) == await said(
        folder, "audit", "trail", application, **ours
    )
    assert "no log" in await said(folder, "audit", "export", status=2, HOOKD_HOME=f"{hookd.home}-third")
    for home in (other["HOOKD_HOME"], f"{hookd.home}-third"):
        await asyncio.to_thread(_remove, home)


def _remove(home: str) -> None:
    import shutil

    shutil.rmtree(home, ignore_errors=True)
