"""Lists as the Svix server API speaks them: one page, and the iterators to the ones beside it."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Annotated, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from daemon.api.models import CamelOut, absent

T = TypeVar("T")

PAGE_SIZE = 50
PAGE_SIZE_MAX = 250


class Order(StrEnum):
    """The direction of a list, by id."""

    ASCENDING = "ascending"
    DESCENDING = "descending"


class ListQuery(BaseModel):
    """What every list takes. `order` None means the list's own order; many lists accept and ignore it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    limit: Annotated[int, Field(ge=1, le=PAGE_SIZE_MAX)] = PAGE_SIZE
    iterator: str | None = None
    order: Order | None = None

    @property
    def cursor(self) -> str | None:
        """The id to go on from, without the sign of its direction."""
        return self.iterator.removeprefix("-") if self.iterator else None

    @property
    def backwards(self) -> bool:
        """Whether the page just before the cursor is wanted (`iterator=-id`), still in list order."""
        return bool(self.iterator) and str(self.iterator).startswith("-")


class EventTypesQuery(ListQuery):
    """A list that can be narrowed to some event types."""

    event_types: list[str] | None = None


class Page(CamelOut, Generic[T]):
    """One page. `iterator` is always written, null on an empty page; `prevIterator` only if there is data."""

    data: list[T]
    iterator: str | None
    prev_iterator: str | None = Field(default=None, exclude_if=absent)
    done: bool  # nothing more in the direction of travel

    @classmethod
    def of(cls, data: Sequence[T], key: Callable[[T], str], *, done: bool) -> Self:
        """Make the page of some items, each with the id it is listed by."""
        if not data:
            return cls(data=[], iterator=None, done=done)
        return cls(data=list(data), iterator=key(data[-1]), prev_iterator=f"-{key(data[0])}", done=done)
