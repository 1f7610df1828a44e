"""An umbrella chart between two Jenkins controllers: one builds image and chart, the other deploys what Git has."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from app.core.ports import PullRequest, PullRequestState
from app.demo.registry import DemoRegistry
from tests.end_to_end.bridge import JENKINS_SECRET, Bridge, signed, started
from tests.servers.bare_repository import BareRepository
from tests.servers.jenkins import JenkinsServer, Json, build_body
from tests.servers.registry import DockerRegistry, docker_registry

IMAGE, CHART, CLUSTER = "team/web", "charts/web", "prod-eu"
JOB, DEPLOYER_SECRET, HOOK_TOKEN = "deploy/prod", "secret-of-the-deployer", "token-of-the-plugin"
POLICIES = ("flux-system/web", "flux-system/web-chart")
_CHARTS = Path(__file__).parents[1] / "golden" / "charts" / "edits"
_EXAMPLE = Path(__file__).parents[1] / "payloads" / "webhooks" / "jenkins-notification-completed.json"
_RULES = """\
stages:
  production: {{paths: [umbrella/prod], requires: {{build: success}}}}
policies:
  - {{name: web, image: registry.acme.example/team/web, policy: {{semver: {{range: 1.x}}}}}}
  - {{name: web-chart, chart: "oci://registry.acme.example/charts/web", policy: {{semver: {{range: 1.x}}}}}}
fields:
  - {{policy: flux-system/web, files: umbrella/prod/values.yaml, values: web.image}}
  - {{policy: flux-system/web-chart, files: umbrella/prod/{chart}, dependency: web}}
groups:
  umbrella: {{policies: ["flux-system/web*"], together: same-build}}
"""
_SIGNED = "{kind: jenkins, secret: {env: DEPLOYER}, "
_HINTS = "{kind: jenkins-notification, url_token: {env: HOOK}, "


@dataclass(frozen=True, slots=True)
class Umbrella:
    """Whose files are as Helm 3 or Helm 2 has them: a chart's dependencies with their lock file, and the values."""

    chart: str
    golden: str

    def files(self, when: str) -> dict[str, str]:
        """The files `before` or `after` the move from 1.4.2 to 1.5.0."""
        folder = _CHARTS / self.golden / when
        charts = {f"umbrella/prod/{one.name}": one.read_text() for one in sorted(folder.iterdir())}
        tag = {"before": "1.4.2", "after": "1.5.0"}[when]
        values = f"web:\n  replicas: 3\n  image:\n    repository: registry.acme.example/team/web\n    tag: {tag}\n"
        return {**charts, "umbrella/prod/values.yaml": values}

    @property
    def rules(self) -> str:
        """The rules of the config repository."""
        return _RULES.format(chart=self.chart)


HELM_3, HELM_2 = Umbrella("Chart.yaml", "exact-version"), Umbrella("requirements.yaml", "helm-2")


@dataclass(frozen=True, slots=True)
class UmbrellaWorld:
    """Fluxbridge between both, with what people and pipelines do."""

    bridge: Bridge
    registry: DockerRegistry
    deployer: JenkinsServer
    umbrella: Umbrella
    is_signed: bool

    def build(self, version: str, *, number: int) -> None:
        """The code's Jenkins pushes image and chart of a version, and reports both."""
        image, chart = (self.registry.push(path, version, f"{path}:{version}") for path in (IMAGE, CHART))
        report = {
            **_report("team/web/main", number, "SUCCESS", datetime.now(UTC)),
            "git": {"url": "https://git.acme.example/team/web.git", "commit": "c" * 40, "branch": "main"},
            "images": [{"repository": f"registry.acme.example/{IMAGE}", "tag": version, "digest": image}],
            "charts": [{"repository": f"oci://registry.acme.example/{CHART}", "version": version, "digest": chart}],
        }
        body = json.dumps(report).encode()
        assert self.bridge.post("code", body, signed(body, secret=JENKINS_SECRET)).status_code == 202

    def merge(self, pull: PullRequest) -> str:
        """A person merges; returns the merge commit."""
        merged = self.bridge.forge.merge(pull.number, by="mira").merge_commit
        assert merged is not None
        for policy in POLICIES:
            self.wait_for_state(policy, "1.5.0", "merged")
        return merged

    def deploy(self, number: int, commit: str, result: str = "SUCCESS") -> None:
        """The config repository's Jenkins ends a build of a commit, and tells of it."""
        now = datetime.now(UTC)
        tell = self._report if self.is_signed else self._notify
        assert tell(number, commit, result, now).status_code == 202
        self.bridge.settle()

    def _report(self, number: int, commit: str, result: str, now: datetime) -> httpx.Response:
        git = {"url": str(self.bridge.config.path), "commit": commit, "branch": "main"}
        url = f"{self.deployer.url}/job/deploy/job/prod/{number}/"
        body = json.dumps({**_report(JOB, number, result, now), "build_url": url, "git": git}).encode()
        return self.bridge.post("deploy", body, signed(body, secret=DEPLOYER_SECRET))

    def _notify(self, number: int, commit: str, result: str, now: datetime) -> httpx.Response:
        """The Notification plugin's post, which only mentions the build; Jenkins has it, with two checkouts."""
        started_ms = int(now.timestamp() * 1000) - 1000
        library = build_body(number, repository="https://git.acme.example/libs/steps.git")
        body = build_body(
            number,
            result=result,
            commit=commit,
            repository=str(self.bridge.config.path),
            parameters={"IMAGE": f"registry.acme.example/{IMAGE}", "IMAGE_TAG": "1.5.0"},
            started_ms=started_ms,
            duration_ms=1000,
        )
        place = f"job/deploy/job/prod/{number}/"
        actions: list[Json] = [*_actions(library), *_actions(body)]
        self.deployer.put_build(JOB, {**body, "actions": actions, "url": f"{self.deployer.url}/{place}"})
        example = json.loads(_EXAMPLE.read_text())
        build = {**example["build"], "number": number, "url": place, "full_url": f"{self.deployer.url}/{place}"}
        post = {**example, "name": "prod", "display_name": "prod", "url": "job/deploy/job/prod/", "build": build}
        return self.bridge.post(f"deploy?token={HOOK_TOKEN}", json.dumps(post).encode(), {})

    def wait_for_pull(self) -> PullRequest:
        """Wait for the one pull request that carries both."""

        def look() -> PullRequest | None:
            return next(iter(self.bridge.forge.list_pull_requests(state=PullRequestState.OPEN)), None)

        found = self.bridge.wait_for("the pull request of the umbrella", look)
        for policy in POLICIES:
            self.wait_for_state(policy, "1.5.0", "proposed")
        return found

    def wait_for_state(self, policy: str, tag: str, state: str) -> Any:
        """Wait until a policy's promotion stands so."""
        return self.bridge.wait_for(f"{tag} of {policy} to be {state}", partial(self._promotion, policy, tag, state))

    def _promotion(self, policy: str, tag: str, state: str) -> Any | None:
        every = self.bridge.items("/promotions", stage="production")
        return next((one for one in every if (one["policy"], one["tag"], one["state"]) == (policy, tag, state)), None)

    def stages(self) -> dict[str, tuple[str, list[tuple[str, str, str, str | None]]]]:
        """Of each policy the tag in Git, and how clusters stand: cluster, deployer, state, tag that runs there."""
        return {
            one["policy"]: (
                one["tag"],
                [(each["cluster"], each["kustomization"], each["state"], each["runs"]) for each in one["applied"]],
            )
            for one in self.bridge.items("/stages")
        }

    def wait_for_stages(self, tag: str, state: str, runs: str | None) -> None:
        """Wait until both policies have a tag in Git, and stand so in the one cluster."""
        wanted = {policy: (tag, [(CLUSTER, "deployer deploy", state, runs)]) for policy in POLICIES}
        self.bridge.wait_for(f"{tag} {state} in {CLUSTER}, which runs {runs}", lambda: self.stages() == wanted)

    def told_in_clusters(self) -> list[str]:
        """The words of each line of the history of the image that is about the cluster, oldest first."""
        told = self.bridge.get("/policies/flux-system/web/history")["happenings"]
        return [f"{one['what']} in {one['cluster']}: {one['words']}" for one in told if one["cluster"] is not None]


def _actions(body: dict[str, Json]) -> list[Json]:
    actions = body["actions"]
    assert isinstance(actions, list)
    return actions


def _report(job: str, number: int, result: str, now: datetime) -> dict[str, Any]:
    return {"schema": 1, "job": job, "build_number": number, "result": result, "finished_at": now.isoformat()}


@contextmanager
def umbrella_world(folder: Path, database: str, umbrella: Umbrella, *, is_signed: bool) -> Iterator[UmbrellaWorld]:
    """Run all of it, with 1.4.2 in Git and in the registry; the deployer signs, or its plugin only hints."""
    config = BareRepository.create(folder / "fleet.git")
    config.commit("main", {".fluxbridge.yaml": umbrella.rules, **umbrella.files("before")})
    environment = {"CI": JENKINS_SECRET, "DEPLOYER": DEPLOYER_SECRET, "HOOK": HOOK_TOKEN}
    # The bridge's own registry stays empty and nobody asks it.
    with (
        DemoRegistry() as unasked,
        docker_registry(folder) as registry,
        JenkinsServer() as code,
        JenkinsServer() as deployer,
    ):
        for path in (IMAGE, CHART):
            registry.push(path, "1.4.2", f"{path}:1.4.2")
        settings = f"""\
data_dir: {folder / "data"}
database: {json.dumps(database)}
listen: {{port: 0}}
sources:
  code: {{kind: jenkins, jenkins: code-ci, secret: {{env: CI}}, jobs: ["team/*"]}}
  deploy: {_SIGNED if is_signed else _HINTS}jenkins: config-ci, role: deployer, cluster: {CLUSTER},
    config_repo: fleet, root: umbrella/prod, jobs: [{JOB}]}}
jenkins: {{code-ci: {{url: "{code.url}"}}, config-ci: {{url: "{deployer.url}"}}}}
registries: {{acme: {{host: "{registry.host}", aliases: [registry.acme.example], plain_http: true}}}}
config_repos: {{fleet: {{url: {config.path}, branch: main, forge: {{kind: local}}}}}}
work: {{workers: 4}}
sweeps: {{local_s: 0.1}}
"""
        with started(folder, settings, config=config, registry=unasked, environment=environment) as bridge:
            yield UmbrellaWorld(bridge, registry, deployer, umbrella, is_signed)
