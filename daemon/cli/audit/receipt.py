"""`hookd audit receipt` and `check-receipt`: proof of one delivery, for whoever has no access here."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli.common import Refused, run, settings_or_refuse

if TYPE_CHECKING:
    from events.receipt import Proven

_Delivery = Annotated[str, typer.Argument(help="The delivery, as <message>/<endpoint>.", metavar="DELIVERY")]
_Out = Annotated[Path | None, typer.Option("--out", help="Write it here instead of to standard output.")]


def receipt(delivery: _Delivery, out: _Out = None) -> None:
    """Make a small file that proves offline what became of a delivery."""
    message, _, endpoint = delivery.partition("/")
    if not endpoint:
        raise Refused(f"{delivery} is no delivery: it is named <message>/<endpoint>")
    made = run(_make(settings_or_refuse(), message, endpoint))
    if out is None:
        sys.stdout.write(made.decode())
        return
    try:
        out.write_bytes(made)
    except OSError as error:
        raise Refused(f"--out {out}: {error}") from None
    print(f"hookd: wrote {out}; `hookd audit key` prints the key it is checked with", file=sys.stderr)


def check_receipt(
    file: Annotated[Path, typer.Argument(help="The receipt.")],
    vkey: Annotated[str, typer.Option(help="The log's public key, as `hookd audit key` prints it.")],
    payload: Annotated[Path | None, typer.Option(help="The payload, to be compared with what was delivered.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="What it proves, as one JSON object.")] = False,
) -> None:
    """Check a receipt with the public key alone, without any database; exit status 1 if it proves nothing."""
    import msgspec

    from daemon.cli.audit.keys import given_key
    from events.receipt import BadReceipt, check

    try:
        proven = check(file.read_bytes(), given_key(vkey))
        same = payload is None or proven.matches(payload.read_bytes())
    except OSError as error:
        raise Refused(str(error)) from None
    except BadReceipt as bad:
        from events.wording import safe

        print(f"NOT PROVEN: {safe(str(bad))}")
        raise typer.Exit(1) from None
    print(msgspec.json.encode(proven).decode() if as_json else _told(proven))
    if not same:
        print(f"NOT PROVEN: {payload} is not the payload of this message")
        raise typer.Exit(1)
    if payload is not None and not as_json:
        print(f"payload      {payload} is the payload, byte for byte")


async def _make(settings: Any, message: str, endpoint: str) -> bytes:
    from daemon.audit.receipts import NoDelivery, NotSealed, make
    from daemon.cli.audit.keys import seal
    from daemon.cli.database import opened
    from events.receipt import BadReceipt

    async with opened(settings) as database:
        await seal(database, settings)
        async with database.reading() as connection:
            try:
                return await make(connection, message, endpoint)
            except (NoDelivery, NotSealed, BadReceipt) as error:
                raise Refused(str(error)) from None


def _told(proven: "Proven") -> str:
    from events.wording import moment, safe

    lines = [
        f"PROVEN       {proven.state}, {proven.holds}",
        f"message      {safe(proven.message)} of {safe(proven.application)}, accepted {moment(proven.accepted_at)}",
        f"payload      {proven.payload_size} bytes, SHA-256 {safe(proven.payload_digest)}",
        f"endpoint     {safe(proven.endpoint)}" + (f" at {safe(proven.url)}" if proven.url else ""),
    ]
    for each in proven.attempts:
        what = f"{each.status}" if each.status else str(each.fault or "no answer")
        took = f" in {each.duration_ms} ms" if each.duration_ms is not None else ""
        lines.append(f"attempt {each.attempt:<4} {moment(each.at)} {each.outcome}: {what}{took}, event {each.seq}")
    lines.append(f"log          {safe(proven.origin)}, checkpoint over {proven.size} events")
    return "\n".join(lines)
