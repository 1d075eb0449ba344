"""`hookd audit`: what the log has to say. One file a command; each is registered here."""

import typer

from daemon.cli.audit import as_of, diff, export, keys, rebuild, receipt, retention, trail, verify

app = typer.Typer(help="Ask the log.", no_args_is_help=True)
app.command("trail")(trail.trail)
app.command("as-of")(as_of.as_of)
app.command("diff")(diff.diff)
app.command("verify")(verify.verify)
app.command("checkpoint")(keys.checkpoint)
app.command("key")(keys.key)
app.command("receipt")(receipt.receipt)
app.command("check-receipt")(receipt.check_receipt)
app.command("rebuild")(rebuild.rebuild)
app.command("retention")(retention.retention)
app.command("export")(export.export)
app.command("import")(export.import_)


@app.callback()
def audit() -> None:
    """Ask the log."""
