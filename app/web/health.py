"""Whether this process is alive, and whether it can keep a delivery."""

import tempfile
from pathlib import Path

from fastapi import APIRouter
from pydantic import BaseModel

from app.core.errors import Unavailable
from app.web.parts import Parts

router = APIRouter(include_in_schema=False)


class NotWritable(Unavailable):
    """The data folder takes no file."""

    def __init__(self) -> None:
        super().__init__("the data folder cannot be written to: see that the disk is mounted and has room")


class Health(BaseModel):
    """The answer of a process that is well."""

    status: str


@router.get("/healthz")
async def healthz() -> Health:
    """Tell that the process answers; nothing else is looked at."""
    return Health(status="ok")


@router.get("/readyz")
def readyz(parts: Parts) -> Health:
    """Tell whether a delivery could be kept now: a stuck lane must not cost webhooks."""
    parts.database.check_reachable()
    _check_writable(parts.data_dir)
    return Health(status="ready")


def _check_writable(folder: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"ready")
    except OSError as error:
        raise NotWritable from error
