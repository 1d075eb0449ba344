from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.when import BadWhen, Position, iso, moment, parse

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW),
        (" Now ", NOW),
        ("2026-01-31T10:20:30Z", datetime(2026, 1, 31, 10, 20, 30, tzinfo=UTC)),
        ("2026-01-31t10:20:30.5z", datetime(2026, 1, 31, 10, 20, 30, 500_000, tzinfo=UTC)),
        ("2026-01-31 10:20:30.123456Z", datetime(2026, 1, 31, 10, 20, 30, 123_456, tzinfo=UTC)),
        ("2026-01-31 10:20:30.123456789 UTC", datetime(2026, 1, 31, 10, 20, 30, 123_456, tzinfo=UTC)),
        ("2026-01-31T10:20+02:00", datetime(2026, 1, 31, 8, 20, tzinfo=UTC)),
        ("2026-01-31T10:20:00-0230", datetime(2026, 1, 31, 12, 50, tzinfo=UTC)),
        ("2026-01-31T10:20:00 02:00", datetime(2026, 1, 31, 8, 20, tzinfo=UTC)),  # a plus, lost in a query
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2h ago", NOW - timedelta(hours=2)),
        ("-2h", NOW - timedelta(hours=2)),
        ("90 minutes ago", NOW - timedelta(minutes=90)),
        ("-1d12h", NOW - timedelta(hours=36)),
        ("1 week 2 days ago", NOW - timedelta(days=9)),
        ("30s ago", NOW - timedelta(seconds=30)),
        ("3/17", Position(3, 17)),
        ("0/0", Position(0, 0)),
    ],
)
def test_moments_and_positions(text: str, expected: object) -> None:
    assert parse(text, NOW) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no moment"),
        ("then", "no moment"),
        ("2h", "no moment"),
        ("-", "no moment"),
        ("ago", "no moment"),
        ("5 moons ago", "no moment"),
        ("2026-01-31T10:20:30", "lacks its offset"),
        ("2026-02-30", "not on the calendar"),
        ("2026-02-20T25:00Z", "not on the calendar"),
        ("0001-01-01T00:00:00+05:00", "not on the calendar"),
        ("999999999 weeks ago", "before the calendar"),
        ("9000 weeks 9000 weeks 90000 weeks ago", "before the calendar"),
        ("99999/1", "beyond any position"),
        ("1/9999999999999999999", "beyond any position"),
        ("1/-1", "no moment"),
        ("\u0663/\u0664", "no moment"),  # digits, but not ours
    ],
)
def test_what_is_neither(text: str, words: str) -> None:
    with pytest.raises(BadWhen, match=words):
        parse(text, NOW)


@given(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_what_is_written_reads_back(at: datetime) -> None:
    assert moment(iso(at), NOW) == at


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(BadWhen):
        parse(text, NOW)
