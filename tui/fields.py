"""Fields of JSON objects that came from elsewhere: of the type asked for, or nothing. Pure."""

from datetime import datetime
from typing import Any


def text(body: dict[str, Any], name: str) -> str:
    """A text of a body; empty when it has none there."""
    value = body.get(name)
    return value if isinstance(value, str) else ""


def number(body: dict[str, Any], name: str) -> int | None:
    """A whole number of a body."""
    value = body.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def moment(body: dict[str, Any], name: str) -> datetime | None:
    """A moment of a body: RFC 3339 with its offset."""
    value = body.get(name)
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return at if at.tzinfo else None


def objects(body: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects of a list of a body."""
    value = body.get(name)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def group(body: dict[str, Any], name: str) -> dict[str, Any]:
    """An object within a body; empty when it has none there."""
    value = body.get(name)
    return value if isinstance(value, dict) else {}


def pairs(body: dict[str, Any], name: str) -> list[tuple[str, str]]:
    """A list of (name, value), such as headers; also when it comes as an object."""
    value = body.get(name)
    if isinstance(value, dict):
        return [(str(key), str(each)) for key, each in value.items()]
    if not isinstance(value, list):
        return []
    return [(str(each[0]), str(each[1])) for each in value if isinstance(each, list | tuple) and len(each) > 1]
