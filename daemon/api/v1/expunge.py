"""Erasing what was sent and answered, on request: the log keeps the fact, its digest and who asked."""

from typing import Final

from daemon.api.auth import Org, Tokens
from daemon.api.context import DESK
from daemon.api.layer import Surface
from daemon.api.models import CamelOut
from daemon.api.operation import Call
from daemon.api.reply import Reply
from daemon.api.v1.attempts import attempt_of
from daemon.api.v1.callers import application_of
from daemon.api.v1.messages import message_of
from daemon.expunging import Asker

MESSAGE: Final = "/app/{app_id}/msg/{msg_id}"


class ExpungeOut(CamelOut):
    """How much was erased. Not `done`: there is more, ask again."""

    payloads: int
    responses: int
    done: bool


def declare(surface: Surface, tokens: Tokens) -> None:
    """Declare the routes."""
    org, errors = tokens.org, (404, 503)
    surface.op("DELETE", MESSAGE + "/content", status=204, errors=errors, auth=org, tag="Message")(expunge_payload)
    surface.op(
        "DELETE",
        MESSAGE + "/attempt/{attempt_id}/content",
        status=204,
        errors=errors,
        auth=org,
        tag="Message Attempt",
    )(expunge_response)
    surface.op(
        "POST", "/app/{app_id}/expunge", out=ExpungeOut, also=(202,), errors=errors, auth=org, tag="Application"
    )(expunge_application)


async def expunge_payload(call: Call[Org], app_id: str, msg_id: str) -> None:
    """Erase a message's payload. What is not delivered yet will not be."""
    message = await message_of(call, application_of(call, app_id), msg_id)
    await call.state(DESK).expunger.payload(message, _asker(call))


async def expunge_response(call: Call[Org], app_id: str, msg_id: str, attempt_id: str) -> None:
    """Erase what was answered to an attempt."""
    message = await message_of(call, application_of(call, app_id), msg_id)
    attempt = await attempt_of(call, message, attempt_id)
    await call.state(DESK).expunger.response(message, attempt.recorded.seq, _asker(call))


async def expunge_application(call: Call[Org], app_id: str) -> Reply:
    """Erase all payloads and responses of the messages that an application has now; 202: ask again for the rest."""
    application = application_of(call, app_id)
    gone = await call.state(DESK).expunger.application(application, _asker(call))
    out = ExpungeOut(payloads=gone.payloads, responses=gone.responses, done=gone.done)
    return Reply(status=200 if gone.done else 202, body=out)


def _asker(call: Call[Org]) -> Asker:
    return Asker(call.principal.actor, call.request_id)
