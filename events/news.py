"""What processes tell each other when they have appended something that concerns others. Pure.

It is a hint, never the truth: whoever hears it reads the log.
"""

from collections.abc import Iterable

import msgspec

TEXT_BYTES_MAX = 7999  # of a notification in PostgreSQL
_ALL = "*"


class News(msgspec.Struct, frozen=True):
    """Which partitions have new configuration, and which have new events that their owner has not written itself.

    None: any of them may.
    """

    sender: str
    config: frozenset[int] | None = frozenset()
    events: frozenset[int] | None = frozenset()


def spell(news: News) -> str:
    """As a text of at most TEXT_BYTES_MAX bytes: `<sender> <partitions> <partitions>`."""
    text = f"{news.sender} {_list(news.config)} {_list(news.events)}"
    return text if len(text.encode()) <= TEXT_BYTES_MAX else f"{news.sender} {_ALL} {_ALL}"


def parse(text: str) -> News | None:
    """What was told; None when it is not in this form, as another release may speak."""
    try:
        sender, config, events = text.rsplit(" ", 2)
        return News(sender, _unlist(config), _unlist(events))
    except ValueError:
        return None


def _list(partitions: Iterable[int] | None) -> str:
    return _ALL if partitions is None else ",".join(map(str, sorted(partitions)))


def _unlist(text: str) -> frozenset[int] | None:
    return None if text == _ALL else frozenset(int(each) for each in text.split(",") if each)
