"""The one HTTP application: the three surfaces over one desk."""

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CollectorRegistry

from daemon.api import own, seed, v1
from daemon.api.auth import AdminIds, Tokens
from daemon.api.context import DESK, TOKENS
from daemon.api.guard import fresh_id
from daemon.api.layer import install
from daemon.api.own import Thresholds, Vitals
from daemon.api.seed.passwords import PASSWORDS, Passwords
from daemon.desk import Desk

BODY_BYTES_MAX = 2 * 1024 * 1024


def build(
    desk: Desk,
    *,
    tokens: Tokens,
    admin_ids: AdminIds,
    vitals: Vitals,
    registry: CollectorRegistry,
    passwords: Passwords | None = None,
    thresholds: Thresholds | None = None,
    new_id: Callable[[], str] = fresh_id,
) -> web.Application:
    """Put the surfaces onto one application. Bodies beyond 2 MiB are answered with 413."""
    app = web.Application(client_max_size=BODY_BYTES_MAX)
    app[DESK] = desk
    app[TOKENS] = tokens
    app[PASSWORDS] = passwords or Passwords()
    surfaces = [
        v1.surface(tokens, vitals),
        seed.surface(tokens, admin_ids),
        own.surface(vitals, registry, thresholds or Thresholds()),
    ]
    install(app, surfaces, new_id=new_id)
    return app
