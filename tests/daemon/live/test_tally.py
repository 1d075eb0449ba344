from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.live.tally import BOUNDS, Tally, arrived_ms, percentile
from events import ids
from events.catalogue import AttemptAbandoned, BreakerOpened
from events.envelope import Recorded
from events.outcome import Fault
from tests.daemon.live.making import AT, accepted, failed, message, succeeded


@given(st.integers(0, 10**12), st.binary(min_size=20, max_size=20))
def test_when_a_message_arrived_is_in_its_id(ms, entropy):
    moment = ids.minted_at(ids.mint(ids.MESSAGE, AT + timedelta(milliseconds=ms % 10**11), entropy))
    minted = ids.mint(ids.MESSAGE, moment, entropy)
    assert arrived_ms(minted) == pytest.approx(moment.timestamp() * 1000, abs=4)


def test_what_is_no_id_has_no_age():
    with pytest.raises(KeyError):
        arrived_ms("msg_1")
    tally = Tally()
    tally.count([succeeded(stream="msg_1")])
    assert tally.total().delivered == 1


@given(st.lists(st.integers(0, 60_000), min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99]))
def test_percentiles_are_off_by_an_eighth_at_most(durations, share):
    tally = Tally()
    tally.count([succeeded(took_ms=ms) for ms in durations])
    ordered = sorted(durations)
    exact = next(value for n, value in enumerate(ordered, 1) if n >= share * len(ordered))
    found = percentile(tally.total().durations, share)
    assert found == exact if exact <= 8 else found == pytest.approx(exact, rel=0.126)


def test_counts():
    tally = Tally()
    abandoned = AttemptAbandoned(attempt=1, timestamp=1, detail="", next_at=AT)
    opened = BreakerOpened(until=AT, failures=3, fault=Fault.TIMEOUT, since=AT)
    tally.count([accepted(), succeeded(), succeeded(endpoint="ep_2", took_ms=10**9), failed()])
    tally.count(
        [
            Recorded(0, 1, AT, message(), "ep_3", 2, "hookd", None, abandoned),
            Recorded(0, 2, AT, "ep_3", None, 2, "hookd", None, opened),
        ]
    )
    total, one, three = tally.total(), tally.row("ep_1"), tally.row("ep_3")
    assert (tally.accepted, tally.appends, tally.rows) == (1, 2, 6)
    assert (total.attempts, total.delivered, total.failed) == (4, 2, 2)
    assert (one.attempts, one.delivered, one.failed) == (2, 1, 1)
    assert (three.attempts, three.failed, tally.reasons) == (1, 1, {"ep_3": "timeout"})
    assert tally.attempts() == {"ep_1": 2, "ep_2": 1, "ep_3": 1}
    assert tally.row("ep_none").attempts == 0
    assert sum(map(len, (tally.targets, tally.abandoned))) == 3


def test_delays():
    tally = Tally()
    tally.count([succeeded(stream=message(age_ms=1000)), succeeded(stream=message(age_ms=86_400_000))])
    assert percentile(tally.delays, 0.5) == pytest.approx(1000, rel=0.13)
    assert percentile(tally.delays, 1) == pytest.approx(86_400_000, rel=0.13)
    assert percentile([0] * len(BOUNDS), 0.5) is None
