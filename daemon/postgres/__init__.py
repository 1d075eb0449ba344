"""The database: an embedded PostgreSQL server or one elsewhere, its schema and its connections.

    embedded    starts, watches and stops the server that lives in hookd's own home
    migrate     brings a database to the schema this version of hookd needs
    database    the connections everything else works with

The rest are parts of `embedded`, one question each: `binaries` (which PostgreSQL), `account` (who runs it),
`home` (where it lives, and that only one hookd lives there), `cluster` (the data folder), `processes`
(which running processes are ours) and `waiting` (is it ready yet).
"""
