"""Admins: created, logged in, asked who they are."""

from http import HTTPStatus
from typing import Final

from daemon.api.auth import Admin as AdminId
from daemon.api.context import DESK, TOKENS, agreed, first
from daemon.api.errors import Denied
from daemon.api.layer import Surface
from daemon.api.operation import Auth, Call
from daemon.api.seed.models import AdminOut, Credentials, Data, NewAdmin, Pong, Session, Told
from daemon.api.seed.passwords import PASSWORDS
from events import ids
from events.admin import Admin, CreateAdmin

ORGANIZATION: Final = "org_23rb8YdGqMT0qIzpgGwdXfHirMu"
"""Whose the admins' applications are: the default organization, so that they can be seen under /api/v1 too."""

PASSWORD: Final = "password"  # noqa: S105 - the name of the secret, not the secret
NOBODY: Final = "adm_nobody"
TAG: Final = "Admins"


def declare(surface: Surface, known: Auth[AdminId], caller: Auth[Admin]) -> None:
    """Declare the routes."""
    surface.op("GET", "/health", out=Pong, tag="Health")(health)
    surface.op(
        "POST", "/admin/create", body=NewAdmin, out=Told[AdminOut], status=201, errors=(409, 503), auth=known, tag=TAG
    )(create_admin)
    surface.op("POST", "/admin/login", body=Credentials, out=Told[Session], errors=(401, 503), auth=known, tag=TAG)(
        log_in
    )
    surface.op("GET", "/admin", out=Data[AdminOut], auth=caller, tag=TAG)(who_am_i)


async def health(_call: Call[None]) -> Pong:
    """Answer, and say nothing more."""
    return Pong()


async def create_admin(call: Call[AdminId], body: NewAdmin) -> Told[AdminOut]:
    """Create an admin, who gets an application of their own."""
    desk = call.state(DESK)
    admin_id = desk.mint(ids.ADMIN)
    hashed = await call.state(PASSWORDS).hash(body.password)
    command = CreateAdmin(
        id=admin_id,
        username=body.username,
        application=desk.mint(ids.APPLICATION),
        org=ORGANIZATION,
        sealed_password=desk.sealer.seal(hashed, admin_id),
    )
    admin = first(Admin, agreed(await desk.ask(command, f"admin:{admin_id}", call.request_id)))
    assert admin is not None
    out = AdminOut(id=admin.id, username=admin.username)
    return Told(code=HTTPStatus.CREATED, message="created", data=out)


async def log_in(call: Call[AdminId], body: Credentials) -> Told[Session]:
    """Log in by name and password.

    A name that is not known takes as long as a wrong password, and is answered in the same words.
    """
    desk = call.state(DESK)
    admin = desk.world.admin_named(body.username)
    owner = admin.id if admin else NOBODY
    sealed = await desk.views.secret(admin.partition if admin else 0, owner, PASSWORD)
    kept = desk.sealer.open(sealed, owner) if sealed else None
    if not await call.state(PASSWORDS).verify(kept, body.password) or admin is None:
        raise Denied(HTTPStatus.UNAUTHORIZED, "authentication_failed", "username or password is wrong")
    session = Session(id=admin.id, token=call.state(TOKENS).mint_admin(admin.id))
    return Told(code=HTTPStatus.OK, message="logged in", data=session)


async def who_am_i(call: Call[Admin]) -> Data[AdminOut]:
    """Say who is logged in."""
    admin = call.principal
    return Data(data=AdminOut(id=admin.id, username=admin.username))
