"""An endpoint: a registered URL (the seed calls it a webhook), and how to deliver to it."""

from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import asdict, replace

from events.breaker import Breaker
from events.catalogue import (
    BreakerClosed,
    BreakerOpened,
    BreakerReset,
    EndpointConfig,
    EndpointDeleted,
    EndpointDisabled,
    EndpointEnabled,
    EndpointRegistered,
    EndpointUpdated,
    Event,
    SecretRotated,
)


class Endpoint(msgspec.Struct, frozen=True, gc=False):
    """The latest fold of an endpoint's stream, and its row in state.endpoint."""

    partition: int
    id: str
    application: str
    url: str
    uid: str | None
    description: str
    event_types: tuple[str, ...] | None
    channels: tuple[str, ...] | None
    metadata: dict[str, str]
    throttle_rate: int | None
    batch_size: int | None
    retry_delays_s: tuple[float, ...] | None
    api_version: int
    secret: str  # id of the sealed key that signs now
    created_at: datetime
    updated_at: datetime
    disabled: str | None = None  # the reason
    breaker_until: datetime | None = None
    breaker_opens: int = 0
    failing_since: datetime | None = None
    deleted_at: datetime | None = None
    version: int = 1

    @property
    def config(self) -> EndpointConfig:
        """The part that people set."""
        return EndpointConfig(**{name: getattr(self, name) for name in EndpointConfig.__struct_fields__})

    @property
    def breaker(self) -> Breaker:
        """The part that failures set."""
        return Breaker(self.breaker_until, self.breaker_opens, self.failing_since)

    def wants(self, event_type: str, channels: tuple[str, ...] | None) -> bool:
        """Whether a message of this type and these channels goes here.

        No event types means all. An endpoint with channels gets only messages that share one.
        """
        if self.event_types is not None and event_type not in self.event_types:
            return False
        return self.channels is None or (channels is not None and not set(self.channels).isdisjoint(channels))


class RegisterEndpoint(msgspec.Struct, frozen=True):
    """Ask for a new endpoint. `sealed_secret` is the signing key, sealed under the id `secret`."""

    id: str
    application: str
    config: EndpointConfig
    secret: str
    sealed_secret: bytes
    disabled: bool = False


class UpdateEndpoint(msgspec.Struct, frozen=True):
    """Ask for other settings: `changes` holds fields of EndpointConfig and `disabled`, those that change.

    `reason` is why it is disabled, if it is.
    """

    id: str
    application: str
    changes: dict[str, Any]
    reason: str = "by request"


class ResetBreaker(msgspec.Struct, frozen=True):
    """Ask for the endpoint's failures to be forgotten, and for attempts at once."""

    id: str
    application: str


class RotateSecret(msgspec.Struct, frozen=True):
    """Ask for another signing key, sealed under the id `secret`. The one before signs along for `grace_s` seconds."""

    id: str
    application: str
    secret: str
    sealed_secret: bytes
    grace_s: float


class DeleteEndpoint(msgspec.Struct, frozen=True):
    """Ask for the end of an endpoint; what is pending for it will be cancelled."""

    id: str
    application: str


def evolve(state: Endpoint | None, event: Event, stream: str, partition: int, at: datetime) -> Endpoint:
    """The endpoint after `event`."""
    if isinstance(event, EndpointRegistered):
        assert state is None
        return Endpoint(
            **asdict(event.config),
            partition=partition,
            id=stream,
            application=event.application,
            secret=event.secret,
            created_at=at,
            updated_at=at,
        )
    assert state is not None
    version = state.version + 1
    match event:
        case EndpointUpdated():
            return replace(state, **asdict(event.config), updated_at=at, version=version)
        case EndpointDisabled():
            return replace(state, disabled=event.reason, updated_at=at, version=version)
        case EndpointEnabled():
            return replace(
                state,
                disabled=None,
                breaker_until=None,
                breaker_opens=0,
                failing_since=None,
                updated_at=at,
                version=version,
            )
        case EndpointDeleted():
            return replace(state, deleted_at=at, updated_at=at, version=version)
        case BreakerOpened():
            return replace(
                state,
                breaker_until=event.until,
                breaker_opens=state.breaker_opens + 1,
                failing_since=event.since,
                version=version,
            )
        case SecretRotated():
            return replace(state, secret=event.secret, updated_at=at, version=version)
        case BreakerClosed() | BreakerReset():
            return replace(state, breaker_until=None, breaker_opens=0, failing_since=None, version=version)
    raise AssertionError(f"{type(event).__name__} is no event of an endpoint")
