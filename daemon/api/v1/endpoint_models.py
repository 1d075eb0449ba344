"""What the endpoint routes read and write."""

from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import AliasChoices, Field

from daemon.api.models import CamelIn, CamelOut, absent
from daemon.api.urls import Url
from daemon.api.v1.fields import EndpointUid, Label, Metadata, Rate, SigningKey, Text, omitted, unsupported
from events.catalogue import EndpointConfig
from events.endpoint import Endpoint

RATE_NAMES: Final = AliasChoices("throttleRate", "rateLimit")
TYPES_NAMES: Final = AliasChoices("eventTypes", "filterTypes")
BATCH_MAX: Final = 1000
RETRIES_MAX: Final = 50
RETRY_DELAY_MAX_S: Final = 7 * 24 * 3600

EventTypes = Annotated[list[Label], Field(min_length=1)]
Channels = Annotated[list[Label], Field(min_length=1, max_length=10)]
BatchSize = Annotated[int, Field(ge=1, le=BATCH_MAX)]
RetryDelay = Annotated[float, Field(ge=0, le=RETRY_DELAY_MAX_S)]
RetryDelays = Annotated[list[RetryDelay], Field(max_length=RETRIES_MAX)]
Version = Annotated[int, Field(ge=1, le=65_535)]
Headers = Annotated[Any, *unsupported("custom headers are")]


class _Settings(CamelIn):
    """What may be left out, and may be null."""

    uid: EndpointUid | None = None
    event_types: EventTypes | None = Field(default=None, validation_alias=TYPES_NAMES)
    channels: Channels | None = None
    throttle_rate: Rate | None = Field(default=None, validation_alias=RATE_NAMES)
    batch_size: BatchSize | None = Field(default=None, description="hookd only: attempts at once")
    retry_delays_seconds: RetryDelays | None = Field(
        default=None, description="hookd only: how long after each failed attempt the next one is due"
    )
    headers: Headers = None

    def settings(self, *, only_sent: bool = False) -> dict[str, Any]:
        """The fields of EndpointConfig (and `disabled`) that this body sets."""
        sent = self.model_fields_set
        chosen = {name: getattr(self, name) for name in type(self).model_fields if not only_sent or name in sent}
        renamed = {_RENAMED.get(name, name): value for name, value in chosen.items() if name not in _ELSEWHERE}
        return {name: tuple(value) if isinstance(value, list) else value for name, value in renamed.items()}


_RENAMED: Final = {"version": "api_version", "retry_delays_seconds": "retry_delays_s"}
_ELSEWHERE: Final = frozenset({"headers", "secret"})


class EndpointUpdate(_Settings):
    """What an endpoint is to be, whole."""

    url: Url
    description: Text = ""
    disabled: bool = False
    version: Version = 1
    metadata: Metadata = Field(default_factory=dict)


class EndpointIn(EndpointUpdate):
    """A new endpoint. Without `secret`, a signing key is generated."""

    secret: SigningKey | None = Field(default=None, repr=False)

    def config(self) -> EndpointConfig:
        """The settings as they are recorded."""
        settings = self.settings()
        del settings["disabled"]
        return EndpointConfig(**settings)


class EndpointPatch(_Settings):
    """What is to change; metadata is replaced as a whole."""

    url: Url = Field(default_factory=omitted)
    description: Text = Field(default_factory=omitted)
    disabled: bool = Field(default_factory=omitted)
    version: Version = Field(default_factory=omitted)
    metadata: Metadata = Field(default_factory=omitted)


class EndpointOut(CamelOut):
    """An endpoint."""

    id: str
    uid: str | None
    url: str
    description: str
    disabled: bool
    version: int
    event_types: list[str] | None
    filter_types: list[str] | None
    channels: list[str] | None
    throttle_rate: int | None
    rate_limit: int | None
    metadata: dict[str, str]
    created_at: datetime
    updated_at: datetime
    batch_size: int | None = Field(default=None, exclude_if=absent)
    retry_delays_seconds: list[float] | None = Field(default=None, exclude_if=absent)


class SecretOut(CamelOut):
    """What a receiver needs to verify signatures: the key, or the public half of a pair."""

    key: str


def write(endpoint: Endpoint) -> EndpointOut:
    """Write an endpoint as it is answered."""
    types, delays = _list(endpoint.event_types), endpoint.retry_delays_s
    return EndpointOut(
        id=endpoint.id,
        uid=endpoint.uid,
        url=endpoint.url,
        description=endpoint.description,
        disabled=endpoint.disabled is not None,
        version=endpoint.api_version,
        event_types=types,
        filter_types=types,
        channels=_list(endpoint.channels),
        throttle_rate=endpoint.throttle_rate,
        rate_limit=endpoint.throttle_rate,
        metadata=endpoint.metadata,
        created_at=endpoint.created_at,
        updated_at=endpoint.updated_at,
        batch_size=endpoint.batch_size,
        retry_delays_seconds=None if delays is None else list(delays),
    )


def _list(values: tuple[str, ...] | None) -> list[str] | None:
    return None if values is None else list(values)
