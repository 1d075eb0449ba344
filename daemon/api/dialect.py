"""How each surface says no: three dialects for the same errors."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Protocol, get_args

from pydantic import BaseModel, Field
from pydantic_core.core_schema import ErrorType

from daemon.api.errors import ApiError, Internal, Invalid, Issue, Place

BUILT_IN = frozenset(get_args(ErrorType))

Said = tuple[int, Mapping[str, object]]


class Dialect(Protocol):
    """A way of answering errors."""

    @property
    def media(self) -> str:
        """The content type of an error."""

    def say(self, error: ApiError, request_id: str) -> Said:
        """Give status and body."""

    def refusing(self, place: Place) -> tuple[int, ...]:
        """Give the statuses with which a body, query or path that does not fit is answered."""

    def shape(self, status: int) -> type[BaseModel]:
        """Give the model of the body that goes with a status, for the documentation."""


class SeedError(BaseModel):
    """An error of the routes under /api."""

    code: int = Field(description="the HTTP status")
    message: str


class SeedDialect:
    """`{"code": 400, "message": "url: ..."}`: a bad value is 400, a body that is not JSON is 422."""

    media = "application/json"

    def say(self, error: ApiError, request_id: str) -> Said:  # noqa: ARG002
        """Give status and body."""
        if isinstance(error, Invalid):
            status = 422 if error.unreadable else 400
            return status, {"code": status, "message": "; ".join(map(_blame, error.issues))}
        message = f"{error.field}: {error.detail}" if error.field else error.detail
        return error.status, {"code": error.status, "message": message}

    def refusing(self, place: Place) -> tuple[int, ...]:
        """Give the statuses with which a body, query or path that does not fit is answered."""
        return (400, 422) if place == "body" else (400,)

    def shape(self, status: int) -> type[BaseModel]:  # noqa: ARG002
        """Give the model of the body that goes with a status."""
        return SeedError


def _blame(issue: Issue) -> str:
    return f"{'.'.join(map(str, issue.path)) or issue.place}: {issue.message}"


class SvixError(BaseModel):
    """An error of the Svix server API."""

    code: str
    detail: str


class SvixIssue(BaseModel):
    """One thing wrong with the request, and where."""

    loc: list[str]
    msg: str
    type: str


class SvixInvalid(BaseModel):
    """The 422 of the Svix server API."""

    detail: list[SvixIssue]


class SvixInternal(BaseModel):
    """The empty body of a 500."""


class SvixDialect:
    """`{"code": str, "detail": str}`; 422 lists its issues; our own fault is 500 with `{}`."""

    media = "application/json"

    def say(self, error: ApiError, request_id: str) -> Said:  # noqa: ARG002
        """Give status and body."""
        if isinstance(error, Invalid):
            return self._say_invalid(error)
        if isinstance(error, Internal):
            return error.status, {}
        if error.status == HTTPStatus.UNPROCESSABLE_ENTITY:
            issue = Issue("body", (error.field or "__all__",), error.detail, error.code)
            return error.status, {"detail": [_svix_issue(issue)]}
        return error.status, {"code": error.code, "detail": error.detail}

    def refusing(self, place: Place) -> tuple[int, ...]:
        """Give the statuses with which a body, query or path that does not fit is answered."""
        return (400, 422) if place == "query" else (422,)

    def shape(self, status: int) -> type[BaseModel]:
        """Give the model of the body that goes with a status."""
        shapes: dict[int, type[BaseModel]] = {422: SvixInvalid, 500: SvixInternal}
        return shapes.get(status, SvixError)

    def _say_invalid(self, error: Invalid) -> Said:
        unparsable = next((issue for issue in error.issues if issue.place == "query" and _unparsable(issue)), None)
        if unparsable is not None:
            return 400, {"code": "generic_error", "detail": _blame(unparsable)}
        return 422, {"detail": [_svix_issue(issue) for issue in error.issues]}


def _unparsable(issue: Issue) -> bool:
    """Whether a value is not of its type at all; else it is of its type, but not allowed."""
    kind = issue.kind
    return kind in {"json_invalid", "missing", "enum", "literal_error", "extra_forbidden"} or kind.endswith(
        ("_parsing", "_type", "_aware"),
    )


def _svix_issue(issue: Issue) -> dict[str, object]:
    kind = "value_error.jsondecode" if _unparsable(issue) else "value_error"
    path = [f"[{step}]" if isinstance(step, int) else step for step in issue.path]
    if not path and kind == "value_error":
        path = ["__all__"]  # a rule about the whole object
    return {
        "loc": [issue.place, *path],
        "msg": issue.message,
        "type": kind if issue.kind in BUILT_IN else issue.kind,
    }


class ProblemIssue(BaseModel):
    """One thing wrong with the request: a JSON Pointer that starts with body, query or path."""

    pointer: str
    detail: str


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[ProblemIssue] = []


class ProblemDialect:
    """RFC 9457: a body that is not JSON is 400, one that does not fit is 422 with pointers."""

    media = "application/problem+json"

    def say(self, error: ApiError, request_id: str) -> Said:
        """Give status and body."""
        status = 400 if isinstance(error, Invalid) and error.unreadable else error.status
        body: dict[str, object] = {
            "type": f"urn:hookd:{error.code}",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": error.detail,
            "code": error.code,
            "request_id": request_id,
        }
        pointed = _pointed(error)
        return status, (body | {"errors": pointed} if pointed else body)

    def refusing(self, place: Place) -> tuple[int, ...]:
        """Give the statuses with which a body, query or path that does not fit is answered."""
        return (400, 422) if place == "body" else (422,)

    def shape(self, status: int) -> type[BaseModel]:  # noqa: ARG002
        """Give the model of the body that goes with a status."""
        return Problem


def _pointed(error: ApiError) -> list[dict[str, str]]:
    if isinstance(error, Invalid):
        return [{"pointer": _pointer(issue.place, *issue.path), "detail": issue.message} for issue in error.issues]
    return [{"pointer": _pointer("body", error.field), "detail": error.detail}] if error.field else []


def _pointer(*steps: str | int) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)
