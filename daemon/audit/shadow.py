"""The tables of `state` once more, empty, in a schema beside it: same columns, same names, same settings.

Made from the catalog, so they are what the live ones are after any number of migrations. Indexes come last, when the
rows are in.
"""

from typing import Final

import asyncpg

SCHEMA: Final = "rebuilt"
_OLD: Final = "replaced"

_TABLES: Final = """
  select c.oid, c.relname, array_to_string(c.reloptions, ', ') as options, obj_description(c.oid) as comment
  from pg_class c where c.relnamespace = 'state'::regnamespace and c.relkind = 'r' order by c.relname"""
_INDEXES: Final = """
  select pg_get_indexdef(i.indexrelid) as definition, k.conname, pg_get_constraintdef(k.oid) as constraint
  from pg_index i left join pg_constraint k on k.conindid = i.indexrelid and k.contype in ('p', 'u')
  where i.indrelid = $1 order by i.indexrelid"""
_GRANTS: Final = f"""
  select format('grant %s on {SCHEMA}.%I to %s%s', a.privilege_type, c.relname,
                case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end,
                case when a.is_grantable then ' with grant option' else '' end) as statement
  from pg_class c cross join lateral aclexplode(c.relacl) a
  where c.relnamespace = 'state'::regnamespace and c.relkind = 'r' and a.grantee <> c.relowner"""  # noqa: S608
_DIFFERENCE: Final = """
  with live as (select t::text from state.{table} t), fold as (select t::text from {schema}.{table} t)
  select (select count(*) from (table live except table fold) x),
         (select count(*) from (table fold except table live) x)"""


async def make(connection: asyncpg.Connection) -> list[str]:
    """Make the empty tables; answers their names. What an earlier try left behind goes first."""
    await connection.execute(f"drop schema if exists {SCHEMA} cascade; create schema {SCHEMA}")
    names = []
    for table in await connection.fetch(_TABLES):
        name, options = table["relname"], table["options"]
        like = f"like state.{name} including all excluding indexes"
        settings = f" with ({options})" if options else ""
        await connection.execute(f"create table {SCHEMA}.{name} ({like}){settings}")
        if table["comment"] is not None:
            comment = await connection.fetchval("select quote_literal($1::text)", table["comment"])
            await connection.execute(f"comment on table {SCHEMA}.{name} is {comment}")
        names.append(name)
    return names


async def index(connection: asyncpg.Connection) -> None:
    """Make the keys and indexes that the live tables have. UniqueViolationError: the log has a name twice."""
    for table in await connection.fetch(_TABLES):
        for each in await connection.fetch(_INDEXES, table["oid"]):
            if each["conname"] is not None:
                added = f"add constraint {each['conname']} {each['constraint']}"
                await connection.execute(f"alter table {SCHEMA}.{table['relname']} {added}")
            else:
                await connection.execute(each["definition"].replace(" ON state.", f" ON {SCHEMA}.", 1))


async def differences(connection: asyncpg.Connection, names: list[str]) -> dict[str, tuple[int, int]]:
    """By table, where they differ at all: rows that only the live one has, rows that only this one has."""
    found = {}
    for name in names:
        counts = await connection.fetchrow(_DIFFERENCE.format(table=name, schema=SCHEMA))
        if any(counts):
            found[name] = (counts[0], counts[1])
    return found


async def swap(connection: asyncpg.Connection, names: list[str]) -> None:
    """Put them in the place of the live ones, with their privileges, within the caller's transaction.

    DependentObjectsStillExistError: somebody's view reads a live table, and would go with it.
    """
    for grant in await connection.fetch(_GRANTS):
        await connection.execute(grant["statement"])
    await connection.execute(f"create schema {_OLD}")
    for name in names:
        await connection.execute(f"alter table state.{name} set schema {_OLD}")
        await connection.execute(f"alter table {SCHEMA}.{name} set schema state")
        await connection.execute(f"drop table {_OLD}.{name} restrict")
    await connection.execute(f"drop schema {_OLD}; drop schema {SCHEMA}")
