"""From a method and a path to the operation: a tree of path segments, grown once when the routes are known.

A template that has a name where others have a word is grown into the branch of that word too, so a path is
looked up in one walk, without ever going back.
"""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, Protocol

import msgspec

from daemon.api.connection import Begun, Finished
from daemon.api.errors import ApiError, from_status
from daemon.api.request import Request


class Run(Protocol):
    """What answers the requests for one route."""

    @property
    def at_once(self) -> bool:
        """Whether a request may begin while those before it wait for their commit."""

    def begin(self, request: Request) -> Begun:
        """Begin to answer; `request.found` are the segments of the path that have a name."""

    def finish(self, request: Request) -> Finished:
        """Go on with a request that was `Asked`."""


Found = tuple[Run, dict[str, Any]]

_NAME: Final = re.compile(r"\{([A-Za-z_]\w*)(\*?)\}")


class Route(msgspec.Struct, frozen=True):
    """What a method and a path template lead to.

    A template's `{name}` stands for one segment that is not empty, a `{name*}` at its end for one or more of them.
    """

    method: str
    template: str
    run: Run


class _Row(msgspec.Struct, frozen=True):
    route: Route
    steps: Sequence[str | None]  # None stands for any one
    names: tuple[tuple[str, int], ...]
    tail: str | None  # the name for the last step and all that follow


class _Node(dict[str, "_Node"]):
    """A place in the tree: the words that may follow, and what ends here by its method."""

    __slots__ = ("any_other", "ends")

    def __init__(self) -> None:
        super().__init__()
        self.any_other: _Node | None = None
        self.ends: dict[str, _Row] = {}

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
        row = node.ends[method]
        values: dict[str, Any] = {name: steps[index] for name, index in row.names}
        if row.tail is not None:
            values[row.tail] = "/".join(steps[len(row.steps) - 1 :])
        if "%" in path:
            values = {name: value.replace("%2F", "/").replace("%25", "%") for name, value in values.items()}
        return row.route.run, values


def _row(route: Route) -> _Row:
    words = route.template.split("/")
    found = [_NAME.fullmatch(word) for word in words]
    for word, named in zip(words, found, strict=True):
        if named is None and ("{" in word or "}" in word):
            raise TypeError(f"{route.template}: a name stands for a whole segment")
    if any(named and named[2] for named in found[:-1]):
        raise TypeError(f"{route.template}: only at the end may a name stand for several segments")
    steps = [None if named else word for word, named in zip(words, found, strict=True)]
    names = tuple((named[1], index) for index, named in enumerate(found) if named)
    return _Row(route, steps, names, found[-1][1] if found[-1] and found[-1][2] else None)


def _grow(rows: Sequence[_Row], depth: int) -> _Node:
    node = _Node()
    onward: list[_Row] = []
    for row in rows:
        if len(row.steps) <= depth:
            node.ends.setdefault(row.route.method, row)
        if len(row.steps) > depth or row.tail is not None:
            onward.append(row)
    unnamed = [row for row in onward if _step(row, depth) is None]
    if unnamed and all(len(row.steps) <= depth for row in rows):
        node.any_other = node  # tails alone: every further step leads here again
    elif unnamed:
        node.any_other = _grow(unnamed, depth + 1)
    for word in {_step(row, depth) for row in onward} - {None}:
        assert word is not None
        fitting = (word,) if word == "" else (word, None)
        node[word] = _grow([row for row in onward if _step(row, depth) in fitting], depth + 1)
    return node


def _step(row: _Row, depth: int) -> str | None:
    """The word a row has at this depth, None for any one."""
    return row.steps[depth] if depth < len(row.steps) else None


def _nothing(ends: Mapping[str, object]) -> ApiError:
    if not ends:
        return from_status(HTTPStatus.NOT_FOUND)
    return from_status(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": ",".join(sorted(ends))})
