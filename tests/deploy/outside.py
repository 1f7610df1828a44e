"""The services of docker-compose.yml as processes: the same commands, over folders and ports of a test."""

import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from app.clients.forges.local.forge import LocalForge
from app.compose.machine import utc_now
from app.core.ports import PullRequest, PullRequestState
from tests.cli.console import read_until
from tests.deploy.written import ROOT, command, compose, health_check
from tests.end_to_end.bridge import PATIENCE_S
from tests.parts import require_program
from tests.servers.ports import free_port
from tests.servers.registry import INSTALL, DockerRegistry

_SERVER_PORTS = {"bridge": 8080, "registry": 5000, "git": 9418}


@dataclass(slots=True)
class Outside:
    """A place for the services; what the files say of containers is replaced by what is there instead."""

    folder: Path
    database_url: str
    ports: Mapping[str, int] = field(default_factory=lambda: {name: free_port() for name in _SERVER_PORTS})

    @property
    def url(self) -> str:
        """Where the bridge is."""
        return f"http://127.0.0.1:{self.ports['bridge']}"

    @property
    def registry(self) -> DockerRegistry:
        """The registry, as pipelines push to it."""
        return DockerRegistry(f"127.0.0.1:{self.ports['registry']}", self.folder)

    @property
    def config_repo(self) -> Path:
        return self.folder / "git" / "fleet.git"

    @property
    def settings_file(self) -> Path:
        return self.folder / "fluxbridge.yaml"

    def write_settings(self) -> None:
        """Put the file there that the service mounts."""
        text = (ROOT / compose()["configs"]["settings"]["file"]).read_text(encoding="utf-8")
        self.settings_file.write_text(self.placed(text), encoding="utf-8")

    def place_registry_file(self) -> None:
        """The registry's configuration is made for its container."""
        path = self.folder / "secrets" / "registry.yml"
        path.write_text(self.placed(path.read_text(encoding="utf-8")), encoding="utf-8")

    def placed(self, text: str) -> str:
        """A text in which paths and addresses of containers are those of this place."""
        for written, here in self._places().items():
            text = text.replace(written, here)
        return text

    def _places(self) -> dict[str, str]:
        bridge, registry = self.ports["bridge"], self.ports["registry"]
        return {
            "postgresql+psycopg://fluxbridge@postgres:5432/fluxbridge": self.database_url,
            "/var/lib/registry": str(self.folder / "registry"),
            "/secrets": str(self.folder / "secrets"),
            "/srv/git": str(self.folder / "git"),
            "data_dir: /data": f"data_dir: {self.folder / 'data'}",
            "bridge:8080": f"127.0.0.1:{bridge}",
            "127.0.0.1:8080": f"127.0.0.1:{bridge}",
            "0.0.0.0, port: 8080": f"127.0.0.1, port: {bridge}",
            "registry:5000": f"127.0.0.1:{registry}",
            'addr: ":5000"': f'addr: "127.0.0.1:{registry}"',
            ', "127.0.0.1:5001"': "",
        }

    def words(self, service: str, *arguments: str) -> list[str]:
        """What a service runs; with `arguments` in the place of its own, as `docker compose run` and `exec` do."""
        if service == "registry":
            words = [require_program("docker-registry", INSTALL), *compose()["services"]["registry"]["command"]]
        else:
            words = [*command(service), *arguments]
        if service == "git":
            words[2:2] = ["--listen=127.0.0.1", f"--port={self.ports['git']}"]
        return [_program(word) if at == 0 else self.placed(word) for at, word in enumerate(words)]

    def run(self, service: str, *arguments: str) -> str:
        """Run a service to its end, which must be a good one; returns what it printed."""
        return self._finish(self.words(service, *arguments))

    def exec(self, *words: str) -> str:
        """Run a command as `docker compose exec bridge` does."""
        return self._finish([_program(words[0]), *words[1:]])

    def is_healthy(self) -> bool:
        """What the image's health check finds, at one of three tries like the engine's."""
        words = [_program(word) if at == 0 else self.placed(word) for at, word in enumerate(health_check())]
        return any(
            subprocess.run(words, capture_output=True, timeout=PATIENCE_S, check=False).returncode == 0
            for _ in range(3)
        )

    def refused(self, service: str, *arguments: str) -> str:
        """Run a service that must end with code 1 and one line on standard error; returns that line."""
        done = self._ended(self.words(service, *arguments))
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done
        return done.stderr

    @contextmanager
    def running(self, service: str, *, ready: str, is_read: bool = False) -> Iterator["subprocess.Popen[str]"]:
        """Run a service until the block ends; `ready` is what it says on standard error once it is up.

        Unless `is_read`, what it says afterwards is dropped, so that it never waits for a reader.
        """
        with self.started(self.words(service), ready=ready, is_read=is_read) as process:
            yield process

    @contextmanager
    def started(
        self, words: Sequence[str], *, ready: str, is_read: bool = False, settings_file: Path | None = None
    ) -> Iterator["subprocess.Popen[str]"]:
        """Run any command in the same way, if need be with settings of its own."""
        environment = self._environment()
        if settings_file is not None:
            environment["FLUXBRIDGE_CONFIG"] = str(settings_file)
        with ExitStack() as stack:
            process = stack.enter_context(
                subprocess.Popen(
                    [_program(words[0]), *words[1:]],
                    cwd=self.folder,
                    env=environment,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            stack.callback(process.kill)
            read_until(process.stderr, ready)
            if not is_read:
                reader = threading.Thread(target=deque, args=(process.stderr, 0))
                reader.start()
                stack.callback(reader.join, PATIENCE_S)
            stack.callback(process.terminate)
            yield process

    def _finish(self, words: Sequence[str]) -> str:
        done = self._ended(words)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def _ended(self, words: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            words, cwd=self.folder, env=self._environment(), capture_output=True, text=True, timeout=60, check=False
        )

    def _environment(self) -> dict[str, str]:
        """Nothing of ours but what finds programs: the demo needs no variable."""
        folders = (Path(sys.executable).parent, Path(_program("git")).parent)
        return {"PATH": ":".join(map(str, folders)), "FLUXBRIDGE_CONFIG": str(self.settings_file)}


@dataclass(frozen=True, slots=True)
class Up:
    """The demo while it runs; `worker` is the process that does the work."""

    place: Outside
    worker: "subprocess.Popen[str]"

    def pulls(self) -> list[PullRequest]:
        """The open pull requests, oldest first."""
        found = LocalForge(self.place.config_repo, clock=utc_now).list_pull_requests(state=PullRequestState.OPEN)
        return sorted(found, key=lambda pull: pull.number)

    def wait_for_pull(self, title: str) -> PullRequest:
        """Look after each run of the lane until there is an open pull request of this title."""
        while True:
            for pull in self.pulls():
                if pull.title == title:
                    return pull
            read_until(self.worker.stderr, "lane reconciled")

    def builds(self) -> list[dict[str, Any]]:
        """What the API tells of builds, asked with the token that `prepare` has made."""
        token = (self.place.folder / "secrets" / "api").read_text()
        headers = {"Authorization": f"Bearer {token}"}
        answer = httpx.get(f"{self.place.url}/api/v1/builds", headers=headers, trust_env=False, timeout=10)
        found: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
        return found


def _program(name: str) -> str:
    """A program where our environment has it, else on this machine."""
    if Path(name).is_absolute():
        return name
    if name == "python":
        return sys.executable
    here = Path(sys.executable).parent / name
    found = str(here) if here.exists() else shutil.which(name)
    assert found, f"{name} is not there"
    return found
