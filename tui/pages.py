"""The detail pages, as lines: a delivery with its attempts, an endpoint, a message, an event. Pure.

Answers come from the API, and in them texts from strangers: a page takes any JSON object, and shows what it finds.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from tui import wording
from tui.fields import group, moment, number, objects, pairs, text
from tui.frames import Happened
from tui.lines import BLANK, Line, Span, line

LABEL_CELLS: Final = 13
BODY_CHARS_MAX: Final = 64 * 1024
BODY_LINES_MAX: Final = 500
ATTEMPTS_MAX: Final = 100
SAID_ABOVE: Final = frozenset({"id", "url", "uid", "description", "disabled"})
Answer = dict[str, Any]


def delivery(answer: Answer, now: datetime | None) -> Iterator[Line]:
    """The timeline first: what an operator asks is what happened, and when it goes on."""
    look = wording.delivery(_state(answer))
    due = moment(answer, "nextAt")
    yield (*look.line, *_note(f" · next try {wording.until(due, now)} ({wording.clock(due)})" if due else ""))
    yield from fact("url", text(answer, "url"))
    yield from fact("endpoint", text(answer, "endpoint"))
    yield from fact("message", text(answer, "message"))
    yield from fact("application", text(answer, "application"))
    accepted = moment(answer, "acceptedAt")
    yield from fact("accepted", wording.day(accepted), wording.until(accepted, now) if now and accepted else "")
    yield from fact("reason", text(answer, "reason"))
    attempts = objects(answer, "attempts")
    yield from section(f"Attempts ({len(attempts)})")
    for each in attempts[-ATTEMPTS_MAX:]:
        yield attempt(each)
    if not attempts:
        yield line(("no attempt yet", "muted"))
    if attempts:
        yield from exchange(attempts[-1], answer)
    yield from trail(objects(answer, "trail"))


def attempt(each: Answer) -> Line:
    """One attempt in a line."""
    status = number(each, "status")
    fault = text(each, "fault")
    good = not fault
    what = f"{status}" if good or fault == "status" else f"{fault}{f' after {status}' if status else ''}"
    detail = text(each, "detail")
    return (
        Span(f"{'✓' if good else '✗'} ", "ok" if good else "bad"),
        Span(f"#{nth:<3}" if (nth := number(each, "attempt")) else "", "bold"),
        Span(f"{wording.clock_ms(moment(each, 'at'))}  ", "muted"),
        Span(f"{what:<10}", "ok" if good else "bad"),
        Span(f"{wording.ms(number(each, 'durationMs')):>8}{'' if _long(each) else ' ms'}"),
        Span(f"  {detail}" if detail else "", "muted"),
        Span(f"  {text(each, 'position')}", "faint"),
    )


def _state(answer: Answer) -> str:
    """The log knows one state of what is not yet delivered; people want to know whether it has been tried."""
    state = text(answer, "state")
    if state != "pending":
        return state
    return "retrying" if objects(answer, "attempts") or number(answer, "attempts") else "waiting"


def _latest(each: Answer) -> Answer:
    """An attempt as the list of an endpoint's attempts has it: `status` 0 is success."""
    code = number(each, "responseStatusCode") or None
    fault = None if number(each, "status") == 0 else "status" if code else "failed"
    return {
        "at": each.get("timestamp"),
        "status": code,
        "fault": fault,
        "durationMs": each.get("responseDurationMs"),
        "message": each.get("msgId"),
    }


def _long(each: Answer) -> bool:
    return (number(each, "durationMs") or 0) >= 10_000  # noqa: PLR2004 - then wording says seconds


def exchange(each: Answer, answer: Answer) -> Iterator[Line]:
    """The last attempt's request as it was sent, and what came back."""
    request = group(each, "request")
    yield from section(f"Request of attempt {number(each, 'attempt') or 0}, as sent")
    yield line((f"{text(request, 'method') or 'POST'} ", "bold accent"), text(request, "url"))
    for name, value in pairs(request, "headers"):
        yield line((f"{name}: ", "info"), (value, "muted" if value == "unknown" else ""))
    yield BLANK
    payload = answer.get("payload")
    yield from body(
        payload if isinstance(payload, str) else None, "the payload is gone: retention or erasure removed it"
    )
    received = number(each, "responseBytes")
    yield from section("Response" + (f" ({wording.size(received)})" if received else ""))
    status = number(each, "status")
    if status is not None:
        yield line((f"{status} ", "bold ok" if not text(each, "fault") else "bold bad"))
    response = each.get("response")
    empty = "an empty body" if status is not None else f"none: {text(each, 'fault')} {text(each, 'detail')}"
    yield from body(response if isinstance(response, str) else None, empty)


def endpoint(answer: Answer, now: datetime | None) -> Iterator[Line]:
    """How it stands, why, its settings, its last attempts."""
    disabled = answer.get("disabled")
    reason = disabled if isinstance(disabled, str) else None
    look = wording.breaker(text(answer, "breaker"), reason)
    until = moment(answer, "breakerUntil")
    probe = f" · next probe {wording.until(until, now)}" if until and reason is None else ""
    why = reason or text(answer, "breakerReason")
    yield (*look.line, *_note(f" · {why}" if why else ""), *_note(probe))
    yield from fact("url", text(answer, "url"))
    yield from fact("id", text(answer, "endpoint") or text(answer, "id"), text(answer, "uid"))
    yield from fact("application", text(answer, "application"))
    yield from fact("description", text(answer, "description"))
    pending = number(answer, "pending")
    backlog = number(answer, "backlog")
    waits = pending if pending is not None else backlog
    if waits is not None:
        due = moment(answer, "oldestDue")
        yield from fact("undelivered", f"{waits:,}", f"oldest due {wording.until(due, now)}" if due else "")
    yield from fact("failing since", wording.day(failing) if (failing := moment(answer, "failingSince")) else "")
    counts = group(answer, "counts")
    if counts:
        good, bad = number(counts, "delivered") or 0, number(counts, "failed") or 0
        yield from fact("last 24 h", f"{good:,} delivered, {bad:,} failed", wording.share(good, good + bad))
    config = group(answer, "configuration") or group(answer, "config")
    if config:
        yield from section("Configuration")
        for name, value in config.items():
            if name in SAID_ABOVE or value is None or value in ({}, []):
                continue
            yield from fact(name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    attempts = objects(answer, "attempts") or [_latest(each) for each in objects(answer, "latest")]
    yield from section(f"Last attempts ({len(attempts)})")
    for each in attempts:
        message = text(each, "message")
        yield (*attempt(each), Span(f"  {wording.short(message)}" if message else "", "faint"))
    if not attempts:
        yield line(("none yet", "muted"))


def message(answer: Answer, now: datetime | None) -> Iterator[Line]:
    """What it is, whom it went to, what it says."""
    yield line((text(answer, "eventType") or "message", "bold accent"))
    yield from fact("id", text(answer, "id"))
    yield from fact("event id", text(answer, "eventId"))
    yield from fact("application", text(answer, "application"))
    accepted = moment(answer, "acceptedAt")
    yield from fact("accepted", wording.day(accepted), wording.until(accepted, now) if now and accepted else "")
    channels = answer.get("channels")
    yield from fact("channels", ", ".join(map(str, channels)) if isinstance(channels, list) else "")
    yield from fact("size", wording.size(size) if (size := number(answer, "size")) is not None else "")
    yield from fact("SHA-256", text(answer, "digest"))
    deliveries = objects(answer, "deliveries")
    yield from section(f"Deliveries ({len(deliveries)})")
    for each in deliveries:
        look = wording.delivery(_state(each))
        due = moment(each, "nextAt")
        yield (
            Span(f"{look.glyph} {look.word:<10}", look.role),
            Span(f"{number(each, 'attempts') or 0:>3}x  ", "muted"),
            Span(wording.host(text(each, "url")) or text(each, "endpoint")),
            *_note(f"  next {wording.until(due, now)}" if due else ""),
            *_note(f"  {text(each, 'reason')}" if text(each, "reason") else ""),
            Span(f"  {text(each, 'endpoint')}", "faint"),
        )
    if not deliveries:
        yield line(("no endpoint wanted it", "muted"))
    yield from section("Payload")
    gone = text(answer, "payloadGone")
    payload = None if gone else answer.get("payload")
    shown = payload if payload is None or isinstance(payload, str) else json.dumps(payload, ensure_ascii=False)
    yield from body(shown, f"the payload is gone: {gone or 'removed'}")


def event(happened: Happened) -> Iterator[Line]:
    """One event of the log, whole."""
    glyph, role = wording.event(happened.type)
    yield line((f"{glyph} {happened.type}", f"bold {role}"))
    yield from fact("at", f"{wording.day(happened.at)}.{happened.at.microsecond // 1000:03d} UTC")
    yield from fact("position", happened.position, f"version {happened.version} of its stream")
    yield from fact("stream", happened.stream)
    yield from fact("endpoint", happened.endpoint or "")
    yield from fact("actor", happened.actor)
    yield from fact("request", happened.request or "")
    yield BLANK
    yield from pretty(happened.body)


def trail(events: list[Answer]) -> Iterator[Line]:
    """What the log says about it, oldest first."""
    if not events:
        return
    yield from section(f"Trail ({len(events)})")
    for each in events:
        type_ = text(each, "type")
        glyph, role = wording.event(type_)
        position = f"{number(each, 'partition')}/{number(each, 'seq')}"
        yield line(
            (f"{wording.clock_ms(moment(each, 'at'))}  ", "muted"),
            (f"{glyph} {type_}", role),
            (f"  {text(each, 'actor')}", "faint"),
            (f"  {position}", "faint"),
        )


# --- parts


def section(title: str) -> Iterator[Line]:
    """A heading, set off."""
    yield BLANK
    yield line((f"━━ {title} ", "bold accent"), ("━" * 8, "faint"))


def fact(name: str, value: str, remark: str = "") -> Iterator[Line]:
    """A name and its value, if it has one."""
    if value:
        yield line((f"{name:<{LABEL_CELLS}} ", "muted"), value, (f"  {remark}" if remark else "", "muted"))


def body(content: str | None, absent: str) -> Iterator[Line]:
    """A body: JSON is laid out, other text is shown line by line; very long ones are cut."""
    if not content:
        yield line((absent, "muted italic"))
        return
    if len(content) <= BODY_CHARS_MAX:
        try:
            value = json.loads(content)
        except (ValueError, RecursionError):
            pass
        else:
            if isinstance(value, dict | list):
                yield from pretty(value)
                return
    for number_, each in enumerate(content[:BODY_CHARS_MAX].split("\n")):
        if number_ >= BODY_LINES_MAX:
            break
        yield line(each.removesuffix("\r"))
    if len(content) > BODY_CHARS_MAX:
        yield line((f"… {wording.size(len(content) - BODY_CHARS_MAX)} more are not shown", "muted italic"))


def pretty(value: Any) -> Iterator[Line]:
    """JSON, laid out; names, texts and numbers told apart."""
    try:
        laid_out = json.dumps(value, ensure_ascii=False, indent=2).split("\n")
    except (ValueError, RecursionError):
        yield line((str(value)[:BODY_CHARS_MAX], ""))
        return
    for each in laid_out[:BODY_LINES_MAX]:
        indent = each[: len(each) - len(each.lstrip(" "))]
        rest = each[len(indent) :]
        name, found, after = rest.partition('": ')
        if found and name.startswith('"'):
            yield line(indent, (f'{name}"', "info"), (": ", "muted"), (after, _json_role(after)))
        else:
            yield line(indent, (rest, _json_role(rest)))
    if len(laid_out) > BODY_LINES_MAX:
        yield line((f"… {len(laid_out) - BODY_LINES_MAX:,} lines more are not shown", "muted italic"))


def _json_role(value: str) -> str:
    if value[:1] == '"':
        return "ok"
    return "muted" if value[:1] in "{}[]," else "warn"


def _note(words: str) -> Line:
    return (Span(words, "muted"),) if words else ()
