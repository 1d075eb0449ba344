"""What operators do: send again, disable and pause, mend, cancel, try. Each change names who made it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, Final

import msgspec
from pydantic import Field

from daemon import signing
from daemon.acting import Done
from daemon.api.auth import Operator, Tokens
from daemon.api.context import DESK, Refused, agreed, first
from daemon.api.errors import Invalid, Issue
from daemon.api.layer import Surface
from daemon.api.models import CamelMaybe, CamelOut, Strict, absent
from daemon.api.operation import Call
from daemon.api.v1.callers import NOT_FOUND
from daemon.api.v1.fields import Label, Text
from daemon.api.v1.listing import Moment
from daemon.api.v1.messages import NAMEABLE
from daemon.api.v1.watchers import endpoint_seen
from daemon.expunging import Asker
from events import ids
from events.decide import Command
from events.endpoint import Endpoint, ResetBreaker, UpdateEndpoint
from events.message import AcceptMessage, Message
from events.refusal import Refusal

TAG: Final = "Acts"
ENDPOINT: Final = "/endpoints/{endpoint_id}"
GRACE_S: Final = 86_400
GRACE_MAX_S: Final = 604_800
TEST: Final = "hookd.test"
REASON_CHARS_MAX: Final = 300

Reason = Annotated[Text, Field(max_length=REASON_CHARS_MAX)]
Grace = Annotated[int, Field(ge=0, le=GRACE_MAX_S)]


class ActQuery(Strict):
    """Whether it is done, or only said what would be."""

    dry_run: Annotated[bool, Field(alias="dryRun", description="count what would be touched, and do nothing")] = False


class ReasonIn(CamelMaybe):
    """Why, for the log and for those who wonder."""

    reason: Reason | None = None


class GraceIn(CamelMaybe):
    """How long the key before signs along, in seconds."""

    grace_s: Grace = GRACE_S


class TestIn(CamelMaybe):
    """What the test message is to be."""

    event_type: Label = TEST


class SinceIn(CamelMaybe):
    """Which: accepted from `since` on, before `until` (now, unless given)."""

    since: Moment
    until: Moment | None = None


class ActOut(CamelOut):
    """How many were touched; `touches`, on a dry run, how many would be. `done` false: there are more, ask again."""

    touched: int | None = Field(default=None, exclude_if=absent)
    touches: int | None = Field(default=None, exclude_if=absent)
    done: bool | None = Field(default=None, exclude_if=absent)


class SentOut(ActOut):
    """The test message that was accepted."""

    message: str | None = Field(default=None, exclude_if=absent)


class _Test(msgspec.Struct):
    test: bool
    at: datetime


@dataclass(frozen=True)
class _Act:
    """One call, ready to act on one endpoint."""

    call: Call[Operator]
    endpoint: Endpoint
    dry: bool

    @property
    def asker(self) -> Asker:
        return Asker(self.call.principal.actor, self.call.request_id)

    async def ask(self, command: Command) -> Sequence[Any]:
        return agreed(await self.call.state(DESK).ask(command, self.asker.actor, self.asker.request))

    async def disable(self, reason: str) -> ActOut:
        return await self._switch(disabled=True, reason=reason)

    async def enable(self) -> ActOut:
        return await self._switch(disabled=False, reason="")

    async def _switch(self, *, disabled: bool, reason: str) -> ActOut:
        endpoint = self.endpoint
        if self.dry:
            return ActOut(touches=int((endpoint.disabled is not None) is not disabled))
        changes = {"disabled": disabled}
        return ActOut(touched=len(await self.ask(UpdateEndpoint(endpoint.id, endpoint.application, changes, reason))))

    def told(self, done: Done | Refusal) -> ActOut:
        if isinstance(done, Refusal):
            raise Refused(done)
        if self.dry:
            return ActOut(touches=done.touched)
        return ActOut(touched=done.touched, done=None if done.done else False)


def declare(surface: Surface, tokens: Tokens) -> None:
    """Declare the routes."""

    def act(path: str, handler: Any, body: Any = None, out: Any = ActOut, errors: tuple[int, ...] = ()) -> None:
        surface.op(
            "POST",
            path,
            body=body,
            query=ActQuery,
            out=out,
            errors=(404, *errors, 503),
            auth=tokens.acting,
            tag=TAG,
        )(handler)

    act("/deliveries/{message_id}/{endpoint_id}/resend", resend, errors=(400,))
    act(ENDPOINT + "/disable", disable, ReasonIn)
    act(ENDPOINT + "/enable", enable)
    act(ENDPOINT + "/pause", pause, ReasonIn)
    act(ENDPOINT + "/resume", resume)
    act(ENDPOINT + "/reset-breaker", reset_breaker)
    act(ENDPOINT + "/rotate-secret", rotate_secret, GraceIn, errors=(400,))
    act(ENDPOINT + "/test", send_test, TestIn, SentOut)
    act(ENDPOINT + "/recover", recover, SinceIn)
    act(ENDPOINT + "/cancel-pending", cancel_pending, ReasonIn)


async def resend(call: Call[Operator], message_id: str, endpoint_id: str, query: ActQuery) -> ActOut:
    """Send one delivery now, whatever became of it; its attempts start over. 0: it is due already."""
    act = _act(call, endpoint_id, query)
    message = await message_to(call, act.endpoint, message_id)
    return act.told(await call.state(DESK).acts.resend(message, act.endpoint, act.asker, dry=act.dry))


async def disable(call: Call[Operator], endpoint_id: str, body: ReasonIn, query: ActQuery) -> ActOut:
    """Attempt nothing from now on; deliveries are held."""
    return await _act(call, endpoint_id, query).disable(body.reason or f"by {call.principal.actor}")


async def enable(call: Call[Operator], endpoint_id: str, query: ActQuery) -> ActOut:
    """Go on; what was held is due."""
    return await _act(call, endpoint_id, query).enable()


async def pause(call: Call[Operator], endpoint_id: str, body: ReasonIn, query: ActQuery) -> ActOut:
    """Attempt nothing until it is resumed: disables, and says who paused it."""
    why = f": {body.reason}" if body.reason else ""
    return await _act(call, endpoint_id, query).disable(f"paused by {call.principal.actor}{why}")


async def resume(call: Call[Operator], endpoint_id: str, query: ActQuery) -> ActOut:
    """Go on; the same as enabling."""
    return await _act(call, endpoint_id, query).enable()


async def reset_breaker(call: Call[Operator], endpoint_id: str, query: ActQuery) -> ActOut:
    """Close the breaker and forget the failures: what is due goes at once, one attempt first, then more."""
    act = _act(call, endpoint_id, query)
    endpoint = act.endpoint
    if act.dry:
        failed = endpoint.id in call.state(DESK).world.rows
        return ActOut(touches=int(failed or endpoint.breaker_until is not None))
    return ActOut(touched=len(await act.ask(ResetBreaker(endpoint.id, endpoint.application))))


async def rotate_secret(call: Call[Operator], endpoint_id: str, body: GraceIn, query: ActQuery) -> ActOut:
    """Sign with a new key from now on; both keys sign while the grace lasts."""
    act = _act(call, endpoint_id, query)
    desk = call.state(DESK)
    key = signing.generate(desk.entropy(signing.GENERATED_KEY_BYTES))
    secret = desk.mint(ids.SIGNING_KEY)
    return act.told(await desk.acts.rotate(act.endpoint, key, secret, body.grace_s, act.asker, dry=act.dry))


async def send_test(call: Call[Operator], endpoint_id: str, body: TestIn, query: ActQuery) -> SentOut:
    """Send a message of its own to this endpoint alone, whatever that one wants."""
    act = _act(call, endpoint_id, query)
    if act.dry:
        return SentOut(touches=1)
    payload = msgspec.json.encode(_Test(test=True, at=call.state(DESK).clock.now()))
    command = message_for(call, act.endpoint, body.event_type, payload)
    sent = first(Message, await act.ask(command))
    assert sent is not None
    return SentOut(message=sent.id)


async def recover(call: Call[Operator], endpoint_id: str, body: SinceIn, query: ActQuery) -> ActOut:
    """Send again what was accepted since then and ended undelivered; what has no payload any more is left out."""
    act = _act(call, endpoint_id, query)
    if body.until is not None and body.until <= body.since:
        raise Invalid([Issue("body", ("until",), "must be later than since", "value_error")])
    acts = call.state(DESK).acts
    return act.told(await acts.recover(act.endpoint, body.since, body.until, act.asker, dry=act.dry))


async def cancel_pending(call: Call[Operator], endpoint_id: str, body: ReasonIn, query: ActQuery) -> ActOut:
    """Stop trying to deliver what is pending. What is under way just now may still arrive, and then counts."""
    act = _act(call, endpoint_id, query)
    reason = body.reason or f"by {call.principal.actor}"
    return act.told(await call.state(DESK).acts.cancel_pending(act.endpoint, reason, act.asker, dry=act.dry))


async def message_to(call: Call[Any], endpoint: Endpoint, message_id: str) -> Message:
    """The message of that id or eventId in the endpoint's application. Raises Refused (404)."""
    found = None
    if NAMEABLE.fullmatch(message_id):  # PostgreSQL refuses what is no text at all
        views = call.state(DESK).views
        found = await views.message(endpoint.partition, endpoint.application, message_id)
    if found is None:
        raise Refused(NOT_FOUND)
    return found


def message_for(call: Call[Any], endpoint: Endpoint, event_type: str, payload: bytes) -> AcceptMessage:
    """The command that sends a payload to one endpoint."""
    digest = sha256(payload).hexdigest()
    message = call.state(DESK).mint(ids.MESSAGE)
    return AcceptMessage(message, endpoint.application, event_type, payload, digest, only=endpoint.id)


def _act(call: Call[Operator], endpoint_id: str, query: ActQuery) -> _Act:
    return _Act(call, endpoint_seen(call, endpoint_id), query.dry_run)
