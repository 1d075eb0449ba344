"""`hookd audit rebuild`: the state tables once more, from the log alone."""

from typing import Annotated, Any

import typer

from daemon.cli.common import Refused, run, settings_or_refuse

_Swap = Annotated[bool, typer.Option("--swap", help="Put the fresh tables in the place of the live ones.")]


def rebuild(swap: _Swap = False) -> None:
    """Fold the whole log into fresh state tables, compare them with the live ones, swap them if asked.

    Nothing is sent and nothing appended. Without --swap nothing changes. Exit status 1 if the tables differ.
    """
    rebuilt = run(_rebuild(settings_or_refuse(), swap=swap))
    print(f"{rebuilt.events:,} events folded")
    print(
        f"{rebuilt.messages:,} messages, {rebuilt.undelivered:,} undelivered, {rebuilt.entities:,} of configuration"
    )
    for table, (live, fold) in rebuilt.differences.items():
        print(f"WRONG  state.{table}: {live:,} rows that the log does not lead to, {fold:,} that are missing")
    if not rebuilt.differences:
        print("holds  the live tables are the fold of the log")
    if rebuilt.swapped:
        print("the fresh tables are the live ones now")
    elif rebuilt.differences:
        print("nothing was changed: --swap puts the fresh tables in their place")
        raise typer.Exit(1)


async def _rebuild(settings: Any, *, swap: bool) -> Any:
    import asyncpg

    from daemon.audit.rebuild import InUse
    from daemon.audit.rebuild import rebuild as build
    from daemon.cli.database import opened
    from daemon.cli.progress import Progress
    from events.codec import UnreadableEvent
    from events.leaf import MalformedRecord
    from events.wording import safe

    async with opened(settings) as database:
        with Progress("folding", 0) as bar:
            try:
                return await build(database.dedicated, swap=swap, progress=bar.reach)
            except InUse as busy:
                raise Refused(str(busy)) from None
            except (AssertionError, UnreadableEvent, MalformedRecord, OverflowError, asyncpg.DataError) as broken:
                what = safe(str(broken), 400)
                raise Refused(f"the log does not hold ({what}): look with `hookd audit verify`") from None
            except asyncpg.PostgresError as error:
                what = safe(f"{error}; {error.detail}" if error.detail else str(error), 400)
                raise Refused(f"nothing was changed: {what}") from None
