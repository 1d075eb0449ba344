"""The one HTTP server: the surfaces over one desk."""

from collections.abc import Callable

from aiohttp import web

from daemon.api import log, own, seed, v1
from daemon.api.auth import AdminIds, Tokens
from daemon.api.context import AS_OF, BOARD, DESK, LIVE, LOG, TOKENS
from daemon.api.guard import fresh_id
from daemon.api.layer import serve
from daemon.api.operation import FRESHEN, State
from daemon.api.own import Metrics, Thresholds, Vitals
from daemon.api.seed.passwords import PASSWORDS, Passwords
from daemon.desk import Desk
from daemon.live.hub import Hub
from events.as_of_views import AsOfViews
from events.board_views import BoardViews
from events.checkpoint import VerifierKey
from events.log_views import LogViews

BODY_BYTES_MAX = 2 * 1024 * 1024


def build(
    desk: Desk,
    *,
    tokens: Tokens,
    admin_ids: AdminIds,
    vitals: Vitals,
    metrics: Metrics,
    log_key: VerifierKey,
    hub: Hub,
    passwords: Passwords | None = None,
    thresholds: Thresholds | None = None,
    new_id: Callable[[], str] = fresh_id,
) -> web.Server:
    """Put the surfaces onto one server. Bodies beyond 2 MiB are answered with 413."""
    surfaces = [
        v1.surface(tokens, vitals),
        seed.surface(tokens, admin_ids, desk.world),
        log.surface(log_key, tokens.operator),
        own.surface(vitals, metrics, thresholds or Thresholds()),
    ]
    reading = desk.views.reading
    state: State = {
        DESK: desk,
        TOKENS: tokens,
        LIVE: hub,
        BOARD: BoardViews(reading, desk.acts.settle),
        LOG: LogViews(reading),
        AS_OF: AsOfViews(reading),
        PASSWORDS: passwords or Passwords(),
        FRESHEN: desk.recorder.freshen,
    }
    return serve(surfaces, state, body_bytes_max=BODY_BYTES_MAX, new_id=new_id)
