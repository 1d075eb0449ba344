"""Checkpoints that somebody kept elsewhere: the only thing that a rewritten history cannot rewrite too."""

from collections.abc import Iterable
from typing import Final

from daemon.audit.findings import Check
from daemon.audit.tree_check import Head
from events import checkpoint

_SEPARATOR: Final = "\n\n"


class BadCopy(ValueError):
    """The file holds no checkpoints; the text says why."""


def join(notes: Iterable[str]) -> str:
    """Several notes as one text: an empty line between them."""
    return "\n".join(notes)


def split(text: str) -> list[str]:
    """The notes of such a text. BadCopy."""
    blocks = text.replace("\r\n", "\n").strip("\n").split(_SEPARATOR)
    if len(blocks) % 2:
        raise BadCopy("these are no checkpoints: each has its text, an empty line, and its signatures")
    return [f"{body}\n\n{signatures}\n" for body, signatures in zip(blocks[::2], blocks[1::2], strict=True)]


def heads(text: str, keys: dict[int, checkpoint.VerifierKey]) -> dict[int, list[Head]]:
    """What the kept copies say, by partition, their signatures checked with `keys`. BadCopy."""
    by_origin = {key.name: (partition, key) for partition, key in keys.items()}
    found: dict[int, list[Head]] = {}
    for note in split(text):
        origin = note.partition("\n")[0]
        if origin not in by_origin:
            raise BadCopy(f"{origin} is no tree of this log: its key is another, so one of the two was replaced")
        partition, key = by_origin[origin]
        try:
            signed = checkpoint.open_note(note, key)
        except ValueError as error:
            raise BadCopy(f"the kept checkpoint of {origin}: {error}") from error
        place = f"kept checkpoint of partition {partition} at {signed.size}"
        found.setdefault(partition, []).append(Head(signed.size, signed.root, Check.KEPT, place))
    return found
