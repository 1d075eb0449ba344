"""`hookd audit retention`: which bodies are kept until when, and what should be gone and is not."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.common import run

if TYPE_CHECKING:
    from daemon.audit.retention_report import Day

_Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


def retention(as_json: _Json = False) -> None:
    """What is kept of payloads and responses, day by day, and when it goes. Exits with 1 if something is overdue."""
    import msgspec

    from daemon.audit.retention_report import line, why
    from events.wording import safe

    days = run(_read())
    for day in days:
        if as_json:
            fields = msgspec.to_builtins(day) | {"why": why(day) if day.overdue else None}
            print(msgspec.json.encode(fields).decode())
        else:
            print(safe(line(day)))
    overdue = sum(day.overdue for day in days)
    if overdue:
        print(f"hookd: {overdue} of {len(days)} days should be gone", file=sys.stderr)
        raise typer.Exit(1)


async def _read() -> "list[Day]":
    from daemon.audit.retention_report import report
    from daemon.cli.audit.asking import asked
    from daemon.clock import SystemClock

    async with asked() as connection:
        return await report(connection, SystemClock().now().date())
