"""The worst moments of a run."""

from benchmarks.stalls import SLOT_NS, Slots, worst


def test_a_slot_keeps_its_worst():
    slots = Slots()
    slots.note(5, 10)
    slots.note(SLOT_NS - 1, 30)
    slots.note(SLOT_NS, 20)
    assert slots.dump() == [(0, 30), (SLOT_NS, 20)]


def test_one_stall_is_told_once_and_the_worst_first():
    slots = [
        (10 * SLOT_NS, 5_000_000),
        (11 * SLOT_NS, 90_000_000),
        (12 * SLOT_NS, 80_000_000),
        (40 * SLOT_NS, 7_000_000),
    ]
    assert worst(slots, began_s=1.0) == [(0.10000000000000009, 90.0), (3.0, 7.0)]


def test_no_more_are_told_than_asked_for():
    assert len(worst([(number * 10 * SLOT_NS, 1 + number) for number in range(9)], 0.0, most=2)) == 2
