import msgspec
import pytest

from daemon.live.tally import Tally
from daemon.live.told import Counts, TargetTold, Told, parse
from tests.daemon.live.making import accepted, failed, succeeded


def counts(*events):
    tally = Tally()
    tally.count(list(events))
    return Counts.of(tally)


def test_what_was_counted_in_two_processes_is_what_one_would_have_counted():
    mine, theirs = [accepted(), succeeded(took_ms=5)], [failed(took_ms=90), succeeded(took_ms=400)]
    together = counts(*mine).plus(counts(*theirs))
    assert msgspec.structs.replace(together, appends=1) == counts(*mine, *theirs)
    assert (together.accepted, together.delivered, together.failed, together.rows) == (1, 2, 1, 4)
    assert together.since(counts(*mine)) == counts(*theirs)
    assert together.since(together) == Counts()


def test_what_is_told_is_read_again():
    told = Told(
        7, counts(succeeded()), 1, 2, None, 0.5, 3, (TargetTold("ep_1", 1, 1, 0, 5.0, 5.0, 0, 2, True, False, None),)
    )
    assert parse(msgspec.json.encode(told)) == told


@pytest.mark.parametrize(
    "text",
    [
        b"", b"null", b"{}", b"[]", b"{", b'"x"',
        msgspec.json.encode(Told(1, Counts(), 1, 2, None, 0.5, 3)).replace(b'"durations":[0,', b'"durations":['),
        msgspec.json.encode(Told(1, Counts(), 1, 2, None, 0.5, 3)).replace(b'"queue":2', b'"queue":"many"'),
    ],
)  # fmt: skip
def test_what_another_release_tells_is_left_out(text):
    assert parse(text) is None
