"""From a method and a path to the operation: a tree of path segments, grown once when the routes are known.

A template that has a name where others have a word is grown into the branch of that word too, so a path is
looked up in one walk, without ever going back.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
from aiohttp import web

from daemon.api.errors import ApiError, from_status

Run = Callable[[web.BaseRequest, str, dict[str, Any]], Awaitable[web.StreamResponse]]
"""What answers a request: given its id, and the segments of its path that have a name."""
Found = tuple[Run, dict[str, Any]]

_NAME: Final = re.compile(r"\{([A-Za-z_]\w*)\}")


class Route(msgspec.Struct, frozen=True):
    """What a method and a path template lead to. A template's `{name}` stands for one segment that is not empty."""

    method: str
    template: str
    run: Run


class _Row(msgspec.Struct, frozen=True):
    route: Route
    steps: Sequence[str | None]  # None stands for any one
    names: tuple[tuple[str, int], ...]


class _Node(dict[str, "_Node"]):
    """A place in the tree: the words that may follow, and what ends here by its method."""

    __slots__ = ("any_other", "ends")

    def __init__(self) -> None:
        super().__init__()
        self.any_other: _Node | None = None
        self.ends: dict[str, tuple[Run, tuple[tuple[str, int], ...]]] = {}

    def __missing__(self, step: str) -> "_Node":
        return self.any_other if step and self.any_other is not None else _NOWHERE


_NOWHERE: Final = _Node()


class Router:
    """Finds what a request is for."""

    def __init__(self, routes: Sequence[Route]) -> None:
        """Grow the tree. Of two routes for one path, the one declared first stands. Raises TypeError."""
        self._root = _grow([_row(route) for route in routes], 0)

    def find(self, method: str, path: str) -> Found:
        """Give what to run, and the segments the template names.

        `path` comes decoded but for %2F and %25, as yarl's `path_safe` has it. Raises ApiError: 404, or 405
        with the methods there are.
        """
        steps = path.split("/")
        node = self._root
        for step in steps:
            node = node[step]
        if method not in node.ends:
            raise _nothing(node.ends)
        run, names = node.ends[method]
        values: dict[str, Any] = {name: steps[index] for name, index in names}
        if "%" in path:
            values = {name: value.replace("%2F", "/").replace("%25", "%") for name, value in values.items()}
        return run, values


def _row(route: Route) -> _Row:
    words = route.template.split("/")
    found = [_NAME.fullmatch(word) for word in words]
    for word, named in zip(words, found, strict=True):
        if named is None and ("{" in word or "}" in word):
            raise TypeError(f"{route.template}: a name stands for a whole segment")
    steps = [None if named else word for word, named in zip(words, found, strict=True)]
    return _Row(route, steps, tuple((named[1], index) for index, named in enumerate(found) if named))


def _grow(rows: Sequence[_Row], depth: int) -> _Node:
    node = _Node()
    onward: list[_Row] = []
    for row in rows:
        if len(row.steps) > depth:
            onward.append(row)
        else:
            node.ends.setdefault(row.route.method, (row.route.run, row.names))
    unnamed = [row for row in onward if row.steps[depth] is None]
    if unnamed:
        node.any_other = _grow(unnamed, depth + 1)
    for word in {row.steps[depth] for row in onward} - {None}:
        assert word is not None
        fitting = (word,) if word == "" else (word, None)
        node[word] = _grow([row for row in onward if row.steps[depth] in fitting], depth + 1)
    return node


def _nothing(ends: Mapping[str, object]) -> ApiError:
    if not ends:
        return from_status(HTTPStatus.NOT_FOUND)
    return from_status(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": ",".join(sorted(ends))})
