"""What the operator likes, kept from one start to the next: a small file of TOML in their configuration folder.

A file that cannot be read or written costs the taste, never the console.
"""

import contextlib
import re
import tomllib
from pathlib import Path
from typing import Final

FILE: Final = "console.toml"
_NAME: Final = re.compile(r"[a-z0-9-]{1,64}")


class Taste:
    """The choice of a theme. Without a folder, nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / FILE

    def theme(self) -> str | None:
        """The theme chosen last."""
        if self._path is None:
            return None
        try:
            found = tomllib.loads(self._path.read_text())
        except (OSError, ValueError):
            return None
        theme = found.get("theme")
        return theme if isinstance(theme, str) and _NAME.fullmatch(theme) else None

    def keep_theme(self, name: str) -> None:
        """Remember a theme; what else stands in the file stays."""
        if self._path is None or not _NAME.fullmatch(name) or name == self.theme():
            return
        with contextlib.suppress(OSError, UnicodeDecodeError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            lines = self._path.read_text().splitlines() if self._path.exists() else []
            kept = [each for each in lines if not re.match(r"\s*theme\s*=", each)]
            self._path.write_text("\n".join([f'theme = "{name}"', *kept]) + "\n")
