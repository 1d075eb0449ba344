"""Applications: the customers of an organization."""

from datetime import datetime
from typing import Any, Final

from pydantic import AliasChoices, BaseModel, Field

from daemon.api.auth import Org, Tokens
from daemon.api.context import DESK, agreed, first
from daemon.api.layer import Surface
from daemon.api.lists import ListQuery, Page
from daemon.api.models import CamelIn, CamelOut, absent
from daemon.api.operation import Call
from daemon.api.reply import Reply
from daemon.api.v1.callers import Tenant, application_of, known_application
from daemon.api.v1.fields import ApplicationUid, Metadata, Name, Rate, RetentionDays, omitted
from daemon.api.v1.listing import is_descending, page_of, slice_by_id
from events import ids
from events.application import Application, CreateApplication, DeleteApplication, UpdateApplication

TAG: Final = "Application"
RATE_NAMES: Final = AliasChoices("throttleRate", "rateLimit")


class ApplicationIn(CamelIn):
    """A new application, or what one is to be."""

    name: Name
    uid: ApplicationUid | None = None
    throttle_rate: Rate | None = Field(default=None, validation_alias=RATE_NAMES)
    metadata: Metadata = Field(default_factory=dict)
    retention_days: RetentionDays | None = None


class ApplicationPatch(CamelIn):
    """What is to change."""

    name: Name = Field(default_factory=omitted)
    uid: ApplicationUid | None = None
    throttle_rate: Rate | None = Field(default=None, validation_alias=RATE_NAMES)
    metadata: Metadata = Field(default_factory=omitted)
    retention_days: RetentionDays | None = None


class ApplicationOut(CamelOut):
    """An application."""

    id: str
    uid: str | None = Field(default=None, exclude_if=absent)
    name: str
    throttle_rate: int | None
    rate_limit: int | None = Field(default=None, exclude_if=absent)
    metadata: dict[str, str]
    retention_days: int | None = Field(default=None, exclude_if=absent)
    created_at: datetime
    updated_at: datetime


class CreateQuery(BaseModel):
    """What to do when the uid is taken."""

    get_if_exists: bool = False


def declare(surface: Surface, tokens: Tokens) -> None:
    """Declare the routes."""
    org = tokens.org
    surface.op("GET", "/app", query=ListQuery, out=Page[ApplicationOut], errors=(503,), auth=org, tag=TAG)(
        list_applications
    )
    surface.op(
        "POST",
        "/app",
        query=CreateQuery,
        body=ApplicationIn,
        out=ApplicationOut,
        status=201,
        also=(200,),
        errors=(409, 503),
        auth=org,
        tag=TAG,
    )(create_application)
    surface.op("GET", "/app/{app_id}", out=ApplicationOut, errors=(404,), auth=tokens.tenant, tag=TAG)(
        get_application
    )
    surface.op(
        "PUT",
        "/app/{app_id}",
        body=ApplicationIn,
        out=ApplicationOut,
        also=(201,),
        errors=(409, 503),
        auth=org,
        tag=TAG,
    )(put_application)
    surface.op(
        "PATCH", "/app/{app_id}", body=ApplicationPatch, out=ApplicationOut, errors=(404, 409, 503), auth=org, tag=TAG
    )(patch_application)
    surface.op("DELETE", "/app/{app_id}", status=204, errors=(404, 503), auth=org, tag=TAG)(delete_application)


async def list_applications(call: Call[Org], query: ListQuery) -> Page[ApplicationOut]:
    """List the organization's applications."""
    wanted = slice_by_id(query, ids.APPLICATION, descending=is_descending(query, usually=False))
    found = await call.state(DESK).views.applications(call.principal.org_id, wanted)
    return page_of(found, write, lambda application: application.id)


async def create_application(call: Call[Org], body: ApplicationIn, query: CreateQuery) -> Reply:
    """Create an application; with get_if_exists, one with the same uid is returned unchanged."""
    created = await create(call, body, get_if_exists=query.get_if_exists)
    if created is not None:
        return Reply(body=write(created))
    return Reply(status=200, body=write(application_of(call, str(body.uid))))


async def get_application(call: Call[Tenant], app_id: str) -> ApplicationOut:
    """Get an application."""
    return write(application_of(call, app_id))


async def put_application(call: Call[Org], app_id: str, body: ApplicationIn) -> Reply:
    """Replace an application's settings, all of them; one that is not there is created, under an id of its own."""
    known = known_application(call, app_id)
    if known is not None:
        return Reply(body=await _update(call, known, body.model_dump()))
    created = await create(call, body)
    assert created is not None
    return Reply(status=201, body=write(created))


async def patch_application(call: Call[Org], app_id: str, body: ApplicationPatch) -> ApplicationOut:
    """Change some of an application's settings."""
    return await _update(call, application_of(call, app_id), body.model_dump(exclude_unset=True))


async def delete_application(call: Call[Org], app_id: str) -> None:
    """Delete an application and its endpoints; what is not delivered yet will not be."""
    command = DeleteApplication(application_of(call, app_id).id)
    agreed(await call.state(DESK).ask(command, call.principal.actor, call.request_id))


async def create(call: Call[Tenant], body: ApplicationIn, *, get_if_exists: bool = False) -> Application | None:
    """Create an application; None if get_if_exists holds and one of this uid exists. Raises Refused."""
    desk = call.state(DESK)
    command = CreateApplication(
        id=desk.mint(ids.APPLICATION),
        org=call.principal.org_id,
        name=body.name,
        uid=body.uid,
        throttle_rate=body.throttle_rate,
        metadata=body.metadata,
        retention_days=body.retention_days,
        get_if_exists=get_if_exists,
    )
    return first(Application, agreed(await desk.ask(command, call.principal.actor, call.request_id)))


async def _update(call: Call[Org], known: Application, changes: dict[str, Any]) -> ApplicationOut:
    command = UpdateApplication(known.id, changes)
    states = agreed(await call.state(DESK).ask(command, call.principal.actor, call.request_id))
    return write(first(Application, states) or application_of(call, known.id))


def write(application: Application) -> ApplicationOut:
    """Write an application as it is answered."""
    return ApplicationOut(
        id=application.id,
        uid=application.uid,
        name=application.name,
        throttle_rate=application.throttle_rate,
        rate_limit=application.throttle_rate,
        metadata=application.metadata,
        retention_days=application.retention_days,
        created_at=application.created_at,
        updated_at=application.updated_at,
    )
