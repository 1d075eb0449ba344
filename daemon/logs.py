"""How hookd logs: one event a line, named in the past tense, the same ids everywhere, no secret in clear."""

import logging
import re
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any, Final, TextIO

import structlog

from daemon.settings import wants_colour

HIDDEN: Final = "***"
_SECRET_NAME: Final = re.compile(
    r"secret|password|passwd|token|authorization|admin[-_]?id|api[-_]?key|sealing|signature|cookie|dsn|database_url",
    re.IGNORECASE,
)
_SECRET_VALUE: Final = re.compile(
    r"wh(?:sec|sk)_[A-Za-z0-9+/=]+"  # signing keys
    r"|eyJ[\w-]+\.[\w-]+\.[\w-]+"  # JWTs
    r"|(?<=://)[^/\s@]*:[^/\s@]*(?=@)"  # user:password of a URL
)
_LEVELS: Final = {name: getattr(logging, name.upper()) for name in ("debug", "info", "warning", "error")}


def configure(level: str, form: str, stream: TextIO | None = None) -> None:
    """Set up logging for the process. `form`: json, console, or auto (console on a terminal)."""
    out = stream or sys.stderr
    colours = wants_colour(terminal=out.isatty())
    pretty = form == "console" or (form == "auto" and out.isatty())
    renderers: list[Any] = (
        [structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback)]
        if pretty
        else [structlog.processors.JSONRenderer()]
    )
    # Tracebacks become text or fields before they are redacted, and never show the values of variables.
    form_of: Any = _traceback if pretty else structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    tracebacks = structlog.processors.ExceptionRenderer(form_of)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if pretty else "iso", utc=not pretty),
            tracebacks,
            redact,
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Foreign()], level=logging.WARNING, force=True)


class _Foreign(logging.Handler):
    """What libraries log goes the same way as our own lines."""

    def emit(self, record: logging.LogRecord) -> None:
        """Hand it over."""
        told = {"exc_info": record.exc_info} if record.exc_info else {}
        structlog.get_logger().log(record.levelno, "library_said", name=record.name, text=record.getMessage(), **told)


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide what looks like a secret, by the field's name or by its value, however deep."""
    for name, value in event.items():
        event[name] = HIDDEN if _SECRET_NAME.search(name) and value is not None else _redacted(value)
    return event


def _traceback(info: Any) -> str:
    return "".join(traceback.format_exception(*info)).rstrip()


def _redacted(value: Any) -> Any:
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return _SECRET_VALUE.sub(HIDDEN, value)
        case bytes():
            return f"<{len(value)} bytes>"
        case dict():
            return {key: HIDDEN if _SECRET_NAME.search(str(key)) else _redacted(each) for key, each in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_redacted(each) for each in value]
    return _SECRET_VALUE.sub(HIDDEN, str(value) if isinstance(value, Exception) else repr(value))
