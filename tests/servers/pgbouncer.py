"""A real PgBouncer in transaction mode before a PostgreSQL, also where the tests run as root."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.ports import free_port, wait_for_port
from tests.servers.postgres import Account, Postgres

_PATIENCE_S = 20.0


@contextmanager
def running_pgbouncer(program: str, postgres: Postgres, *, pool_size: int = 2) -> Iterator[Postgres]:
    """Start one that gives each transaction whichever of its few connections is free; stopped at the end."""
    account = Account.fitting()
    with tempfile.TemporaryDirectory(prefix="fluxbridge-pgbouncer-") as made:
        folder, port = Path(made), free_port()
        settings = folder / "pgbouncer.ini"
        settings.write_text(
            f"[databases]\n* = host=127.0.0.1 port={postgres.port} user=postgres\n"
            f"[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port={port}\nunix_socket_dir=\nauth_type=any\n"
            f"pool_mode=transaction\ndefault_pool_size={pool_size}\nmax_client_conn=200\nserver_round_robin=1\n"
        )
        account.give(folder)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [program, str(settings)],
                cwd="/",
                user=account.uid,
                group=account.gid,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            wait_for_port(port, process, folder / "log")
            yield Postgres(port)
        finally:
            process.terminate()
            process.wait(_PATIENCE_S)
