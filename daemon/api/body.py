"""Reading a body: bytes in, a validated model out; what can be worked out at the declaration is."""

from collections.abc import Callable
from typing import Final, Protocol, TypeVar, get_args, get_origin

import msgspec
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import from_json

from daemon.api.errors import UNREADABLE, Invalid, Issue, invalid
from daemon.api.fields import spellings
from daemon.api.models import CamelMaybe
from daemon.api.raw import holds_raw, is_raw, slices

M = TypeVar("M", bound=BaseModel)
Path = tuple[str | int, ...]
Convert = Callable[[bytes, Path], object]  # a value, and where the object stands that it is a field of


class Cut(Protocol):
    """Cuts an object into the values of its fields; `path` is where it stands in the body."""

    def __call__(self, body: bytes, path: Path = ()) -> dict[str, object]:
        """Give the values as a model takes them."""


def body_reader(model: type[M]) -> Callable[[bytes], M]:
    """Make the reader of a model's JSON. It raises Invalid; the declaration raises TypeError."""
    return _raw_reader(model) if holds_raw(model) else _plain_reader(model)


def _plain_reader(model: type[M]) -> Callable[[bytes], M]:
    validate = model.__pydantic_validator__.validate_json
    nothing = b"{}" if issubclass(model, CamelMaybe) else b""

    def read(body: bytes) -> M:
        try:
            return validate(body or nothing)  # type: ignore[no-any-return]
        except ValidationError as found:
            raise invalid("body", found) from None

    return read


def _raw_reader(model: type[M]) -> Callable[[bytes], M]:
    cut = _cutter(model)
    validate = model.__pydantic_validator__.validate_python

    def read(body: bytes) -> M:
        try:
            values = cut(body)
        except msgspec.ValidationError:
            raise Invalid([Issue("body", (), "Input should be an object", "dict_type")]) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _unreadable(error) from None
        try:
            return validate(values)  # type: ignore[no-any-return]
        except ValidationError as found:
            raise invalid("body", found) from None

    return read


def _cutter(model: type[BaseModel]) -> Cut:
    """Make what cuts an object into the values of its fields. It raises what `slices` raises, and Invalid."""
    converters = {name: _converter(model, name, field) for name, field in spellings(model).items()}
    # Where unknown fields are ignored they need not be parsed either.
    unknown: Convert | None = None if model.model_config.get("extra", "ignore") == "ignore" else _parsed

    def cut(body: bytes, path: Path = ()) -> dict[str, object]:
        values: dict[str, object] = {}
        for name, raw in slices(body).items():
            convert = converters.get(name, unknown)
            if convert is not None:
                try:
                    values[name] = convert(bytes(raw), path)
                except ValueError as error:  # nesting or a number beyond all bounds
                    raise _unreadable(error, *path, name) from None
        return values

    return cut


def _unreadable(error: Exception, *path: str | int) -> Invalid:
    return Invalid([Issue("body", path, f"Invalid JSON: {error}", UNREADABLE)])


def _converter(model: type[BaseModel], name: str, field: FieldInfo) -> Convert:
    annotation = field.annotation
    if is_raw(annotation):
        return _as_sent
    members = get_args(annotation)
    if any(map(is_raw, members)):
        return _as_sent_or_none if type(None) in members else _as_sent
    if get_origin(annotation) is list and holds_raw(annotation) and issubclass(members[0], BaseModel):
        return _each(name, _cutter(members[0]), _bound(field))
    if holds_raw(annotation):
        raise TypeError(
            f"{model.__name__}: RawJson can be cut out at the top level of a body, or of a list's objects"
        )
    return _parsed


def _bound(field: FieldInfo) -> int:
    for each in field.metadata:
        if isinstance(found := getattr(each, "max_length", None), int):
            return found
    raise TypeError("a list of objects that hold RawJson needs a max_length")


def _each(name: str, cut: Cut, most: int) -> Convert:
    """Make the converter of a list of objects, of as many as are needed to see that there are too many."""

    def convert(raw: bytes, path: Path) -> object:
        if not raw.startswith(b"["):
            return from_json(raw)
        found = map(bytes, _LIST.decode(raw)[: most + 1])
        return [
            cut(each, (*path, name, nth)) if each[:1] == b"{" else from_json(each) for nth, each in enumerate(found)
        ]

    return convert


def _parsed(raw: bytes, _path: Path) -> object:
    return from_json(raw)


def _as_sent(raw: bytes, _path: Path) -> bytes:
    return raw


def _as_sent_or_none(raw: bytes, _path: Path) -> bytes | None:
    return None if raw == b"null" else raw


_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])
