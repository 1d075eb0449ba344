"""Who calls /api/v1, and what of it is theirs."""

from typing import Final

from daemon.api.auth import App, Org
from daemon.api.context import DESK, Refused
from daemon.api.operation import Call
from events.application import Application
from events.endpoint import Endpoint
from events.refusal import Refusal, not_found

Tenant = Org | App

NOT_FOUND: Final[Refusal] = not_found()


def known_application(call: Call[Tenant], id_or_uid: str) -> Application | None:
    """The caller's application of that id or uid. An application's token sees no other."""
    principal = call.principal
    found = call.state(DESK).world.application(id_or_uid, principal.org_id)
    if found is not None and isinstance(principal, App) and principal.app_id != found.id:
        return None
    return found


def application_of(call: Call[Tenant], id_or_uid: str) -> Application:
    """The caller's application of that id or uid. Raises Refused (404)."""
    found = known_application(call, id_or_uid)
    if found is None:
        raise Refused(NOT_FOUND)
    return found


def endpoint_of(call: Call[Tenant], app_id: str, endpoint_id: str) -> Endpoint:
    """The endpoint of that id or uid in the caller's application. Raises Refused (404)."""
    application = application_of(call, app_id)
    found = call.state(DESK).world.endpoint(endpoint_id, application.id)
    if found is None:
        raise Refused(NOT_FOUND)
    return found
