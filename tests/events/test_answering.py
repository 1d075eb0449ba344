import asyncpg
import pytest

from events.answering import GONE, answering
from events.log import Unavailable
from events.views import Unread


@pytest.mark.parametrize("trouble", GONE)
def test_who_is_gone_is_unavailable(trouble: type[Exception]) -> None:
    with pytest.raises(Unavailable, match="no more") as caught, answering():
        raise trouble("no more")
    assert isinstance(caught.value.__cause__, trouble)


def test_an_error_without_words_is_named() -> None:
    with pytest.raises(Unavailable, match="TimeoutError"), answering():
        raise TimeoutError


def test_each_question_has_troubles_of_its_own() -> None:
    with pytest.raises(asyncpg.LockNotAvailableError), answering():
        raise asyncpg.LockNotAvailableError("held")
    with pytest.raises(Unread, match="held"), answering(asyncpg.LockNotAvailableError, error=Unread):
        raise asyncpg.LockNotAvailableError("held")


def test_an_argument_of_the_wrong_type_is_our_fault() -> None:
    with pytest.raises(asyncpg.DataError), answering():
        raise asyncpg.DataError("expected str")
    with pytest.raises(ValueError, match="neither"), answering():
        raise _Both("neither")


class _Both(asyncpg.InterfaceError, ValueError):
    """As asyncpg raises it for an argument that does not fit."""
