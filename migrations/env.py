"""How Alembic runs here: over the connection that the program hands it, or over the URL of `-x database=URL`."""

from alembic import context
from sqlalchemy import Connection

from app.db.collections import METADATA
from app.db.database import Database
from app.db.migrations import check_references


def run(connection: Connection) -> None:
    """Bring the schema where it was asked to be, within the connection's transaction."""
    context.configure(connection=connection, target_metadata=METADATA, compare_type=True, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if isinstance(given, Connection):
    run(given)
else:
    database = Database(context.get_x_argument(as_dictionary=True)["database"])
    try:
        with database.remaking_tables() as opened:
            run(opened)
            check_references(opened)
    finally:
        database.close()
