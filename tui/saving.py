"""What a screen shows, kept as a file. It may hold payloads, so it is its owner's alone; nothing is overwritten."""

import os
import re
from itertools import count
from pathlib import Path
from typing import Final

from tui.lines import clean

NAME_CHARS_MAX: Final = 80
_ODD: Final = re.compile(r"[^A-Za-z0-9._-]+")


def save(folder: Path, name: str, text: str) -> Path:
    """Write `text` to hookd-<name>.txt, or to hookd-<name>-2.txt when there is one. OSError."""
    stem = "hookd-" + (_ODD.sub("-", name)[:NAME_CHARS_MAX].strip("-.") or "screen")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    for number in count(1):
        path = folder / f"{stem}{f'-{number}' if number > 1 else ''}.txt"
        try:
            opened = os.open(path, flags, 0o600)
        except FileExistsError:
            continue
        with open(opened, "w", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - of a descriptor
            file.write(text)
        return path
    raise AssertionError("unreachable")


def told(path: Path) -> str:
    """Where it is."""
    return f"saved to {clean(str(path))}"
