from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import ids

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENTS = st.integers(1_400_000_000_000_000, 5_680_000_000_000_000).map(lambda us: EPOCH + timedelta(microseconds=us))
GRAIN = timedelta(microseconds=40)
ENTROPY = st.binary(min_size=ids.ENTROPY_BYTES, max_size=ids.ENTROPY_BYTES)


def test_an_id_known_to_others_tells_its_moment() -> None:
    moment = ids.minted_at("msg_274DTsX0wVTSLvo91QopQgZrjDV")
    assert moment == datetime(2022, 3, 29, 16, 14, 35, 136000, UTC)


@given(MOMENTS, ENTROPY)
def test_an_id_keeps_its_moment_to_four_milliseconds(moment: datetime, entropy: bytes) -> None:
    identifier = ids.mint(ids.MESSAGE, moment, entropy)
    assert len(identifier) == len("msg_") + 27
    assert timedelta(0) <= moment - ids.minted_at(identifier) < timedelta(milliseconds=4, microseconds=10)


@given(MOMENTS, MOMENTS, ENTROPY, ENTROPY)
def test_ids_sort_by_time(earlier: datetime, later: datetime, one: bytes, other: bytes) -> None:
    earlier, later = sorted((earlier, later))
    if later - earlier > GRAIN:
        assert ids.mint("msg", earlier, one) < ids.mint("msg", later, other)


@given(MOMENTS, st.integers(40, 8000), ENTROPY, ENTROPY)
def test_ids_minted_in_a_row_sort_by_time(moment: datetime, later_us: int, one: bytes, other: bytes) -> None:
    later = moment + timedelta(microseconds=later_us)
    assert ids.mint("msg", moment, one) < ids.mint("msg", later, other)


@given(st.integers(0, 2**160 - 1))
def test_base62_goes_there_and_back(number: int) -> None:
    assert ids.number_of(f"x_{ids.base62(number)}") == number


@given(st.integers(0, 1023), st.integers(1, 2**63 - 1))
def test_an_attempt_is_named_by_its_position(partition: int, seq: int) -> None:
    assert ids.attempt_position(ids.attempt_id(partition, seq)) == (partition, seq)


@pytest.mark.parametrize(
    "text", ["", "msg_", "msg_274DTsX0wVTSLvo91QopQgZrjD", "msg_274DTsX0wVTSLvo91QopQgZrj-V", "é" * 27]
)
def test_other_texts_are_no_ids(text: str) -> None:
    with pytest.raises(ValueError, match="not an identifier"):
        ids.number_of(text)


def test_a_message_is_no_attempt() -> None:
    with pytest.raises(ValueError, match="not an attempt"):
        ids.attempt_position("msg_274DTsX0wVTSLvo91QopQgZrjDV")


@pytest.mark.parametrize("uid", ["a", "A-b_c.9", "x" * 256, "epic", "ap_1"])
def test_good_uids(uid: str) -> None:
    assert ids.uid_fault(ids.ENDPOINT, uid) is None


@pytest.mark.parametrize("uid", ["", "x" * 257, "a b", "a/b", "ü", "a\n", "ep_1"])
def test_bad_uids(uid: str) -> None:
    assert ids.uid_fault(ids.ENDPOINT, uid)
