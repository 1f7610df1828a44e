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


def migrations_folder() -> Path:
    """The migrations: beside the package in a checkout, inside it in an installed wheel."""
    package = Path(__file__).parents[1]
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"


def migrate(connection: Connection) -> None:
    """Bring the schema to this version's; processes that start together go one after the other. Raises NewerSchema."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    present = MigrationContext.configure(connection).get_current_revision()
    config = configuration(connection)
    if present is not None and present not in _known(config):
        raise NewerSchema(present)
    command.upgrade(config, "head")


def is_current(connection: Connection) -> bool:
    """Tell whether the schema is this version's."""
    head = ScriptDirectory.from_config(configuration(connection)).get_current_head()
    return MigrationContext.configure(connection).get_current_revision() == head


def configuration(connection: Connection) -> Config:
    """Alembic's settings for work over this connection, in its transaction."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    return config


def _known(config: Config) -> set[str]:
    return {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
