"""`hookd audit diff`: what changed between two moments or positions, and which events did it."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli.audit.as_of import WHEN, refuse_attempt
from daemon.cli.common import Refused, run

if TYPE_CHECKING:
    from daemon.audit.diff import Changed, Moved
    from events.past import Difference
    from events.when import Position, When

SHOWN_MAX = 3  # positions in a line; JSON has them all
_Id = Annotated[
    str | None,
    typer.Argument(
        help="Id of an endpoint, message, application, event type or admin; a delivery is <message>/<endpoint>.",
        metavar="ID",
    ),
]
_From = Annotated[str, typer.Option("--from", help=WHEN)]
_To = Annotated[str, typer.Option("--to", help="The later one.")]
_Json = Annotated[bool, typer.Option("--json", help="JSON: one object, with --all one a line.")]
_All = Annotated[bool, typer.Option("--all", help="Everything that differs, a line each.")]


def diff(
    start: _From, identifier: _Id = None, end: _To = "now", as_json: _Json = False, everything: _All = False
) -> None:
    """What changed between two moments, field by field, and which events did it."""
    from daemon.cli.audit.asking import when

    bounds = when("--from", start), when("--to", end)
    if everything != (identifier is None):
        raise Refused("give the id of one thing, or --all")
    if identifier is None:
        run(_everything(*bounds, as_json=as_json))
    else:
        run(_one(identifier, *bounds, as_json=as_json))


async def _one(identifier: str, start: "When", end: "When", *, as_json: bool) -> None:
    from daemon.cli.audit.asking import asked, explained, found
    from daemon.cli.audit.words import print_json
    from events.history import place, stream
    from events.past import difference

    async with asked() as connection:
        thing = await found(connection, identifier)
        refuse_attempt(identifier, thing)
        with explained("--from and --to"):
            first, last = [await place(connection, thing.partition, each) for each in (start, end)]
            _refuse_backwards(first, last)
            told = difference(thing, await stream(connection, thing, last.seq), first.seq)
    if as_json:
        print_json(_as_json(identifier, told, first, last))
    else:
        _print(identifier, told, first, last)


def _refuse_backwards(first: "Position", last: "Position") -> None:
    if first.seq > last.seq:
        raise Refused(f"--from ({first}) comes after --to ({last})")


def _print(identifier: str, told: "Difference", first: "Position", last: "Position") -> None:
    from daemon.cli.audit.words import Page, shown

    page = Page()
    kind = str(told.kind or "").replace("_", " ")
    print(page.title(f"{kind} {identifier} from position {first} to {last}: {_verdict(told)}"))
    for change in told.changes:
        by = [f"{each.partition}/{each.seq}" for each in change.by]
        last_one = f"{by[-1]}, the last of {len(by)}" if len(by) > SHOWN_MAX else ", ".join(by)
        line = f"{change.field}: {shown(change.before)} → {shown(change.after)}  ({last_one})"
        print("\n".join(f"  {each}" for each in page.wrapped(line)))
    if told.events:
        print(f"{len(told.events)} {'fact' if len(told.events) == 1 else 'facts'} in between:")
    for each in told.events:
        print(page.fact(each, identifier))


def _verdict(told: "Difference") -> str:
    from events.past import Standing

    match told.was, told.now:
        case Standing.NOT_YET, Standing.NOT_YET:
            return "not there yet"
        case Standing.NOT_YET, Standing.LIVE:
            return "created"
        case Standing.NOT_YET, Standing.DELETED:
            return "created and deleted"
        case Standing.LIVE, Standing.DELETED:
            return "deleted"
        case Standing.DELETED, Standing.DELETED:
            return "deleted before"
    return "changed" if told.changes else "the same"


def _as_json(identifier: str, told: "Difference", first: "Position", last: "Position") -> dict[str, Any]:
    from daemon.cli.audit.words import fact_as_json

    return {
        "id": identifier,
        "kind": told.kind,
        "from": str(first),
        "to": str(last),
        "was": told.was,
        "now": told.now,
        "changes": [
            {
                "field": change.field,
                "before": change.before,
                "after": change.after,
                "by": [f"{each.partition}/{each.seq}" for each in change.by],
            }
            for change in told.changes
        ],
        "events": [fact_as_json(each) for each in told.events],
    }


async def _everything(start: "When", end: "When", *, as_json: bool) -> None:
    from daemon.audit.diff import bounds, everything
    from daemon.audit.snapshot import snapshot
    from daemon.cli.audit.asking import explained
    from daemon.cli.audit.words import Page
    from daemon.cli.common import settings_or_refuse
    from daemon.cli.database import opened
    from daemon.cli.progress import Progress
    from events.when import Position

    page = Page()
    async with opened(settings_or_refuse()) as database, snapshot(database.dedicated) as (streaming, asking):
        with explained("--from and --to"):
            first, last = await bounds(asking, start, end)
            for partition, seq in first.items():
                _refuse_backwards(Position(partition, seq), Position(partition, last[partition]))
            with Progress("reading the log", sum(last.values())) as progress:
                async for each in everything(streaming, first, last, progress.advance):
                    progress.clear()
                    _tell(each, page, as_json=as_json)


def _tell(each: "Changed | Moved", page: Any, *, as_json: bool) -> None:
    import msgspec

    from daemon.audit.diff import Changed
    from daemon.cli.audit.words import print_json
    from events.wording import safe

    if as_json:
        written: dict[str, Any] = msgspec.to_builtins(each)
        kind = "deliveries" if not isinstance(each, Changed) else each.kind
        print_json({"kind": kind, **{name: value for name, value in written.items() if name != "kind"}})
        return
    if isinstance(each, Changed):
        steps = [f"{step.position} by {safe(step.actor, 64)}" for step in each.by]
        by = f"{steps[-1]}, the last of {len(steps)}" if len(steps) > SHOWN_MAX else ", ".join(steps)
        what = f": {', '.join(each.fields)}" if each.how == "changed" else ""
        line = f"{each.how} {each.kind.replace('_', ' ')} {each.id}{what}  ({by})"
    else:
        moves = ", ".join(f"{count} {move}" for move, count in sorted(each.counts.items()))
        line = f"deliveries to {safe(each.endpoint, 64)}: {moves}"
    print("\n".join(page.wrapped(line)))
