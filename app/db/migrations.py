"""Where the migrations are, and bringing a database's schema to this version's."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from app.core.errors import Refused

_ADVISORY_LOCK = 0x666C7578  # "flux": any number that nobody else of this database takes


class NewerSchema(Refused):
    """The database was brought to the schema of a newer version."""

    def __init__(self, revision: str) -> None:
        super().__init__(
            f"the database is at schema {revision}, which this version does not know: it is of a newer version; "
            "start that one, or go back to a copy of the database from before"
        )
        self.revision = revision


class CannotMigrate(Refused):
    """The database does not let its schema be made; what it says names the cause."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"the database's schema cannot be brought to this version's: {why}; nothing was changed: mend that as the "
            "database's owner, and run `fluxbridge migrate` again"
        )


class NoSchema(Refused):
    """The account's search_path leads to no schema in which it could make tables."""

    def __init__(self, account: str, path: str) -> None:
        super().__init__(
            f"the search_path of {account} ({path or 'empty'}) leads to no schema that is there: "
            f"ALTER ROLE {account} SET search_path = public, or make the schema that it names"
        )


class NoRightToCreate(Refused):
    """The account may make no tables in the schema that it uses."""

    def __init__(self, account: str, schema: str) -> None:
        super().__init__(
            f"{account} may make no tables in the schema {schema}: GRANT CREATE ON SCHEMA {schema} TO {account}, "
            "or let another account run `fluxbridge migrate`"
        )


class WrongEncoding(Refused):
    """The database cannot hold every text."""

    def __init__(self, database: str, encoding: str) -> None:
        super().__init__(
            f"the database {database} has the encoding {encoding} and cannot hold every text: make another one "
            "(CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0) and name it in `database`"
        )


def migrations_folder() -> Path:
    """The migrations: beside the package in a checkout, inside it in an installed wheel."""
    package = Path(__file__).parents[1]
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"


def migrate(connection: Connection) -> None:
    """Bring the schema to this version's; processes that start together go one after the other.

    Raises NewerSchema, WrongEncoding, NoSchema, NoRightToCreate.
    """
    if connection.dialect.name == "postgresql":
        _check_place(connection)
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    present = MigrationContext.configure(connection).get_current_revision()
    config = configuration(connection)
    if present is not None and present not in _known(config):
        raise NewerSchema(present)
    if present in _heads(config):
        return
    if connection.dialect.name == "postgresql":
        _check_right(connection)
    command.upgrade(config, "head")
    check_references(connection)


def is_current(connection: Connection) -> bool:
    """Tell whether the schema is this version's."""
    head = ScriptDirectory.from_config(configuration(connection)).get_current_head()
    return MigrationContext.configure(connection).get_current_revision() == head


def configuration(connection: Connection) -> Config:
    """Alembic's settings for work over this connection, in its transaction."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    return config


def check_references(connection: Connection) -> None:
    """See that what refers to another row still finds it: SQLite does not while tables are made anew.

    Raises CannotMigrate.
    """
    if connection.dialect.name != "sqlite":
        return
    lost = {row[0] for row in connection.exec_driver_sql("PRAGMA foreign_key_check")}
    if lost:
        raise CannotMigrate(f"rows of {', '.join(sorted(lost))} would refer to nothing")


def _check_place(connection: Connection) -> None:
    """See that tables have a schema to be in, and the database the right encoding."""
    asked = "SELECT current_user, current_database(), current_schema(), current_setting('server_encoding')"
    account, database, schema, encoding = connection.execute(text(asked)).one()
    if encoding != "UTF8":
        raise WrongEncoding(database, encoding)
    if schema is None:
        path = connection.execute(text("SELECT current_setting('search_path')")).scalar_one()
        raise NoSchema(account, path)


def _check_right(connection: Connection) -> None:
    asked = "SELECT current_user, current_schema(), has_schema_privilege(current_schema(), 'CREATE')"
    account, schema, may_create = connection.execute(text(asked)).one()
    if not may_create:
        raise NoRightToCreate(account, schema)


def _heads(config: Config) -> set[str]:
    return set(ScriptDirectory.from_config(config).get_heads())


def _known(config: Config) -> set[str]:
    return {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
