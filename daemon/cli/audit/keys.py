"""`hookd audit key` and `hookd audit checkpoint`: what to keep elsewhere, so that a rewritten history shows."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli.common import Refused, run, sealer_of, settings_or_refuse

if TYPE_CHECKING:
    from events.checkpoint import VerifierKey


def key() -> None:
    """Print the public key that this log's checkpoints and receipts are checked with."""
    print(run(_key(settings_or_refuse())).text())


def checkpoint(
    fresh: Annotated[bool, typer.Option(help="Seal what is not sealed yet before.")] = True,
) -> None:
    """Print the latest signed checkpoint of every partition: keep them where this database cannot reach."""
    notes = run(_checkpoints(settings_or_refuse(), fresh=fresh))
    if not notes:
        raise Refused("nothing is sealed yet: the log is empty")
    from daemon.audit.kept import join

    print(join(notes), end="")


async def _key(settings: Any) -> "VerifierKey":
    from daemon.cli.database import opened

    async with opened(settings) as database, database.reading() as connection:
        found = await log_key(connection, settings, None)
    if found is None:
        raise Refused("this log has no key yet: `hookd up` makes one")
    return found


async def _checkpoints(settings: Any, *, fresh: bool) -> list[str]:
    from daemon.cli.database import opened
    from events import tlog

    async with opened(settings) as database:
        if fresh:
            await seal(database, settings)
        async with database.reading() as connection:
            return [tree.note for tree in await tlog.trees(connection) if tree.note is not None]


async def seal(database: Any, settings: Any) -> None:
    """Seal what the log holds by now. Refused; so is a database made from an export: its log is not its own."""
    from daemon.audit.bodies_check import is_imported
    from daemon.clock import SystemClock
    from daemon.notary import KeyLost, Notary
    from daemon.sealing import SealBroken
    from events.log import Unavailable

    async with database.reading() as connection:
        if await is_imported(connection):
            raise Refused("this database was made from an export: only the log's own database can sign for it")
    notary = Notary(database.dedicated, sealer_of(settings), SystemClock())
    try:
        await notary.seal()
    except (KeyLost, SealBroken, Unavailable) as error:
        raise Refused(f"the log cannot be sealed: {error}") from None
    finally:
        await notary.close()
    for partition, reason in notary.seals.barred.items():
        raise Refused(f"partition {partition} is not sealed: {reason}; look with `hookd audit verify`")


async def log_key(connection: Any, settings: Any, vkey: str | None) -> "VerifierKey | None":
    """The key to check with: the one given, else the database's; None when it has none. Refused."""
    from daemon.sealing import SealBroken
    from daemon.signer import Signer
    from events import tlog

    if vkey is not None:
        return given_key(vkey)
    sealed = await tlog.key(connection)
    if sealed is None:
        return None
    try:
        return Signer.of(sealer_of(settings).open(sealed, tlog.KEY_OWNER)).key
    except SealBroken as broken:
        raise Refused(f"the log's key: {broken}") from None


def given_key(text: str) -> "VerifierKey":
    """The key that --vkey names. Refused."""
    from events.checkpoint import BadKey, VerifierKey

    try:
        return VerifierKey.parse(text)
    except BadKey as bad:
        raise Refused(f"--vkey: {bad}") from None
