"""What processes are called in the log: `<host>:<pid>:<drawn>`, and `…/<n>` for the workers of one parent."""

import os
import secrets
import socket


def process_name() -> str:
    """A name that no other process has, or had."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


def worker_name(parent: str, number: int) -> str:
    """That of the worker that `parent` has started as its `number`-th: no number is used twice."""
    return f"{parent}/{number}"


def crew_of(name: str) -> tuple[str, str] | None:
    """The parent of a worker, and its number there; None for a process that is nobody's worker."""
    parent, slash, number = name.rpartition("/")
    return (parent, number) if slash else None
