import gzip
import io
import os
import sys
from pathlib import Path

import pytest

from daemon.audit.files import GZIP, FileRefused, reading, size_of, starts_with, writing


@pytest.mark.parametrize("name", ["log", "log.gz"])
def test_a_file_appears_whole(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with writing(str(path)) as file:
        file.write(b"x" * 10)
        assert not path.exists()
        assert [each.name for each in tmp_path.iterdir()] == [f"{name}.part"]
    assert [each.name for each in tmp_path.iterdir()] == [name]
    found = path.read_bytes()
    assert (gzip.decompress(found) if name.endswith(".gz") else found) == b"x" * 10


def test_the_same_packed_twice_is_the_same(tmp_path: Path) -> None:
    for name in ("a.gz", "b.gz"):
        with writing(str(tmp_path / name)) as file:
            file.write(b"x" * 10_000_000)
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


@pytest.mark.parametrize("name", ["log", "log.gz"])
def test_what_fails_leaves_nothing_and_keeps_what_was_there(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"old")
    with pytest.raises(TypeError, match="bytes-like"), writing(str(tmp_path / name), force=True) as file:
        file.write("new")  # type: ignore[arg-type]
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [(name, b"old")]


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"old")
    with pytest.raises(FileRefused, match=r"is there already.*--force"), writing(str(path)):
        pass
    with writing(str(path), force=True) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize(("name", "match"), [("no/log", "cannot be written"), ("log.zst", "gz"), (".", "there")])
def test_a_place_that_does_not_do_is_refused(tmp_path: Path, name: str, match: str) -> None:
    with pytest.raises(FileRefused, match=match), writing(f"{tmp_path}/{name}", force=True):
        pass


def test_a_dash_is_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", out)
    with writing("-") as file:
        file.write(b"x")
    assert out.buffer.getvalue() == b"x"  # type: ignore[attr-defined]


def test_files_are_read_from_their_beginning(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(GZIP + os.urandom(5))
    with reading(str(tmp_path / "log")) as file:
        assert starts_with(file, GZIP)
        assert not starts_with(file, b"PAR1")
        assert (file.tell(), size_of(file)) == (0, 7)
    with pytest.raises(FileRefused, match="cannot be read: No such file"), reading(str(tmp_path / "none")):
        pass
