"""Open the database of the settings, for a server and for commands that do without one."""

from app.compose.machine import make_data_folder
from app.core.errors import Refused
from app.db.database import Database
from app.settings.models import Settings


class SchemaBehind(Refused):
    """The database's tables are not those of this version."""

    def __init__(self) -> None:
        super().__init__("the database is not at this version's schema: run `fluxbridge migrate`, then start again")


def open_database(settings: Settings, *, migrate: bool = False) -> Database:
    """Open the database at this version's schema; SQLite is brought there at once. Raises Refused leaves."""
    make_data_folder(settings)
    secret = settings.database.password
    database = Database(settings.database.connect_url(settings.data_dir), password=secret.read if secret else None)
    try:
        if migrate or database.is_sqlite:
            database.migrate()
        else:
            _require_current(database)
    except BaseException:
        database.close()
        raise
    return database


def _require_current(database: Database) -> None:
    if not database.is_current():
        raise SchemaBehind
