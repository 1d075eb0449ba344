import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from daemon.audit import export as module
from daemon.audit import jsonl
from daemon.audit.export import Selection, export
from daemon.audit.files import FileRefused
from daemon.postgres.database import Database
from events import leaf
from events.append import Append
from events.cloudevent import End, Note
from events.when import Position
from tests.support.builders import APP, EP, NOW, accepting, creating
from tests.support.exports import LOG_ID, VKEY, dump, exported, fill, seal

AT = NOW + timedelta(microseconds=123)


def items(path: Path) -> list[Any]:
    with path.open("rb") as file:
        return [item for _, item in jsonl.read(file)]


def positions(path: Path) -> list[str]:
    return [f"{item.partition}/{item.seq}" for item in items(path) if isinstance(item, leaf.RawEvent)]


async def test_every_event_is_written_to_the_byte(database: str, tmp_path: Path) -> None:
    await fill(database)
    result = await exported(database, tmp_path / "log.jsonl")
    *events, end = items(tmp_path / "log.jsonl")
    assert [leaf.record(each) for each in events] == await dump(database)
    assert (result.events, result.partitions, result.checkpoints) == (10, 16, 0)
    assert end == End(16, 10, dict.fromkeys(range(16), 0) | {0: 7, 3: 3})
    first = json.loads((tmp_path / "log.jsonl").read_bytes().split(b"\n")[1])
    assert (first["source"], first["data"]["name"]) == ("/hookd/log/0", 'é \u2028 " \\ </script>')


async def test_an_empty_log_is_a_file_too(database: str, tmp_path: Path) -> None:
    assert (await exported(database, tmp_path / "log")).events == 0
    assert items(tmp_path / "log") == [End(16, 0, dict.fromkeys(range(16), 0))]


async def test_a_checkpoint_stands_behind_the_last_event_it_covers(database: str, tmp_path: Path) -> None:
    await fill(database)
    await seal(database, 0, 2)
    note, other = await seal(database, 0, 5), await seal(database, 3, 3)
    result = await exported(database, tmp_path / "log", key=VKEY)
    found = items(tmp_path / "log")
    assert [number for number, item in enumerate(found) if isinstance(item, Note)] == [5, 11]
    assert (found[5].text, found[11].text, result.checkpoints, result.log_id) == (note, other, 2, LOG_ID)
    assert found[11].vkey == VKEY.of_partition(3).text()
    assert json.loads((tmp_path / "log").read_bytes().split(b"\n")[0])["source"] == f"hookd/{LOG_ID}/0"


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(partition=3), ["3/1", "3/2", "3/3"]),
        (Selection(partition=3, after=(Position(3, 1),)), ["3/2", "3/3"]),
        (Selection(after=(Position(3, 2), Position(0, 6))), ["0/7", "3/3"]),
        (Selection(after=(Position(3, 99),)), []),
        (Selection(since=AT, partition=3), ["3/1", "3/2", "3/3"]),
        (Selection(since=AT + timedelta(microseconds=1)), []),
        (Selection(until=AT), []),
        (Selection(until=AT + timedelta(microseconds=1), partition=3), ["3/1", "3/2", "3/3"]),
        (Selection(stream=APP), ["0/2"]),
        (Selection(stream=EP), ["0/3", "0/5", "0/7"]),
        (Selection(stream=EP, partition=0, after=(Position(0, 3),)), ["0/5", "0/7"]),
        (Selection(stream="nobody"), []),
    ],
)
async def test_what_is_selected_is_written_and_is_not_called_sealed(
    database: str, tmp_path: Path, selection: Selection, expected: list[str]
) -> None:
    await fill(database)
    await seal(database, 0, 7)
    await exported(database, tmp_path / "log", selection)
    assert positions(tmp_path / "log") == expected
    assert not any(isinstance(item, Note) for item in items(tmp_path / "log"))


@pytest.mark.parametrize(
    ("selection", "match"),
    [
        (Selection(partition=16), "no partition 16: the log has 16"),
        (Selection(after=(Position(99, 1),)), "no partition 99"),
        (Selection(partition=1, after=(Position(2, 1),)), "different partitions"),
    ],
)
async def test_what_is_not_there_is_refused(database: str, tmp_path: Path, selection: Selection, match: str) -> None:
    with pytest.raises(FileRefused, match=match):
        await exported(database, tmp_path / "log", selection)
    assert not (tmp_path / "log").exists()


async def test_what_is_written_meanwhile_is_left_out(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One moment of the whole: an append to two partitions is in the file whole or not at all."""
    await fill(database)
    opened = await Database.open(database, readers=1)
    before = await dump(database)

    class Slow:
        def __init__(self) -> None:
            self.records: list[bytes] = []
            self.ended: End | None = None

        def event(self, raw: leaf.RawEvent) -> None:
            self.records.append(leaf.record(raw))

        def note(self, note: Note) -> None: ...

        def end(self, end: End) -> None:
            self.ended = end

    writer = Slow()
    original = module._pages

    async def meddled(*arguments: Any) -> Any:
        """Append while the reader is between two partitions, and while it is inside one."""
        async for page in original(*arguments):
            number = len(writer.records)
            creating(append := Append(NOW), f"app_a{number}", 0, uid=f"a{number}")
            accepting(append, message=f"msg_a{number}", partition=9)
            await fill(database, append)
            yield page

    monkeypatch.setattr(module, "_pages", meddled)
    await export(opened.dedicated, Selection(), lambda _: writer)
    await opened.close()
    assert writer.records == before
    assert writer.ended is not None
    assert writer.ended.events == len(before) < len(await dump(database))


async def test_progress_hears_of_every_event(database: str, tmp_path: Path) -> None:
    await fill(database)
    heard: list[tuple[int, int]] = []
    await exported(database, tmp_path / "log", progress=lambda done, total: heard.append((done, total)))
    assert heard[-1] == (10, 10)


async def test_a_log_that_was_tampered_with_is_written_as_it_is(database: str, tmp_path: Path) -> None:
    await fill(database)
    connection = await asyncpg.connect(database)
    await connection.execute(
        "insert into log.event values "
        "(0, 8, 'infinity', E'a\\nb', '', -1, 'checkpoint', -1, E'\\u0085', '', '\\xff00')"
    )
    await connection.execute("insert into log.event values (0, 9, now(), 's', null, 1, 'T', 1, 'a', null, '')")
    await connection.execute("update log.head set seq = 9 where partition = 0")
    await connection.execute("insert into log.checkpoint values (0, 7, now(), sha256(''), 'no note at all')")
    await connection.close()
    await exported(database, tmp_path / "log")
    found = [leaf.record(item) for item in items(tmp_path / "log") if isinstance(item, leaf.RawEvent)]
    assert found == await dump(database)
