"""Reading a query string into a model: single values as they are, lists in every spelling clients use."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_args, get_origin

from multidict import MultiMapping
from pydantic import BaseModel, ValidationError

from daemon.api.errors import invalid
from daemon.api.fields import spellings

M = TypeVar("M", bound=BaseModel)

_SEQUENCES = (list, tuple, set, frozenset)


def query_reader(model: type[M]) -> Callable[[MultiMapping[str]], M]:
    """Make the reader of a model's query string. It raises Invalid.

    A list may come repeated (`a=x&a=y`), comma-joined (`a=x,y`), and with brackets (`a[]=x`, `a[0]=x`).
    Of a single value sent twice, the last one stands.
    """
    fields = spellings(model)
    lists = frozenset(name for name, field in fields.items() if is_sequence(field.annotation))
    validate = model.__pydantic_validator__.validate_python

    def read(query: MultiMapping[str]) -> M:
        try:
            return validate(_gather(query, lists))  # type: ignore[no-any-return]
        except ValidationError as found:
            raise invalid("query", found) from None

    return read


def is_sequence(annotation: Any) -> bool:
    """Whether a query field takes many values."""
    members = (annotation, *get_args(annotation))
    return any(member in _SEQUENCES or get_origin(member) in _SEQUENCES for member in members)


def _gather(query: MultiMapping[str], lists: frozenset[str]) -> Mapping[str, str | list[str]]:
    gathered: dict[str, str | list[str]] = {}
    many: dict[str, list[str]] = {}
    for key, value in query.items():
        name = key.partition("[")[0]
        if name in lists:
            many.setdefault(name, []).extend(part for part in value.split(",") if part)
        else:
            gathered[key] = value
    return gathered | many
