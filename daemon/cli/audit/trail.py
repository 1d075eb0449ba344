"""`hookd audit trail`: every fact about one thing, in order."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.common import run

if TYPE_CHECKING:
    from events.envelope import Recorded
    from events.when import When

_Id = Annotated[
    str,
    typer.Argument(
        help="Id of an endpoint, message, application, event type, admin or attempt; "
        "a delivery is <message>/<endpoint>.",
        metavar="ID",
    ),
]
_Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
_Limit = Annotated[int, typer.Option(min=1, max=100_000, help="At most so many facts, the last ones.")]
_Since = Annotated[str | None, typer.Option(help="From this moment on: RFC 3339, a day, or like '2h ago'.")]
_Until = Annotated[str | None, typer.Option(help="Up to this moment, and at it.")]


def trail(
    identifier: _Id, as_json: _Json = False, limit: _Limit = 1000, since: _Since = None, until: _Until = None
) -> None:
    """Every fact about one thing, in order: when, who caused it, through which request."""
    from daemon.cli.audit.asking import when
    from daemon.cli.audit.words import Page, fact_as_json, print_json

    bounds = tuple(
        None if text is None else when(name, text) for name, text in (("--since", since), ("--until", until))
    )
    recorded = run(_read(identifier, limit, *bounds))
    if not recorded:
        print("hookd: nothing happened to it in that time", file=sys.stderr)
    if len(recorded) == limit:
        print(f"hookd: the last {limit} facts; there may be earlier ones: --limit", file=sys.stderr)
    page = Page()
    for each in recorded:
        if as_json:
            print_json(fact_as_json(each))
        else:
            print(page.fact(each, identifier))


async def _read(identifier: str, limit: int, since: "When | None", until: "When | None") -> "list[Recorded]":
    from daemon.cli.audit.asking import asked, explained, found
    from events.history import before, place, trail
    from events.when import SEQ_MAX

    async with asked() as connection:
        thing = await found(connection, identifier)
        with explained("--since and --until"):
            after = 0 if since is None else await before(connection, thing.partition, since)
            last = SEQ_MAX - 1 if until is None else (await place(connection, thing.partition, until)).seq
            recorded = await trail(connection, thing, limit, after=after, before=last + 1, newest_first=True)
        return recorded[::-1]
