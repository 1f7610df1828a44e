"""How the server itself runs: where it listens, keeps its data, how hard it works and what it logs."""

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, Strict, model_validator
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from app.settings.secrets import Secret, Secrets
from app.settings.values import Called, Count, Name, Schedule, Seconds, Section, Text, wrong

_SQLITE_FILE = "fluxbridge.sqlite3"
_POSTGRESQL = "postgresql+psycopg"


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach a server bound to this host.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0"), is_loopback("ci.acme.example")
    (True, True, False, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _database_url(text: str) -> str:
    if text == "sqlite":
        return text
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise wrong("must be sqlite, sqlite:////absolute/path or postgresql+psycopg://user@host/name") from None
    if url.password is not None or "password" in url.query:
        raise wrong("must not carry the password: write {url: …, password: {env: NAME}}")
    is_file = url.drivername == "sqlite" and not url.host and Path(url.database or "").is_absolute() and not url.query
    if not is_file and (url.drivername != _POSTGRESQL or not url.database):
        raise wrong("must be sqlite, sqlite:////absolute/path or postgresql+psycopg://user@host/name")
    return text


class Database(Section):
    """Where facts and history are kept: one SQLite file, or PostgreSQL for more than one process."""

    url: Annotated[Text, Called("URL"), AfterValidator(_database_url)] = "sqlite"
    """`sqlite` is a file in `data_dir`; `sqlite:////absolute/path` is another file;
    `postgresql+psycopg://user@host/name` is PostgreSQL, which more than one process needs. Without the password.
    """
    password: Secret | None = None
    """The password of PostgreSQL."""

    @model_validator(mode="before")
    @classmethod
    def _from_url(cls, value: object) -> object:
        return {"url": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.password is not None and self.is_sqlite:
            raise wrong("must not have a password: SQLite knows none")
        return self

    @property
    def is_sqlite(self) -> bool:
        """Tell whether one process at a time owns the database."""
        return self.url.startswith("sqlite")

    def place(self, data_dir: Path) -> str:
        """Where it is, for messages: without its user."""
        if self.is_sqlite:
            return self.connect_url(data_dir).database or ""
        url = make_url(self.url)
        return URL.create(url.drivername, host=url.host, port=url.port, database=url.database).render_as_string()

    def connect_url(self, data_dir: Path) -> URL:
        """The URL for SQLAlchemy with the password read now. Raises SecretUnreadable; its repr hides the password."""
        if self.url == "sqlite":
            return URL.create("sqlite", database=str(data_dir / _SQLITE_FILE))
        url = make_url(self.url)
        return url if self.password is None else url.set(password=self.password.read())


class Listen(Section):
    """Where the web server listens; port 0 takes a free one."""

    host: Text = "127.0.0.1"
    """Address to listen on. Beyond loopback the server starts only with a token under `api.tokens`."""
    port: Annotated[int, Called("0 to 65535"), Strict(), Field(ge=0, le=65535)] = 8080
    """Port to listen on; 0 takes a free one."""


class ApiToken(Section):
    """One caller of the API, whose name is the "who" in the history."""

    scope: Literal["read", "operate", "admin"]
    """What the bearer may do, each all that those before it may. The name is the "who" in the history."""
    secret: Secrets
    """The bearer token."""


class Api(Section):
    """Who may call the API."""

    tokens: dict[Name, ApiToken] = Field(default_factory=dict)


class Work(Section):
    """How lanes are run."""

    workers: Count = 4
    """Threads that interpret deliveries and run lanes."""
    lane_deadline_s: Seconds = 600.0
    """Longest run of a lane, with every git command in it."""
    lease_s: Seconds = 30.0
    """How long a process that died keeps what it was working on."""


class Sweeps(Section):
    """How often Fluxbridge looks for itself at what webhooks may have missed."""

    branches_s: Seconds = 60.0
    """How often the base branches and pull requests of config repos are looked at."""
    local_s: Seconds = 1.0
    """The same where the forge is local."""
    max_new: Count = 100
    """More new items than this at once, of one repository or of one entry of `sweep_jobs`, wait for a person."""
    tags: Schedule = "17 * * * *"
    """When the tags of all repositories that policies name are listed."""
    builds: Schedule = "*/15 * * * *"
    """When each Jenkins is asked for builds that nobody reported."""
    pull_requests: Schedule = "*/10 * * * *"
    """When each forge is asked for our pull requests."""
    bodies: Schedule = "30 3 * * *"
    """When old bodies of deliveries are dropped, and what was told to others long ago."""
    mirrors: Schedule = "0 4 * * 0"
    """When the mirrors of the config repos are packed."""

    @property
    def schedules(self) -> Mapping[str, str]:
        """The cron expression of each sweep that does not wait for a person."""
        names = ("tags", "builds", "pull_requests", "bodies", "mirrors")
        return {name: text for name in names if (text := getattr(self, name)) != "never"}


class Retention(Section):
    """What is dropped in time; facts, promotions and the history never are."""

    bodies_days: Count = 30
    """Days after its end for which the body of a delivery is kept, and what was told to others."""
    bodies_day_bytes: Count = 200 * 1024 * 1024
    """Bytes, as they are stored, that are kept of the bodies of ended deliveries of one source and one day (UTC, by
    their receipt); beyond, the body of a delivery is dropped when it ends. One that waits or is dead keeps it.
    """


class Limits(Section):
    """What the web server takes before it says no."""

    body_bytes: Count = 5 * 1024 * 1024
    """Largest webhook body."""
    body_s: Seconds = 30.0
    """How long the head of a request may take to arrive, and then a webhook's body."""
    inbox: Count = 1000
    """Webhooks that may wait to be written down at once; beyond, senders are told to come back."""
    inbox_bytes: Count = 64 * 1024 * 1024
    """Bytes of all webhook bodies that have come and are being read or wait to be written down; beyond, senders are
    told to come back. No source takes more than half of it, and one that has less than its equal share gets room from
    those that have more. At least twice `limits.body_bytes`.
    """
    connections: Count = 500
    """Connections that are open at once. Where there is no room, the one whose request has been awaited for longest,
    head or body, gives way.
    """

    @model_validator(mode="after")
    def _holds_one_body(self) -> Self:
        if self.inbox_bytes < 2 * self.body_bytes:
            raise wrong("must have an inbox_bytes of at least twice body_bytes")
        return self


class Log(Section):
    """What is written to standard error, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least level that is written, to standard error."""
    format: Literal["json", "text"] = "json"
    """One JSON object a line, or text for people."""
