"""The routes under /api/v1: the API of the Svix server, as far as hookd has it."""

from daemon.api.auth import Tokens
from daemon.api.dialect import SvixDialect
from daemon.api.layer import Surface
from daemon.api.own import Vitals
from daemon.api.refusals import explain_v1
from daemon.api.v1 import (
    acts,
    applications,
    as_of,
    attempts,
    audit,
    deliveries,
    endpoints,
    event_types,
    expunge,
    health,
    live,
    log_pages,
    mending,
    messages,
    targets,
)


def surface(tokens: Tokens, vitals: Vitals) -> Surface:
    """Declare the routes, in the order of the document."""
    made = Surface("/api/v1", SvixDialect(), title="hookd", version="1", refused=explain_v1, slashes=True)
    for part in (
        messages,
        attempts,
        endpoints,
        applications,
        event_types,
        audit,
        as_of,
        expunge,
        live,
        targets,
        deliveries,
        log_pages,
        mending,
        acts,
    ):
        part.declare(made, tokens)
    health.declare(made, vitals)
    return made
