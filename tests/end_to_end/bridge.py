"""A running Fluxbridge with its surroundings, and what people and systems around it do."""

import hashlib
import hmac
import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import httpx

from app.clients.forges.local.forge import LocalForge
from app.clients.tls import trusting
from app.compose.machine import utc_now
from app.core.ports import PullRequest, PullRequestState
from app.demo.registry import DemoRegistry
from app.main import Server, serving
from app.settings.loading import load
from app.settings.own_files import token_file
from tests.servers.bare_repository import BareRepository

Found = TypeVar("Found")
PATIENCE_S = 20.0
_TRIES = 4
JENKINS_SECRET, REGISTRY_SECRET, FLUX_SECRET = "secret-of-the-ci", "Bearer secret-of-the-registry", "secret-of-the-flux"
ENVIRONMENT = {"CI": JENKINS_SECRET, "REGISTRY": REGISTRY_SECRET, "FLUX": FLUX_SECRET}
RULES = """\
stages:
  staging: {paths: [apps/staging]}
  production: {paths: [apps/production], requires: {build: success}}
"""
APP = "team/app"
IMAGE = "registry.acme.example/team/app"


def policy(name: str = "app", choice: str = "semver: {range: '>=1.0.0'}", *, path: str = APP) -> str:
    """An ImageRepository and its ImagePolicy."""
    return f"""\
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: {{name: {name}, namespace: flux-system}}
spec: {{image: registry.acme.example/{path}}}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {{name: {name}, namespace: flux-system}}
spec:
  imageRepositoryRef: {{name: {name}}}
  policy: {{{choice}}}
"""


def deployment(tag: str, *, name: str = "app", path: str = APP, replicas: int = 1) -> str:
    """A manifest with one marked image and a shape that no formatter would leave alone."""
    return f"""\
kind:   Deployment
metadata: {{ name: {name} }}
spec:
    replicas: {replicas}

    image: registry.acme.example/{path}:{tag}   # {{"$imagepolicy": "flux-system:{name}"}}
"""


def kustomization(name: str, path: str) -> str:
    """A Flux Kustomization."""
    return f"""\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: {name}, namespace: flux-system}}
spec:
  interval: 10m
  path: ./{path}
  prune: true
  sourceRef: {{kind: GitRepository, name: flux-system}}
"""


def fleet(*, staging: str = "1.0.0", production: str = "1.0.0") -> dict[str, str]:
    """A config repository: one app in two stages, each with its cluster."""
    return {
        ".fluxbridge.yaml": RULES,
        "clusters/staging/sync.yaml": kustomization("flux-system", "clusters/staging"),
        "clusters/production/sync.yaml": kustomization("flux-system", "clusters/production"),
        "clusters/staging/apps.yaml": kustomization("apps", "apps/staging")
        + "---\n"
        + kustomization("images", "images"),
        "clusters/production/apps.yaml": kustomization("apps", "apps/production")
        + "---\n"
        + kustomization("images", "images"),
        "images/app.yaml": policy(),
        "apps/staging/app.yaml": deployment(staging),
        "apps/production/app.yaml": deployment(production),
    }


@dataclass(slots=True)
class Bridge:
    """A running server with a local forge, and the hands of those around it."""

    url: str
    api: httpx.Client
    server: Server
    config: BareRepository
    registry: DemoRegistry
    folder: Path

    @property
    def forge(self) -> LocalForge:
        """The local forge, as people use it."""
        return LocalForge(self.config.path, clock=utc_now)

    def wait_for(self, what: str, look: Callable[[], Found | None]) -> Found:
        """Look again after each step of the workers until there is something."""
        found: Found | None = None

        def is_there() -> bool:
            nonlocal found
            found = look()
            return bool(found)

        assert self.server.workers is not None
        stepped = self.server.workers.stepped
        with stepped:
            stepped.wait_for(is_there, PATIENCE_S)
        if not found:
            raise AssertionError(f"waited {PATIENCE_S} s for {what}\n{self.told()}")
        return found

    def settle(self) -> None:
        """Wait until deliveries are worked off, lanes idle or due for a later look only, and comments made."""
        self.wait_for("everything to settle", self._is_settled)

    def _is_settled(self) -> bool:
        if self.items("/deliveries", state="waiting"):
            return False
        now = datetime.now(UTC)
        for lane in self.items("/lanes"):
            due_at = lane["due_at"] and datetime.fromisoformat(lane["due_at"])
            is_waiting_for_list = any("catalogue" in one["status"] for one in self.items("/policies"))
            if lane["is_running"] or not lane["last_run_at"] or is_waiting_for_list:
                return False
            if due_at and due_at != _time(lane["next_look_at"]) and (due_at - now).total_seconds() < 5:
                return False
        waiting: int = self.get("/status")["outbox"]["waiting"]["comment"]
        return not waiting

    def told(self) -> str:
        """What the API says of everything, for the message of a failure."""
        pages = ("/status", "/lanes", "/policies", "/promotions", "/deliveries")
        return "\n".join(f"{page}: {json.dumps(self.api.get(f'/api/v1{page}').json())[:3000]}" for page in pages)

    def get(self, path: str, **query: str) -> Any:
        """Ask the API, again where it says to try later: it does where other programs keep the machine busy."""
        for _ in range(_TRIES):
            answer = self.api.get(f"/api/v1{path}", params=query)
            if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
                break
        assert answer.status_code == 200, answer.text
        return answer.json()

    def items(self, path: str, **query: str) -> list[Any]:
        """Ask the API for a list."""
        found: list[Any] = self.get(path, **query)["items"]
        return found

    def applied_stages(self, tag: str) -> list[Any]:
        """The stages that have a tag and of which some cluster runs it by its own word."""
        return [
            one
            for one in self.items("/stages")
            if one["tag"] == tag and "applied" in {place["state"] for place in one["applied"]}
        ]

    def post(self, source: str, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
        """Send a webhook."""
        where = f"{self.url}/webhooks/{source}"
        return httpx.post(where, content=body, headers=dict(headers), verify=trusting(), trust_env=False)

    def put_image(self, tag: str, *, path: str = APP, content: str | None = None) -> str:
        """Put an image into the registry without telling anyone; returns its digest."""
        return self.registry.put(path, tag, manifest(content or f"{path}:{tag}"))

    def push_image(self, tag: str, *, path: str = APP, times: int = 1) -> str:
        """Push an image; the registry tells of it, as often as asked with the same event id."""
        digest = self.put_image(tag, path=path)
        body, headers = registry_event(path, tag, digest, host=self.registry.host)
        for _ in range(times):
            assert self.post("registry", body, headers).status_code == 202
        return digest

    def report_build(self, tag: str, *, digest: str | None = None, number: int = 1, **changes: Any) -> httpx.Response:
        """Send a signed build report that names one image."""
        body = build_report(tag, digest=digest or self.digest(tag), number=number, **changes)
        return self.post("ci", body, signed(body))

    def digest(self, tag: str) -> str:
        """The digest that the registry has for a tag."""
        found = self.registry.find_manifest(APP, tag)
        assert found is not None
        return found[0]

    def apply(self, cluster: str, commit: str, *, name: str = "apps", at: datetime | None = None) -> httpx.Response:
        """Flux tells that a Kustomization was applied."""
        body = flux_event(name, commit, at=at or datetime.now(UTC))
        signature = hmac.new(FLUX_SECRET.encode(), body, hashlib.sha256).hexdigest()
        return self.post(f"flux-{cluster}", body, {"X-Signature": f"sha256={signature}"})

    def promotion(self, stage: str, tag: str, state: str | None = None) -> Any | None:
        """The newest promotion of a tag in a stage."""
        found = [one for one in self.items("/promotions", stage=stage) if one["tag"] == tag]
        return next((one for one in found if state in {None, one["state"]}), None)

    def pull(self, stage: str, tag: str) -> PullRequest | None:
        """The open pull request that brings a tag into a stage, once the history knows of it."""
        promotion = self.promotion(stage, tag, "proposed")
        if promotion is None:
            return None
        pull = self.forge.pull_request(promotion["pull_request"]["number"])
        return pull if pull.state is PullRequestState.OPEN else None

    def wait_for_pull(self, stage: str, tag: str) -> PullRequest:
        """Wait until a tag is proposed for a stage."""
        return self.wait_for(f"a pull request for {tag} in {stage}", lambda: self.pull(stage, tag))

    def wait_for_state(self, stage: str, tag: str, state: str) -> Any:
        """Wait until a promotion stands so."""
        return self.wait_for(f"{tag} in {stage} to be {state}", lambda: self.promotion(stage, tag, state))

    def text(self, path: str, branch: str = "main") -> str:
        """A file of the config repository."""
        return self.config.text(branch, path)


def manifest(content: str) -> bytes:
    """A manifest with a digest of its own."""
    return json.dumps({"schemaVersion": 2, "config": {"digest": content}, "layers": []}).encode()


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def registry_event(path: str, tag: str, digest: str, *, host: str) -> tuple[bytes, dict[str, str]]:
    """A push notification of CNCF Distribution."""
    event = {
        "id": str(uuid.uuid4()),
        "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "action": "push",
        "target": {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": digest,
            "repository": path,
            "tag": tag,
        },
        "request": {"host": host, "method": "PUT"},
        "actor": {},
        "source": {"addr": host},
    }
    headers = {
        "Authorization": REGISTRY_SECRET,
        "Content-Type": "application/vnd.docker.distribution.events.v1+json",
    }
    return json.dumps({"events": [event]}).encode(), headers


def build_report(tag: str, *, digest: str | None, number: int = 1, **changes: Any) -> bytes:
    """The signed contract's body; `changes` replace top-level keys, `git` is merged."""
    git = {
        "url": "https://git.acme.example/team/app.git",
        "commit": "a" * 40,
        "branch": "main",
        "tag": None,
        "change_id": None,
    }
    report = {
        "schema": 1,
        "source": "jenkins",
        "job": "team/app/main",
        "build_number": number,
        "build_url": f"https://ci.acme.example/job/team/job/app/job/main/{number}/",
        "result": "SUCCESS",
        "finished_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "images": [{"repository": IMAGE, "tag": tag, "digest": digest}],
        **{name: value for name, value in changes.items() if name != "git"},
        "git": {**git, **changes.get("git", {})},
    }
    return json.dumps(report).encode()


def signed(body: bytes, *, secret: str = JENKINS_SECRET, at: datetime | None = None) -> dict[str, str]:
    """The headers of the signed contract."""
    stamp = str(int((at or datetime.now(UTC)).timestamp()))
    signature = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "X-Signature-Timestamp": stamp,
        "X-Signature": f"sha256={signature}",
    }


def flux_event(name: str, commit: str, *, at: datetime) -> bytes:
    """What Flux sends when a Kustomization was applied."""
    event = {
        "involvedObject": {"kind": "Kustomization", "namespace": "flux-system", "name": name, "uid": "1"},
        "severity": "info",
        "timestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "message": "Reconciliation finished in 1.2s, next run in 10m0s",
        "reason": "ReconciliationSucceeded",
        "metadata": {"revision": f"main@sha1:{commit}"},
        "reportingController": "kustomize-controller",
    }
    return json.dumps(event).encode()


def settings_text(
    folder: Path,
    config_url: str,
    registry_host: str,
    database: str,
    *,
    forge: str = "{kind: local}",
    jenkins: str = '{url: "https://ci.acme.example"}',
    more_sources: str = "",
    mode: str = "propose",
) -> str:
    """A settings file over these systems; `more_sources` is indented lines of its own."""
    return f"""\
data_dir: {folder / "data"}
database: {json.dumps(database)}
listen: {{port: 0}}
sources:
  ci: {{kind: jenkins, jenkins: main, secret: {{env: CI}}, jobs: ["team/*"]}}
  registry: {{kind: distribution, registry: acme, header: {{Authorization: {{env: REGISTRY}}}}}}
  flux-staging: {{kind: flux, cluster: staging, config_repo: fleet, root: clusters/staging, secret: {{env: FLUX}}}}
  flux-production:
    {{kind: flux, cluster: production, config_repo: fleet, root: clusters/production, secret: {{env: FLUX}}}}
{more_sources}jenkins: {{main: {jenkins}}}
registries: {{acme: {{host: "{registry_host}", aliases: [registry.acme.example], plain_http: true}}}}
config_repos:
  fleet:
    url: {config_url}
    branch: main
    mode: {mode}
    forge: {forge}
work: {{workers: 4}}
sweeps: {{local_s: 0.1}}
"""


@contextmanager
def running_bridge(
    folder: Path,
    database: str,
    *,
    files: Mapping[str, str],
    tags: tuple[str, ...] = ("1.0.0",),
    mode: str = "propose",
) -> Iterator[Bridge]:
    """Start everything; `tags` are in the registry from the start."""
    config = BareRepository.create(folder / "fleet.git")
    config.commit("main", files)
    with DemoRegistry() as registry:
        for tag in tags:
            registry.put(APP, tag, manifest(f"{APP}:{tag}"))
        settings = settings_text(folder, str(config.path), registry.host, database, mode=mode)
        with started(folder, settings, config=config, registry=registry) as bridge:
            yield bridge


@contextmanager
def started(
    folder: Path,
    settings: str,
    *,
    config: BareRepository,
    registry: DemoRegistry,
    environment: Mapping[str, str] = ENVIRONMENT,
) -> Iterator[Bridge]:
    """Start Fluxbridge alone, over surroundings that run already, and let it settle."""
    settings_file = folder / "fluxbridge.yaml"
    settings_file.write_text(settings)
    server = Server(load(settings_file, environment))
    with serving(server) as url:
        headers = {"Authorization": f"Bearer {token_file(server.settings).read_text()}"}
        with httpx.Client(base_url=url, headers=headers, verify=trusting(), trust_env=False, timeout=10) as api:
            bridge = Bridge(url, api, server, config, registry, folder)
            bridge.settle()
            yield bridge
