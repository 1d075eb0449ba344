"""What the tests of whole processes share. They share one worker too: each brings a daemon and a PostgreSQL."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from tests.support.process import Hookd
from tests.support.state_equals_fold import assert_state_equals_fold
from tests.system.sink import Sink


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker for all of them."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.xdist_group("system"))


@pytest.fixture(scope="session")
def in_memory() -> Iterator[Path]:
    """A folder where a sync costs nothing, if there is one: these tests kill processes, not machines."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="hookd-test-", dir=memory if os.access(memory, os.W_OK) else "/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def home(in_memory: Path) -> Iterator[Path]:
    """A path for a home; nothing is there yet, and nothing is left."""
    folder = in_memory / uuid4().hex[:8]
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    """A receiver that answers."""
    async with Sink() as sink:
        yield sink


@pytest.fixture
async def hole() -> AsyncIterator[Sink]:
    """A receiver that takes everything and never answers."""
    async with Sink(answering=False) as sink:
        yield sink


@pytest.fixture
async def hookd(home: Path) -> AsyncIterator[Hookd]:
    """A hookd that serves, on a new home."""
    async with Hookd(home) as hookd:
        yield hookd


async def assert_history_is_whole(hookd: Hookd) -> None:
    """Stop hookd in good order, then: no gap in any partition, and the tables are what the log says."""
    assert await hookd.down() == 0, hookd.said_all
    await hookd.up()
    connection = await asyncpg.connect(hookd.dsn, timeout=30)
    try:
        gaps = await connection.fetch(
            """select h.partition, h.seq, count(e.seq), min(e.seq), max(e.seq)
               from log.head h left join log.event e using (partition) group by h.partition
               having h.seq <> count(e.seq) or h.seq <> coalesce(max(e.seq), 0) or min(e.seq) <> 1"""
        )
        assert not gaps
    finally:
        await connection.close()
    await assert_state_equals_fold(hookd.dsn)
