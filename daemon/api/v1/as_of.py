"""Everything as of a moment: which endpoints there were, how they were set and how they stood. For operators."""

import re
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

import msgspec
from pydantic import Field

from daemon.api.auth import Operator, Tokens
from daemon.api.context import AS_OF, DESK, LOG
from daemon.api.errors import Invalid, Issue
from daemon.api.layer import Surface
from daemon.api.models import CamelOut, Strict, absent
from daemon.api.operation import Call
from daemon.api.reply import Reply
from daemon.live.tally import reason
from events.application import Application
from events.as_of_views import COUNTED_MAX, Then
from events.positions import BadPositions, Positions, parse, spell
from events.when import BadWhen
from events.when import moment as moment_of

TAG: Final = "Audit"
SHOWN_MAX: Final = 10_000
"""Endpoints, and applications, of one answer."""
_PLACE: Final = re.compile(r"[\d.]+", re.ASCII)
T = TypeVar("T")


class AsOfAllQuery(Strict):
    """When."""

    at: Annotated[str, Field(max_length=4096, description="RFC 3339, like `2h ago`, or positions (`120.4.0.77`).")]


class EndpointThenOut(CamelOut):
    """An endpoint as it was then."""

    endpoint: str
    application: str
    url: str
    description: str
    uid: str | None = Field(default=None, exclude_if=absent)
    breaker: str = Field(description="closed, open, or probing (its time was up)")
    breaker_until: datetime | None = Field(default=None, exclude_if=absent)
    breaker_reason: str | None = Field(default=None, exclude_if=absent)
    disabled: str | None = Field(default=None, exclude_if=absent, description="why")
    failing_since: datetime | None = Field(default=None, exclude_if=absent)
    created_at: datetime
    updated_at: datetime
    event_types: list[str] | None
    channels: list[str] | None
    metadata: dict[str, str]
    throttle_rate: int | None = Field(default=None, exclude_if=absent)
    batch_size: int | None = Field(default=None, exclude_if=absent)
    retry_delays_s: list[float] | None


class ApplicationThenOut(CamelOut):
    """An application as it was then."""

    id: str
    org: str
    name: str
    uid: str | None = Field(default=None, exclude_if=absent)
    created_at: datetime


class AsOfAllOut(CamelOut):
    """What there was right after `positions`. `more`: there were more endpoints or applications than are listed.

    `undelivered` counts the deliveries that waited, by endpoint; null when there are more than 200,000 events up to
    then: they are not counted on request (`hookd audit as-of` does).
    """

    at: datetime
    positions: str
    endpoints: list[EndpointThenOut]
    applications: list[ApplicationThenOut]
    undelivered: dict[str, int] | None
    more: bool


class _EndpointThen(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    endpoint: str
    application: str
    url: str
    description: str
    breaker: str
    created_at: datetime
    updated_at: datetime
    event_types: tuple[str, ...] | None
    channels: tuple[str, ...] | None
    metadata: dict[str, str]
    retry_delays_s: tuple[float, ...] | None
    uid: str | None = None
    breaker_until: datetime | None = None
    breaker_reason: str | None = None
    disabled: str | None = None
    failing_since: datetime | None = None
    throttle_rate: int | None = None
    batch_size: int | None = None


class _ApplicationThen(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    id: str
    org: str
    name: str
    created_at: datetime
    uid: str | None = None


def declare(surface: Surface, tokens: Tokens) -> None:
    """Declare the route."""
    surface.op(
        "GET", "/audit/as-of", query=AsOfAllQuery, out=AsOfAllOut, errors=(503,), auth=tokens.operator, tag=TAG
    )(get_all_as_of)


async def get_all_as_of(call: Call[Operator], query: AsOfAllQuery) -> Reply:
    """Get what endpoints and applications there were at a moment or at positions, and what was undelivered."""
    views = call.state(AS_OF)
    moment, high = await _place(call, query.at)
    endpoints, more_endpoints = await _first(views.endpoints(high, moment), lambda then: _endpoint(then, moment))
    applications, more_applications = await _first(views.applications(high, moment), _application)
    undelivered = await views.undelivered(high)
    answer = {
        "at": moment,
        "positions": spell(high),
        "endpoints": endpoints,
        "applications": applications,
        "undelivered": undelivered,
        "more": more_endpoints or more_applications,
    }
    return Reply(body=msgspec.json.encode(answer))


async def _place(call: Call[Operator], text: str) -> tuple[datetime, Positions]:
    log, now = call.state(LOG), call.state(DESK).clock.now()
    try:
        if not _PLACE.fullmatch(text):
            moment = moment_of(text, now)
            return moment, await log.at(moment)
        heads = tuple(head.seq for head in await log.heads())
        high = tuple(map(min, parse(text, len(heads)), heads))
    except (BadPositions, BadWhen) as bad:
        raise Invalid([Issue("query", ("at",), str(bad), "value_error")]) from None
    return await call.state(AS_OF).moment(high) or (await log.edges())[0] or now, high


async def _first(chunks: AsyncIterator[list[T]], write: Any) -> tuple[list[msgspec.Raw], bool]:
    """The first SHOWN_MAX, as JSON, and whether there are more. A chunk at a time: deliveries go on in between."""
    found: list[msgspec.Raw] = []
    async for chunk in chunks:
        found += [msgspec.Raw(msgspec.json.encode(write(each))) for each in chunk]
        if len(found) > SHOWN_MAX:
            break
    return found[:SHOWN_MAX], len(found) > SHOWN_MAX


def _endpoint(then: Then, moment: datetime) -> _EndpointThen:
    endpoint, until = then.endpoint, then.endpoint.breaker_until
    return _EndpointThen(
        endpoint=endpoint.id,
        application=endpoint.application,
        url=endpoint.url,
        description=endpoint.description,
        breaker="closed" if until is None else "open" if until > moment else "probing",
        created_at=endpoint.created_at,
        updated_at=endpoint.updated_at,
        event_types=endpoint.event_types,
        channels=endpoint.channels,
        metadata=endpoint.metadata,
        retry_delays_s=endpoint.retry_delays_s,
        uid=endpoint.uid,
        breaker_until=until,
        breaker_reason=None if then.opened is None else reason(then.opened),
        disabled=endpoint.disabled,
        failing_since=endpoint.failing_since,
        throttle_rate=endpoint.throttle_rate,
        batch_size=endpoint.batch_size,
    )


def _application(application: Application) -> _ApplicationThen:
    return _ApplicationThen(
        id=application.id,
        org=application.org,
        name=application.name,
        created_at=application.created_at,
        uid=application.uid,
    )


assert COUNTED_MAX == 200_000, "the document says so"  # noqa: PLR2004
