from datetime import UTC, date, datetime

import pytest

from events.catalogue import ContentExpired, ContentExpunged, PayloadExpunged, ResponseExpunged
from events.content import Body, ExpireContent, ExpungeContent, ExpungePayload, ExpungeResponse, last_day
from events.decide import Rules
from events.message import AcceptMessage
from tests.support.builders import APP, MSG, P
from tests.support.given import AN_APPLICATION, HOUSE, given

DAY = date(2026, 4, 1)
PAYLOAD = Body(DAY, P, message=MSG)
RESPONSE = Body(DAY, P, seq=7)


@pytest.mark.parametrize(
    ("accepted_at", "days", "expected"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), 1, date(2026, 1, 2)),
        (datetime(2026, 1, 1, 23, 59, 59, 999999, UTC), 1, date(2026, 1, 2)),
        (datetime(2026, 1, 1, tzinfo=UTC), 90, DAY),
        (datetime(2026, 2, 28, tzinfo=UTC), 3650, date(2036, 2, 26)),
    ],
)
def test_a_body_is_kept_to_the_end_of_a_day(accepted_at: datetime, days: int, expected: date) -> None:
    assert last_day(accepted_at, days) == expected


@pytest.mark.parametrize(
    ("of_message", "of_application", "of_daemon", "expected"),
    [(None, None, 90, 90), (None, None, 7, 7), (None, 400, 7, 400), (5, 400, 7, 5), (90, 1, 7, 90)],
)
def test_the_nearest_setting_holds(of_message, of_application, of_daemon, expected) -> None:
    application = (APP, type(AN_APPLICATION[1])("org_1", "A", retention_days=of_application))
    command = AcceptMessage(MSG, APP, "t", b"{}", "d", retention_days=of_message)
    (fact,) = given(application).under(Rules(retention_days=of_daemon)).when(command).outcome
    assert fact.event.retention_days == expected


@pytest.mark.parametrize(
    ("command", "stream", "event"),
    [
        (ExpungePayload(MSG, PAYLOAD, "why"), MSG, PayloadExpunged("why")),
        (ExpungeResponse(MSG, RESPONSE, "why"), MSG, ResponseExpunged(7, "why")),
        (
            ExpungeContent(APP, P, "msg_9", (PAYLOAD, RESPONSE, RESPONSE), "why"),
            APP,
            ContentExpunged("msg_9", 1, 2, "why"),
        ),
    ],
)
def test_what_is_removed_by_request_is_one_fact_that_changes_no_state(command, stream, event) -> None:
    (fact,) = given(*HOUSE).when(command).outcome
    assert (fact.partition, fact.stream, fact.version, fact.endpoint, fact.event) == (P, stream, 0, None, event)


def test_that_nothing_is_stored_any_more_is_a_fact_before_anything_is_removed() -> None:
    (fact,) = given(*HOUSE).when(ExpungeContent(APP, P, "msg_9", ())).outcome
    assert (fact.stream, fact.version, fact.event) == (APP, 0, ContentExpunged("msg_9", 0, 0, ""))


def test_a_day_that_is_over_is_one_fact_in_each_partition_that_had_something() -> None:
    facts = given(*HOUSE).when(ExpireContent(DAY, {3: (2, 0), 1: (1, 5)})).outcome
    assert [(fact.partition, fact.stream, fact.version, fact.event) for fact in facts] == [
        (1, "content_2026-04-01", 0, ContentExpired(DAY, 1, 5)),
        (3, "content_2026-04-01", 0, ContentExpired(DAY, 2, 0)),
    ]
    assert given(*HOUSE).when(ExpireContent(DAY, {})).outcome == []
