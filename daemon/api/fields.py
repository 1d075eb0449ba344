"""What a pydantic model's declaration says about its fields: read once, when a route is declared."""

from collections.abc import Callable, Iterator
from typing import Any, get_args, get_origin

from pydantic import AliasChoices, AliasPath, BaseModel
from pydantic.fields import FieldInfo


def spellings(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Give every name under which a field may arrive."""
    by_name = model.model_config.get("validate_by_name") or model.model_config.get("populate_by_name")
    found: dict[str, FieldInfo] = {}
    for name, field in model.model_fields.items():
        aliases = tuple(_aliases(field))
        found.update(dict.fromkeys(aliases, field))
        if by_name or not aliases:
            found[name] = field
    return found


def mentions(annotation: Any, wanted: Callable[[Any], bool]) -> bool:
    """Whether a type, or anything inside it (unions, lists, fields of models), is wanted."""
    return any(wanted(part) for part in _parts(annotation, set()))


def _parts(annotation: Any, seen: set[type[BaseModel]]) -> Iterator[Any]:
    yield annotation
    yield get_origin(annotation)
    for argument in get_args(annotation):
        yield from _parts(argument, seen)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation not in seen:
        seen.add(annotation)  # models may hold themselves
        for field in annotation.model_fields.values():
            yield from _parts(field.annotation, seen)


def _aliases(field: FieldInfo) -> Iterator[str]:
    alias = field.validation_alias or field.alias
    for choice in alias.choices if isinstance(alias, AliasChoices) else (alias,):
        if isinstance(choice, str):
            yield choice
        elif isinstance(choice, AliasPath):
            yield str(choice.path[0])
