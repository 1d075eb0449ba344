"""The rows of the tables, both ways: what an append hands to log.append, and what a row read means."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import asyncpg
import msgspec

from events import codec
from events.admin import Admin
from events.append import UNKNOWN, Append
from events.application import Application
from events.delivery import Delivery, DeliveryState
from events.endpoint import Endpoint
from events.envelope import Recorded
from events.event_type import EventType
from events.message import named
from events.world import Entity

E = TypeVar("E", bound=Entity)

TABLES: Final[Mapping[str, type[Entity]]] = {
    "application": Application,
    "endpoint": Endpoint,
    "event_type": EventType,
    "admin": Admin,
}
"""The config tables, and whose rows they hold."""
_TABLE_OF: Final = {kind: table for table, kind in TABLES.items()}

_JSON_COLUMNS: Final = frozenset({"metadata", "schemas"})


# --- read -------------------------------------------------------------------------------------------------------


def from_row(row: asyncpg.Record) -> Recorded:
    """A row of log.event, decoded. codec.UnreadableEvent when this release does not know it."""
    partition, seq, at, stream, endpoint, version, type_, schema, actor, request, body = row
    event = codec.decode(type_, schema, body)
    return Recorded(partition, seq, at, stream, endpoint, version, actor, request, event)


def delivery_from_row(row: asyncpg.Record) -> Delivery:
    """A row of state.delivery."""
    partition, message, endpoint, accepted_at, next_at, state, attempts, version, reason, retention_days = row
    return Delivery(
        partition,
        message,
        endpoint,
        accepted_at,
        next_at,
        DeliveryState(state),
        attempts,
        version,
        reason,
        retention_days,
    )


def entity_from_row(kind: type[E], row: asyncpg.Record) -> E:
    """A row of a config table."""
    fields = {
        name: msgspec.json.decode(value) if name in _JSON_COLUMNS and value is not None else value
        for name, value in row.items()
    }
    return msgspec.convert(fields, kind)


# --- appended ---------------------------------------------------------------------------------------------------


def arguments(append: Append) -> list[Any]:
    """The arguments of log.append, in order: rows as tuples, one composite array a kind."""
    heads = append.heads()
    slots = {partition: slot for slot, partition in enumerate(heads, 1)}
    gone = {
        (each.partition, each.message, each.endpoint, each.version): _was(append, was, each)
        for was, each in append.delivered()
    }
    moved = [_moved_row(slots, _was(append, was, each), each) for was, each in append.undelivered()]
    return [
        append.now,
        [
            (
                each,
                events,
                append.epochs.get(each),
                append.known.get(each),
                append.config.get(each),
                append.settle.get(each) or append.settled.get(each),
            )
            for each, events in heads.items()
        ],
        [(each, append.settled.get(each), upto) for each, upto in append.settle.items()],
        _event_rows(append, slots, gone),
        [(each.partition, each.retention_days, each.id, payload) for each, payload in append.accepted],
        [msgspec.structs.astuple(each) for each in named(message for message, _ in append.accepted)],
        len(gone),
        sum(was < 0 for was in gone.values()),
        moved,
        [(slots[partition], *waiting) for partition, *waiting in append.waiting],
        [(index + 1, day, body) for index, day, body in append.responses],
        _config(append),
        append.secrets,
        [(each.day, each.partition, each.message, each.seq) for each in append.expunged],
        append.dropped,
        [_moved_row(slots, was, each) for was, each in append.back()],
        append.retired,
        append.news,
    ]


def _was(append: Append, was: int, delivery: Delivery) -> int:
    """The version of its row; -1 and -2 if it has none, see log.new_event in schema.sql."""
    if was != 1:
        return was
    if append.is_untried(delivery):
        return -1
    if append.accepts(delivery):
        return -2
    append.settled.setdefault(delivery.partition, UNKNOWN)  # who does not know has it settled first
    return was


def _event_rows(
    append: Append, slots: Mapping[int, int], gone: Mapping[tuple[int, str, str, int], int]
) -> list[tuple[Any, ...]]:
    counts = dict.fromkeys(slots, 0)
    rows = []
    for caused in append.caused:
        fact = caused.fact
        event = fact.event
        partition, stream, endpoint, version = fact.partition, fact.stream, fact.endpoint, fact.version
        nth = counts[partition] = counts[partition] + 1
        rows.append(
            (
                slots[partition],
                nth,
                version,
                0 if endpoint is None else gone.get((partition, stream, endpoint, version), 0),
                type(event).__name__,
                codec.version_of(event),
                caused.actor,
                caused.request,
                stream,
                endpoint,
                codec.encode(event),
            )
        )
    return rows


def _moved_row(slots: Mapping[int, int], was: int, delivery: Delivery) -> tuple[Any, ...]:
    return (
        slots[delivery.partition],
        delivery.message,
        delivery.endpoint,
        was,
        delivery.state,
        delivery.attempts,
        delivery.next_at,
        delivery.version,
        delivery.reason,
        delivery.accepted_at,
        delivery.retention_days,
    )


def _config(append: Append) -> str | None:
    if not append.entities:
        return None
    tables: dict[str, list[Any]] = {}
    for was, entity in append.entities.values():
        row = {"was": was, **msgspec.to_builtins(entity)}
        tables.setdefault(_TABLE_OF[type(entity)], []).append(row)
    return msgspec.json.encode(tables).decode()
