"""The files of exports: they appear whole or not at all, and are read whatever they are packed in."""

import gzip
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

GZIP: Final = b"\x1f\x8b"
STDOUT: Final = "-"
_BUFFER: Final = 1 << 20


class FileRefused(Exception):
    """The file cannot be written or read as asked; the text says why and what to do."""


@contextmanager
def writing(out: str, *, force: bool = False) -> Iterator[BinaryIO]:
    """A file to write to, or standard output for `-`; packed when its name ends in .gz.

    It is written beside its place, as FILE.part, and gets its name when the block ends well; else it goes away.
    FileRefused when FILE is there already, unless `force`.
    """
    if out == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(out)
    if path.is_dir() or (path.exists() and not force):
        raise FileRefused(f"{out} is there already: choose another name, or overwrite it with --force")
    if path.suffix == ".zst":
        raise FileRefused("zstandard is not supported: name the file .gz")
    part = path.with_name(f"{path.name}.part")
    try:
        raw = part.open("wb", _BUFFER)
    except OSError as error:
        raise FileRefused(f"{part} cannot be written: {error.strerror}") from None
    try:
        with raw:
            with _packed(raw, path) as file:
                yield file
            raw.flush()
            os.fsync(raw.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextmanager
def _packed(raw: BinaryIO, path: Path) -> Iterator[BinaryIO]:
    if path.suffix != ".gz":
        yield raw
        return
    # Neither name nor time inside: the same export is the same bytes.
    with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed:
        buffered = io.BufferedWriter(cast("io.RawIOBase", packed), _BUFFER)
        yield buffered
        buffered.flush()


@contextmanager
def reading(path: str) -> Iterator[BinaryIO]:
    """A file to read. FileRefused when it cannot be opened."""
    try:
        file = Path(path).open("rb", _BUFFER)  # noqa: SIM115 - closed by the block below
    except OSError as error:
        raise FileRefused(f"{path} cannot be read: {error.strerror}") from None
    with file:
        yield file


def starts_with(file: BinaryIO, magic: bytes) -> bool:
    """Whether these are the first bytes of a file that is not yet read."""
    found = file.read(len(magic))
    file.seek(0)
    return found == magic


def size_of(file: BinaryIO) -> int:
    """How many bytes a file has."""
    return os.fstat(file.fileno()).st_size
