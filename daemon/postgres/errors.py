"""What can be wrong with the database, each said in words that tell the operator what to do."""


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot run here as things are."""


class HomeInUseError(EmbeddedPostgresError):
    """Another hookd holds this home."""


class MigrationError(Exception):
    """The database and this version of hookd do not fit, or a migration failed; nothing was changed by it."""


class DatabaseUnavailable(ConnectionError):
    """No usable PostgreSQL answers."""


class DatabaseBusy(DatabaseUnavailable):
    """Every connection stayed in use for the whole time a caller may wait."""


class DatabaseTooOld(DatabaseUnavailable):
    """The server is older than the SQL hookd is written in."""
