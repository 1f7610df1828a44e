"""A PostgreSQL server that goes away and comes back, as the same process would be started again."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.faults.waiting import PATIENCE_S, until
from tests.servers.postgres import Postgres, running_postgres


@dataclass(slots=True)
class Postmaster:
    """A running server, its folder and how it was started."""

    postgres: Postgres
    folder: Path
    command: list[str]
    started: "subprocess.Popen[bytes] | None" = None

    @classmethod
    def of(cls, postgres: Postgres) -> "Postmaster":
        """Look at a server that runs."""
        with psycopg.connect(_admin(postgres)) as connection:
            row = connection.execute("SHOW data_directory").fetchone()
        assert row is not None
        folder = Path(row[0])
        command = Path(f"/proc/{_pid(folder)}/cmdline").read_bytes().decode().rstrip("\0").split("\0")
        return cls(postgres, folder, command)

    @property
    def is_running(self) -> bool:
        """Tell whether its process is there."""
        return (self.folder / "postmaster.pid").exists()

    def stop(self) -> None:
        """End it as an operator would who does not wait for its clients; returns once it is gone."""
        os.kill(_pid(self.folder), signal.SIGINT)
        until("PostgreSQL to be gone", lambda: not self.is_running)
        self.reap()

    def start(self) -> None:
        """Start it again; returns once it answers."""
        owner, is_root = self.folder.stat(), os.geteuid() == 0
        self.started = subprocess.Popen(
            self.command,
            cwd="/",
            user=owner.st_uid if is_root else None,
            group=owner.st_gid if is_root else None,
            extra_groups=[] if is_root else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until("PostgreSQL to be back", self._answers)

    def _answers(self) -> bool:
        with suppress(psycopg.OperationalError), psycopg.connect(_admin(self.postgres)):
            return True
        return False

    def reap(self) -> None:
        """Wait for the end of what was started here, once it was told to end."""
        if self.started is not None:
            self.started.wait(PATIENCE_S)
            self.started = None


@contextmanager
def replaceable_postgres(package: str) -> Iterator[Postmaster]:
    """A PostgreSQL of its own with fsync on, from the wheel's folder."""
    with running_postgres(package, is_durable=True) as postgres:
        postmaster = Postmaster.of(postgres)
        try:
            yield postmaster
        finally:
            if not postmaster.is_running:
                postmaster.start()
    postmaster.reap()


def _admin(postgres: Postgres) -> str:
    return f"host=127.0.0.1 port={postgres.port} user=postgres dbname=postgres"


def _pid(folder: Path) -> int:
    return int((folder / "postmaster.pid").read_text().splitlines()[0])
