"""The rows of the state tables, made of what the fold answers: for writing them anew by COPY.

Every field of the classes is a column of the same name, so a row is the fields in their order.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import asyncpg
import msgspec

from events.append import DeliveryKey
from events.delivery import Delivery
from events.message import EventId
from events.rows import TABLES
from events.world import Entity

State = Entity | EventId | Delivery
Row = tuple[Any, ...]

KINDS: Final[Mapping[str, type[Any]]] = {**TABLES, "event_id": EventId, "delivery": Delivery}
"""The tables of schema `state`, and whose rows they hold."""

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {table: kind.__struct_fields__ for table, kind in KINDS.items()}
"""The columns of each state table, in the order of its rows here."""

TABLE_OF: Final[Mapping[type[Any], str]] = {kind: table for table, kind in KINDS.items()}

_HAS_DELIVERY: Final = "select true from state.delivery where partition = $1 and message = $2 and endpoint = $3"
_JSON: Final = frozenset({"metadata", "schemas"})
_COPY_S: Final = 86_400.0
"""A table may be large, and a connection's own deadline is meant for queries."""


def row(state: State) -> Row:
    """The row of a state of any kind, columns as in COLUMNS."""
    return _MAKERS[type(state)](state)


async def has_delivery(connection: asyncpg.Connection, key: DeliveryKey) -> bool:
    """Whether a delivery has a row."""
    return await connection.fetchval(_HAS_DELIVERY, *key) is not None


async def write(connection: asyncpg.Connection, states: Iterable[State], schema: str = "state") -> None:
    """Insert the rows of `states`, all of one kind. They are taken one by one, so they may be many."""
    pending = iter(states)
    first = next(pending, None)
    if first is None:
        return
    table = TABLE_OF[type(first)]

    async def rows() -> Any:
        make = _MAKERS[type(first)]
        yield make(first)
        for each in pending:
            yield make(each)

    await connection.copy_records_to_table(
        table, schema_name=schema, columns=COLUMNS[table], records=rows(), timeout=_COPY_S
    )


def _maker(kind: type[Any]) -> Callable[[Any], Row]:
    """What makes a row of a `kind`; JSON columns as text, in the very words that an append writes."""
    places = [place for place, name in enumerate(kind.__struct_fields__) if name in _JSON]
    if not places:
        return msgspec.structs.astuple

    def make(state: Any) -> Row:
        fields = list(msgspec.structs.astuple(state))
        for place in places:
            if fields[place] is not None:
                fields[place] = msgspec.json.encode(fields[place]).decode()
        return tuple(fields)

    return make


_MAKERS: Final[Mapping[type[Any], Callable[[Any], Row]]] = {kind: _maker(kind) for kind in KINDS.values()}
