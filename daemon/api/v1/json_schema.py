"""Whether something is a JSON Schema (draft 7), as far as its keywords' own shapes say."""

from collections.abc import Callable, Mapping
from typing import Any, Final

TYPES: Final = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
DEPTH_MAX: Final = 64

Holds = Callable[[Any], bool]


def fault(schema: object, path: str = "", depth: int = 0) -> str | None:
    """Say what is wrong and where; None when nothing is."""
    if isinstance(schema, bool):
        return None
    if not isinstance(schema, dict):
        return f"{path or 'it'} is no schema: an object, true or false"
    if depth > DEPTH_MAX:
        return f"{path} is nested too deep"
    for keyword, value in schema.items():
        where = f"{path}.{keyword}" if path else str(keyword)
        holds = _VALUES.get(keyword)
        if holds is not None and not holds(value):
            return f"{where} has a value that JSON Schema does not allow"
        children = _CHILDREN.get(keyword)
        if children is None:
            continue
        inner = children(value)
        if inner is None:
            return f"{where} has a value that JSON Schema does not allow"
        for step, child in inner.items():
            if found := fault(child, f"{where}.{step}" if step else where, depth + 1):
                return found
    return None


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _count(value: Any) -> bool:
    return _number(value) and value >= 0 and (isinstance(value, int) or value.is_integer())


def _above_zero(value: Any) -> bool:
    return _number(value) and value > 0


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _list(value: Any) -> bool:
    return isinstance(value, list)


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value) and len(set(value)) == len(value)


def _type(value: Any) -> bool:
    return value in TYPES if isinstance(value, str) else bool(value) and _names(value) and set(value) <= TYPES


def _one(value: Any) -> Mapping[str, Any] | None:
    return {"": value}


def _some(value: Any) -> Mapping[str, Any] | None:
    return {f"[{nth}]": each for nth, each in enumerate(value)} if isinstance(value, list) and value else None


def _one_or_some(value: Any) -> Mapping[str, Any] | None:
    return _some(value) if isinstance(value, list) else _one(value)


def _named(value: Any) -> Mapping[str, Any] | None:
    return value if isinstance(value, dict) else None


def _dependencies(value: Any) -> Mapping[str, Any] | None:
    return {name: each for name, each in value.items() if not _names(each)} if isinstance(value, dict) else None


_VALUES: Final[Mapping[str, Holds]] = {
    **dict.fromkeys(("$id", "$schema", "$ref", "$comment", "title", "description", "pattern", "format"), _text),
    **dict.fromkeys(("contentMediaType", "contentEncoding"), _text),
    **dict.fromkeys(("readOnly", "writeOnly", "uniqueItems"), _flag),
    **dict.fromkeys(("maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum"), _number),
    **dict.fromkeys(("maxLength", "minLength", "maxItems", "minItems", "maxProperties", "minProperties"), _count),
    "multipleOf": _above_zero,
    "examples": _list,
    "enum": _list,
    "required": _names,
    "type": _type,
}

_CHILDREN: Final[Mapping[str, Callable[[Any], Mapping[str, Any] | None]]] = {
    **dict.fromkeys(("additionalItems", "additionalProperties", "contains", "propertyNames"), _one),
    **dict.fromkeys(("if", "then", "else", "not"), _one),
    **dict.fromkeys(("allOf", "anyOf", "oneOf"), _some),
    **dict.fromkeys(("definitions", "properties", "patternProperties"), _named),
    "items": _one_or_some,
    "dependencies": _dependencies,
}
