"""Receipts: one small file that proves what became of a delivery, to whoever has the log's public key. Pure.

A receipt carries a signed checkpoint and some events of that tree, each with the proof that it is in it: the
acceptance of the message, every event of the delivery so far, and the endpoint's events that say which URL was used.
What it states is not read from it but folded from those events, by the same `evolve` that hookd runs on.

It cannot lie about what it shows. Versions have no gaps, so no event between two others can be left out, nor one be
added, moved or taken from another delivery. What a sender *can* do is stop early: show a delivery as it was before
its last events. A success stays a success whatever follows (only a wish to send it once more can), so a receipt that
shows one proves for good that it was delivered; any other state is proven to have been reached, not to be the last
one. `Proven.final` says which. `Proven.state` is what the last event shown led to: after a success it may be another.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from itertools import pairwise
from typing import Final, Literal

import msgspec

from events import checkpoint, codec, delivery, leaf
from events.catalogue import (
    AttemptAbandoned,
    AttemptFailed,
    AttemptSucceeded,
    BreakerClosed,
    BreakerOpened,
    BreakerReset,
    DeliveryEvent,
    EndpointDeleted,
    EndpointDisabled,
    EndpointEnabled,
    EndpointRegistered,
    EndpointUpdated,
    MessageAccepted,
    SecretRotated,
)
from events.checkpoint import Checkpoint, VerifierKey
from events.delivery import Delivery, DeliveryState
from events.envelope import Recorded
from events.leaf import DOMAIN, RawEvent
from events.merkle import Hash, Hashes, inclusion_proof, leaf_hash, verify_inclusion
from events.message import born
from events.outcome import Fault

VERSION: Final = "hookd receipt v1"
RECEIPT_BYTES_MAX: Final = 64 << 20

_ENDPOINT_EVENTS: Final = (
    EndpointRegistered
    | EndpointUpdated
    | EndpointDisabled
    | EndpointEnabled
    | EndpointDeleted
    | BreakerOpened
    | BreakerClosed
    | BreakerReset
    | SecretRotated
)
_Attempt = AttemptSucceeded | AttemptFailed


class BadReceipt(ValueError):
    """It proves nothing; the message says what is wrong with it."""


class Included(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One event, and that it is the leaf `index` of the tree."""

    index: int
    record: bytes
    proof: tuple[Hash, ...]


class Receipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file, as JSON; bytes are base64. Events stand in the order of the log."""

    version: Literal["hookd receipt v1"]
    message: str
    endpoint: str
    checkpoint: str  # the whole note
    events: tuple[Included, ...]


class ProvenAttempt(msgspec.Struct, frozen=True):
    """One request that was made, or that hookd cut short itself ("abandoned": no URL and duration are recorded)."""

    attempt: int
    outcome: Literal["succeeded", "failed", "abandoned"]
    at: datetime  # when the outcome was recorded
    timestamp: int  # the webhook-timestamp sent, unix seconds
    seq: int  # its position in the partition
    url: str | None = None
    status: int | None = None  # of the HTTP answer, if one came
    fault: Fault | None = None
    duration_ms: int | None = None
    response_bytes: int = 0  # of the answer's body, as received
    response_digest: str = ""  # SHA-256 of it as stored, cut at 16 KiB, hex; empty without one


class Proven(msgspec.Struct, frozen=True):
    """What a receipt proves, as of its checkpoint."""

    message: str
    endpoint: str
    application: str
    state: DeliveryState
    final: bool  # a success is shown: it was delivered, whatever follows in this log or a longer one
    reason: str | None  # why it is not delivered
    url: str | None  # of the last attempt; None: none was made
    attempts: tuple[ProvenAttempt, ...]
    payload_digest: str  # SHA-256, hex
    payload_size: int  # bytes
    accepted_at: datetime
    origin: str
    partition: int
    size: int  # of the tree: the checkpoint covers the events 1 to size of the partition
    seq: int  # the last event of the delivery that is shown

    @property
    def holds(self) -> str:
        """For how much of the log the state stands, for people."""
        if self.state is DeliveryState.DELIVERED:
            return "for good: it was delivered, whatever follows"
        return ("delivered before, for good, and sent again; this " if self.final else "") + (
            f"as of event {self.seq} of the {self.size} that the checkpoint covers:"
            " a receipt cannot show that nothing followed"
        )

    def matches(self, payload: bytes) -> bool:
        """Whether these are the bytes that were delivered."""
        return len(payload) == self.payload_size and sha256(payload).hexdigest() == self.payload_digest


class _Story(msgspec.Struct):
    """The events of a receipt by what they are about, each list in the order of the log."""

    accepted: list[Recorded] = []
    moves: list[Recorded] = []
    settings: list[Recorded] = []


def build(note: str, endpoint: str, records: Iterable[bytes], hashes: Hashes) -> bytes:
    """The receipt of a delivery, under the checkpoint in `note`.

    `records` are those of the message's stream and of the endpoint's, in any order; what is not needed, or not yet
    covered by the checkpoint, is left out. What is asked of `hashes` does not depend on its answers.
    MalformedNote; BadReceipt: the records do not tell the whole story.
    """
    covered = checkpoint.unverified(note)
    _, partition = checkpoint.split_origin(covered.origin)
    rows = {raw.seq: (raw, record) for record in records if (raw := _parse(record)).partition == partition}
    ordered = [rows[seq][0] for seq in sorted(rows) if seq <= covered.size]
    message = next((raw.stream for raw in ordered if raw.type == MessageAccepted.__name__), None)
    if message is None:
        raise BadReceipt(f"the acceptance of the message is not among the first {covered.size} events")
    mine = [raw for raw in ordered if raw.version and _belongs(raw, message, endpoint)]  # 0: it changes no state
    story = _needed(_sort(mine, message, endpoint))
    _prove(story, endpoint, covered)
    shown = sorted(each.seq for each in (*story.accepted, *story.moves, *story.settings))
    events = tuple(
        Included(seq - 1, rows[seq][1], tuple(inclusion_proof(seq - 1, covered.size, hashes))) for seq in shown
    )
    return msgspec.json.format(msgspec.json.encode(Receipt(VERSION, message, endpoint, note, events))) + b"\n"


def check(data: bytes, key: VerifierKey) -> Proven:
    """What a receipt proves under the log's key, the name of any of its trees beside it. BadReceipt."""
    if len(data) > RECEIPT_BYTES_MAX:
        raise BadReceipt(f"a receipt has no more than {RECEIPT_BYTES_MAX} bytes")
    try:
        receipt = msgspec.json.decode(data, type=Receipt)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadReceipt(f"this is no {VERSION}: {error}") from error
    covered, partition = _opened(receipt.checkpoint, key)
    raws = [_included(each, partition, covered) for each in receipt.events]
    for one, next_one in pairwise(raws):
        if next_one.seq <= one.seq:
            raise BadReceipt(
                f"{_place(next_one)} stands after ({one.partition}, {one.seq}): not the order of the log"
            )
    for raw in raws:
        if not _belongs(raw, receipt.message, receipt.endpoint):
            raise BadReceipt(
                f"{_place(raw)} belongs to {raw.stream} {raw.endpoint or ''}".rstrip()
                + f", not to the delivery of {receipt.message} to {receipt.endpoint}"
            )
    return _prove(_sort(raws, receipt.message, receipt.endpoint), receipt.endpoint, covered)


def _opened(note: str, key: VerifierKey) -> tuple[Checkpoint, int]:
    try:
        log, partition = checkpoint.split_origin(checkpoint.unverified(note).origin)
        if log != key.log_id:
            raise BadReceipt(f"the checkpoint is of the log {log}, and the key of the log {key.log_id}")
        return checkpoint.open_note(note, key.of_partition(partition)), partition
    except checkpoint.BadNote as error:
        raise BadReceipt(f"the checkpoint: {error}") from error


def _included(event: Included, partition: int, covered: Checkpoint) -> RawEvent:
    """The event, after its proof."""
    raw = _parse(event.record)
    if raw.partition != partition:
        raise BadReceipt(f"{_place(raw)} is of another partition than {covered.origin}")
    if raw.seq != event.index + 1:
        raise BadReceipt(f"{_place(raw)} is said to be leaf {event.index}: that is event {event.index + 1}")
    if not 0 <= event.index < covered.size:
        raise BadReceipt(f"{_place(raw)} is not covered by the checkpoint, which ends at {covered.size}")
    if not verify_inclusion(leaf_hash(DOMAIN + event.record), event.index, covered.size, event.proof, covered.root):
        raise BadReceipt(f"{_place(raw)} is not proven to be in the tree")
    return raw


def _parse(record: bytes) -> RawEvent:
    try:
        return leaf.parse(record)
    except leaf.MalformedRecord as error:
        raise BadReceipt(str(error)) from error


def _belongs(raw: RawEvent, message: str, endpoint: str) -> bool:
    if raw.endpoint is not None:
        return raw.stream == message and raw.endpoint == endpoint
    return raw.stream in {message, endpoint}


def _sort(raws: Sequence[RawEvent], message: str, endpoint: str) -> _Story:
    """Which event tells what, by its stream and its kind together."""
    story = _Story([], [], [])
    for raw in raws:
        try:
            each = raw.recorded()
        except codec.UnreadableEvent as error:
            raise BadReceipt(f"{_place(raw)} cannot be read by this release: {error}") from error
        if each.endpoint is not None and isinstance(each.event, DeliveryEvent):
            story.moves.append(each)
        elif each.endpoint is None and each.stream == message and isinstance(each.event, MessageAccepted):
            story.accepted.append(each)
        elif each.endpoint is None and each.stream == endpoint and isinstance(each.event, _ENDPOINT_EVENTS):
            story.settings.append(each)
        else:
            raise BadReceipt(f"{_place(raw)} is no event of a message, its delivery or an endpoint")
    return story


def _needed(story: _Story) -> _Story:
    """The story without the endpoint's events that no attempt depends on."""
    used = [each.event.config for each in story.moves if isinstance(each.event, _Attempt)]
    if not used:
        return _Story(story.accepted, story.moves, [])
    said = [
        each.version
        for each in story.settings
        if each.version <= min(used) and isinstance(each.event, EndpointRegistered | EndpointUpdated)
    ]
    first = max(said, default=0)
    settings = [each for each in story.settings if first <= each.version <= max(used)]
    return _Story(story.accepted, story.moves, settings)


def _prove(story: _Story, endpoint: str, covered: Checkpoint) -> Proven:
    """Fold the events, which are in the tree, into what they say."""
    if len(story.accepted) != 1:
        raise BadReceipt(f"the message is accepted {len(story.accepted)} times, not once")
    start = story.accepted[0]
    accepted = start.event
    assert isinstance(accepted, MessageAccepted)
    if start.version != 1:
        raise BadReceipt(f"{_place(start)} has version {start.version} of the message, not 1")
    _, deliveries = born(start, accepted, start.at)
    state = next((each for each in deliveries if each.endpoint == endpoint), None)
    if state is None:
        raise BadReceipt(f"the message {start.stream} was not accepted for the endpoint {endpoint}")
    urls = _urls(story.settings, accepted.application)
    attempts = []
    for each in story.moves:
        state = _moved(state, each, start)
        if (attempt := _attempt(each, urls)) is not None:
            attempts.append(attempt)
    return Proven(
        message=start.stream,
        endpoint=endpoint,
        application=accepted.application,
        state=state.state,
        final=any(each.outcome == "succeeded" for each in attempts),
        reason=state.reason,
        url=next((each.url for each in reversed(attempts) if each.url is not None), None),
        attempts=tuple(attempts),
        payload_digest=accepted.digest,
        payload_size=accepted.size,
        accepted_at=start.at,
        origin=covered.origin,
        partition=start.partition,
        size=covered.size,
        seq=story.moves[-1].seq if story.moves else start.seq,
    )


def _moved(before: Delivery, each: Recorded, start: Recorded) -> Delivery:
    if each.seq < start.seq:
        raise BadReceipt(f"{_place(each)} stands before the message was accepted")
    if each.version != before.version + 1:
        raise BadReceipt(
            f"{_place(each)} has version {each.version} of the delivery, where {before.version + 1} follows"
        )
    try:
        return delivery.evolve(before, each.event)
    except delivery.IllegalMove as error:
        raise BadReceipt(f"{_place(each)}: {error}") from error


def _urls(settings: Sequence[Recorded], application: str) -> dict[int, tuple[int, str]]:
    """Version of the endpoint → (position of the event that made it, the URL from there on)."""
    found: dict[int, tuple[int, str]] = {}
    url = None
    for each in settings:
        if found and each.version - 1 not in found:
            raise BadReceipt(
                f"{_place(each)} has version {each.version} of the endpoint, where {max(found) + 1} follows"
            )
        match each.event:
            case EndpointRegistered():
                if each.version != 1 or each.event.application != application:
                    raise BadReceipt(f"{_place(each)} registers no endpoint of the application {application}")
                url = each.event.config.url
            case EndpointUpdated():
                url = each.event.config.url
        if url is None:
            raise BadReceipt(f"{_place(each)} says no URL, and none was said before it")
        found[each.version] = each.seq, url
    return found


def _attempt(each: Recorded, urls: dict[int, tuple[int, str]]) -> ProvenAttempt | None:
    event = each.event
    if isinstance(event, AttemptAbandoned):
        return ProvenAttempt(event.attempt, "abandoned", each.at, event.timestamp, each.seq)
    if not isinstance(event, _Attempt):
        return None
    since, url = urls.get(event.config, (each.seq, None))
    if url is None or since > each.seq:
        raise BadReceipt(f"{_place(each)} used version {event.config} of the endpoint, which is not shown before it")
    failed = isinstance(event, AttemptFailed)
    return ProvenAttempt(
        attempt=event.attempt,
        outcome="failed" if failed else "succeeded",
        at=each.at,
        timestamp=event.timestamp,
        seq=each.seq,
        url=url,
        status=event.status,
        fault=event.fault if isinstance(event, AttemptFailed) else None,
        duration_ms=event.duration_ms,
        response_bytes=event.response_bytes,
        response_digest=event.response_digest,
    )


def _place(each: RawEvent | Recorded) -> str:
    kind = each.type if isinstance(each, RawEvent) else type(each.event).__name__
    return f"event ({each.partition}, {each.seq}) {kind}"
