"""`hookd audit as-of`: what something, or everything, was at any moment or position of the past."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli.common import Refused, run

if TYPE_CHECKING:
    from events.envelope import Recorded
    from events.past import Past
    from events.when import Position, When

WHEN = "A moment (2026-01-31T12:00:00Z), '2h ago', or a position (3/17)."
_Id = Annotated[
    str | None,
    typer.Argument(
        help="Id of an endpoint, message, application, event type or admin; a delivery is <message>/<endpoint>.",
        metavar="ID",
    ),
]
_At = Annotated[str, typer.Option(help=WHEN)]
_Json = Annotated[bool, typer.Option("--json", help="One JSON object.")]
_All = Annotated[bool, typer.Option("--all", help="All that was there and all that was undelivered, as JSON lines.")]


def as_of(identifier: _Id = None, at: _At = "now", as_json: _Json = False, everything: _All = False) -> None:
    """What something was at a moment or position of the past, computed from the log alone."""
    from daemon.cli.audit.asking import when

    asked_at = when("--at", at)
    if everything != (identifier is None):
        raise Refused("give the id of one thing, or --all")
    if identifier is None:
        run(_everything(asked_at))
    else:
        run(_one(identifier, asked_at, as_json=as_json))


async def _one(identifier: str, at: "When", *, as_json: bool) -> None:
    from daemon.cli.audit.asking import asked, explained, found
    from daemon.cli.audit.words import past_as_json, print_json
    from events.history import first_of, past, place

    async with asked() as connection:
        thing = await found(connection, identifier)
        refuse_attempt(identifier, thing)
        with explained("--at"):
            position = await place(connection, thing.partition, at)
            was = await past(connection, thing, position.seq)
        first = await first_of(connection, thing)
    if as_json:
        print_json(past_as_json(was, position))
    else:
        _print(identifier, was, position, at, first)


def refuse_attempt(identifier: str, thing: Any) -> None:
    """An attempt is one fact and never changes. Refused."""
    if thing.seq is not None:
        raise Refused(
            f"an attempt never changes: see `hookd audit trail {identifier}`, or ask for its delivery, {thing.id}"
        )


def _print(identifier: str, was: "Past", position: "Position", at: "When", first: "Recorded | None") -> None:
    from daemon.cli.audit.words import Page, placed
    from events.past import Standing
    from events.when import iso

    page = Page()
    moment = "" if at == position else f"{iso(at)}, "  # type: ignore[arg-type]
    if was.state is None:
        print(page.title(f"{identifier} was not there at {moment}position {position}"))
        if first is not None and first.seq > position.seq:
            print(f"  it came to be at {placed(first)}")
        return
    gone = f", deleted at {iso(was.deleted_at)}" if was.standing is Standing.DELETED and was.deleted_at else ""
    kind = str(was.kind).replace("_", " ")
    print(page.title(f"{kind} {identifier} at {moment}position {position}{gone}"))
    print(page.fields(was.state))
    if was.last is not None:
        print("the last fact until then:")
        print(page.fact(was.last, identifier))


async def _everything(at: "When") -> None:
    from daemon.audit.as_of import everything, positions
    from daemon.audit.snapshot import snapshot
    from daemon.cli.audit.asking import explained
    from daemon.cli.audit.words import print_json
    from daemon.cli.common import settings_or_refuse
    from daemon.cli.database import opened
    from daemon.cli.progress import Progress
    from events.past import KINDS, plain

    async with opened(settings_or_refuse()) as database, snapshot(database.dedicated) as (streaming, asking):
        with explained("--at"):
            upto = await positions(asking, at)
            with Progress("reading the log", sum(upto.values())) as progress:
                async for position, state in everything(streaming, upto, progress.advance):
                    progress.clear()
                    print_json({"position": str(position), "kind": KINDS[type(state)], "state": plain(state)})
    sys.stdout.flush()
