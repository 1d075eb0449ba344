"""Endpoints: where an application's messages go."""

from typing import Any, Final

from daemon import signing
from daemon.api.auth import Tokens
from daemon.api.context import DESK, Refused, agreed, first
from daemon.api.layer import Surface
from daemon.api.lists import ListQuery, Page
from daemon.api.operation import Call
from daemon.api.reply import Reply
from daemon.api.v1.callers import NOT_FOUND, Tenant, application_of, endpoint_of
from daemon.api.v1.endpoint_models import EndpointIn, EndpointOut, EndpointPatch, EndpointUpdate, SecretOut, write
from daemon.api.v1.listing import is_descending, page_of, slice_by_id
from events import ids
from events.application import Application
from events.endpoint import DeleteEndpoint, Endpoint, RegisterEndpoint, UpdateEndpoint

TAG: Final = "Endpoint"
ALL: Final = "/app/{app_id}/endpoint"
ONE: Final = ALL + "/{endpoint_id}"


def declare(surface: Surface, tokens: Tokens) -> None:
    """Declare the routes."""
    auth = tokens.tenant
    surface.op("GET", ALL, query=ListQuery, out=Page[EndpointOut], errors=(404, 503), auth=auth, tag=TAG)(
        list_endpoints
    )
    surface.op("POST", ALL, body=EndpointIn, out=EndpointOut, status=201, errors=(404, 409, 503), auth=auth, tag=TAG)(
        create_endpoint
    )
    surface.op("GET", ONE, out=EndpointOut, errors=(404,), auth=auth, tag=TAG)(get_endpoint)
    surface.op(
        "PUT", ONE, body=EndpointUpdate, out=EndpointOut, also=(201,), errors=(404, 409, 503), auth=auth, tag=TAG
    )(put_endpoint)
    surface.op("PATCH", ONE, body=EndpointPatch, out=EndpointOut, errors=(404, 409, 503), auth=auth, tag=TAG)(
        patch_endpoint
    )
    surface.op("DELETE", ONE, status=204, errors=(404, 503), auth=auth, tag=TAG)(delete_endpoint)
    surface.op("GET", ONE + "/secret", out=SecretOut, errors=(404, 503), auth=auth, tag=TAG)(get_endpoint_secret)


async def list_endpoints(call: Call[Tenant], app_id: str, query: ListQuery) -> Page[EndpointOut]:
    """List an application's endpoints, the newest first."""
    application = application_of(call, app_id)
    wanted = slice_by_id(query, ids.ENDPOINT, descending=is_descending(query, usually=True))
    found = await call.state(DESK).views.endpoints(application.partition, application.id, wanted)
    return page_of(found, write, lambda endpoint: endpoint.id)


async def create_endpoint(call: Call[Tenant], app_id: str, body: EndpointIn) -> EndpointOut:
    """Create an endpoint, with a signing key of its own."""
    return await _create(call, application_of(call, app_id), body)


async def get_endpoint(call: Call[Tenant], app_id: str, endpoint_id: str) -> EndpointOut:
    """Get an endpoint."""
    return write(endpoint_of(call, app_id, endpoint_id))


async def put_endpoint(call: Call[Tenant], app_id: str, endpoint_id: str, body: EndpointUpdate) -> Reply:
    """Replace an endpoint's settings, all of them; one that is not there is created, with id and key of its own."""
    application = application_of(call, app_id)
    known = call.state(DESK).world.endpoint(endpoint_id, application.id)
    if known is not None:
        return Reply(body=await _update(call, known, body.settings()))
    created = await _create(call, application, EndpointIn.model_construct(**dict(body)))
    return Reply(status=201, body=created)


async def patch_endpoint(call: Call[Tenant], app_id: str, endpoint_id: str, body: EndpointPatch) -> EndpointOut:
    """Change some of an endpoint's settings."""
    return await _update(call, endpoint_of(call, app_id, endpoint_id), body.settings(only_sent=True))


async def delete_endpoint(call: Call[Tenant], app_id: str, endpoint_id: str) -> None:
    """Delete an endpoint; what is not delivered yet will not be."""
    known = endpoint_of(call, app_id, endpoint_id)
    command = DeleteEndpoint(known.id, known.application)
    agreed(await call.state(DESK).ask(command, call.principal.actor, call.request_id))


async def get_endpoint_secret(call: Call[Tenant], app_id: str, endpoint_id: str) -> SecretOut:
    """Get what is needed to verify the endpoint's signatures; of a key pair, the public half."""
    known = endpoint_of(call, app_id, endpoint_id)
    desk = call.state(DESK)
    sealed = await desk.views.secret(known.partition, known.id, known.secret)
    if sealed is None:
        raise Refused(NOT_FOUND)
    return SecretOut(key=signing.public(desk.sealer.open(sealed, known.id).decode()))


async def _create(call: Call[Tenant], application: Application, body: EndpointIn) -> EndpointOut:
    desk = call.state(DESK)
    endpoint_id = desk.mint(ids.ENDPOINT)
    key = body.secret or signing.generate(desk.entropy(signing.GENERATED_KEY_BYTES))
    command = RegisterEndpoint(
        id=endpoint_id,
        application=application.id,
        config=body.config(),
        secret=desk.mint(ids.SIGNING_KEY),
        sealed_secret=desk.sealer.seal(key.encode(), endpoint_id),
        disabled=body.disabled,
    )
    created = first(Endpoint, agreed(await desk.ask(command, call.principal.actor, call.request_id)))
    assert created is not None
    return write(created)


async def _update(call: Call[Tenant], known: Endpoint, changes: dict[str, Any]) -> EndpointOut:
    command = UpdateEndpoint(known.id, known.application, changes)
    states = agreed(await call.state(DESK).ask(command, call.principal.actor, call.request_id))
    return write(first(Endpoint, states) or endpoint_of(call, known.application, known.id))
