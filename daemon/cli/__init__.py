"""The command line. Commands import what they need when they run, so that `--help` answers at once."""

import sys
from typing import Annotated

import typer

from daemon.cli import audit, console, demo, doctor, listen, token, up, worker

app = typer.Typer(
    name="hookd",
    help="Delivers webhooks and can prove what it did.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("up")(up.up)
app.command("worker", hidden=True)(worker.worker)
app.command("demo")(demo.demo)
app.command("console")(console.console)
app.command("listen")(listen.listen)
app.command("token")(token.token)
app.command("secrets")(token.secrets)
app.command("doctor")(doctor.doctor)
app.add_typer(token.admin, name="admin")
app.add_typer(audit.app, name="audit")


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False) -> None:
    """Delivers webhooks and can prove what it did."""
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"hookd {installed('hookd')}")
        raise typer.Exit


def main() -> None:
    """Run the command line; refusals are said in words, with exit status 2."""
    from daemon.cli.common import Refused

    try:
        app()
    except Refused as refused:
        from events.wording import safe

        lines = [safe(line) for line in str(refused).split("\n")]  # it may quote what somebody else wrote
        print("hookd: " + "\n".join(lines), file=sys.stderr)
        sys.exit(2)
