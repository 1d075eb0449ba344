from hypothesis import given
from hypothesis import strategies as st

from daemon.payloads import Payloads


def test_the_least_recently_used_goes_first() -> None:
    payloads = Payloads(3)
    for name in "abc":
        payloads.put(name, b"x")
    payloads.get("a")
    payloads.put("d", b"x")
    assert [name for name in "abcd" if payloads.get(name)] == ["a", "c", "d"]


def test_the_newest_stays_whatever_its_size() -> None:
    payloads = Payloads(3)
    payloads.put("a", b"x")
    payloads.put("b", b"x" * 99)
    assert payloads.get("a") is None
    assert payloads.get("b") == b"x" * 99


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.binary(max_size=9))))
def test_it_is_bounded_and_counts_right(puts) -> None:
    payloads = Payloads(20)
    for name, body in puts:
        payloads.put(name, body)
        assert payloads.get(name) is not None
        assert payloads.size == sum(map(len, payloads._kept.values())) <= max(20, len(payloads.get(name)))
