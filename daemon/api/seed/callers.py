"""Who calls the routes under /api: somebody who knows the admin id, and is logged in."""

from http import HTTPStatus

from daemon.api.auth import AdminIds, Tokens
from daemon.api.errors import Denied
from daemon.api.operation import Auth
from daemon.api.request import Request
from events.admin import Admin
from events.world import World


def signed_in(tokens: Tokens, admin_ids: AdminIds, world: World) -> Auth[Admin]:
    """Require the header first (403), then the token of an admin who exists (401)."""

    def check(request: Request) -> Admin:
        admin_ids.check(request)
        admin = world.admin(tokens.check_admin(request).id)
        if admin is None:
            raise Denied(HTTPStatus.UNAUTHORIZED, "authentication_failed", "This admin does not exist: log in again")
        return admin

    schemes = {**admin_ids.header.schemes, **tokens.admin.schemes}
    return Auth(check, schemes, (401, 403))


def actor_of(admin: Admin) -> str:
    """How the log names the caller."""
    return f"admin:{admin.id}"
