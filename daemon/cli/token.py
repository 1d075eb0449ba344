"""`hookd token` and `hookd admin`: what opens the API."""

from datetime import timedelta
from typing import Annotated, Any

import typer

from daemon.cli.common import Refused, settings_or_refuse
from daemon.clock import SystemClock

DEFAULT_ORG = "org_23rb8YdGqMT0qIzpgGwdXfHirMu"

admin = typer.Typer(help="The admin-id header of the /api routes.", no_args_is_help=True)


def token(
    org: Annotated[
        str, typer.Argument(help="Organization the token speaks for; any org_… name is one.")
    ] = DEFAULT_ORG,
    app: Annotated[str | None, typer.Option(help="Limit it to one application (its id).")] = None,
    operator: Annotated[
        str | None, typer.Option(help="For one who runs hookd, by this name: sees every organization.")
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="With --operator: may change things, too.")] = False,
    days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="With --operator: good for so long, else for 12 hours.")
    ] = None,
) -> None:
    """Print a bearer token for /api/v1."""
    tokens = _tokens(settings_or_refuse())
    if operator is not None:
        if app is not None or org != DEFAULT_ORG:
            raise Refused("an operator's token is for no organization and no application: leave these out")
        typer.echo(_operators(tokens, operator, days, write=write))
        return
    if write or days is not None:
        raise Refused("--write and --days belong to --operator")
    if not org.startswith("org_"):
        raise Refused(f"{org} is no organization: its name starts with org_")
    if app is not None and not app.startswith("app_"):
        raise Refused(f"{app} is no application id: it starts with app_")
    typer.echo(tokens.mint_org(org) if app is None else tokens.mint_app(org, app))


@admin.command("id")
def admin_id() -> None:
    """Print the admin-id that is current: the first of ADMIN_IDS."""
    typer.echo(settings_or_refuse().admin_id_values[0])


def secrets() -> None:
    """Print fresh secrets for a .env file: with DATABASE_URL, hookd makes none by itself."""
    from daemon.settings import fresh_secrets

    typer.echo("\n".join(fresh_secrets()))


def _operators(tokens: Any, name: str, days: int | None, *, write: bool) -> str:
    from daemon.api.auth import OPERATOR_LIFE

    life = OPERATOR_LIFE if days is None else timedelta(days=days)
    try:
        minted: str = tokens.mint_operator(name, may_act=write, life=life)
    except ValueError as error:
        raise Refused(str(error)) from None
    return minted


def _tokens(settings: Any) -> Any:
    from daemon.api.auth import Tokens

    return Tokens(settings.secret_key.get_secret_value(), SystemClock().now)
