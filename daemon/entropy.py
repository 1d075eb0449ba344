"""Randomness for ids, drawn from the system in blocks: one system call for two hundred ids."""

import os
from typing import Final

BLOCK_BYTES: Final = 4096


class Entropy:
    """Gives out bytes of `os.urandom`, each once. For one thread."""

    def __init__(self) -> None:
        self._block = b""
        self._used = 0

    def __call__(self, count: int) -> bytes:
        """`count` fresh random bytes, at most BLOCK_BYTES."""
        start, end = self._used, self._used + count
        if end > len(self._block):
            self._block = os.urandom(BLOCK_BYTES)
            start, end = 0, count
        self._used = end
        return self._block[start:end]
