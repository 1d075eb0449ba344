"""What passes as a JSON Schema: what the meta-schema of draft 7 passes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from daemon.api.v1.json_schema import fault

KEYWORDS = [
    "$id", "title", "multipleOf", "maximum", "maxLength", "pattern", "items", "uniqueItems", "contains", "required",
    "additionalProperties", "properties", "dependencies", "enum", "type", "allOf", "not", "if", "readOnly",
    "examples", "minItems", "exclusiveMinimum", "unknown", "default", "const",
]  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers(-2, 5) | st.sampled_from(["string", "object", "x"]) | st.just(1.5)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYWORDS), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(KEYWORDS), VALUES, max_size=4))
def test_agrees_with_the_meta_schema(schema):
    meta = Draft7Validator(Draft7Validator.META_SCHEMA)  # formats are not asserted
    assert (fault(schema) is None) == meta.is_valid(schema)


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"properties": {"a": {"type": "x"}}}, "properties.a.type has a value that JSON Schema does not allow"),
        ({"anyOf": [True, 5]}, "anyOf.[1] is no schema: an object, true or false"),
        (5, "it is no schema: an object, true or false"),
    ],
)
def test_says_where(schema, told):
    assert fault(schema) == told


def test_depth_is_bounded():
    schema = {}
    for _ in range(100):
        schema = {"not": schema}
    assert "nested too deep" in fault(schema)
