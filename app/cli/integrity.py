"""`fluxbridge check --database`: is there anything in the database that a person has to mend."""

from collections.abc import Iterator
from contextlib import closing

import typer

from app.cli.reach import reach
from app.cli.terminal import say
from app.compose.databases import open_database
from app.db.database import DatabaseLocked
from app.services.upkeep.check_database import ViolationView, check_database
from app.settings.models import Settings


def look_through_database(settings: Settings) -> int:
    """Print what is wrong with the database; returns the exit code.

    A SQLite file that a server holds is looked through by that server, a stretch at a time; then the file itself is not
    checked, for nothing could be kept meanwhile.
    """
    try:
        opened = open_database(settings)
    except DatabaseLocked:
        violations = list(_through_the_server())
        typer.echo("note  the file itself was not checked: for that, stop the server and run this once more")
    else:
        with closing(opened):
            violations = list(check_database(opened))
    for one in violations:
        say(f"WRONG {one.row}: {one.what} ({one.law}): {one.remedy}")
    if not violations:
        typer.echo("ok    database: all that must hold of it does")
    return 1 if violations else 0


def _through_the_server() -> Iterator[ViolationView]:
    with reach() as api:
        after: str | None = None
        while True:
            page = api.get("/integrity", after=after)
            yield from map(ViolationView.model_validate, page["items"])
            after = page["next"]
            if after is None:
                return
