"""What became of promotions in clusters is listed."""

from app.db.database import Database
from app.services.reading.applications import ApplicationFilters, list_applications
from tests.services.history import write_history


def test_applications_are_listed_newest_first_and_by_cluster(database: Database) -> None:
    with database.transaction() as connection:
        write_history(connection)
        states = [one.state for one in list_applications(connection, ApplicationFilters()).items]
        others = list_applications(connection, ApplicationFilters(cluster="prod-us")).items
    assert (states, others) == (["applied", "failed"], [])
