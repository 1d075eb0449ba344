"""Windows and iterators."""

from datetime import UTC, datetime, timedelta

import pytest

from daemon.api.errors import Invalid
from daemon.api.lists import ListQuery, Order
from daemon.api.v1.listing import (
    AHEAD,
    WINDOW,
    TimedQuery,
    is_descending,
    oldest_first,
    slice_by_id,
    slice_by_name,
    window,
)
from events.views import EPOCH, Slice

NOW = datetime(2026, 8, 21, tzinfo=UTC)
A, B = NOW - timedelta(days=50), NOW - timedelta(days=10)
ID = "app_" + "0" * 27


@pytest.mark.parametrize(
    ("query", "iterator_at", "expected"),
    [
        ({}, None, (NOW - WINDOW, NOW + AHEAD)),
        ({"before": B}, None, (B - WINDOW, B)),
        ({"before": NOW + WINDOW}, None, (NOW, NOW + AHEAD)),
        ({"after": A}, None, (A, NOW + AHEAD)),
        ({"after": A - WINDOW}, None, (A - WINDOW, A)),
        ({"after": A, "before": B}, None, (A, B)),
        ({"iterator": ID}, A, (A - WINDOW, NOW + AHEAD)),
        ({"iterator": "-" + ID}, A - WINDOW, (EPOCH, A)),
        ({"iterator": ID, "before": B}, A, (A - WINDOW, B)),
    ],
)
def test_windows(query, iterator_at, expected):
    assert window(TimedQuery(**query), NOW, iterator_at) == expected


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-08-21T20:24:36.1Z", datetime(2026, 8, 21, 20, 24, 36, 100_000, UTC)),
        ("2026-08-21 20:24:36.1 UTC", datetime(2026, 8, 21, 20, 24, 36, 100_000, UTC)),
        ("2026-08-21T20:24:36+02:00", datetime(2026, 8, 21, 18, 24, 36, tzinfo=UTC)),
        ("2026-08-21T20:24:36 02:00", datetime(2026, 8, 21, 18, 24, 36, tzinfo=UTC)),
    ],
)
def test_spellings_of_moments(text, moment):
    assert TimedQuery(before=text).before == moment


def test_oldest_first_is_for_after_alone():
    assert oldest_first(TimedQuery(after=A))
    assert not oldest_first(TimedQuery(after=A, before=B))
    assert not oldest_first(TimedQuery(after=A, iterator=ID))


def test_slices():
    assert slice_by_id(ListQuery(limit=3, iterator="-" + ID), "app", descending=True) == Slice(3, ID, True, True)
    assert slice_by_name(ListQuery(iterator="a.b")) == Slice(50, "a.b", False)
    assert slice_by_name(ListQuery(iterator="-a.b")) == Slice(50, "a.b", True)
    for bad in ("ep_" + "0" * 27, "app_" + "0" * 26, "app_" + "0" * 26 + "_", "app_" + "0" * 27 + "\n"):
        with pytest.raises(Invalid):
            slice_by_id(ListQuery(iterator=bad), "app", descending=False)


def test_orders():
    assert is_descending(ListQuery(), usually=True)
    assert not is_descending(ListQuery(order=Order.ASCENDING), usually=True)
    assert is_descending(ListQuery(order=Order.DESCENDING), usually=False)
