"""Targets, as they are doing: all of them in pages, one with all that is known of it, and everything in numbers."""

import re
from datetime import datetime, timedelta
from typing import Annotated, Final

from pydantic import BaseModel, Field

from daemon.api.auth import App, Operator, Tokens
from daemon.api.context import BOARD, DESK, LIVE, LOG
from daemon.api.layer import Surface
from daemon.api.lists import PAGE_SIZE, PAGE_SIZE_MAX
from daemon.api.models import CamelOut, Strict, absent
from daemon.api.operation import Call
from daemon.api.v1 import attempts, endpoint_models
from daemon.api.v1.attempts import AttemptOut
from daemon.api.v1.endpoint_models import EndpointOut
from daemon.api.v1.listing import bad_iterator
from daemon.api.v1.watchers import Watcher, endpoint_seen
from daemon.live.stats import Figures, TargetOut
from daemon.live.tally import reason
from events.board_views import PENDING_MAX, Pending
from events.endpoint import Endpoint
from events.views import Attempts, Slice

TAG: Final = "Live"
TOP: Final = 50
LATEST: Final = 50
COUNTED: Final = timedelta(hours=24)

_KEY: Final = re.compile(r"(\d{1,5}|app_[0-9A-Za-z]{1,64})\.(ep_[0-9A-Za-z]{1,64})", re.ASCII)


class TargetsQuery(Strict):
    """Which page."""

    limit: Annotated[int, Field(ge=1, le=PAGE_SIZE_MAX)] = PAGE_SIZE
    iterator: str | None = None


class OverviewQuery(Strict):
    """How much of it."""

    top: Annotated[int, Field(ge=1, le=500, description="targets, the busiest")] = TOP


class ListedTarget(TargetOut):
    """A target, what waits for it in the table, and what was set. `pending` is counted up to 1,000."""

    pending: int
    pending_more: bool = False
    oldest_due: datetime | None = Field(default=None, exclude_if=absent)
    failing_since: datetime | None = Field(default=None, exclude_if=absent)
    created_at: datetime
    description: str
    uid: str | None = Field(default=None, exclude_if=absent)


class TargetPage(CamelOut):
    """One page. `iterator` asks for the next one; null at the end."""

    data: list[ListedTarget]
    iterator: str | None
    done: bool


class CountsOut(CamelOut):
    """Attempts of the last 24 hours; `since`: there were more, and only those since then are counted."""

    delivered: int
    failed: int
    since: datetime | None = Field(default=None, exclude_if=absent)


class EndpointDetail(ListedTarget):
    """All that is known of one target, but for its secrets, with its last 50 attempts."""

    configuration: EndpointOut
    latest: list[AttemptOut]
    counts: CountsOut


class DatabaseOut(CamelOut):
    """The database. `available`: it answers."""

    available: bool
    version: str
    size_bytes: int


class TotalsOut(CamelOut):
    """How much there is. `undelivered` is counted up to 100,000."""

    applications: int
    endpoints: int
    undelivered: int


class OverviewOut(Figures):
    """The figures of the live stream, the database, and how much there is."""

    database: DatabaseOut
    counts: TotalsOut


def declare(surface: Surface, tokens: Tokens) -> None:
    """Declare the routes."""
    surface.op(
        "GET", "/overview", query=OverviewQuery, out=OverviewOut, errors=(503,), auth=tokens.operator, tag=TAG
    )(get_overview)
    surface.op("GET", "/targets", query=TargetsQuery, out=TargetPage, errors=(503,), auth=tokens.watcher, tag=TAG)(
        list_targets
    )
    surface.op(
        "GET", "/endpoints/{endpoint_id}", out=EndpointDetail, errors=(404, 503), auth=tokens.watcher, tag=TAG
    )(get_target)


async def get_overview(call: Call[Operator], query: OverviewQuery) -> OverviewOut:
    """Get how hookd is doing, all its processes together.

    Counting begins with the first who asks or watches: `intervalS` says what the counts cover.
    """
    hub = call.state(LIVE)
    hub.look()
    found = await call.state(BOARD).overview()
    hub.reporter.looked(await call.state(LOG).heads())
    await hub.hear()
    figures = dict(hub.reporter.fields(query.top))
    available = figures.pop("database")
    return OverviewOut.model_construct(
        **figures,
        database=DatabaseOut(available=available, version=found.version, size_bytes=found.size_bytes),
        counts=TotalsOut(applications=found.applications, endpoints=found.endpoints, undelivered=found.undelivered),
    )


async def list_targets(call: Call[Watcher], query: TargetsQuery) -> TargetPage:
    """List the endpoints and how each is doing."""
    board, principal = call.state(BOARD), call.principal
    await _look(call)
    operator = isinstance(principal, Operator)
    first, last = _key(query.iterator, number=operator)
    if isinstance(principal, Operator):
        found = await board.targets(int(first or 0), last, query.limit + 1)
    else:
        app = principal.app_id if isinstance(principal, App) else None
        found = await board.targets_of(principal.org_id, app, (first, last), query.limit + 1)
    shown = found[: query.limit]
    pending = await board.pending([(each.partition, each.id) for each in shown])
    data = [_listed(call, each, pending.get(each.id), None) for each in shown]
    done = len(found) <= query.limit
    after = None
    if not done:
        after = f"{shown[-1].partition if operator else shown[-1].application}.{shown[-1].id}"
    return TargetPage(data=data, iterator=after, done=done)


async def get_target(call: Call[Watcher], endpoint_id: str) -> EndpointDetail:
    """Get all that is known of one endpoint: how it is doing, what was set, its last attempts."""
    endpoint, board = endpoint_seen(call, endpoint_id), call.state(BOARD)
    key = endpoint.partition, endpoint.id
    pending = await board.pending([key])
    opened = await board.breaker(*key) if endpoint.breaker_until is not None else None
    await _look(call)
    now = call.state(DESK).clock.now()
    recent = await board.recent(*key, now - COUNTED)
    wanted = Attempts(endpoint.partition, endpoint.application, endpoint=endpoint.id)
    found = await call.state(DESK).views.attempts(wanted, Slice(LATEST, descending=True))
    listed = _listed(call, endpoint, pending.get(endpoint.id), None if opened is None else reason(opened))
    return EndpointDetail.model_construct(
        **dict(listed),
        configuration=endpoint_models.write(endpoint),
        latest=[attempts.write(each, now.date()) for each in found.items],
        counts=CountsOut(delivered=recent.delivered, failed=recent.failed, since=recent.since),
    )


async def _look(call: Call[Watcher]) -> None:
    """Have the other processes tell how the targets are doing that they deliver to."""
    hub = call.state(LIVE)
    if not hub.alone:
        hub.look()
        await hub.hear()


def _key(iterator: str | None, *, number: bool) -> tuple[str, str]:
    if iterator is None:
        return "", ""
    found = _KEY.fullmatch(iterator)
    if found is None or found[1].isdigit() != number or (number and int(found[1]) > 2**15 - 1):
        raise bad_iterator("must be the iterator of another page of this list")
    return found[1], found[2]


def _listed(call: Call[Watcher], endpoint: Endpoint, pending: Pending | None, why: str | None) -> ListedTarget:
    now: BaseModel = call.state(LIVE).reporter.target(endpoint, why)
    pending = pending or Pending(0, None)
    return ListedTarget.model_construct(
        **dict(now),
        pending=pending.count,
        pending_more=pending.count >= PENDING_MAX,
        oldest_due=pending.oldest_due,
        failing_since=endpoint.failing_since,
        created_at=endpoint.created_at,
        description=endpoint.description,
        uid=endpoint.uid,
    )
