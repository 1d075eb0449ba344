from hypothesis import given
from hypothesis import strategies as st

from daemon.sharing import Share, share
from events.log import Head, Roll

NAMES = st.sets(st.text("abcdef", min_size=1, max_size=3), min_size=1, max_size=7)
PARTITIONS = st.integers(1, 20)


def roll(processes, owners) -> Roll:
    heads = tuple(Head(number, 0, 0, owner) for number, owner in enumerate(owners))
    return Roll(tuple(sorted(processes)), heads)


def act(name: str, processes, owners: list[str | None]) -> bool:
    """One step of one process, as the database carries it out; whether it changed anything."""
    step = share(roll(processes, owners), name)
    assert not (step.take and step.give)
    for partition in step.give:
        assert owners[partition] == name
        owners[partition] = None
    for partition in step.take:
        assert owners[partition] not in processes, "somebody alive owns it"
        owners[partition] = name
    return bool(step.take or step.give)


def turn(order, processes, owners: list[str | None]) -> int:
    """A step of each; how many of them changed anything."""
    return sum(act(name, processes, owners) for name in order)


def test_alone_it_takes_all() -> None:
    assert share(roll({"a"}, [None, "dead", None]), "a") == Share((0, 1, 2), ())


def test_whoever_is_not_on_the_roll_does_nothing() -> None:
    assert share(roll({"a"}, ["a", "b", None]), "b") == Share((), ())


def test_what_is_not_free_yet_is_waited_for() -> None:
    assert share(roll({"a", "b"}, ["a", "a", "a", None]), "b") == Share((3,), ())
    assert share(roll({"a", "b"}, ["a", "a", "a", "a"]), "b") == Share((), ())


def test_more_processes_than_partitions() -> None:
    assert share(roll({"a", "b", "c"}, ["a", "b"]), "c") == Share((), ())
    assert share(roll({"a", "b", "c"}, ["c", "b"]), "c") == Share((), (0,))


@given(NAMES, NAMES, PARTITIONS, st.data())
def test_whoever_owned_what_all_come_to_an_equal_share_in_any_order_of_steps(processes, dead, count, data) -> None:
    owner = st.sampled_from([None, *sorted(processes | dead)])
    owners = data.draw(st.lists(owner, min_size=count, max_size=count))
    for _ in range(data.draw(st.integers(0, 10))):
        act(data.draw(st.sampled_from(sorted(processes))), processes, owners)
    order = data.draw(st.permutations(sorted(processes)))
    rounds = 0
    while turn(order, processes, owners):
        rounds += 1
        assert rounds <= 3, "each gives once and takes at most twice"
    assert None not in owners
    counts = [owners.count(name) for name in processes]
    assert sum(counts) == count
    assert max(counts) - min(counts) <= 1


@given(NAMES, PARTITIONS, st.data())
def test_once_it_is_even_nothing_moves_and_one_who_leaves_moves_only_what_was_its(processes, count, data) -> None:
    owners: list[str | None] = [None] * count
    while turn(sorted(processes), processes, owners):
        pass
    assert all(share(roll(processes, owners), name) == Share((), ()) for name in processes)
    gone = data.draw(st.sampled_from(sorted(processes)))
    rest, before = processes - {gone}, list(owners)
    while rest and turn(sorted(rest), rest, owners):
        pass
    moved = [was for was, now in zip(before, owners, strict=True) if was != now]
    assert moved.count(gone) == (before.count(gone) if rest else 0)
    assert len(moved) - moved.count(gone) <= len(rest), "but for the odd one of each"


@given(NAMES, PARTITIONS, st.data())
def test_one_who_looks_at_an_old_roll_takes_nothing_that_is_not_free(processes, count, data) -> None:
    """The roll is a moment old when it acts: what was taken meanwhile the database refuses."""
    owners: list[str | None] = [None] * count
    old = roll(processes, owners)
    names = sorted(processes)
    for name in data.draw(st.permutations(names)):
        for partition in share(old, name).take:
            if owners[partition] is None:
                owners[partition] = name
    while turn(names, processes, owners):
        pass
    counts = [owners.count(name) for name in names]
    assert counts == sorted(counts, reverse=True)
    assert max(counts) - min(counts) <= 1
