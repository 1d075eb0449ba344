"""Event types: the kinds of messages an organization declares."""

import json
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator

from daemon.api.auth import App, Org, Tokens
from daemon.api.context import DESK, Refused, agreed, first
from daemon.api.layer import Surface
from daemon.api.lists import ListQuery, Page
from daemon.api.models import CamelIn, CamelOut
from daemon.api.operation import Call
from daemon.api.v1.callers import NOT_FOUND, Tenant
from daemon.api.v1.fields import Label, Text, unsupported
from daemon.api.v1.json_schema import fault
from daemon.api.v1.listing import page_of, slice_by_name
from events import ids
from events.event_type import CreateEventType, EventType

TAG: Final = "Event Type"
NUL: Final = r"\u0000"


def _draft7(schemas: dict[str, Any]) -> dict[str, Any]:
    for version, schema in schemas.items():
        if found := fault(schema):
            raise ValueError(f"version {version}: {found}")
    try:
        text = json.dumps(schemas, allow_nan=False)
    except ValueError as error:
        raise ValueError("numbers must be finite") from error
    if NUL in text.replace(r"\\", ""):
        raise ValueError("the character U+0000 cannot be stored")
    return schemas


Schemas = Annotated[dict[str, Any], AfterValidator(_draft7)]


class EventTypeIn(CamelIn):
    """A new event type. `schemas` holds JSON Schemas (draft 7) by version."""

    name: Label
    description: Text
    archived: bool = False
    deprecated: bool = False
    schemas: Schemas | None = None
    feature_flag: Label | None = None
    feature_flags: Annotated[Any, *unsupported("several feature flags are")] = None


class EventTypeOut(CamelOut):
    """An event type."""

    name: str
    description: str
    archived: bool
    deprecated: bool
    schemas: dict[str, Any] | None
    feature_flag: str | None
    created_at: datetime
    updated_at: datetime


class EventTypeQuery(ListQuery):
    """Which event types, and whether with their schemas."""

    include_archived: bool = False
    with_content: bool = False


def declare(surface: Surface, tokens: Tokens) -> None:
    """Declare the routes."""
    surface.op(
        "GET", "/event-type", query=EventTypeQuery, out=Page[EventTypeOut], errors=(503,), auth=tokens.tenant, tag=TAG
    )(list_event_types)
    surface.op(
        "POST",
        "/event-type",
        body=EventTypeIn,
        out=EventTypeOut,
        status=201,
        errors=(409, 503),
        auth=tokens.org,
        tag=TAG,
    )(create_event_type)
    surface.op("GET", "/event-type/{event_type_name}", out=EventTypeOut, errors=(404,), auth=tokens.tenant, tag=TAG)(
        get_event_type
    )


async def list_event_types(call: Call[Tenant], query: EventTypeQuery) -> Page[EventTypeOut]:
    """List event types by name; an application's token sees those its feature flags open."""
    wanted = slice_by_name(query)
    views, principal = call.state(DESK).views, call.principal
    flags = principal.feature_flags if isinstance(principal, App) else None
    found = await views.event_types(principal.org_id, wanted, archived=query.include_archived, flags=flags)
    return page_of(found, lambda each: write(each, with_schemas=query.with_content), lambda each: each.name)


async def create_event_type(call: Call[Org], body: EventTypeIn) -> EventTypeOut:
    """Declare an event type; an archived one of that name is revived and overwritten."""
    desk = call.state(DESK)
    command = CreateEventType(
        id=desk.mint(ids.EVENT_TYPE),
        org=call.principal.org_id,
        name=body.name,
        description=body.description,
        archived=body.archived,
        deprecated=body.deprecated,
        schemas=body.schemas,
        feature_flag=body.feature_flag,
    )
    created = first(EventType, agreed(await desk.ask(command, call.principal.actor, call.request_id)))
    assert created is not None
    return write(created)


async def get_event_type(call: Call[Tenant], event_type_name: str) -> EventTypeOut:
    """Get an event type, archived or not, with its schemas."""
    principal = call.principal
    found = call.state(DESK).world.event_type(principal.org_id, event_type_name)
    if found is None or not _open_to(principal, found.feature_flag):
        raise Refused(NOT_FOUND)
    return write(found)


def _open_to(principal: Tenant, flag: str | None) -> bool:
    return flag is None or not isinstance(principal, App) or flag in principal.feature_flags


def write(event_type: EventType, *, with_schemas: bool = True) -> EventTypeOut:
    """Write an event type as it is answered."""
    return EventTypeOut(
        name=event_type.name,
        description=event_type.description,
        archived=event_type.archived,
        deprecated=event_type.deprecated,
        schemas=event_type.schemas if with_schemas else None,
        feature_flag=event_type.feature_flag,
        created_at=event_type.created_at,
        updated_at=event_type.updated_at,
    )
