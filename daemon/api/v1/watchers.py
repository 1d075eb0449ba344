"""Who looks at the live side: operators see all, an organization or application what is theirs."""

from daemon.api.auth import App, Operator, Org
from daemon.api.context import DESK, Refused
from daemon.api.operation import Call
from daemon.api.v1.callers import NOT_FOUND
from events.application import Application
from events.endpoint import Endpoint

Watcher = Operator | Org | App


def may_see(principal: Watcher, org: str, application: str | None) -> bool:
    """Whether something of this organization and application is the watcher's to see."""
    if isinstance(principal, Operator):
        return True
    if principal.org_id != org:
        return False
    return not isinstance(principal, App) or principal.app_id == application


def application_seen(call: Call[Watcher], app_id: str) -> Application:
    """The live application of that id. Raises Refused (404)."""
    found = call.state(DESK).world.application(app_id)
    if found is None or not may_see(call.principal, found.org, found.id):
        raise Refused(NOT_FOUND)
    return found


def endpoint_seen(call: Call[Watcher], endpoint_id: str) -> Endpoint:
    """The live endpoint of that id. Raises Refused (404)."""
    found = call.state(DESK).world.endpoint(endpoint_id)
    if found is None:
        raise Refused(NOT_FOUND)
    application_seen(call, found.application)
    return found
