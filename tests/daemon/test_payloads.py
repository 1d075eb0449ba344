from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from daemon.payloads import Payloads
from events.catalogue import ContentExpired, ContentExpunged, DeliveryCancelled, PayloadExpunged


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


def test_what_was_expunged_is_forgotten_at_once() -> None:
    payloads = Payloads(100)
    for number in range(5):
        payloads.put(f"msg_{number}", b"12345")
    payloads.heed("msg_3", DeliveryCancelled("other"))
    assert payloads.forgotten == 0
    payloads.heed("msg_3", PayloadExpunged())
    payloads.heed("app_1", ContentExpunged("msg_1", 2, 0))
    assert [payloads.get(f"msg_{number}") for number in range(5)] == [None, None, b"12345", None, b"12345"]
    assert (payloads.size, payloads.forgotten) == (10, 2)
    payloads.heed("content_2026-01-01", ContentExpired(date(2026, 1, 1), 1, 0))
    assert (payloads.size, payloads.forgotten, payloads.get("msg_4")) == (0, 3, None)
    payloads.clear()
    assert payloads.size == 0
