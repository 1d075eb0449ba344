import builtins
import io
from datetime import UTC, datetime

import pytest

from daemon.audit import parquet
from daemon.audit.files import FileRefused
from daemon.audit.jsonl import Unreadable
from daemon.audit.parquet import Parquet
from events.cloudevent import End, Note
from events.leaf import RawEvent, at_us

AT = datetime(2026, 1, 1, 12, 0, 0, 7, tzinfo=UTC)
EVENTS = [
    RawEvent(0, 1, at_us(AT), "s", None, 1, "T", 1, "a", None, b'{"x":1}'),
    RawEvent(0, 2, at_us(AT), "é\n", "e", 2, "T", 1, "a", "", b"\xff\x00"),
    RawEvent(3, 2**60, -(10**15), "", "", -1, "", -1, "", "r", b""),
]
END = End(16, 3, {0: 2, 3: 2**60})


def written(events=EVENTS) -> io.BytesIO:
    file = io.BytesIO()
    out = Parquet(file)
    for each in events:
        out.event(each)
    out.note(Note(3, "note\n— é\n", "left out"))
    out.end(END)
    return io.BytesIO(file.getvalue())


@pytest.mark.parametrize("rows", [1, 2, 100])
def test_what_is_written_is_read(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "GROUP_ROWS", rows)
    expected = [(f"row {number}", each) for number, each in enumerate(EVENTS, 1)]
    found = list(parquet.read(written()))
    assert found == [("the metadata", Note(3, "note\n— é\n")), *expected, ("the metadata", END)]


def test_columns_are_those_of_the_table_and_groups_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "GROUP_BYTES", 8)
    file = parquet.arrow().parquet.ParquetFile(written())
    assert file.metadata.num_row_groups == 2
    assert {field.name: str(field.type) for field in file.schema_arrow} == {
        "partition": "int16", "seq": "int64", "at": "timestamp[us, tz=UTC]", "stream": "string",
        "endpoint": "string", "version": "int32", "type": "string", "schema": "int16", "actor": "string",
        "request": "string", "body": "binary",
    }  # fmt: skip
    assert file.read()["at"][0].as_py() == AT


def test_an_empty_log_is_a_file_too() -> None:
    assert list(parquet.read(written([])))[1:] == [("the metadata", END)]


def test_without_the_library_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def missing(name: str, *rest):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(FileRefused, match=r"pip install 'hookd\[parquet\]'"):
        Parquet(io.BytesIO())


def test_a_moment_that_does_not_fit_is_refused() -> None:
    with pytest.raises(FileRefused, match="event 0/1: its moment"):
        written([RawEvent(0, 1, 2**63 - 1, "s", None, 1, "T", 1, "a", None, b"{}")])


def _table(**changed) -> io.BytesIO:
    arrow = parquet.arrow()
    table = arrow.parquet.read_table(written())
    for name, column in changed.items():
        if column is None:
            table = table.drop_columns([name])
        else:
            table = table.set_column(table.schema.get_field_index(name), name, arrow.array(column))
    file = io.BytesIO()
    arrow.parquet.write_table(table, file)
    return io.BytesIO(file.getvalue())


@pytest.mark.parametrize(
    ("file", "match"),
    [
        (lambda: io.BytesIO(written().getvalue()[:-9]), "row 1: "),
        (lambda: io.BytesIO(b"PAR1nonsense"), "row 1: "),
        (lambda: _table(body=None), "row 1: .*body"),
        (lambda: _table(seq=[1, None, 3]), "row 2: .*int"),
        (lambda: _table(stream=["a", "b", None]), "row 3: .*str"),
        (lambda: _table(at=["x", "y", "z"]), "row 1: "),
    ],
)
def test_what_cannot_be_read_is_named(file, match: str) -> None:
    with pytest.raises(Unreadable, match=match):
        list(parquet.read(file()))
