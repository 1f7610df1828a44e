"""The running server: web, inbox and workers of one process, composed from the settings."""

import secrets
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from queue import Empty, SimpleQueue
from types import FrameType

import structlog
import uvicorn
from fastapi import FastAPI

from app.compose.databases import open_database
from app.compose.machine import exposed_data_folder, manifest_renderer, require_git, utc_now
from app.compose.systems import compose_systems
from app.core.errors import Refused
from app.db.clock import SharedClock
from app.db.database import Database
from app.db.inbox import Inbox
from app.db.wakes import Listener
from app.services.heads.scans import Scans
from app.services.systems import Systems
from app.services.work.spend import spend
from app.settings.models import Settings
from app.settings.own_files import address_file, token_file
from app.settings.secrets import SecretTooShort, SecretUnreadable, require_long_secrets
from app.settings.server import Limits, is_loopback
from app.web.application import create_web
from app.web.connections import Connections
from app.web.intake import IntakeLimits
from app.web.parts import ApiToken, WebParts
from app.worker import Workers

_log = structlog.get_logger("fluxbridge.main")
# With the two that the inbox may take, less than the ten after which whoever stops us loses patience.
_LAST_ANSWERS_S, _LAST_STEPS_S = 3, 4.0
_HEARD_WITHIN_S = 0.5
LOCAL_TOKEN = "local"  # noqa: S105 (a token's name)


class NeedsPostgreSQL(Refused):
    """Something asks for several processes on a database that only one may open."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} needs PostgreSQL: a SQLite file belongs to one process. "
            "Use `fluxbridge serve`, or set `database: postgresql+psycopg://…`"
        )


class OpenToAll(Refused):
    """The server would be reachable from other machines with no token set."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"listen.host {host} is reachable from other machines: set api.tokens first, or listen on 127.0.0.1"
        )


@dataclass(slots=True)
class Server:
    """One process of Fluxbridge. `has_web` and `has_workers` say which halves it runs.

    `is_private` is a web half for one command on this machine, beside no other process.
    """

    settings: Settings
    has_web: bool = True
    has_workers: bool = True
    is_private: bool = False
    systems: Systems = field(init=False)
    scans: Scans = field(init=False)
    database: Database = field(init=False)
    clock: SharedClock = field(init=False)
    inbox: Inbox = field(init=False)
    workers: Workers | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Refuse what cannot work before anything is opened."""
        settings = self.settings
        if self.is_private:
            self.has_workers = False
        elif settings.database.is_sqlite and not (self.has_web and self.has_workers):
            raise NeedsPostgreSQL("`serve --no-workers`" if self.has_web else "`work`")
        if self.has_web and not is_loopback(settings.listen.host) and not settings.api.tokens:
            raise OpenToAll(settings.listen.host)
        require_long_secrets(settings)
        if self.has_workers:
            require_git()
        self.scans = Scans(renderer=manifest_renderer())
        self.database = open_database(settings)
        for notice in () if self.is_private else settings.notices:
            _log.warning("a setting is not needed any more", why=notice)
        if not self.is_private and (told := exposed_data_folder(settings)) is not None:
            _log.warning("the data folder is not for this account alone", why=told)
        self.clock = SharedClock(self.database, utc_now)
        try:
            self.systems = compose_systems(settings, spend=partial(spend, self.database, self.clock))
            self.clock.measure()
        except BaseException:
            self.database.close()
            raise
        self.inbox = Inbox(self.database, capacity=settings.limits.inbox)
        if self.has_workers:
            self.workers = Workers(
                database=self.database,
                systems=self.systems,
                clock=self.clock,
                count=settings.work.workers,
                measure_clock=self.clock.measure,
                has_gone_back=self.clock.has_gone_back,
                listen=self._listener(),
                scans=self.scans,
            )

    def create_app(self) -> FastAPI:
        """The web application over this server's parts."""
        local, limits = self._write_token_file(), self.settings.limits
        return create_web(
            WebParts(
                systems=self.systems,
                scans=self.scans,
                database=self.database,
                inbox=self.inbox,
                clock=self.clock,
                tokens=lambda: [local, *self._tokens()],
                local_token=local.secret,
                root_path=self.settings.root_path,
                body_limit=limits.body_bytes,
                intake=IntakeLimits(most_bytes=limits.inbox_bytes, body_s=limits.body_s),
                version=version("fluxbridge"),
            )
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        """Inbox and workers run while this is open; at the end their work is finished or released."""
        self.inbox.start()
        if self.workers is not None:
            self.workers.start()
        try:
            yield
        finally:
            if self.workers is not None:
                self.workers.stop(_LAST_STEPS_S)
            self.inbox.stop()
            self.close()

    def begin_stop(self) -> None:
        """Begin no more work; what runs and what comes in meanwhile is brought to its end. Safe in a signal handler."""
        if self.workers is not None:
            self.workers.begin_stop()

    def close(self) -> None:
        """Give back what was opened, where it never ran."""
        self.systems.close()
        self.database.close()

    def _listener(self) -> Callable[[threading.Event], None] | None:
        if self.database.is_sqlite:
            return None
        return Listener(partial(self.settings.database.connect_url, self.settings.data_dir), self._wake).listen

    def _wake(self) -> None:
        if self.workers is not None:
            self.workers.wake()

    def _tokens(self) -> Iterator[ApiToken]:
        """The configured tokens as they are now; one that cannot be read lets nobody in and locks nobody else out."""
        for name, token in self.settings.api.tokens.items():
            for secret in token.secret:
                try:
                    yield ApiToken(name, token.scope, secret.read())
                except (SecretUnreadable, SecretTooShort) as error:
                    _log.warning("an API token cannot be used", token=name, why=str(error))

    def _write_token_file(self) -> ApiToken:
        """Whoever reads the file reads a whole token, the one before or this."""
        path = token_file(self.settings)
        token, fresh = secrets.token_urlsafe(32), path.with_name(f"{path.name}.new")
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600)
        fresh.write_text(token)
        fresh.replace(path)
        return ApiToken(LOCAL_TOKEN, "admin", token)


def serve(settings: Settings, *, has_workers: bool = True) -> None:
    """Run the web half, with workers unless told otherwise, until a signal ends it."""
    server = Server(settings, has_workers=has_workers)
    bound = _bind_for(server)
    with server.running():
        http = web_server(server.create_app(), server.settings.limits)
        _on_signals(server.begin_stop, http.handle_exit)
        address_file(settings).write_text("http://{}:{}\n".format(*_reached_at(bound)))
        _log.info("listening", address="{}:{}".format(*bound.getsockname()[:2]), workers=has_workers)
        try:
            http.run(sockets=[bound])
        finally:
            address_file(settings).unlink(missing_ok=True)


@contextmanager
def serving(server: Server) -> Iterator[str]:
    """The same in a thread of this process; gives the server's URL and stops it at the end."""
    bound = _bind_for(server)
    with server.running():
        http = web_server(server.create_app(), server.settings.limits)
        thread = threading.Thread(target=http.run, kwargs={"sockets": [bound]}, name="web", daemon=True)
        thread.start()
        url = "http://{}:{}".format(*_reached_at(bound))
        if not server.is_private:
            address_file(server.settings).write_text(f"{url}\n")
        try:
            yield url
        finally:
            http.should_exit = True
            thread.join()
            if not server.is_private:
                address_file(server.settings).unlink(missing_ok=True)


def work(settings: Settings) -> None:
    """Run the workers alone, beside web processes on the same PostgreSQL, until a signal ends it."""
    server = Server(settings, has_web=False)
    # No Event: a signal that comes just as this thread begins to wait for one would wait for its lock for ever.
    ended: SimpleQueue[None] = SimpleQueue()
    _on_signals(server.begin_stop, lambda *_: ended.put(None))
    with server.running():
        _log.info("working")
        # In short waits: a signal that comes just before one begins is only heard when it is over.
        while True:
            with suppress(Empty):
                return ended.get(timeout=_HEARD_WITHIN_S)


def _on_signals(begin_stop: Callable[[], None], end: Callable[[int, FrameType | None], None]) -> None:
    """Uvicorn raises what ended it once more: by default that would end us before our work is put down."""

    def on_signal(number: int, frame: FrameType | None) -> None:
        begin_stop()
        end(number, frame)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)


def _reached_at(bound: socket.socket) -> tuple[str, int]:
    host, port = bound.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:  # noqa: S104 (compared with, not bound to)
        return "127.0.0.1", port
    return f"[{host}]" if ":" in host else host, port


def _bind_for(server: Server) -> socket.socket:
    try:
        return bind(server.settings)
    except AddressTaken:
        server.close()
        raise


def bind(settings: Settings) -> socket.socket:
    """Take the address to listen on. Raises AddressTaken."""
    family = socket.AF_INET6 if ":" in settings.listen.host else socket.AF_INET
    # Named as TCP: only then asyncio sends each answer at once, and not when the one before it was acknowledged.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((settings.listen.host, settings.listen.port))
        # From here on senders wait to be answered, instead of being refused until the web half is up.
        bound.listen()
    except OSError as error:
        bound.close()
        raise AddressTaken(settings.listen.host, settings.listen.port, error.strerror or "refused") from error
    return bound


class AddressTaken(Refused):
    """The address to listen on is not to be had."""

    def __init__(self, host: str, port: int, why: str) -> None:
        super().__init__(f"cannot listen on {host}:{port} ({why}): stop what uses it, or set `listen`")


def web_server(app: FastAPI, limits: Limits) -> uvicorn.Server:
    """The HTTP server; its own access log is off, for ours leaves query strings out."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            # Another protocol would take a connection out of our count.
            ws="none",
            http=Connections(most=limits.connections, head_s=limits.body_s).protocol(app.state.on_malformed),
            timeout_graceful_shutdown=_LAST_ANSWERS_S,
        )
    )
