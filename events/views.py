"""What people and programs may look up: lists and single things, read from the tables and the log."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import asyncpg


class Views:
    """Reads only; every list is bounded and goes by an index."""

    def __init__(self, reading: Callable[[], AbstractAsyncContextManager[asyncpg.Connection]]) -> None:
        self._reading = reading
