"""A request as a command line of curl, for any POSIX shell: what was sent, to try it by hand. Pure."""

import shlex
from typing import Final

NEVER: Final = frozenset({"content-length", "host", "connection", "transfer-encoding", "accept-encoding"})
"""curl writes these itself."""


def command(method: str, url: str, headers: list[tuple[str, str]], body: str | None) -> str:
    """The command. A header whose value is not known any more (`unknown`) is left out."""
    words = ["curl", "-i", "-X", quoted(method), quoted(url)]
    for name, value in headers:
        if name.lower() not in NEVER and value != "unknown":
            words += ["\\\n  -H", quoted(f"{name}: {value}")]
    if body is not None:
        words += ["\\\n  --data-binary", quoted(body)]
    return " ".join(words)


def quoted(text: str) -> str:
    """One word of a shell; what does not print is written as an escape, so that pasting it runs nothing."""
    if text.isprintable():
        return shlex.quote(text)
    escaped = (_escape(char) for char in text)
    return "$'" + "".join(escaped) + "'"


def _escape(char: str) -> str:
    if char in "\\'":
        return f"\\{char}"
    if char.isprintable():
        return char
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogatepass"))
