"""Every event: what can have happened. Past tense, immutable, one sentence each on when it occurs.

The class name is the event's `type` in the log. A changed shape gets a new schema version in `codec.VERSIONS`,
an upcaster beside it, and a new file in tests/golden/; the old file stays for ever.

Secrets, payloads and response bodies never stand in an event: it names them by id, digest and size. Bodies are kept
for a while only; that some were removed is told by events too, which change no state and so have the version 0.
"""

from datetime import date, datetime
from typing import Any

import msgspec

from events.outcome import Fault


class Event(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One fact. Its envelope (position, stream, moment, actor) stands beside it, not in it."""


# --- partition ------------------------------------------------------------------------------------------------


class PartitionTaken(Event, frozen=True):
    """A process became the owner. Attempts the previous owner had under way may lack a record: they are repeated."""

    owner: str
    epoch: int
    previous: str | None = None


# --- admin ----------------------------------------------------------------------------------------------------


class AdminCreated(Event, frozen=True):
    """Somebody may log in by name and password. The password's hash is sealed elsewhere."""

    username: str
    application: str


# --- application ----------------------------------------------------------------------------------------------


class ApplicationCreated(Event, frozen=True):
    """A customer of the platform exists from now on."""

    org: str
    name: str
    uid: str | None = None
    throttle_rate: int | None = None
    metadata: dict[str, str] = {}
    retention_days: int | None = None  # of bodies; None: the daemon's default


class ApplicationUpdated(Event, frozen=True):
    """The application's settings are these from now on, all of them."""

    name: str
    uid: str | None = None
    throttle_rate: int | None = None
    metadata: dict[str, str] = {}
    retention_days: int | None = None


class ApplicationDeleted(Event, frozen=True):
    """The application is gone; its endpoints were deleted just before, each by its own event."""


# --- event type -----------------------------------------------------------------------------------------------


class EventTypeCreated(Event, frozen=True):
    """A kind of message is declared (or an archived one revived)."""

    org: str
    name: str
    description: str
    archived: bool = False
    deprecated: bool = False
    schemas: dict[str, Any] | None = None
    feature_flag: str | None = None


class EventTypeUpdated(Event, frozen=True):
    """The declaration reads so from now on, all of it."""

    description: str
    archived: bool = False
    deprecated: bool = False
    schemas: dict[str, Any] | None = None
    feature_flag: str | None = None


# --- endpoint -------------------------------------------------------------------------------------------------


class EndpointConfig(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What the customer or operator sets on an endpoint. None means: the daemon's default."""

    url: str
    uid: str | None = None
    description: str = ""
    event_types: tuple[str, ...] | None = None
    channels: tuple[str, ...] | None = None
    metadata: dict[str, str] = {}
    throttle_rate: int | None = None  # attempts a second
    batch_size: int | None = None  # attempts at once
    retry_delays_s: tuple[float, ...] | None = None
    api_version: int = 1  # Svix's `version`: stored and echoed


class EndpointRegistered(Event, frozen=True):
    """Messages go to this URL from now on. `secret` names the sealed signing key."""

    application: str
    config: EndpointConfig
    secret: str


class EndpointUpdated(Event, frozen=True):
    """The endpoint's settings are these from now on, all of them."""

    config: EndpointConfig


class EndpointDisabled(Event, frozen=True):
    """No attempts from now on; its deliveries are held. By a person, by 410 Gone, or after failing for days."""

    reason: str


class EndpointEnabled(Event, frozen=True):
    """Attempts go on; what was held is due."""


class EndpointDeleted(Event, frozen=True):
    """The endpoint is gone; its undelivered deliveries are cancelled, each by its own event."""


class BreakerOpened(Event, frozen=True):
    """The endpoint failed so often in a row that it is left alone until `until`, then probed once."""

    until: datetime
    failures: int
    fault: Fault
    since: datetime  # the first failure of this row
    status: int | None = None


class BreakerClosed(Event, frozen=True):
    """A probe was answered well: deliveries go on."""


class BreakerReset(Event, frozen=True):
    """Somebody closed the breaker and had the failures so far forgotten: deliveries go on."""


class SecretRotated(Event, frozen=True):
    """`secret` names the sealed key that signs from now on; `previous` signs along until `previous_until`."""

    secret: str
    previous: str
    previous_until: datetime


# --- message and delivery ---------------------------------------------------------------------------------------


class MessageAccepted(Event, frozen=True):
    """A message is durable, and these endpoints were chosen for it: one delivery each, due at once."""

    application: str
    event_type: str
    digest: str  # SHA-256 of the payload, hex
    size: int  # bytes of the payload
    endpoints: tuple[str, ...] = ()
    channels: tuple[str, ...] | None = None
    event_id: str | None = None
    retention_days: int = 90  # its bodies are kept to the end of the day (UTC) so many days after its acceptance


class AttemptSucceeded(Event, frozen=True):
    """The endpoint answered 2xx: the delivery is done."""

    attempt: int
    status: int
    duration_ms: int
    timestamp: int  # the webhook-timestamp sent, unix seconds
    config: int  # version of the endpoint whose URL and settings were used
    response_bytes: int = 0  # as received
    response_digest: str = ""  # SHA-256 of the body as it is stored, cut at 16 KiB, hex; empty without one


class AttemptFailed(Event, frozen=True):
    """The attempt is spent. `next_at` says when the next one is due; without it, the delivery ends here."""

    attempt: int
    fault: Fault
    duration_ms: int
    timestamp: int
    config: int
    status: int | None = None
    detail: str = ""
    next_at: datetime | None = None
    response_bytes: int = 0
    response_digest: str = ""


class AttemptAbandoned(Event, frozen=True):
    """hookd itself cut the attempt short (a stop, a fault of ours): it may have arrived, and is not counted."""

    attempt: int
    timestamp: int
    detail: str
    next_at: datetime


class DeliveryExhausted(Event, frozen=True):
    """The last attempt that the policy allows has failed."""

    attempts: int


class DeliveryGone(Event, frozen=True):
    """The endpoint answered 410 Gone: it wants nothing more."""


class DeliveryCancelled(Event, frozen=True):
    """There is nobody to deliver to any more."""

    reason: str


class DeliveryExpired(Event, frozen=True):
    """The payload is gone (retention, erasure) before it was delivered."""

    reason: str


class DeliveryResent(Event, frozen=True):
    """Somebody wants it sent, whatever became of it so far: it is due at `next_at`, and its attempts start over.

    A delivery that was delivered has no state any more: what is told of its message here brings it back.
    """

    next_at: datetime
    accepted_at: datetime
    retention_days: int = 90


DeliveryEvent = (
    AttemptSucceeded
    | AttemptFailed
    | AttemptAbandoned
    | DeliveryExhausted
    | DeliveryGone
    | DeliveryCancelled
    | DeliveryExpired
    | DeliveryResent
)


# --- bodies removed (version 0: no state changes) ---------------------------------------------------------------


class ContentExpired(Event, frozen=True):
    """The time of all bodies that were kept until `day` is up: they were dropped together, these of this partition.

    Stream: `content_<day>`, in each partition that had some.
    """

    day: date
    payloads: int
    responses: int


class PayloadExpunged(Event, frozen=True):
    """Somebody had the message's payload removed. Stream: the message."""

    reason: str = ""


class ResponseExpunged(Event, frozen=True):
    """Somebody had the answer to the attempt at position `seq` of this partition removed. Stream: the message."""

    seq: int
    reason: str = ""


class ContentExpunged(Event, frozen=True):
    """Somebody has the application's bodies removed: from here on none is stored of its messages with id <= `until`.

    The first of several in a row removes nothing yet; with each that follows so many went. Stream: the application.
    """

    until: str
    payloads: int
    responses: int
    reason: str = ""
