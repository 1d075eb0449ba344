"""The bases of what is read and written: how names are spelt, and what happens to unknown fields."""

from pydantic import AliasGenerator, BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Strict(BaseModel):
    """A body or query of hookd's own: a misspelt field is an error, not a silence."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class CamelIn(BaseModel):
    """A body of the Svix surface: camelCase, and what is unknown is ignored, as Svix does."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False, alias_generator=to_camel)


class CamelMaybe(CamelIn):
    """A body that need not be sent: then it is one without fields."""


class CamelOut(BaseModel):
    """An answer of the Svix surface: built with Python's names, written in camelCase."""

    model_config = ConfigDict(frozen=True, alias_generator=AliasGenerator(serialization_alias=to_camel))


def absent(value: object) -> bool:
    """Say, as `Field(default=None, exclude_if=absent)`, that None is left out instead of written as null."""
    return value is None
