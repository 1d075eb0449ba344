"""The same error, said three ways; and each way of saying fits its documented shape."""

import pytest

from daemon.api.dialect import ProblemDialect, SeedDialect, SvixDialect
from daemon.api.errors import ApiError, Internal, Invalid, Issue

ERRORS = [
    ApiError(404, "not_found", "Entity not found"),
    ApiError(422, "value_error", "no", field="url"),
    ApiError(422, "value_error", "no"),
    Internal(),
    Invalid([Issue("body", ("a", 0, "b"), "wrong", "string_type")]),
    Invalid([Issue("body", (), "wrong", "value_error")]),
    Invalid([Issue("body", (), "not JSON", "json_invalid")]),
    Invalid([Issue("query", ("limit",), "not a number", "int_parsing")]),
    Invalid([Issue("query", ("limit",), "too many", "less_than_equal")]),
    Invalid([Issue("body", ("app",), "no uid", "application_uid_missing")]),
]


@pytest.mark.parametrize("dialect", [SeedDialect(), SvixDialect(), ProblemDialect()])
@pytest.mark.parametrize("error", ERRORS, ids=str)
def test_what_is_said_fits_its_shape(dialect, error):
    status, body = dialect.say(error, "id")
    dialect.shape(status).model_validate(body, strict=True, extra="forbid")


@pytest.mark.parametrize(
    ("dialect", "statuses"),
    [
        (SeedDialect(), [404, 422, 422, 500, 400, 400, 422, 400, 400, 400]),
        (SvixDialect(), [404, 422, 422, 500, 422, 422, 422, 400, 422, 422]),
        (ProblemDialect(), [404, 422, 422, 500, 422, 422, 400, 422, 422, 422]),
    ],
)
def test_statuses(dialect, statuses):
    assert [dialect.say(error, "id")[0] for error in ERRORS] == statuses
    for error, status in zip(ERRORS, statuses, strict=True):
        if isinstance(error, Invalid):
            assert status in dialect.refusing(error.issues[0].place)


def test_svix_spells_places():
    said = [SvixDialect().say(error, "id")[1]["detail"][0] for error in (ERRORS[2], ERRORS[4], ERRORS[5], ERRORS[9])]
    assert [(issue["loc"], issue["type"]) for issue in said] == [
        (["body", "__all__"], "value_error"),
        (["body", "a", "[0]", "b"], "value_error.jsondecode"),
        (["body", "__all__"], "value_error"),
        (["body", "app"], "application_uid_missing"),
    ]
