"""The SQL files: the schema as it shall be, and the steps by which older databases get there."""

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from daemon.postgres.errors import MigrationError

HERE = Path(__file__).parent
MIGRATIONS = HERE / "migrations"
FIRST_NAME = "0001_initial.sql"
FILE_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")


@dataclass(frozen=True)
class Migration:
    """One step; `number` counts from 1 without gaps."""

    number: int
    name: str
    sql: str

    @cached_property
    def sha256(self) -> str:
        """Of the text with plain line ends, as git on Windows changes them."""
        return hashlib.sha256(_plain(self.sql).encode()).hexdigest()

    @property
    def title(self) -> str:
        """How messages call it: its file name without the ending."""
        return f"{self.number:04}_{self.name}"


def load_schema() -> str:
    """The whole schema: from the repository's root in a checkout, from the package when installed."""
    for path in (HERE / "schema.sql", HERE.parents[1] / "schema.sql"):
        if path.is_file():
            return _read(path)
    raise MigrationError("schema.sql is missing from this installation: install hookd again")


def load_migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """The steps in `folder`, in order.

    Raises `MigrationError` for a file that is not named NNNN_name.sql, for a gap and for a number used twice.
    """
    found = sorted((_parse(path) for path in folder.glob("*.sql")), key=lambda each: each.number)
    numbers = [migration.number for migration in found]
    if numbers != list(range(1, len(found) + 1)):
        raise MigrationError(f"migrations must be numbered 0001, 0002, ... once each; {folder} has {numbers}")
    return found


def begin_migrations(folder: Path = MIGRATIONS) -> Path:
    """Write the first migration: it is schema.sql as it is now. Done once, before the first release.

    From then on schema.sql and the migrations change together; the tests compare where both lead.

    Raises `FileExistsError` if there is a first migration already.
    """
    path = folder / FIRST_NAME
    with path.open("x", encoding="utf-8", newline="\n") as file:
        file.write(load_schema())
    return path


def _parse(path: Path) -> Migration:
    match = FILE_NAME.fullmatch(path.name)
    if match is None:
        raise MigrationError(f"{path} is not named like 0002_what_it_does.sql")
    return Migration(int(match[1]), match[2], _read(path))


def _read(path: Path) -> str:
    return _plain(path.read_text(encoding="utf-8-sig"))


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
