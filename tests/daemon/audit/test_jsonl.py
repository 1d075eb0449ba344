import gzip
import io

import pytest

from daemon.audit import jsonl
from daemon.audit.jsonl import JsonLines, Unreadable
from events.cloudevent import End, Note
from events.leaf import RawEvent

EVENT = RawEvent(0, 1, 5, "s", None, 1, "T", 1, "a", None, b'{"x":"\xe2\x80\xa8"}')
ITEMS = [EVENT, Note(0, "text\n"), End(1, 1, {0: 1})]


def written() -> bytes:
    file = io.BytesIO()
    lines = JsonLines(file, "0123456789abcdef")
    lines.event(EVENT)
    lines.note(Note(0, "text\n"))
    lines.end(End(1, 1, {0: 1}))
    return file.getvalue()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_what_is_written_is_read(pack) -> None:
    found = list(jsonl.read(io.BytesIO(pack(written()))))
    assert found == [(f"line {number}", item) for number, item in enumerate(ITEMS, 1)]


def test_nothing_is_nothing() -> None:
    assert list(jsonl.read(io.BytesIO())) == []


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"nonsense\n" + written(), "line 1: no CloudEvents line"),
        (written() + b"{}\n", "line 4: no CloudEvents line"),
        (written()[:-5], "line 3: no CloudEvents line"),
        (gzip.compress(written())[:-9], "line 4: the file cannot be unpacked"),
        (gzip.compress(written())[:-8] + bytes(8), "cannot be unpacked: CRC"),
        (b"\x1f\x8bnonsense" * 9, "line 1: the file cannot be unpacked"),
    ],
)
def test_what_cannot_be_read_is_named(data: bytes, match: str) -> None:
    with pytest.raises(Unreadable, match=match):
        list(jsonl.read(io.BytesIO(data)))


def test_a_line_without_end_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "LINE_BYTES_MAX", 100)
    with pytest.raises(Unreadable, match="line 1"):
        list(jsonl.read(io.BytesIO(b"x" * 1000)))
