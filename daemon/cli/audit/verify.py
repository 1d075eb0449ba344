"""`hookd audit verify`: everything recomputed from the raw tables, and one screen that says what held."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli.common import Refused, run, settings_or_refuse

if TYPE_CHECKING:
    from daemon.audit.verify import Report
    from events.checkpoint import VerifierKey

_Kept = Annotated[
    Path | None,
    typer.Option("--checkpoint", help="Checkpoints kept elsewhere, as `hookd audit checkpoint` printed them."),
]
_Vkey = Annotated[
    str | None, typer.Option(help="The log's public key, as `hookd audit key` printed it: better kept elsewhere too.")
]
_Json = Annotated[bool, typer.Option("--json", help="The report as one JSON object.")]


def verify(checkpoint: _Kept = None, vkey: _Vkey = None, as_json: _Json = False) -> None:
    """Recompute order, bytes, trees, checkpoints, state and bodies; exit status 1 if something does not hold.

    The log is tamper-evident: whoever may write to the database can rewrite all of it, and only a checkpoint that
    was kept elsewhere shows that.
    """
    text = None
    if checkpoint is not None:
        try:
            text = checkpoint.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise Refused(f"--checkpoint {checkpoint}: {error}") from None
    report = run(_verify(settings_or_refuse(), text, vkey))
    if as_json:
        import msgspec

        print(msgspec.json.encode(report).decode())
    else:
        _print(report)
    if not report.holds:
        raise typer.Exit(1)


async def _verify(settings: Any, kept_text: str | None, vkey: str | None) -> "Report":
    import asyncpg

    from daemon.audit import kept
    from daemon.audit.verify import verify as look
    from daemon.cli.audit.keys import log_key
    from daemon.cli.database import opened
    from daemon.cli.progress import Progress
    from events import replay

    async with opened(settings) as database:
        async with database.reading() as connection:
            partitions = await replay.heads(connection)
            key = await log_key(connection, settings, vkey)
        keys: dict[int, VerifierKey] = {} if key is None else {each: key.of_partition(each) for each in partitions}
        heads: dict[int, Any] = {}
        if kept_text is not None:
            if key is None:
                raise Refused("this log has no key, so there is nothing to hold a checkpoint against: give --vkey")
            try:
                heads = kept.heads(kept_text, keys)
            except kept.BadCopy as bad:
                raise Refused(f"--checkpoint: {bad}") from None
        with Progress("verifying", 0) as bar:
            try:
                return await look(database.dedicated, keys, heads, bar.reach)
            except (asyncpg.SyntaxOrAccessError, asyncpg.InvalidSchemaNameError) as error:  # a table is gone
                raise Refused(f"the database is not as hookd makes it: {error}") from None


def _print(report: "Report") -> None:
    from daemon.audit.findings import Check
    from events.wording import safe

    bodies = report.bodies
    gone = ", ".join(f"{n:,} {why}" for why, n in (("expired", bodies.expired), ("expunged", bodies.expunged)) if n)
    unsealed = report.events - report.sealed
    said = {
        Check.ORDER: f"{report.events:,} events in {report.partitions} partitions, each after the one before it",
        Check.BYTES: "every event can be read",
        Check.TREE: f"{report.sealed:,} events are those that were sealed" + _more(unsealed, "not sealed yet"),
        Check.CHECKPOINTS: f"{report.checkpoints:,} signatures and roots",
        Check.KEPT: f"{report.kept:,} checkpoints kept elsewhere are of this history",
        Check.STATE: f"{report.rows:,} rows are the fold of the log; {report.undelivered:,} deliveries undelivered",
        Check.BODIES: f"as recorded; payloads: {bodies.payloads:,}, responses: {bodies.responses:,}"
        + (f"; payloads gone, as recorded: {gone}" if gone else ""),
    }
    for check, text in said.items():
        if check is Check.KEPT and not report.kept:
            print("-      kept          no checkpoint kept elsewhere was given: a full rewrite would not show")
            continue
        if check is Check.BODIES and bodies.imported:
            print("-      bodies        none are here: this database was made from an export, which holds none")
            continue
        wrong = report.counts.get(check, 0)
        print(f"{'WRONG' if wrong else 'holds'}  {check:<12}  {f'{wrong:,} findings' if wrong else text}")
        found = [each for each in report.findings if each.check is check]
        for each in found:
            print(f"         {safe(each.place, 200)}: {safe(each.what, 400)}")
        if wrong > len(found):
            print(f"         and {wrong - len(found):,} more")
    print("\nAll of it holds." if report.holds else "\nThis log does not hold.")


def _more(count: int, what: str) -> str:
    return f"; {count:,} {what}" if count > 0 else ""
