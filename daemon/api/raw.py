"""RawJson: a value of a JSON body kept as the very bytes it arrived in.

A customer's payload is stored, signed and sent byte for byte. Parsing it and writing it out again would lose
duplicate keys, the spelling of numbers, and whitespace; so it is never parsed, only cut out.
"""

from typing import Any, Self

import msgspec
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from daemon.api.fields import mentions


class RawJson(bytes):
    """Any JSON value, as sent. Only at the top level of a body; anywhere in an answer."""

    __slots__ = ()

    @classmethod
    def checked(cls, value: object) -> Self:
        """Take a slice known to be JSON. Raises PydanticCustomError for a value of the wrong kind."""
        if not isinstance(value, bytes):
            raise PydanticCustomError("raw_json_type", "Input should be raw JSON bytes")
        return cls(value)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls.checked,
            serialization=core_schema.plain_serializer_function_ser_schema(msgspec.Raw),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _core: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {}


class RawObject(RawJson):
    """A JSON object, as sent."""

    __slots__ = ()

    @classmethod
    def checked(cls, value: object) -> Self:
        """Take a slice known to be JSON, which must be an object."""
        if isinstance(value, bytes) and value[:1] == b"{":
            return cls(value)
        super().checked(value)
        raise PydanticCustomError("dict_type", "Input should be an object")

    @classmethod
    def __get_pydantic_json_schema__(cls, _core: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "object"}


def is_raw(annotation: Any) -> bool:
    """Whether a type is RawJson itself."""
    return isinstance(annotation, type) and issubclass(annotation, RawJson)


def holds_raw(annotation: Any) -> bool:
    """Whether a type is, or holds at any depth, RawJson."""
    return mentions(annotation, is_raw)


def slices(body: bytes) -> dict[str, msgspec.Raw]:
    """Cut a JSON object into the raw bytes of its top-level values; of equal keys the last one stands.

    Raises UnicodeDecodeError, msgspec.DecodeError or RecursionError for what is not JSON, and
    msgspec.ValidationError for JSON that is no object.
    """
    str(body, "utf-8")  # msgspec skips strings without a look at their UTF-8
    return _OBJECT.decode(body)


_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
