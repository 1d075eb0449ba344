"""What the commands that ask about one thing share: how moments and ids are read, and said when they are wrong."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from daemon.cli.common import Refused, settings_or_refuse
from events.past import Thing
from events.when import BadWhen, When, parse


def when(option: str, text: str) -> When:
    """A moment or position as given to an option. Refused."""
    from daemon.clock import SystemClock

    try:
        return parse(text, SystemClock().now())
    except BadWhen as bad:
        raise Refused(f"{option}: {bad}") from None


@asynccontextmanager
async def asked() -> AsyncIterator[Any]:
    """A connection to the settings' database that goes by the indexes. Refused."""
    from daemon.cli.database import opened

    async with opened(settings_or_refuse()) as database, database.reading() as connection:
        yield connection


async def found(connection: Any, identifier: str) -> Thing:
    """What an id names. Refused when the log knows nothing of it."""
    from events.history import locate

    thing = await locate(connection, identifier)
    if thing is None:
        raise Refused(f"the log knows nothing of {identifier}")
    return thing


@contextmanager
def explained(options: str) -> Iterator[None]:
    """Say in words what the log cannot answer. Refused."""
    from events.codec import UnreadableEvent
    from events.history import Misplaced
    from events.leaf import MalformedRecord

    try:
        yield
    except Misplaced as misplaced:
        raise Refused(f"{options}: {misplaced}") from None
    except UnreadableEvent as unreadable:
        raise Refused(f"the log holds what this release cannot read: {unreadable}") from None
    except (AssertionError, LookupError, MalformedRecord) as broken:
        raise Refused(f"the log does not add up ({broken}): look with `hookd audit verify`") from None
