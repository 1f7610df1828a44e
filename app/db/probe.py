"""The probe: whether a delivery could be kept now, shown by keeping one and taking it back."""

import tempfile
from datetime import UTC, datetime

from sqlalchemy import insert

from app.core.errors import Unavailable
from app.db.database import Database
from app.db.deliveries import DeliveryState, deliveries
from app.db.tables import new_id

_BODY = b"\0" * 65536
_BEGAN = datetime(1970, 1, 1, tzinfo=UTC)


class NotWritable(Unavailable):
    """The folder of the SQLite file takes no file."""

    def __init__(self) -> None:
        super().__init__(
            "the folder of the database cannot be written to: see that the disk is mounted and that there is room"
        )


def prove_write(database: Database) -> None:
    """Write a delivery and take it back, and for SQLite write a file beside it. Raises Unavailable leaves.

    Nothing is committed, so the disk is not waited for; it comes first, as deliveries do.
    """
    with database.transaction(comes_first=True) as connection:
        connection.execute(insert(deliveries).values(_row()))
        connection.rollback()
    if database.folder is not None:
        try:
            with tempfile.TemporaryFile(dir=database.folder) as file:
                file.write(_BODY)
        except OSError as error:
            raise NotWritable from error


def _row() -> dict[str, object]:
    probe_id = new_id(_BEGAN)
    return {
        "id": probe_id,
        "source": "",
        "kind": "probe",
        "external_id": probe_id,
        "headers": {},
        "body": _BODY,
        "received_at": _BEGAN,
        "state": DeliveryState.DONE,
        "due_at": _BEGAN,
        "attempts": 0,
        "tries": 0,
        "fence": 0,
    }
