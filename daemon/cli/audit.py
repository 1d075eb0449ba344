"""`hookd audit`: what the log has to say."""

import json
import sys
from typing import Annotated, Any

import typer

from daemon.cli.common import Refused, run, settings_or_refuse

app = typer.Typer(help="Ask the log.", no_args_is_help=True)


@app.callback()
def audit() -> None:
    """Ask the log."""


@app.command("trail")
def trail(
    identifier: Annotated[str, typer.Argument(help="Id of a message, endpoint, application, event type or admin.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many facts, the last ones.")] = 1000,
) -> None:
    """Every fact about one thing, in order: when, who caused it, through which request."""
    recorded = run(_read(settings_or_refuse(), identifier, limit))
    if not recorded:
        raise Refused(f"the log knows nothing of {identifier}")
    if len(recorded) == limit:
        print(f"hookd: the last {limit} facts; there may be earlier ones: --limit", file=sys.stderr)
    for each in recorded:
        print(_as_json(each) if as_json else _as_line(each))


async def _read(settings: Any, identifier: str, limit: int) -> list[Any]:
    from daemon.cli.database import opened
    from events.history import trail as read

    async with opened(settings) as database, database.reading() as connection:
        return await read(connection, identifier, limit)


def _as_line(recorded: Any) -> str:
    from events.wording import describe, moment, safe

    where = f"{recorded.partition}/{recorded.seq}"
    to = f" → {recorded.endpoint}" if recorded.endpoint else ""
    request = f" (request {safe(recorded.request, 64)})" if recorded.request else ""
    by = safe(recorded.actor, 64)
    return f"{moment(recorded.at)}  {where:>9}  {recorded.stream}{to}  {describe(recorded.event)}  by {by}{request}"


def _as_json(recorded: Any) -> str:
    from events import codec

    fields = {
        "partition": recorded.partition,
        "seq": recorded.seq,
        "at": recorded.at.isoformat(),
        "stream": recorded.stream,
        "endpoint": recorded.endpoint,
        "version": recorded.version,
        "type": type(recorded.event).__name__,
        "actor": recorded.actor,
        "request": recorded.request,
        "body": json.loads(codec.encode(recorded.event)),
    }
    return json.dumps({name: value for name, value in fields.items() if value is not None}, ensure_ascii=True)
