"""What get-started calls acme's, on loopback: registry, GitHub, Jenkins, and a shell in which the page is typed."""

import hashlib
import hmac
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx

from app.settings.loading import load
from tests.cli.console import PROGRAM, ending
from tests.docs.shell import Shell
from tests.end_to_end.bridge import APP, deployment, flux_event, kustomization, policy
from tests.servers.github import GitHubServer, github_server
from tests.servers.jenkins import JenkinsServer
from tests.servers.registry import DockerRegistry, Notified, docker_registry

BOT, MIRA = "fluxbridge-bot", "mira"
_GIVEN = {"github": "ghp_acme", "registry": "registry-password", "jenkins": "jenkins-token"}
FLEET = {
    "clusters/prod-eu/sync.yaml": kustomization("flux-system", "clusters/prod-eu"),
    "clusters/prod-eu/apps.yaml": kustomization("apps", "apps") + "---\n" + kustomization("images", "images"),
    "images/app.yaml": policy(),
    "apps/staging/app.yaml": deployment("1.1.0"),
    "apps/production/app.yaml": deployment("1.1.0"),
}

_AT_ONCE = "paced: false, update_every_s: 0"


@dataclass(slots=True)
class Acme:
    """The systems around one folder in which Fluxbridge is set up by the page."""

    folder: Path
    registry: DockerRegistry
    github: GitHubServer
    jenkins: JenkinsServer
    running: ExitStack
    url: str = "http://127.0.0.1:9"
    output: list[str] = field(default_factory=list)

    def here(self, text: str) -> str:
        """What the page says, with the addresses of this machine in place of acme's."""
        host = f'host: "{self.registry.host}", aliases: [registry.acme.example], plain_http: true'
        changes = {
            "host: registry.acme.example, user: fluxbridge, password: {file: secrets/registry}": host,
            # Patterns know a registry by its host only.
            "registry.acme.example/team/*": f"{self.registry.host}/team/*",
            "docker://registry.acme.example": f"docker://{self.registry.host}",
            "skopeo copy": "skopeo --insecure-policy copy --src-tls-verify=false --dest-tls-verify=false",
            "skopeo inspect": "skopeo inspect --tls-verify=false",
            "https://github.com/acme/fleet.git": self.github.git_url,
            "repository: acme/fleet,": f'repository: acme/fleet, {_AT_ONCE}, api_url: "{self.github.api_url}",',
            "https://ci.acme.example": self.jenkins.url,
            "https://fluxbridge.acme.example": self.url,
            "{host: 0.0.0.0, port: 8080}": f"{{port: {self.url.rpartition(':')[2] if self.output else 0}}}",
        }
        for acmes, ours in changes.items():
            text = text.replace(acmes, ours)
        return text

    def give_secrets(self) -> None:
        """Put the secrets that a person was given where the page says."""
        for name, secret in _GIVEN.items():
            (self.folder / "secrets" / name).write_text(f"{secret}\n")

    def secret(self, name: str) -> str:
        """A secret that the page made."""
        return (self.folder / "secrets" / name).read_text()

    def write(self, text: str) -> None:
        """Save the settings file as the page has it."""
        (self.folder / "fluxbridge.yaml").write_text(self.here(text))

    @property
    def shell(self) -> Shell:
        """Where the page's commands are typed."""
        return Shell(
            self.folder,
            here=self.here,
            there=self.there,
        )

    def there(self, printed: str) -> str:
        """What is printed, with acme's addresses in place of this machine's."""
        for ours, acmes in {
            f"http://{self.registry.host}": "https://registry.acme.example",
            self.registry.host: "registry.acme.example",
            self.github.git_url: "https://github.com/acme/fleet.git",
            self.github.api_url: "https://api.github.com",
            self.jenkins.url: "https://ci.acme.example",
        }.items():
            printed = printed.replace(ours, acmes)
        return printed

    @contextmanager
    def serving(self) -> Iterator[None]:
        """`fluxbridge serve` as the page starts it, until Ctrl-C."""
        environment = self.shell.variables()
        begun = subprocess.Popen(
            [*PROGRAM, "serve"], cwd=self.folder, env=environment, stderr=subprocess.PIPE, text=True
        )
        with ending(begun) as process:
            assert process.stderr is not None
            log = process.stderr
            for line in log:
                self.output.append(line)
                if '"listening"' in line:
                    break
            reader = threading.Thread(target=lambda: self.output.extend(log), daemon=True)
            reader.start()
            self.url = (load(self.folder / "fluxbridge.yaml", {}).data_dir / "address").read_text().strip()
            try:
                yield
            finally:
                process.send_signal(signal.SIGINT)
                process.wait(30)
                reader.join(10)

    def restart_registry(self) -> None:
        """Start the registry again, with the endpoint of the page."""
        self.running.close()
        notified = Notified(f"{self.url}/webhooks/registry", {"Authorization": self.secret("registry-hook")})
        port = int(self.registry.host.rpartition(":")[2])
        self.running.enter_context(docker_registry(self.folder.parent, notified=notified, port=port))

    def apply(self, commit: str) -> None:
        """Flux tells what it has applied."""
        body = flux_event("apps", commit, at=datetime.now(UTC))
        signature = hmac.new(self.secret("flux-prod-eu").encode(), body, hashlib.sha256).hexdigest()
        headers = {"X-Signature": f"sha256={signature}"}
        answer = httpx.post(f"{self.url}/webhooks/prod-eu", content=body, headers=headers, trust_env=False)
        assert answer.status_code == 202, answer.text


@contextmanager
def acme(folder: Path) -> Iterator[Acme]:
    """Run what a company has before it knows Fluxbridge; 1.1.0 was pushed and runs everywhere."""
    home = folder / "fluxbridge-acme"
    home.mkdir()
    with (
        github_server(folder, {BOT: _GIVEN["github"], MIRA: "ghp_mira"}) as github,
        JenkinsServer(account=("fluxbridge", _GIVEN["jenkins"])) as jenkins,
        ExitStack() as running,
    ):
        github.push("main", FLEET, by=MIRA)
        registry = running.enter_context(docker_registry(folder))
        registry.push_with_skopeo(APP, "1.1.0", f"{APP}:1.1.0")
        yield Acme(home, registry, github, jenkins, running)
