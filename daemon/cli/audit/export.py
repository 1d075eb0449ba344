"""`hookd audit export` and `hookd audit import`: the log as a file that stands for itself."""

import sys
from typing import Annotated, Any

import typer

from daemon.cli.common import Refused, run, settings_or_refuse

_WHEN = "2026-01-31T12:00:00Z, 2026-01-31 (UTC), or how long ago: 2h ago."


def export(
    out: Annotated[
        str, typer.Option("--out", "-o", help="File to write; packed if it ends in .gz. - is stdout.")
    ] = "-",
    file_format: Annotated[str, typer.Option("--format", "-f", help="jsonl (CloudEvents) or parquet.")] = "jsonl",
    partition: Annotated[int | None, typer.Option(min=0, help="Only this partition.")] = None,
    after: Annotated[
        list[str] | None,
        typer.Option(metavar="P/SEQ", help="Only this partition, from behind this position. Repeatable."),
    ] = None,
    since: Annotated[str | None, typer.Option(help=f"Only events from then on: {_WHEN}")] = None,
    until: Annotated[str | None, typer.Option(help="Only events before then.")] = None,
    stream: Annotated[
        str | None, typer.Option(metavar="ID", help="Only the events of this message, endpoint, application, …")
    ] = None,
    vkey: Annotated[str | None, typer.Option(help="The log's verifier key, to be named beside checkpoints.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> None:
    """Write the log to a file: one CloudEvent a line, bodies to the byte, and the checkpoints that seal them."""
    if file_format not in {"jsonl", "parquet"}:
        raise Refused(f"--format is jsonl or parquet, not {file_format!r}")
    if file_format == "parquet" and (out == "-" or out.endswith(".gz")):
        raise Refused("Parquet goes to a file, and is packed already: name one with --out, without .gz")
    selection = _selection(partition, after or [], since, until, stream)
    exported = run(_export(settings_or_refuse(), selection, out, file_format, vkey, force=force))
    where = "stdout" if out == "-" else out
    print(
        f"hookd: {exported.events:,} events of {exported.partitions} partitions "
        f"and {exported.checkpoints} checkpoints written to {where}",
        file=sys.stderr,
    )


def import_(
    file: Annotated[str, typer.Argument(help="What `hookd audit export` wrote, in either format.")],
    vkey: Annotated[str | None, typer.Option(help="Check the checkpoints' signatures by this verifier key.")] = None,
) -> None:
    """Load an export into an empty database, proving it on the way. All of it, or nothing."""
    loaded = run(_import(settings_or_refuse(), file, _key(vkey)))
    print(
        f"{loaded.events:,} events of {loaded.partitions} partitions; {loaded.messages:,} messages, "
        f"{loaded.undelivered:,} undelivered deliveries"
    )
    print(_proven(loaded, known=vkey is not None))
    print(
        "this database is for auditing: payloads, responses and secrets are not in an export, so a hookd that ran on "
        "it would expire what is pending, and would sign as another log"
    )


def _proven(loaded: Any, *, known: bool) -> str:
    if not loaded.checkpoints:
        return "positions, versions and states fit; the file has no checkpoint, so nothing seals its events"
    rest = loaded.events - loaded.sealed
    sealed = f"{loaded.sealed:,} events are those under {loaded.checkpoints} checkpoints" + (
        f", {rest:,} came after them and are not sealed" if rest else ""
    )
    if known:
        return f"{sealed}; signatures fit your key"
    if loaded.signed:
        return (
            f"{sealed}; signatures fit the key that the file itself names: compare it with the one you know (--vkey)"
        )
    return f"{sealed}; no signature was checked: give the log's key with --vkey"


def _selection(
    partition: int | None, after: list[str], since: str | None, until: str | None, stream: str | None
) -> Any:
    from daemon.audit.export import Selection
    from daemon.clock import SystemClock
    from events.when import BadWhen, Position, moment, parse

    now = SystemClock().now()
    try:
        told = [parse(each, now) for each in after]
        positions = tuple(each for each in told if isinstance(each, Position))
        if len(positions) < len(told):
            raise Refused("--after is a position, as 3/17: partition 3, from event 18 on")
        if len({each.partition for each in positions}) < len(positions):
            raise Refused("--after names a partition twice")
        return Selection(
            partition,
            positions,
            None if since is None else moment(since, now),
            None if until is None else moment(until, now),
            stream,
        )
    except BadWhen as error:
        raise Refused(str(error)) from None


def _key(text: str | None) -> Any:
    from daemon.cli.audit.keys import given_key

    return None if text is None else given_key(text)


async def _export(settings: Any, selection: Any, out: str, file_format: str, vkey: str | None, *, force: bool) -> Any:
    from daemon.audit.export import export as write
    from daemon.audit.files import FileRefused, writing
    from daemon.audit.jsonl import JsonLines
    from daemon.audit.parquet import Parquet, arrow
    from daemon.cli.database import opened
    from daemon.cli.progress import Progress

    try:
        if file_format == "parquet":
            arrow()
        async with opened(settings) as database:
            async with database.reading() as connection:
                key = await _known_key(connection, settings, vkey)
            with writing(out, force=force) as file, Progress("exporting", 0) as progress:
                return await write(
                    database.dedicated,
                    selection,
                    lambda log_id: Parquet(file) if file_format == "parquet" else JsonLines(file, log_id),
                    key=key,
                    progress=progress.reach,
                )
    except FileRefused as refused:
        raise Refused(str(refused)) from None
    except BrokenPipeError:
        raise Refused("who reads the output has gone away") from None
    except OSError as error:
        raise Refused(f"{out} cannot be written: {error}") from None


async def _known_key(connection: Any, settings: Any, vkey: str | None) -> Any:
    """The key to name in the file. A database whose sealed key cannot be opened here is exported without."""
    from daemon.cli.audit.keys import log_key

    try:
        return await log_key(connection, settings, vkey)
    except Refused:
        if vkey is not None:
            raise
        return None


async def _import(settings: Any, path: str, key: Any) -> Any:
    from daemon.audit.files import FileRefused, reading, size_of
    from daemon.audit.importing import NotLoaded, load, open_export, refuse_unless_empty
    from daemon.audit.snapshot import PATIENT
    from daemon.cli.database import opened
    from daemon.cli.progress import Progress
    from daemon.postgres.errors import MigrationError
    from daemon.postgres.migrate import migrate
    from daemon.postgres.scripts import load_migrations, load_schema

    try:
        with reading(path) as file:
            async with opened(settings, bare=True) as database:
                connection = await database.dedicated(PATIENT)
                try:
                    await refuse_unless_empty(connection)
                    await migrate(connection, schema=load_schema(), migrations=load_migrations())
                    with Progress("importing", size_of(file)) as progress:
                        size = size_of(file)
                        return await load(
                            connection, open_export(file), key, lambda _events: progress.reach(file.tell(), size)
                        )
                finally:
                    await connection.close()
    except (NotLoaded, MigrationError) as error:
        raise Refused(f"nothing was imported: {error}") from None
    except FileRefused as refused:
        raise Refused(str(refused)) from None
