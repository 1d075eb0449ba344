"""What a refusal means on each surface."""

import pytest

from daemon.api.context import Refused
from daemon.api.refusals import explain_seed, explain_v1
from daemon.postgres.errors import DatabaseBusy, DatabaseUnavailable
from daemon.recorder import Busy
from events.log import Unavailable
from events.refusal import conflict, invalid, not_found
from events.views import Unread


def said(error):
    return error.status, error.code, error.field


@pytest.mark.parametrize("wrapped", [Refused, lambda refusal: refusal])
@pytest.mark.parametrize(
    ("refusal", "v1", "seed"),
    [
        (not_found(), (404, "not_found", None), (404, "not_found", None)),
        (conflict("taken", "uid"), (409, "conflict", None), (409, "conflict", None)),
        (
            conflict("x", "name", "event_type_exists"),
            (409, "event_type_exists", None),
            (409, "event_type_exists", None),
        ),
        (invalid("event_types", "x"), (422, "value_error", "eventTypes"), (400, "invalid", "event_types")),
    ],
)
def test_refusals(wrapped, refusal, v1, seed):
    assert said(explain_v1(wrapped(refusal))) == v1
    assert said(explain_seed(wrapped(refusal))) == seed


@pytest.mark.parametrize("explain", [explain_v1, explain_seed])
@pytest.mark.parametrize(
    ("raised", "words", "after"),
    [
        (Busy("the database is away; nothing was done"), "The database is away; nothing was done: try again", "1"),
        (Unread(), "nothing of this was done", "2"),
        (DatabaseUnavailable(), "nothing of this was done", "2"),
        (DatabaseBusy(), "nothing of this was done", "2"),
        (Unavailable(), "repeated with the same eventId", "2"),
    ],
)
def test_unavailability_says_what_may_have_happened(explain, raised, words, after):
    error = explain(raised)
    assert (error.status, error.headers["Retry-After"]) == (503, after)
    assert words in error.detail


@pytest.mark.parametrize("explain", [explain_v1, explain_seed])
def test_anything_else_is_none(explain):
    assert explain(object()) is None
    assert explain(ValueError()) is None
