"""Things to test with, complete but for what a test cares about."""

from datetime import UTC, datetime
from typing import Any

from events.append import Append
from events.application import Application
from events.catalogue import ApplicationCreated, EndpointConfig, EndpointRegistered, Event, MessageAccepted
from events.delivery import Delivery, evolve
from events.endpoint import Endpoint
from events.envelope import Fact
from events.message import deliveries_of, message_of
from events.world import EVOLVE, Entity, World

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
APP = "app_1"
EP = "ep_1"
MSG = "msg_1"
P = 0  # World(1) has one partition


def an_application(**fields: Any) -> Application:
    known = {
        "partition": P, "id": APP, "org": "org_1", "name": "A", "uid": None, "throttle_rate": None, "metadata": {},
        "created_at": NOW, "updated_at": NOW,
    }  # fmt: skip
    return Application(**(known | fields))


def an_endpoint(**fields: Any) -> Endpoint:
    known = {
        "partition": P, "id": EP, "application": APP, "url": "http://e.test/hook", "uid": None, "description": "",
        "event_types": None, "channels": None, "metadata": {}, "throttle_rate": None, "batch_size": None,
        "retry_delays_s": None, "api_version": 1, "secret": "sec_1", "created_at": NOW, "updated_at": NOW,
    }  # fmt: skip
    return Endpoint(**(known | fields))


def a_delivery(**fields: Any) -> Delivery:
    known = {"partition": P, "message": MSG, "endpoint": EP, "accepted_at": NOW, "next_at": NOW}
    return Delivery(**(known | fields))


def a_world(*entities: Entity) -> World:
    return World(1, entities or (an_application(), an_endpoint()))


def accepting(append: Append, *endpoints: str, message: str = MSG, payload: bytes = b"{}", **fields: Any) -> Append:
    """Put the acceptance of a message into an append."""
    partition = fields.pop("partition", P)
    known = {"application": APP, "event_type": "t", "digest": "d", "size": len(payload)}
    event = MessageAccepted(**(known | fields), endpoints=endpoints)
    fact = Fact(partition, message, 1, event)
    accepted = message_of(fact, event, append.now)
    append.add(fact, "test", None)
    append.accept(accepted, payload)
    return append


def born_in(append: Append) -> list[Delivery]:
    """The deliveries that an append brings into the world."""
    facts = [caused.fact for caused in append.caused]
    return [
        delivery
        for fact in facts
        if isinstance(fact.event, MessageAccepted)
        for delivery in deliveries_of(fact, fact.event, append.now)
    ]


def moving(append: Append, delivery: Delivery, event: Event) -> Delivery:
    """Put one step of a delivery into an append; answers where it stands then."""
    after = evolve(delivery, event)
    append.add(Fact(delivery.partition, delivery.message, after.version, event, delivery.endpoint), "test", None)
    append.move(delivery, after)
    return after


def changing(append: Append, before: Entity | None, stream: str, event: Event, partition: int = P) -> Entity:
    """Put one change of the configuration into an append; answers the entity after it."""
    after = EVOLVE[type(event)](before, event, stream, partition, append.now)
    append.add(Fact(partition, stream, after.version, event), "test", "req_1")
    append.change(before, after)
    return after


def creating(append: Append, stream: str = APP, partition: int = P, **fields: Any) -> Entity:
    return changing(append, None, stream, ApplicationCreated(**({"org": "org_1", "name": "A"} | fields)), partition)


def registering(append: Append, stream: str = EP, **fields: Any) -> Entity:
    config = EndpointConfig(**({"url": "http://e.test/hook"} | fields))
    return changing(append, None, stream, EndpointRegistered(APP, config, "sec_1"))
