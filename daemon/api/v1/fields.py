"""The kinds of values that /api/v1 takes, each with its rule."""

from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from daemon import signing
from events import ids
from events.content import RETENTION_DAYS_MAX

METADATA_BYTES_MAX: Final = 4096
LABEL: Final = r"^[a-zA-Z0-9\-_.]+$"
# Svix's own bounds, for what a message may ask for.
PERIOD_DAYS_MIN: Final = 5
PERIOD_DAYS_MAX: Final = 90
RATE_MAX: Final = 65_535
_CONTROLS: Final = frozenset(map(chr, range(9)))


def omitted() -> Any:
    """Stand for a field of a patch that was not sent; sending null is another matter."""
    return None


def _without_controls(text: str) -> str:
    if not _CONTROLS.isdisjoint(text):
        raise ValueError("control characters are not allowed")
    return text


def _small_metadata(metadata: dict[str, str]) -> dict[str, str]:
    if len(msgspec.json.encode(metadata)) > METADATA_BYTES_MAX:
        raise ValueError(f"at most {METADATA_BYTES_MAX} bytes as JSON")
    return metadata


def _none_as_empty(value: object) -> object:
    return {} if value is None else value


def _uid_rule(prefix: str) -> AfterValidator:
    def checked(uid: str) -> str:
        if fault := ids.uid_fault(prefix, uid):
            raise ValueError(fault)
        return uid

    return AfterValidator(checked)


def _signing_key(key: str) -> str:
    signing.signer(key)
    return key


def _must_be_absent(what: str) -> Callable[[object], None]:
    def refuse(value: object) -> None:
        if value is not None and value not in ({}, []):
            raise ValueError(f"{what} not supported yet: leave it out")

    return refuse


def unsupported(what: str) -> tuple[AfterValidator, WithJsonSchema]:
    """Annotate a field that would change nothing: it is refused rather than ignored in silence."""
    schema = {"type": "null", "description": f"{what} not supported yet"}
    return AfterValidator(_must_be_absent(what)), WithJsonSchema(schema)


Text = Annotated[str, AfterValidator(_without_controls)]
Name = Annotated[str, Field(min_length=1), AfterValidator(_without_controls)]
Label = Annotated[str, Field(pattern=LABEL, max_length=256)]
ApplicationUid = Annotated[str, _uid_rule(ids.APPLICATION)]
EndpointUid = Annotated[str, _uid_rule(ids.ENDPOINT)]
EventId = Annotated[str, _uid_rule(ids.MESSAGE)]
Metadata = Annotated[dict[Text, Text], AfterValidator(_small_metadata), BeforeValidator(_none_as_empty)]
Rate = Annotated[int, Field(ge=1, le=RATE_MAX)]
RetentionDays = Annotated[int, Field(ge=1, le=RETENTION_DAYS_MAX)]
RetentionPeriod = Annotated[int, Field(ge=PERIOD_DAYS_MIN, le=PERIOD_DAYS_MAX)]
SigningKey = Annotated[str, AfterValidator(_signing_key)]
