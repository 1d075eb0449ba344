"""What is kept and until when: the day tables, when each goes, and of those that should be gone, what keeps them."""

from datetime import date, timedelta

import asyncpg
import msgspec

from events import bodies
from events.bodies import DayTables, Holder


class Day(msgspec.Struct, frozen=True):
    """A day's tables. `held_by`: of a day that is over, the sessions that use its tables just now."""

    tables: DayTables
    goes_on: date
    overdue: bool
    held_by: tuple[Holder, ...] = ()


async def report(connection: asyncpg.Connection, today: date) -> list[Day]:
    """All days that have tables, in order. `today` is UTC."""
    found = []
    for each in await bodies.tables(connection):
        overdue = each.day < today
        held_by = await bodies.holders(connection, each.day) if overdue else []
        found.append(Day(each, each.day + timedelta(days=1), overdue, tuple(held_by)))
    return found


def line(day: Day) -> str:
    """One day for people."""
    tables = day.tables
    sizes = f"{tables.payloads:>12,} payloads  {tables.responses:>12,} responses  {tables.bytes / 2**20:>10,.1f} MiB"
    if not day.overdue:
        return f"kept until {tables.day}  {sizes}  goes on {day.goes_on}"
    return f"kept until {tables.day}  {sizes}  OVERDUE since {day.goes_on}: {why(day)}"


def why(day: Day) -> str:
    """Why a day that is over is still there."""
    if not day.held_by:
        return "no running hookd has come to it yet (it looks when it starts, then hourly)"
    each = day.held_by[0]
    more = f", and {len(day.held_by) - 1} more" if len(day.held_by) > 1 else ""
    return f"in use by {each.name} (pid {each.pid}, {each.state}) for {each.seconds:.0f} s{more}"
