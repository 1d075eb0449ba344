"""How endpoints stood at a place of the log: from the daemon's answer, or from the events about them alone. Pure."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from tui.fields import moment, objects, text
from tui.frames import Happened, TargetStats

TARGETS_MAX: Final = 10_000
CONFIGURING: Final = frozenset(
    {
        "EndpointRegistered",
        "EndpointUpdated",
        "EndpointDisabled",
        "EndpointEnabled",
        "EndpointDeleted",
        "BreakerOpened",
        "BreakerClosed",
        "BreakerReset",
    }
)
"""The events about endpoints themselves."""
_SETTINGS: Final = ("eventTypes", "channels", "metadata", "batchSize", "throttleRate", "retryDelaysS")


class Standing(msgspec.Struct, frozen=True):
    """The endpoints there were, their settings, and how many deliveries waited for each; None: that is not known."""

    targets: tuple[TargetStats, ...] = ()
    settings: dict[str, dict[str, Any]] = {}
    undelivered: dict[str, int] | None = None
    more: bool = False


def standing_of(answer: dict[str, Any]) -> Standing:
    """The answer of /audit/as-of; rows that cannot be read are left out."""
    try:
        undelivered = msgspec.convert(answer.get("undelivered"), dict[str, int] | None)
    except msgspec.ValidationError:
        undelivered = None
    targets = []
    settings: dict[str, dict[str, Any]] = {}
    for row in objects(answer, "endpoints")[:TARGETS_MAX]:
        try:
            stats = msgspec.convert(row, TargetStats)
        except msgspec.ValidationError:
            continue
        waits = None if undelivered is None else undelivered.get(stats.endpoint, 0)
        targets.append(msgspec.structs.replace(stats, backlog=waits or 0, counted=waits is not None))
        settings[stats.endpoint] = {name: row[name] for name in _SETTINGS if name in row}
    return Standing(tuple(targets), settings, undelivered, answer.get("more") is True)


def standing_after(events: Iterable[Happened], *, whole: bool) -> Standing:
    """What these events led to; whole: there is nothing before them, so nothing waited."""
    found: dict[str, TargetStats] = {}
    settings: dict[str, dict[str, Any]] = {}
    for each in events:
        if each.type == "EndpointDeleted":
            found.pop(each.stream, None)
            settings.pop(each.stream, None)
            continue
        known = found.get(each.stream) or TargetStats(each.stream, counted=whole)
        if len(found) < TARGETS_MAX or each.stream in found:
            found[each.stream] = changed(known, each)
            if isinstance(config := each.body.get("config"), dict):
                settings[each.stream] = config
    return Standing(tuple(found.values()), settings, {} if whole else None)


def changed(stats: TargetStats, event: Happened) -> TargetStats:
    """An endpoint after one event about it."""
    body, replace = event.body, msgspec.structs.replace
    config = body.get("config")
    if isinstance(config, dict):
        stats = replace(
            stats,
            url=text(config, "url") or stats.url,
            description=text(config, "description"),
            application=text(body, "application") or stats.application,
        )
    match event.type:
        case "EndpointRegistered":
            return replace(stats, created_at=event.at)
        case "EndpointDisabled":
            return replace(stats, disabled=text(body, "reason"))
        case "EndpointEnabled":
            return replace(stats, disabled=None, **_CLOSED)
        case "BreakerOpened":
            until, since = moment(body, "until"), moment(body, "since")
            why = " ".join(map(str, filter(None, (text(body, "fault"), body.get("status")))))
            return replace(
                stats, breaker="open", breaker_until=until, breaker_reason=why or None, failing_since=since
            )
        case "BreakerClosed" | "BreakerReset":
            return replace(stats, **_CLOSED)
    return stats


_CLOSED: Final[dict[str, Any]] = {
    "breaker": "closed",
    "breaker_until": None,
    "breaker_reason": None,
    "failing_since": None,
}
