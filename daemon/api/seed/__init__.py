"""The routes under /api: admins, their webhooks, and the call that reaches all of them."""

from daemon.api.auth import AdminIds, Tokens
from daemon.api.dialect import SeedDialect
from daemon.api.layer import Surface
from daemon.api.refusals import explain_seed
from daemon.api.seed import admins, webhooks
from daemon.api.seed.callers import signed_in
from events.world import World


def surface(tokens: Tokens, admin_ids: AdminIds, world: World) -> Surface:
    """Declare the routes."""
    made = Surface("/api", SeedDialect(), title="Webhooks", version="1", refused=explain_seed)
    caller = signed_in(tokens, admin_ids, world)
    admins.declare(made, admin_ids.header, caller)
    webhooks.declare(made, caller)
    return made
