"""A command that is declined, as a value: what is wrong, where, and what to do about it."""

import msgspec


class Refusal(msgspec.Struct, frozen=True):
    """`code` is stable and for machines (not_found, conflict, invalid …); `detail` is for people."""

    code: str
    detail: str
    field: str | None = None


def not_found(what: str = "Entity") -> Refusal:
    """Nothing of that name is there (any more)."""
    return Refusal("not_found", f"{what} not found")


def conflict(detail: str, field: str | None = None, code: str = "conflict") -> Refusal:
    """Somebody has that name already."""
    return Refusal(code, detail, field)


def invalid(field: str, detail: str) -> Refusal:
    """The value of `field` cannot be taken."""
    return Refusal("invalid", detail, field)
