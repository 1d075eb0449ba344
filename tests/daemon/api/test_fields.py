"""The names a field may arrive under."""

from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field

from daemon.api.fields import mentions, spellings


class Many(BaseModel):
    plain: int
    aliased: int = Field(alias="other")
    chosen: int = Field(validation_alias=AliasChoices("one", "two", AliasPath("three", 0)))
    child: "Many | None" = None


class Named(BaseModel):
    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)
    aliased: int = Field(alias="other")


def test_spellings():
    assert set(spellings(Many)) == {"plain", "other", "one", "two", "three", "child"}
    assert set(spellings(Named)) == {"other", "aliased"}


def test_mentions_ends_for_models_that_hold_themselves():
    assert mentions(Many, lambda part: part is int)
    assert not mentions(Many, lambda part: part is str)
