"""What a refusal of the domain, or a failing database, means to the caller of each surface."""

from collections.abc import Callable
from http import HTTPStatus

from pydantic.alias_generators import to_camel

from daemon.api.context import Refused
from daemon.api.errors import ApiError
from daemon.postgres.errors import DatabaseUnavailable
from daemon.recorder import Busy
from events.log import Unavailable
from events.refusal import Refusal
from events.views import Unread

BUSY_RETRY_S = 1
UNAVAILABLE_RETRY_S = 2

_BAD = frozenset({"missing_payload", "limit_reached"})

Explain = Callable[[object], ApiError | None]


def explain_v1(value: object) -> ApiError | None:
    """Speak as the Svix server does: what cannot be taken is a 422 that names the field in camelCase."""
    if isinstance(refusal := _refusal(value), Refusal):
        field = to_camel(refusal.field) if refusal.field else None
        if refusal.code == "invalid":
            return ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, "value_error", refusal.detail, field)
        return _known(refusal)
    return unavailable(value)


def explain_seed(value: object) -> ApiError | None:
    """Speak as the routes under /api do: what cannot be taken is a 400 that names the field."""
    if isinstance(refusal := _refusal(value), Refusal):
        if refusal.code == "invalid":
            return ApiError(HTTPStatus.BAD_REQUEST, refusal.code, refusal.detail, refusal.field)
        return _known(refusal)
    return unavailable(value)


def unavailable(value: object) -> ApiError | None:
    """Say whether a command may have taken effect although the database did not answer."""
    if isinstance(value, Busy):
        why = str(value)
        return _later(f"{why[:1].upper()}{why[1:]}: try again", BUSY_RETRY_S)
    if isinstance(value, Unread | DatabaseUnavailable):
        return _later("The database does not answer; nothing of this was done: try again", UNAVAILABLE_RETRY_S)
    if isinstance(value, Unavailable):
        detail = (
            "The database did not answer, and whether this took effect is not certain: look before you repeat it. "
            "A message may be repeated with the same eventId: it is never accepted twice"
        )
        return _later(detail, UNAVAILABLE_RETRY_S)
    return None


def _refusal(value: object) -> object:
    return value.refusal if isinstance(value, Refused) else value


def _known(refusal: Refusal) -> ApiError:
    if refusal.code == "not_found":
        return ApiError(HTTPStatus.NOT_FOUND, refusal.code, refusal.detail)
    if refusal.code in _BAD:
        return ApiError(HTTPStatus.BAD_REQUEST, refusal.code, refusal.detail)
    return ApiError(HTTPStatus.CONFLICT, refusal.code, refusal.detail)


def _later(detail: str, after_s: int) -> ApiError:
    headers = {"Retry-After": str(after_s)}
    return ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", detail, headers=headers)
