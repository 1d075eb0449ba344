"""What an operator may do: which acts there are, how they are asked for, and how their outcome is told. Pure."""

from datetime import datetime
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from events.when import BadWhen, iso, moment
from tui import wording
from tui.fields import number, text

Answer = dict[str, Any]
DELIVERIES: Final = "delivery"


class Subject(NamedTuple):
    """What is acted upon: an endpoint, or one delivery to it."""

    endpoint: str
    url: str = ""
    message: str = ""
    disabled: bool = False


class Act(NamedTuple):
    """One act. `path` is under /endpoints/{id}, or under the delivery where `of_delivery`."""

    name: str
    title: str
    button: str
    explained: str
    path: str
    doing: str
    done: str  # `{n}` is how much was touched
    nothing: str  # what it means that nothing would be touched
    unit: str = "endpoint"
    of_delivery: bool = False
    asks_since: bool = False


class Key(NamedTuple):
    """A key, its words in footer and help, and the acts behind it: the second where the endpoint is disabled."""

    key: str
    label: str
    acts: tuple[Act, ...]
    shown: bool = False  # in the footer
    name: str = ""  # of the key, as it is shown


class Request(NamedTuple):
    """What is sent to the daemon."""

    path: str
    body: Answer


RESEND: Final = Act(
    "resend",
    "resend",
    "Resend",
    "Send this delivery again now, whatever became of it. Its attempts start over; the receiver sees the same id.",
    "resend",
    "sending",
    "due now, it is sent again",
    "It is due already: there is nothing to do.",
    DELIVERIES,
    of_delivery=True,
)
RECOVER: Final = Act(
    "recover",
    "recover",
    "Recover",
    "Send again what was accepted since then and ended undelivered.",
    "recover",
    "recovering",
    "{n} sent again",
    "Nothing ended undelivered since then.",
    DELIVERIES,
    asks_since=True,
)
DISABLE: Final = Act(
    "disable",
    "disable endpoint",
    "Disable",
    "Attempt nothing there until it is enabled again. What comes for it waits.",
    "disable",
    "disabling",
    "disabled",
    "It is disabled already.",
)
ENABLE: Final = Act(
    "enable",
    "enable endpoint",
    "Enable",
    "Deliver there again. What waited is due at once.",
    "enable",
    "enabling",
    "enabled",
    "It is enabled already.",
)
PAUSE: Final = DISABLE._replace(
    name="pause",
    title="pause endpoint",
    button="Pause",
    explained="Hold everything for it until it is resumed; the log says who paused it.",
    path="pause",
    doing="pausing",
    done="paused",
)
RESUME: Final = ENABLE._replace(
    name="resume", title="resume endpoint", button="Resume", path="resume", doing="resuming", done="resumed"
)
RESET: Final = Act(
    "reset",
    "reset breaker",
    "Reset",
    "Close the breaker and forget the failures: one attempt goes at once, then more.",
    "reset-breaker",
    "resetting",
    "its breaker is closed",
    "Its breaker is closed, and nothing has failed.",
)
ROTATE: Final = Act(
    "rotate",
    "rotate secret",
    "Rotate",
    "Sign with a new key from now on. The old key signs along for 24 hours; the receiver must learn the new one.",
    "rotate-secret",
    "rotating",
    "signs with a new key",
    "There is no key to rotate.",
)
TEST: Final = Act(
    "test",
    "send a test message",
    "Send",
    "Send a message of type hookd.test to this endpoint alone.",
    "test",
    "sending",
    "test message accepted",
    "Nothing would be sent.",
)
CANCEL: Final = Act(
    "cancel",
    "cancel pending deliveries",
    "Stop trying",
    "Stop trying to deliver what waits for it. Recover (R) brings it back as long as payloads are kept.",
    "cancel-pending",
    "cancelling",
    "{n} cancelled",
    "Nothing waits for it.",
    DELIVERIES,
)

ON_DELIVERY: Final = Key("r", "Resend", (RESEND,), shown=True)
ON_ENDPOINT: Final = (
    Key("R", "Recover", (RECOVER,), shown=True),
    Key("d", "Disable/enable", (DISABLE, ENABLE), shown=True),
    Key("h", "Hold/resume", (PAUSE, RESUME)),
    Key("b", "Reset breaker", (RESET,)),
    Key("M", "Send a test message", (TEST,)),
    Key("K", "Rotate secret", (ROTATE,)),
    Key("X", "Cancel pending", (CANCEL,)),
)
RECOVER_THERE: Final = ON_ENDPOINT[0]._replace(shown=False)
KEYS: Final = {each.acts[0].name: each for each in (ON_DELIVERY, *ON_ENDPOINT)}
READ_ONLY: Final = "read-only: start with --write"


def chosen(key: Key, subject: Subject) -> Act:
    """The act behind a key, as the subject stands."""
    return key.acts[-1] if subject.disabled else key.acts[0]


def request(act: Act, subject: Subject, since: datetime | None = None) -> Request:
    """How the daemon is asked for it."""
    endpoint = quote(subject.endpoint, safe="")
    where = (
        f"/deliveries/{quote(subject.message, safe='')}/{endpoint}" if act.of_delivery else f"/endpoints/{endpoint}"
    )
    return Request(f"{where}/{act.path}", {} if since is None else {"since": iso(since)})


def since(typed: str, now: datetime) -> datetime:
    """How far back, as it was typed: `1h`, `2d 12h`, `2026-01-31`, `2026-01-31T12:00Z`. BadWhen."""
    try:
        at = moment(typed, now)
    except BadWhen as bad:
        try:
            at = moment(f"{typed.strip()} ago", now)
        except BadWhen:
            raise BadWhen(f"{bad}" if typed.strip()[:1].isdigit() else "how far back? 1h, 7d, 2026-01-31") from None
    if at >= now:
        raise BadWhen("that is not in the past")
    return at


def touches(answer: Answer) -> int:
    """How much a dry run says would be touched."""
    return number(answer, "touches") or 0


def counted(act: Act, count: int) -> str:
    """The number with its unit."""
    return (
        f"{count:,} {'deliveries' if count != 1 else DELIVERIES}"
        if act.unit == DELIVERIES
        else wording.plural(count, act.unit)
    )


def touched(answer: Answer) -> tuple[int, bool]:
    """How much was touched, and whether that is all."""
    return number(answer, "touched") or 0, answer.get("done") is not False


def told(act: Act, subject: Subject, count: int, answer: Answer) -> str:
    """What came of it, in words."""
    where = wording.host(subject.url) or subject.endpoint
    if act is TEST:
        return f"{where}: {act.done}, {wording.short(text(answer, 'message'))}"
    if not count:
        return f"{where}: {act.nothing}"
    return f"{where}: {act.done.format(n=counted(act, count))}"
