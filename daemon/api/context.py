"""What the application is started with, by the keys under which handlers find it."""

from collections.abc import Sequence
from typing import TypeVar

from aiohttp import web

from daemon.api.auth import Tokens
from daemon.batch import Answer
from daemon.desk import Desk
from daemon.live.hub import Hub
from events.as_of_views import AsOfViews
from events.board_views import BoardViews
from events.log_views import LogViews
from events.refusal import Refusal

S = TypeVar("S")

DESK: web.AppKey[Desk] = web.AppKey("desk", Desk)
LIVE: web.AppKey[Hub] = web.AppKey("live", Hub)
BOARD: web.AppKey[BoardViews] = web.AppKey("board", BoardViews)
LOG: web.AppKey[LogViews] = web.AppKey("log", LogViews)
AS_OF: web.AppKey[AsOfViews] = web.AppKey("as_of", AsOfViews)
TOKENS: web.AppKey[Tokens] = web.AppKey("tokens", Tokens)


class Refused(Exception):
    """A refusal on its way out of a handler that has no use for it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.detail)
        self.refusal = refusal


def agreed(answer: Answer | Refusal) -> Answer:
    """The states a command led to. Raises Refused."""
    if isinstance(answer, Refusal):
        raise Refused(answer)
    return answer


def first(kind: type[S], states: Sequence[object]) -> S | None:
    """The latest state of the first entity of a kind; None when nothing had to change."""
    return next((state for state in reversed(states) if isinstance(state, kind)), None)
