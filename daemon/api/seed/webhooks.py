"""Webhooks: endpoints in their admin's implicit application, and the call that tells them all an address."""

import hashlib
from collections.abc import Iterable
from http import HTTPStatus
from ipaddress import ip_address
from typing import Final

import msgspec

from daemon import signing
from daemon.api.context import DESK, agreed, first
from daemon.api.errors import ApiError
from daemon.api.layer import Surface
from daemon.api.operation import Auth, Call
from daemon.api.seed.callers import actor_of
from daemon.api.seed.models import Address, Data, NewWebhook, OtherTarget, Sent, Webhook, Whose
from daemon.desk import Desk
from events import ids
from events.admin import Admin
from events.catalogue import EndpointConfig
from events.endpoint import DeleteEndpoint, Endpoint, RegisterEndpoint, UpdateEndpoint
from events.message import AcceptMessage, AcceptTogether, Message

EVENT_TYPE: Final = "ip.changed"
TAG: Final = "Webhooks"


def declare(surface: Surface, caller: Auth[Admin]) -> None:
    """Declare the routes."""
    one = Data[Webhook]
    surface.op(
        "POST", "/webhooks/register", body=NewWebhook, out=one, status=201, errors=(503,), auth=caller, tag=TAG
    )(register_webhook)
    surface.op("PATCH", "/webhooks/{id}/update", body=OtherTarget, out=one, errors=(404, 503), auth=caller, tag=TAG)(
        update_webhook
    )
    surface.op("GET", "/webhooks", query=Whose, out=Data[list[Webhook]], errors=(503,), auth=caller, tag=TAG)(
        list_webhooks
    )
    surface.op("DELETE", "/webhooks/{id}/delete", out=one, errors=(404, 503), auth=caller, tag=TAG)(delete_webhook)
    surface.op("POST", "/webhooks/ip", body=Address, query=Whose, out=Sent, errors=(503,), auth=caller, tag=TAG)(
        send_address
    )


async def register_webhook(call: Call[Admin], body: NewWebhook) -> Data[Webhook]:
    """Register a URL of the caller's."""
    desk, admin = call.state(DESK), call.principal
    endpoint_id = desk.mint(ids.ENDPOINT)
    key = signing.generate(desk.entropy(signing.GENERATED_KEY_BYTES))
    command = RegisterEndpoint(
        id=endpoint_id,
        application=admin.application,
        config=EndpointConfig(url=body.uri),
        secret=desk.mint(ids.SIGNING_KEY),
        sealed_secret=desk.sealer.seal(key.encode(), endpoint_id),
    )
    return _one(first(Endpoint, agreed(await desk.ask(command, actor_of(admin), call.request_id))))


async def update_webhook(call: Call[Admin], id: str, body: OtherTarget) -> Data[Webhook]:  # noqa: A002
    """Let webhooks go to another URL. Only the caller's own can be changed; others' are not found."""
    desk, admin = call.state(DESK), call.principal
    command = UpdateEndpoint(id=id, application=admin.application, changes={"url": body.new_target_url})
    states = agreed(await desk.ask(command, actor_of(admin), call.request_id))
    return _one(first(Endpoint, states) or desk.world.endpoint(id, admin.application))


async def list_webhooks(call: Call[Admin], query: Whose) -> Data[list[Webhook]]:
    """List the caller's webhooks, or everybody's, in the order of their registration."""
    desk = call.state(DESK)
    found = [_out(each) for owner in await _owners(call, query) for each in desk.world.endpoints_of(owner)]
    return Data(data=sorted(found, key=lambda webhook: webhook.id))


async def delete_webhook(call: Call[Admin], id: str) -> Data[Webhook]:  # noqa: A002
    """Delete a webhook of the caller's; what is not delivered yet will not be."""
    desk, admin = call.state(DESK), call.principal
    command = DeleteEndpoint(id=id, application=admin.application)
    return _one(first(Endpoint, agreed(await desk.ask(command, actor_of(admin), call.request_id))))


async def send_address(call: Call[Admin], body: Address, query: Whose) -> Sent:
    """Send an IP address to the caller's webhooks, or to everybody's: all of them, or none.

    Answered once everything to be sent is recorded durably; the deliveries follow.
    """
    desk = call.state(DESK)
    payload = _payload(desk, body.ip_addr)
    digest = hashlib.sha256(payload).hexdigest()
    owners = [owner for owner in await _owners(call, query) if any(True for _ in desk.world.endpoints_of(owner))]
    messages = tuple(AcceptMessage(desk.mint(ids.MESSAGE), owner, EVENT_TYPE, payload, digest) for owner in owners)
    if not messages:
        return Sent(data="sent", messages=[], deliveries=0)
    states = agreed(await desk.ask(AcceptTogether(messages), actor_of(call.principal), call.request_id))
    accepted = [state for state in states if isinstance(state, Message)]
    return Sent(
        data="sent",
        messages=[message.id for message in accepted],
        deliveries=sum(message.deliveries for message in accepted),
    )


def _payload(desk: Desk, address: str) -> bytes:
    try:
        ip_address(address)
    except ValueError:
        detail = "not an IPv4 or IPv6 address"
        raise ApiError(HTTPStatus.BAD_REQUEST, "invalid", detail, "ipAddr") from None
    return msgspec.json.encode({"ip": address, "ts": int(desk.clock.now().timestamp())})


async def _owners(call: Call[Admin], query: Whose) -> Iterable[str]:
    """The applications whose endpoints are meant. Other applications' endpoints are nobody's webhooks."""
    if query.own == "true":
        return [call.principal.application]
    return await call.state(DESK).views.admin_applications()


def _one(endpoint: Endpoint | None) -> Data[Webhook]:
    if endpoint is None:  # deleted since, by another call
        raise ApiError(HTTPStatus.NOT_FOUND, "not_found", "Endpoint not found")
    return Data(data=_out(endpoint))


def _out(endpoint: Endpoint) -> Webhook:
    return Webhook(id=endpoint.id, url=endpoint.url)
