"""Fluxbridge as processes of their own, that are killed, stopped and started again."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from app.main import Server, serving
from app.settings.loading import load
from app.settings.models import Settings
from app.settings.own_files import address_file, token_file
from tests.cli.console import PROGRAM, ROOT
from tests.faults.waiting import PATIENCE_S, until

_SOON_S = 5


@dataclass(frozen=True, slots=True)
class Worker:
    """One process of `fluxbridge work`, and the file that it logs to."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def said(self, words: str) -> bool:
        """Tell whether it has logged this."""
        return words in self.log.read_text()

    @property
    def runs_git(self) -> bool:
        """Tell whether it waits for a git command now."""
        return any(descendants(self.process.pid))

    def signal(self, number: signal.Signals) -> None:
        """Kill it, stop it or let it go on."""
        self.process.send_signal(number)
        if number is signal.SIGKILL:
            self.process.wait(PATIENCE_S)


@dataclass(slots=True)
class Fluxbridge:
    """One installation: its settings and the processes that run it. `is_up` tells senders when to try again."""

    settings_file: Path
    environment: Mapping[str, str]
    log: Path
    http: httpx.Client
    ready_s: list[float] = field(default_factory=list)
    is_up: threading.Event = field(default_factory=threading.Event)
    url: str = ""
    server: "subprocess.Popen[bytes] | None" = None
    workers: list["Worker"] = field(default_factory=list)
    _token: str = ""

    @property
    def settings(self) -> Settings:
        """As the processes read them."""
        return load(self.settings_file, self.environment)

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run one command to its end."""
        return subprocess.run(
            [*PROGRAM, *arguments], env=self._variables(), capture_output=True, text=True, check=False, timeout=60
        )

    def spawn(self, log: Path, *arguments: str, settings_file: Path | None = None) -> "subprocess.Popen[bytes]":
        """Start a process; what it logs goes into a file, which no reader has to empty."""
        variables = {**self._variables(), "FLUXBRIDGE_CONFIG": str(settings_file or self.settings_file)}
        with log.open("ab") as written:
            return subprocess.Popen(
                [*PROGRAM, *arguments], cwd=log.parent, env=variables, stdout=written, stderr=written
            )

    def start(self, *arguments: str) -> None:
        """Start the server; returns once it is ready and notes how long that took."""
        address = address_file(self.settings)
        address.unlink(missing_ok=True)  # one that was killed has left it
        began = time.monotonic()
        self.server = self.spawn(self.log, "serve", *arguments)
        self.url = until("the server to listen", lambda: self._address(address), told=self.last_words)
        until("the server to be ready", self.is_ready, told=self.last_words)
        self.ready_s.append(time.monotonic() - began)
        self._came_up()

    @contextmanager
    def running_here(self) -> Iterator[Server]:
        """The server in threads of this process, for tests that kill nobody: it is there sooner."""
        server = Server(self.settings)
        with serving(server) as self.url:
            self._came_up()
            yield server
        self.is_up.clear()

    def start_workers(self, count: int) -> None:
        """Start worker processes beside the server, each with a data folder of its own; returns once all look for work.

        As on machines of their own: in one folder they would wait for each other's git commands.
        """
        for number in range(count):
            folder = self.log.with_name(f"worker-{number}")
            folder.mkdir()
            text = self.settings_file.read_text()
            own = folder / "fluxbridge.yaml"
            own.write_text(text.replace(str(self.settings.data_dir), str(folder / "data")))
            log = folder / "log"
            self.workers.append(Worker(self.spawn(log, "work", settings_file=own), log))
        for worker in self.workers:
            until("a worker to start", lambda: worker.said("working"), told=worker.log.read_text)  # noqa: B023

    def kill(self, *, with_children: bool = False) -> None:
        """Kill -9, also the git commands that it runs where a whole container would go."""
        self.is_up.clear()
        assert self.server is not None
        children = list(descendants(self.server.pid)) if with_children else []
        for pid in (self.server.pid, *children):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.server.wait(PATIENCE_S)

    def begin_stop(self) -> None:
        """Ask the server to end."""
        assert self.server is not None
        self.is_up.clear()
        self.server.send_signal(signal.SIGTERM)

    def close(self) -> None:
        """Kill whatever still runs, stopped or not."""
        for process in filter(None, (self.server, *(worker.process for worker in self.workers))):
            process.kill()
            process.wait(PATIENCE_S)

    def is_ready(self) -> bool:
        """Ask whether it can keep a delivery."""
        return self._is_well("/readyz")

    def is_alive(self) -> bool:
        """Ask whether it answers at all."""
        return self._is_well("/healthz")

    def get(self, path: str, **query: str) -> Any:
        """Ask the API."""
        headers = {"Authorization": f"Bearer {self._token}"}
        url = f"{self.url}/api/v1{path}"
        answer = self.http.get(url, params=query, headers=headers, timeout=PATIENCE_S)
        assert answer.status_code == 200, f"{path}: {answer.text}"
        return answer.json()

    def items(self, path: str, **query: str) -> Iterator[Any]:
        """Every item of a list, page by page."""
        after: dict[str, str] = {}
        while True:
            page = self.get(path, **query, **after)
            yield from page["items"]
            if page["next"] is None:
                return
            after = {"after": page["next"]}

    def settle(self, *, patience_s: float = PATIENCE_S) -> None:
        """Wait until deliveries are worked off, lanes idle or due for a later look only, and comments made."""
        until("everything to be worked off", self._is_settled, patience_s=patience_s, told=self.told)

    def told(self) -> str:
        """How things stand, for the message of a failure."""
        pages = ("/status", "/lanes", "/policies")
        return "\n".join(f"{page}: {self._said(page)}" for page in pages) + f"\n{self.last_words()}"

    def last_words(self) -> str:
        """The end of the log."""
        return self.log.read_text()[-4000:] if self.log.exists() else ""

    def _is_well(self, path: str) -> bool:
        with suppress(httpx.TransportError):
            return self.http.get(self.url + path, timeout=_SOON_S).status_code == 200
        return False

    def _came_up(self) -> None:
        self._token = token_file(self.settings).read_text()
        self.is_up.set()

    def _said(self, page: str) -> str:
        try:
            return str(self.get(page))[:3000]
        except (AssertionError, httpx.TransportError) as error:
            return repr(error)

    def _is_settled(self) -> bool:
        if self.get("/deliveries", state="waiting")["items"]:
            return False
        if any("catalogue" in one["status"] for one in self.items("/policies")):
            return False
        if not all(self._is_at_rest(lane) for lane in self.items("/lanes")):
            return False
        waiting: int = self.get("/status")["outbox"]["waiting"]["comment"]
        return not waiting

    def _is_at_rest(self, lane: Mapping[str, Any]) -> bool:
        if lane["is_running"] or not lane["last_run_at"]:
            return False
        due_at, look_at = lane["due_at"], lane["next_look_at"]
        if due_at is None:
            return True
        seconds = (datetime.fromisoformat(due_at) - datetime.now(UTC)).total_seconds()
        return due_at == look_at and seconds > _SOON_S

    def _address(self, file: Path) -> str | None:
        assert self.server is not None
        assert self.server.poll() is None, f"the server ended with {self.server.returncode}\n{self.last_words()}"
        return file.read_text().strip() if file.exists() else None

    def _variables(self) -> dict[str, str]:
        return {
            **os.environ,
            **self.environment,
            "FLUXBRIDGE_CONFIG": str(self.settings_file),
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
        }


@contextmanager
def installed(folder: Path, settings: str, environment: Mapping[str, str]) -> Iterator[Fluxbridge]:
    """Write the settings; every process that was started is gone at the end."""
    settings_file = folder / "fluxbridge.yaml"
    settings_file.write_text(settings)
    # One client for all, as making one costs more than a request; no connection outlives its request.
    limits = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(trust_env=False, limits=limits) as http:
        fluxbridge = Fluxbridge(settings_file, environment, folder / "log", http)
        try:
            yield fluxbridge
        finally:
            fluxbridge.close()


def descendants(pid: int) -> Iterator[int]:
    """The children of a process and theirs, as they are now; git's are in sessions of their own."""
    parents = {int(folder.name): _parent_of(folder) for folder in Path("/proc").iterdir() if folder.name.isdigit()}
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        yield from more
        found |= more


def _parent_of(folder: Path) -> int | None:
    try:
        return int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None
