"""`fluxbridge migrate`: bring the database to this version's schema, and fill it from a SQLite file where asked to."""

from contextlib import closing
from pathlib import Path

import typer
from sqlalchemy import URL

from app.cli.settings import read_settings
from app.compose.databases import open_database
from app.core.errors import NotFound
from app.db.database import Database
from app.services.upkeep.copy_database import copy_database


class NoSuchFile(NotFound):
    """The file to copy from is not there."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is no file: name the fluxbridge.sqlite3 of the data folder that you move from")


def migrate(*, copy_from: Path | None) -> None:
    """Bring the database to this version's schema."""
    settings = read_settings()
    if copy_from is not None and not copy_from.is_file():
        raise NoSuchFile(copy_from)
    with closing(open_database(settings, migrate=True)) as database:
        typer.echo("The database is at this version's schema.")
        if copy_from is not None:
            _copy(copy_from, database)


def _copy(path: Path, target: Database) -> None:
    with closing(Database(URL.create("sqlite", database=str(path.absolute())))) as source:
        copied = copy_database(source, target)
    for name, count in copied.items():
        typer.echo(f"{name:<20}{count}")
    typer.echo(f"{sum(copied.values())} rows were copied; {path} is as it was.")
