import json
import random

import pytest

from daemon.live.group import CHUNK_BYTES_MAX, TICKS, Group, Wanted
from events.catalogue import ApplicationDeleted, BreakerOpened
from events.envelope import Recorded
from events.outcome import Fault
from tests.daemon.live.making import AT, accepted, failed, succeeded

OPENED = Recorded(0, 1, AT, "ep_1", None, 2, "hookd", None, BreakerOpened(AT, 1, Fault.STATUS, AT))
DELETED = Recorded(0, 1, AT, "app_1", None, 2, "hookd", None, ApplicationDeleted())
OWNERS = {
    "ep_1": ("app_1", "org_1"),
    "ep_2": ("app_2", "org_1"),
    "ep_3": ("app_3", "org_2"),
    "app_1": ("app_1", "org_1"),
}


def owner_of(recorded):
    return OWNERS.get(recorded.endpoint or recorded.stream, ("app_1", "org_1") if recorded.endpoint is None else None)


def frames(data):
    found = []
    for part in data.decode().split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in part.splitlines())
        found.append((fields["event"], json.loads(fields["data"])))
    return found


@pytest.mark.parametrize("rate", [1, 2, 9, 10, 100, 500, 2000])
def test_no_second_has_more_than_the_rate_and_nothing_is_uncounted(rate):
    chance, sent, skipped, happened, group = random.Random(rate), [], 0, 0, Group(Wanted(rate))
    for _ in range(60):
        count = chance.choice([0, 0, 3, 50, 700])
        happened += count
        here = 0
        for kind, data in frames(group.chunk([failed()] * count, "1")):
            if kind == "events":
                here = len(data)
            else:
                skipped += data["count"]
        sent.append(here)
    assert sum(sent) + skipped == happened
    assert max(sum(sent[n : n + TICKS]) for n in range(len(sent))) <= rate


def test_under_load_it_flows_evenly():
    group, sent = Group(Wanted(500)), []
    for _ in range(40):
        found = dict(frames(group.chunk([succeeded()] * 1000, "1")))
        sent.append(len(found.get("events", ())))
    assert sum(sent[-10:]) == 500
    assert max(sent) == 100
    assert sent.count(0) <= 4


def test_a_chunk_is_bounded_in_bytes():
    large = accepted(endpoints=tuple(f"ep_{n:027}" for n in range(3000)))
    data = Group(Wanted(2000)).chunk([large] * 100, "1")
    assert len(data) < 2 * CHUNK_BYTES_MAX
    (_, shown), (_, left) = frames(data)
    assert len(shown) + left["count"] == 100


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        (Wanted(1), 6),
        (Wanted(1, status="ok"), 1),
        (Wanted(1, status="failed"), 3),
        (Wanted(1, status="config"), 1),
        (Wanted(1, endpoint="ep_1"), 2),
        (Wanted(1, endpoint="ep_9"), 1),
        (Wanted(1, application="app_1"), 4),
        (Wanted(1, org="org_1"), 5),
        (Wanted(1, org="org_2"), 1),
        (Wanted(1, org="org_2", application="app_1"), 0),
        (Wanted(1, org="org_1", status="failed", endpoint="ep_2"), 1),
    ],
)
def test_what_is_wanted(wanted, kept):
    events = [
        succeeded(),
        failed(endpoint="ep_2"),
        failed(endpoint="ep_3"),
        OPENED,
        DELETED,
        accepted(endpoints=("ep_9",)),
    ]
    assert len(wanted.of(events, owner_of)) == kept


def test_what_nobody_owns_is_nobodys():
    assert Wanted(1, org="org_1").of([failed(endpoint="ep_unknown")], owner_of) == []
