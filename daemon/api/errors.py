"""What can go wrong with a request, named once; each surface's dialect puts it into its own words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

from pydantic import ValidationError

Place = Literal["body", "query", "path"]

UNREADABLE = "json_invalid"  # pydantic's name for text that is not JSON: one name for it everywhere

_CODES = {413: "payload_too_large"}  # where the code is not the phrase of RFC 9110


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing wrong with what the client sent. `kind` is pydantic's error type, or a validator's own."""

    place: Place
    path: tuple[str | int, ...]
    message: str
    kind: str


class ApiError(Exception):
    """An answer other than success: raised by handlers, rendered by the surface's dialect.

    `code` is for programs, `detail` for people; `field` names the body field to blame, if one is.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.field = field
        self.headers = headers or {}


class Denied(ApiError):
    """The caller has not shown who it is, or may not do this: 401, 403, or 400 for a nonsensical token."""


class Internal(ApiError):
    """Our own fault. The cause goes to the log, never to the client."""

    def __init__(self) -> None:
        super().__init__(500, "internal", "Something failed on our side; the request id finds it in our log")


class Invalid(ApiError):
    """The request does not fit its schema. Which status that is, the dialect knows."""

    def __init__(self, issues: Iterable[Issue]) -> None:
        self.issues = tuple(issues)
        super().__init__(422, "invalid", "; ".join(issue.message for issue in self.issues))

    @property
    def unreadable(self) -> bool:
        """Whether the body is not JSON at all."""
        return any(issue.kind == UNREADABLE for issue in self.issues)


def invalid(place: Place, found: ValidationError, prefix: tuple[str | int, ...] = ()) -> Invalid:
    """Take over what pydantic found, without the input: it may be a secret, and it may be large."""
    errors = found.errors(include_url=False, include_context=False, include_input=False)
    return Invalid(
        Issue(place, (*prefix, *error["loc"]), error["msg"].removeprefix("Value error, "), error["type"])
        for error in errors
    )


def from_status(status: int, headers: Mapping[str, str] | None = None) -> ApiError:
    """Say what HTTP itself has a status for (404, 405, 413) as an ApiError."""
    phrase = HTTPStatus(status).phrase
    code = _CODES.get(status, phrase.lower().replace(" ", "_").replace("-", "_"))
    return ApiError(status, code, phrase, headers=headers)
