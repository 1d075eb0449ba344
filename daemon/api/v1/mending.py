"""What the Svix API lets tenants do to their deliveries: send again, recover, rotate the key, try an example."""

from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from pydantic import Field

from daemon import signing
from daemon.acting import Done
from daemon.api.auth import Org, Tokens
from daemon.api.context import DESK, Refused, agreed, first
from daemon.api.errors import ApiError, Invalid, Issue
from daemon.api.layer import Surface
from daemon.api.models import CamelIn, CamelOut
from daemon.api.operation import Call
from daemon.api.v1.acts import GRACE_S, Grace, message_for, message_to
from daemon.api.v1.callers import Tenant, application_of, endpoint_of
from daemon.api.v1.endpoint_models import SecretOut
from daemon.api.v1.fields import Label, SigningKey
from daemon.api.v1.listing import Moment
from daemon.api.v1.messages import EMPTY, MessageOut, write
from daemon.expunging import Asker
from events import ids
from events.event_type import EventType
from events.message import Message
from events.refusal import Refusal

ENDPOINT: Final = "/app/{app_id}/endpoint/{endpoint_id}"
TAG: Final = "Endpoint"
SPAN_MAX: Final = timedelta(days=14, minutes=5)
PING: Final = "svix.ping"
PING_PAYLOAD: Final = b'{"success":true}'
EXAMPLE_VERSION: Final = "1"
TASK: Final = "qtask"
MORE_RETRY_S: Final = 1


class ResendOut(CamelOut):
    """It is on its way."""


class RecoverIn(CamelIn):
    """Which: accepted from `since` on, before `until` (now, unless given): at most 14 days."""

    since: Moment
    until: Moment | None = None


class RecoverOut(CamelOut):
    """What was asked for is done. `id` is that of a task; hookd keeps none, so it cannot be looked up."""

    id: str
    status: str
    task: str
    updated_at: datetime


class RotateIn(CamelIn):
    """The new key (generated, unless given), and for how many seconds the one before signs along."""

    key: SigningKey | None = Field(default=None, repr=False)
    grace_period_seconds: Grace = GRACE_S


class ExampleIn(CamelIn):
    """The event type whose example is sent: `svix.ping` needs no declaration."""

    event_type: Label


def declare(surface: Surface, tokens: Tokens) -> None:
    """Declare the routes."""
    tenant, org = tokens.tenant, tokens.org
    surface.op(
        "POST",
        "/app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/resend",
        out=ResendOut,
        status=202,
        errors=(400, 404, 503),
        auth=tenant,
        tag="Message Attempt",
    )(resend_message)
    surface.op(
        "POST",
        ENDPOINT + "/recover",
        body=RecoverIn,
        out=RecoverOut,
        status=202,
        errors=(404, 503),
        auth=tenant,
        tag=TAG,
    )(recover_endpoint)
    surface.op(
        "POST",
        ENDPOINT + "/secret/rotate",
        body=RotateIn,
        out=SecretOut,
        errors=(400, 404, 503),
        auth=tenant,
        tag=TAG,
    )(rotate_endpoint_secret)
    surface.op(
        "POST",
        ENDPOINT + "/send-example",
        body=ExampleIn,
        out=MessageOut,
        errors=(400, 404, 503),
        auth=org,
        tag=TAG,
    )(send_example)


async def resend_message(call: Call[Tenant], app_id: str, msg_id: str, endpoint_id: str) -> ResendOut:
    """Send a message to an endpoint again, whatever became of it; its attempts start over."""
    endpoint = endpoint_of(call, app_id, endpoint_id)
    message = await message_to(call, endpoint, msg_id)
    done(await call.state(DESK).acts.resend(message, endpoint, _asker(call)))
    return ResendOut()


async def recover_endpoint(call: Call[Tenant], app_id: str, endpoint_id: str, body: RecoverIn) -> RecoverOut:
    """Send again what was accepted in a span of time and ended undelivered.

    All of it is due again when this is answered; 503: there is more than one request can do, ask again.
    """
    endpoint, desk = endpoint_of(call, app_id, endpoint_id), call.state(DESK)
    now = desk.clock.now()
    until = body.until or now
    if until - SPAN_MAX > body.since or until <= body.since:
        raise Invalid([Issue("body", ("since",), "must be before until, and at most 14 days", "value_error")])
    found = await desk.acts.recover(endpoint, body.since, until, _asker(call))
    if not found.done:
        detail = f"{found.touched} deliveries are sent again, and there are more: ask again"
        raise ApiError(503, "unavailable", detail, headers={"Retry-After": str(MORE_RETRY_S)})
    return RecoverOut(id=desk.mint(TASK), status="finished", task="endpoint.recover", updated_at=now)


async def rotate_endpoint_secret(call: Call[Tenant], app_id: str, endpoint_id: str, body: RotateIn) -> SecretOut:
    """Sign with another key from now on; both sign while the grace lasts. Answers what is needed to verify."""
    endpoint, desk = endpoint_of(call, app_id, endpoint_id), call.state(DESK)
    key = body.key or signing.generate(desk.entropy(signing.GENERATED_KEY_BYTES))
    secret = desk.mint(ids.SIGNING_KEY)
    done(await desk.acts.rotate(endpoint, key, secret, body.grace_period_seconds, _asker(call)))
    return SecretOut(key=signing.public(key))


async def send_example(call: Call[Org], app_id: str, endpoint_id: str, body: ExampleIn) -> MessageOut:
    """Send the example of an event type to one endpoint alone."""
    endpoint, desk = endpoint_of(call, app_id, endpoint_id), call.state(DESK)
    if body.event_type == PING:
        payload = PING_PAYLOAD
    else:
        event_type = desk.world.event_type(application_of(call, app_id).org, body.event_type)
        payload = _example(event_type)
    command = message_for(call, endpoint, body.event_type, payload)
    states = agreed(await desk.ask(command, call.principal.actor, call.request_id))
    sent = first(Message, states)
    assert sent is not None
    return write(sent, EMPTY)


def _example(event_type: EventType | None) -> bytes:
    if event_type is None:
        raise ApiError(404, "not_found", "Entity not found")
    schema: Any = (event_type.schemas or {}).get(EXAMPLE_VERSION)
    examples = schema.get("examples") if isinstance(schema, dict) else None
    if not isinstance(examples, list) or not examples or not isinstance(examples[0], dict):
        raise ApiError(400, "invalid_scheme", f"version {EXAMPLE_VERSION} of its schema has no example")
    return msgspec.json.encode(examples[0])


def done(answer: Done | Refusal) -> Done:
    """What an act came to. Raises Refused."""
    if isinstance(answer, Refusal):
        raise Refused(answer)
    return answer


def _asker(call: Call[Tenant]) -> Asker:
    return Asker(call.principal.actor, call.request_id)
