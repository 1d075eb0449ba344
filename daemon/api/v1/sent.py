"""What was sent: a request made up again from the log, the payload and the keys that were in force then."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from daemon.api.models import CamelOut
from daemon.sealing import SealBroken
from daemon.signing import Sign, signed_headers, signer
from daemon.target import request_head
from daemon.transport.destination import Destination
from events.board_views import KeptSecret

UNKNOWN: Final = "unknown"
METHOD: Final = "POST"
_SIGNATURES: Final = frozenset({"webhook-signature", "svix-signature"})
_LENGTH: Final = "content-length"


class RequestOut(CamelOut):
    """A request, its headers in their order. What cannot be said any more reads `unknown`."""

    method: str
    url: str
    headers: list[tuple[str, str]]


def request_out(url: str, message: str, timestamp: int, payload: bytes | None, signers: Sequence[Sign]) -> RequestOut:
    """The request as it left. Without the payload or a key its signature is unknown."""
    try:
        head = request_head(Destination.of(url))
    except ValueError:  # a URL of an older log that would not be taken today
        return RequestOut(method=METHOD, url=url, headers=[])
    lines = (head + signed_headers(signers, message, timestamp, payload or b"")).decode("latin-1").split("\r\n")
    headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines[1:] if line)]
    known = payload is not None and bool(signers)
    return RequestOut(
        method=METHOD,
        url=url,
        headers=[(name, _shown(name, value, known=known, whole=payload is not None)) for name, value in headers],
    )


def _shown(name: str, value: str, *, known: bool, whole: bool) -> str:
    if (name in _SIGNATURES and not known) or (name == _LENGTH and not whole):
        return UNKNOWN
    return value


def signers_at(secrets: Sequence[KeptSecret], timestamp: int, unseal: Callable[[bytes], bytes]) -> Sequence[Sign]:
    """What signed at that time: the key current then, followed by those still good. None: a key is not there."""
    moment = datetime.fromtimestamp(timestamp, UTC).replace(microsecond=0)
    good = [
        each
        for each in secrets  # the newest first
        if each.created_at.replace(microsecond=0) <= moment and (each.expires_at is None or each.expires_at > moment)
    ]
    try:
        return [signer(unseal(each.sealed).decode()) for each in good]
    except (SealBroken, ValueError):
        return []
