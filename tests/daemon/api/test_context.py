"""Answers, taken apart."""

import pytest

from daemon.api.context import Refused, agreed, first
from events.refusal import not_found


def test_a_refusal_is_raised_and_states_are_given():
    with pytest.raises(Refused) as raised:
        agreed(not_found())
    assert raised.value.refusal == not_found()
    assert agreed([]) == []


def test_the_latest_state_of_a_kind():
    assert first(int, [1, "a", 2]) == 2
    assert first(str, [1]) is None
