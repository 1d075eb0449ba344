"""Every rule: what a command means, given the world, the moment and randomness. Facts, or a refusal.

Nothing is changed here and nothing is awaited. The recorder folds the facts into the world before the next
command of the same batch is decided, so two that want the same name meet here and one is refused.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from random import Random
from typing import Any

import msgspec
from msgspec.structs import asdict, replace

from events import ids
from events.admin import CreateAdmin
from events.application import Application, CreateApplication, DeleteApplication, UpdateApplication
from events.breaker import Breaker, BreakerPolicy, count, decide_breaker
from events.catalogue import (
    AdminCreated,
    ApplicationCreated,
    ApplicationDeleted,
    ApplicationUpdated,
    BreakerReset,
    ContentExpired,
    ContentExpunged,
    EndpointConfig,
    EndpointDeleted,
    EndpointDisabled,
    EndpointEnabled,
    EndpointRegistered,
    EndpointUpdated,
    Event,
    EventTypeCreated,
    EventTypeUpdated,
    MessageAccepted,
    PayloadExpunged,
    ResponseExpunged,
    SecretRotated,
)
from events.content import (
    RETENTION_DAYS,
    ExpireContent,
    ExpungeContent,
    ExpungePayload,
    ExpungeResponse,
    PurgeCommand,
)
from events.delivery import GONE as GONE_STATUS
from events.delivery import EndDelivery, RecordAttempt, ResendDelivery, decide_attempt, decide_resend
from events.endpoint import (
    DeleteEndpoint,
    Endpoint,
    RegisterEndpoint,
    ResetBreaker,
    RotateSecret,
    UpdateEndpoint,
)
from events.envelope import Fact
from events.event_type import CreateEventType
from events.message import AcceptMessage, AcceptTogether
from events.refusal import Refusal, conflict, invalid, not_found
from events.retry import RetryPolicy
from events.world import World

Command = (
    CreateAdmin
    | CreateApplication
    | UpdateApplication
    | DeleteApplication
    | CreateEventType
    | RegisterEndpoint
    | UpdateEndpoint
    | DeleteEndpoint
    | ResetBreaker
    | RotateSecret
    | AcceptMessage
    | AcceptTogether
    | RecordAttempt
    | EndDelivery
    | ResendDelivery
    | PurgeCommand
)
Facts = list[Fact]


class Rules(msgspec.Struct, frozen=True):
    """What operators may set of the rules."""

    retry: RetryPolicy = RetryPolicy()
    breaker: BreakerPolicy = BreakerPolicy()
    retention_days: int = RETENTION_DAYS


def decide(world: World, command: Command, rules: Rules, now: datetime, random: Random) -> Facts | Refusal:
    """The facts that `command` leads to, or why not. An empty list: already so, nothing to record."""
    match command:
        case AcceptMessage():
            return _accept(world, command, rules)
        case RecordAttempt():
            return attempted(world, command, rules, now, random)
        case EndDelivery():
            return _end(command)
        case ResendDelivery():
            return _resend(world, command, now)
        case AcceptTogether():
            return _together(world, command, rules)
        case RegisterEndpoint():
            return _register(world, command)
        case UpdateEndpoint():
            return _update_endpoint(world, command)
        case DeleteEndpoint():
            return _delete_endpoint(world, command)
        case ResetBreaker() | RotateSecret():
            return _mend(world, command, now)
        case CreateApplication():
            return _create_application(world, command)
        case UpdateApplication():
            return _update_application(world, command)
        case DeleteApplication():
            return _delete_application(world, command)
        case CreateEventType():
            return _create_event_type(world, command)
        case CreateAdmin():
            return _create_admin(world, command)
        case ExpungePayload() | ExpungeResponse() | ExpungeContent() | ExpireContent():
            return _purge(command)


# --- messages and deliveries ------------------------------------------------------------------------------------


def _accept(world: World, command: AcceptMessage, rules: Rules) -> Facts | Refusal:
    application = world.application(command.application)
    if application is None:
        return not_found("Application")
    chosen = tuple(
        endpoint.id
        for endpoint in world.endpoints_of(application.id)
        if (endpoint.id == command.only if command.only else endpoint.wants(command.event_type, command.channels))
    )
    if command.only and not chosen:
        return not_found("Endpoint")
    accepted = MessageAccepted(
        application=application.id,
        event_type=command.event_type,
        digest=command.digest,
        size=len(command.payload),
        endpoints=chosen,
        channels=command.channels,
        event_id=command.event_id,
        retention_days=command.retention_days or application.retention_days or rules.retention_days,
    )
    return [Fact(application.partition, command.id, 1, accepted)]


def _together(world: World, command: AcceptTogether, rules: Rules) -> Facts | Refusal:
    facts: Facts = []
    for message in command.messages:
        decided = _accept(world, message, rules)
        if isinstance(decided, Refusal):
            return decided
        facts += decided
    return facts


def attempted(world: World, command: RecordAttempt, rules: Rules, now: datetime, random: Random) -> Facts:
    """The facts that an outcome leads to: what `decide` says of it, for those who decide hardly anything else."""
    delivery, outcome = command.delivery, command.outcome
    endpoint = world.endpoint(delivery.endpoint)
    policy = rules.retry
    if outcome.fault is not None and endpoint is not None and endpoint.retry_delays_s is not None:
        policy = replace(policy, delays_s=endpoint.retry_delays_s)
    facts: Facts = []
    version = delivery.version
    for event in decide_attempt(delivery, command, policy, now, random):
        version += 1
        facts.append(Fact(delivery.partition, delivery.message, version, event, delivery.endpoint))
    if endpoint is None:
        return facts
    if outcome.fault is not None or endpoint.breaker_until is not None or endpoint.id in world.rows:
        facts += _health(world, endpoint, command, rules.breaker, now, random)
    return facts


def _health(
    world: World,
    endpoint: Endpoint,
    command: RecordAttempt,
    policy: BreakerPolicy,
    now: datetime,
    random: Random,
) -> Facts:
    outcome = command.outcome
    row = count(world.rows.get(endpoint.id), outcome, now)
    if row is None:
        world.rows.pop(endpoint.id, None)
    else:
        world.rows[endpoint.id] = row
    if outcome.status == GONE_STATUS and endpoint.disabled is None:
        return [_on(endpoint, EndpointDisabled(reason="answered 410 Gone"))]
    if endpoint.disabled is not None:
        return []
    change = decide_breaker(endpoint.breaker, row, outcome, policy, now, random)
    if change is None:
        return []
    world.rows.pop(endpoint.id, None)
    return [_on(endpoint, change)]


def _end(command: EndDelivery) -> Facts:
    delivery = command.delivery
    if delivery.next_at is None:
        return []
    return [Fact(delivery.partition, delivery.message, delivery.version + 1, command.event, delivery.endpoint)]


def _resend(world: World, command: ResendDelivery, now: datetime) -> Facts | Refusal:
    delivery = command.delivery
    if world.endpoint(delivery.endpoint) is None:
        return not_found("Endpoint")
    event = decide_resend(delivery, now)
    if event is None:
        return []
    return [Fact(delivery.partition, delivery.message, delivery.version + 1, event, delivery.endpoint)]


# --- bodies -----------------------------------------------------------------------------------------------------


def _purge(command: PurgeCommand) -> Facts:
    """Nothing that is here hinders it: what is to go was looked up by whoever asks."""
    match command:
        case ExpungePayload():
            return [Fact(command.body.partition, command.message, 0, PayloadExpunged(reason=command.reason))]
        case ExpungeResponse():
            assert command.body.seq is not None
            expunged = ResponseExpunged(seq=command.body.seq, reason=command.reason)
            return [Fact(command.body.partition, command.message, 0, expunged)]
        case ExpungeContent():
            payloads = sum(body.message is not None for body in command.bodies)
            responses = len(command.bodies) - payloads
            gone = ContentExpunged(until=command.until, payloads=payloads, responses=responses, reason=command.reason)
            return [Fact(command.partition, command.application, 0, gone)]
        case ExpireContent():
            return [
                Fact(partition, f"content_{command.day}", 0, ContentExpired(command.day, payloads, responses))
                for partition, (payloads, responses) in sorted(command.counts.items())
            ]


# --- endpoints --------------------------------------------------------------------------------------------------


def _register(world: World, command: RegisterEndpoint) -> Facts | Refusal:
    application = world.application(command.application)
    if application is None:
        return not_found("Application")
    if refused := _config_refused(world, application, command.config, None):
        return refused
    registered = EndpointRegistered(application=application.id, config=command.config, secret=command.secret)
    facts = [Fact(application.partition, command.id, 1, registered)]
    if command.disabled:
        facts.append(Fact(application.partition, command.id, 2, EndpointDisabled(reason="by request")))
    return facts


def _config_refused(
    world: World, application: Application, config: EndpointConfig, known: Endpoint | None
) -> Refusal | None:
    if config.uid is not None:
        if fault := ids.uid_fault(ids.ENDPOINT, config.uid):
            return invalid("uid", fault)
        taken = world.endpoint(config.uid, application.id)
        if taken is not None and (known is None or taken.id != known.id):
            return conflict(f"an endpoint with uid {config.uid} exists already", "uid")
    if config.event_types is None or (known is not None and config.event_types == known.event_types):
        return None
    for name in config.event_types:
        declared = world.event_type(application.org, name)
        if declared is None or declared.archived:
            return invalid("event_types", f"no event type {name!r} is declared: create it first")
    return None


def _update_endpoint(world: World, command: UpdateEndpoint) -> Facts | Refusal:
    endpoint = world.endpoint(command.id, command.application)
    application = world.application(command.application)
    if endpoint is None or application is None:
        return not_found("Endpoint")
    changes = dict(command.changes)
    disabled: bool | None = changes.pop("disabled", None)
    before = endpoint.config
    after = replace(before, **changes)
    if refused := _config_refused(world, application, after, endpoint):
        return refused
    events: list[Event] = []
    if after != before:
        events.append(EndpointUpdated(config=after))
    if disabled is True and endpoint.disabled is None:
        events.append(EndpointDisabled(reason=command.reason))
    if disabled is False and endpoint.disabled is not None:
        events.append(EndpointEnabled())
    return _all_on(endpoint, events)


def _delete_endpoint(world: World, command: DeleteEndpoint) -> Facts | Refusal:
    endpoint = world.endpoint(command.id, command.application)
    return not_found("Endpoint") if endpoint is None else [_on(endpoint, EndpointDeleted())]


def _mend(world: World, command: ResetBreaker | RotateSecret, now: datetime) -> Facts | Refusal:
    endpoint = world.endpoint(command.id, command.application)
    if endpoint is None:
        return not_found("Endpoint")
    if isinstance(command, RotateSecret):
        until = now + timedelta(seconds=command.grace_s)
        return [_on(endpoint, SecretRotated(command.secret, endpoint.secret, until))]
    failed = world.rows.pop(endpoint.id, None) is not None
    return [_on(endpoint, BreakerReset())] if failed or endpoint.breaker != Breaker() else []


def _on(entity: Endpoint, event: Event) -> Fact:
    return Fact(entity.partition, entity.id, entity.version + 1, event)


def _all_on(entity: Endpoint, events: Iterable[Event]) -> Facts:
    return [Fact(entity.partition, entity.id, entity.version + nth, event) for nth, event in enumerate(events, 1)]


# --- applications -----------------------------------------------------------------------------------------------


def _create_application(world: World, command: CreateApplication) -> Facts | Refusal:
    if command.uid is not None:
        if fault := ids.uid_fault(ids.APPLICATION, command.uid):
            return invalid("uid", fault)
        if world.application(command.uid, command.org) is not None:
            if command.get_if_exists:
                return []
            return conflict(f"an application with uid {command.uid} exists already", "uid")
    created = ApplicationCreated(
        org=command.org,
        name=command.name,
        uid=command.uid,
        throttle_rate=command.throttle_rate,
        metadata=command.metadata,
        retention_days=command.retention_days,
    )
    return [Fact(world.partition_of(command.id), command.id, 1, created)]


def _update_application(world: World, command: UpdateApplication) -> Facts | Refusal:
    application = world.application(command.id)
    if application is None:
        return not_found("Application")
    before = {name: getattr(application, name) for name in ApplicationUpdated.__struct_fields__}
    after: dict[str, Any] = before | command.changes
    if after == before:
        return []
    uid = after["uid"]
    if uid is not None and uid != application.uid:
        if fault := ids.uid_fault(ids.APPLICATION, uid):
            return invalid("uid", fault)
        if world.application(uid, application.org) is not None:
            return conflict(f"an application with uid {uid} exists already", "uid")
    return [Fact(application.partition, application.id, application.version + 1, ApplicationUpdated(**after))]


def _delete_application(world: World, command: DeleteApplication) -> Facts | Refusal:
    application = world.application(command.id)
    if application is None:
        return not_found("Application")
    facts = [_on(endpoint, EndpointDeleted()) for endpoint in world.endpoints_of(application.id)]
    facts.append(Fact(application.partition, application.id, application.version + 1, ApplicationDeleted()))
    return facts


# --- event types and admins -------------------------------------------------------------------------------------


def _create_event_type(world: World, command: CreateEventType) -> Facts | Refusal:
    known = world.event_type(command.org, command.name)
    fields = asdict(command)
    fields.pop("id")
    if known is None:
        created = EventTypeCreated(**fields)
        return [Fact(world.partition_of(command.org), command.id, 1, created)]
    if not known.archived:
        detail = f"an event type named {command.name} exists already"
        return conflict(detail, "name", code="event_type_exists")
    del fields["org"], fields["name"]
    return [Fact(known.partition, known.id, known.version + 1, EventTypeUpdated(**fields))]


def _create_admin(world: World, command: CreateAdmin) -> Facts | Refusal:
    if world.admin_named(command.username) is not None:
        return conflict(f"an admin named {command.username} exists already", "username")
    partition = world.partition_of(command.application)
    created = AdminCreated(username=command.username, application=command.application)
    application = ApplicationCreated(org=command.org, name=command.username)
    return [
        Fact(partition, command.id, 1, created),
        Fact(partition, command.application, 1, application),
    ]
