"""What the network and a stopping server do to whoever asks the database, said as one error."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg

from events.log import Unavailable

GONE: Final = (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError)
"""There is nobody to talk to."""


@contextmanager
def answering(*also: type[Exception], error: type[Unavailable] = Unavailable) -> Iterator[None]:
    """Raise `error` for GONE, and for what else, for this question, is the world's fault and not ours."""
    try:
        yield
    except (*GONE, *also) as trouble:
        if isinstance(trouble, ValueError):  # asyncpg's word for an argument of the wrong type: our fault
            raise
        raise error(str(trouble) or type(trouble).__name__) from trouble
