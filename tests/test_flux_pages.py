"""What docs/flux.md and docs/from-image-automation.md show is what happens."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.core.ports import PullRequest, PullRequestState
from app.demo.registry import DemoRegistry
from tests.cli.console import Console
from tests.end_to_end.bridge import (
    APP,
    ENVIRONMENT,
    FLUX_SECRET,
    Bridge,
    deployment,
    fleet,
    manifest,
    settings_text,
    started,
)
from tests.flux_objects import NotificationController
from tests.flux_pages import AUTOMATION_PAGE, CLUSTER, FLUX_PAGE, blocks, of_kind
from tests.servers.bare_repository import BareRepository
from tests.servers.jenkins import JenkinsServer

PROD_EU = (
    "  prod-eu: {kind: flux, cluster: prod-eu, config_repo: fleet, root: clusters/production, secret: {env: FLUX}}\n"
)


@contextmanager
def bridge_of(
    folder: Path, database: str, config: BareRepository, registry: DemoRegistry, jenkins: JenkinsServer, *, mode: str
) -> Iterator[Bridge]:
    settings = settings_text(
        folder,
        str(config.path),
        registry.host,
        database,
        jenkins=f'{{url: "{jenkins.url}"}}',
        more_sources=PROD_EU,
        mode=mode,
    )
    settings = re.sub(r"  flux-(?:staging|production):\s+\{.+\}\n", "", settings)  # one cluster, as the pages have it
    with started(folder, settings, config=config, registry=registry) as bridge:
        yield bridge


class Around:
    """What is around a bridge that is started more than once, in one mode after the other."""

    def __init__(self, folder: Path, database: str, registry: DemoRegistry, jenkins: JenkinsServer) -> None:
        self.folder, self.database, self.registry, self.jenkins = folder, database, registry, jenkins
        self.config = BareRepository.create(folder / "fleet.git")

    def bridge(self, *, mode: str) -> Any:
        """Start it."""
        return bridge_of(self.folder, self.database, self.config, self.registry, self.jenkins, mode=mode)


@pytest.fixture
def around(tmp_path: Path, sqlite_url: str) -> Iterator[Around]:
    """A registry with three tags, a Jenkins and an empty config repository."""
    with DemoRegistry() as registry, JenkinsServer() as jenkins:
        for tag in ("1.0.0", "1.1.0"):
            registry.put(APP, tag, manifest(f"{APP}:{tag}"))
        yield Around(tmp_path, sqlite_url, registry, jenkins)


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Console:
    """A terminal over the settings of the bridge."""
    console = Console(capsys, monkeypatch)
    console.use(tmp_path / "fluxbridge.yaml", ENVIRONMENT)
    return console


class Sessions:
    """The terminal sessions of a page, to be followed in their order."""

    def __init__(self, page: str, console: Console) -> None:
        self._left, self._console = blocks(page, "console"), console

    def follow(self) -> None:
        """Run the commands of the next session; each must print what the page shows (`…` stands for anything)."""
        for part in re.split(r"^\$ ", self._left.pop(0), flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            ended = self._console.run(*command.removeprefix("fluxbridge ").split())
            assert ended.code == 0, ended
            assert re.fullmatch(_pattern(shown), ended.out), f"{command}\n{ended.out}"

    @property
    def are_done(self) -> bool:
        """Whether no session is left."""
        return not self._left


def _pattern(shown: str) -> str:
    lines = ["(?:.*\n)*?" if line.strip() == "…" else f"{_line(line)} *\n" for line in shown.splitlines()]
    return "".join(lines)


def _line(line: str) -> str:
    return re.sub(r"(?:\\ )+", " +", re.escape(line)).replace("…", ".*")


def event(name: str, commit: str, *, kind: str = "Kustomization", **changes: Any) -> dict[str, Any]:
    """An event as kustomize-controller gives it to notification-controller."""
    return {
        "involvedObject": {
            "kind": kind,
            "namespace": "flux-system",
            "name": name,
            "uid": "7d0c3c1e-6f0e-4b1c-9a51-0a9f7d1f2b3c",
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            "resourceVersion": "365594",
        },
        "severity": "info",
        "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "message": "Reconciliation finished in 1.93s & <nothing> else, next run in 10m0s",
        "reason": "ReconciliationSucceeded",
        "metadata": {"commit_status": "update", "revision": f"main@sha1:{commit}"},
        "reportingController": "kustomize-controller",
        "reportingInstance": "kustomize-controller-7c7b47f5f-8bhrp",
        **changes,
    }


def promote(bridge: Bridge, tag: str) -> str:
    """Push, build and merge a tag into production; returns the merge commit."""
    bridge.report_build(tag, digest=bridge.push_image(tag))
    commit: str | None = None
    for stage in ("staging", "production"):
        commit = bridge.forge.merge(bridge.wait_for_pull(stage, tag).number, by="mira").merge_commit
        bridge.wait_for_state(stage, tag, "merged")
    assert commit is not None
    return commit


def test_what_the_alert_sends_is_an_application_in_its_cluster(around: Around, console: Console) -> None:
    around.config.commit("main", fleet(staging="1.1.0", production="1.1.0"))
    flux = NotificationController(of_kind("Provider"), of_kind("Alert"), FLUX_SECRET)
    sessions = Sessions(FLUX_PAGE, console)
    with around.bridge(mode="propose") as bridge:
        commit = promote(bridge, "1.2.0")
        sent = flux.send(event("apps", commit))
        assert sent is not None
        assert b'"cluster":"prod-eu"' in sent.body
        assert bridge.post(sent.path.removeprefix("/webhooks/"), sent.body, sent.headers).status_code == 202
        [stage] = bridge.wait_for("production to be applied", lambda: bridge.applied_stages("1.2.0"))
        assert [one["cluster"] for one in stage["applied"]] == [CLUSTER]
        assert (stage["stage"], stage["tag"]) == ("production", "1.2.0")
        bridge.settle()
        sessions.follow()
        _tell_progress(bridge, flux, commit)
    assert sessions.are_done


def _tell_progress(bridge: Bridge, flux: NotificationController, commit: str) -> None:
    """What Flux tells in between is ignored, in the words of the page."""
    sent = flux.send(event("apps", commit, reason="Progressing", message="Deployment/team/app configured"))
    assert sent is not None
    bridge.post(CLUSTER, sent.body, sent.headers)
    told = bridge.wait_for("the delivery", lambda: bridge.items("/deliveries", source=CLUSTER, state="done")[1:])
    outcomes = {one["outcome"] for one in (*told, *bridge.items("/deliveries", source=CLUSTER))}
    for words in ("facts: RevisionApplied", "reason 'Progressing' of a Kustomization is no result"):
        assert words in FLUX_PAGE
        assert any(words in outcome for outcome in outcomes), outcomes


@pytest.mark.parametrize("kind", ["GitRepository", "HelmRelease", "ImagePolicy"])
def test_the_alert_keeps_to_itself_what_applies_nothing(kind: str) -> None:
    flux = NotificationController(of_kind("Provider"), of_kind("Alert"), FLUX_SECRET)
    assert flux.send(event("flux-system", "a" * 40, kind=kind)) is None
    assert flux.send(event("apps", "a" * 40, severity="error", reason="HealthCheckFailed")) is not None


def test_leaving_image_automation_goes_as_its_page_says(around: Around, console: Console) -> None:
    [suspended] = [block for block in blocks(AUTOMATION_PAGE, "yaml") if "ImageUpdateAutomation" in block]
    path = suspended.splitlines()[0].removeprefix("# ")
    active = suspended.replace("  suspend: true\n", "")
    assert active != suspended
    around.config.commit("main", {**fleet(staging="1.1.0", production="1.1.0"), path: active})
    sessions = Sessions(AUTOMATION_PAGE, console)
    with around.bridge(mode="observe") as bridge:
        before = around.config.git("for-each-ref", "refs/heads/fluxbridge")
        sessions.follow()
        bridge.report_build("1.2.0", digest=bridge.push_image("1.2.0"))
        bridge.wait_for_state("production", "1.2.0", "waiting")
        bridge.settle()
        sessions.follow()
        flux_writes = {f"apps/{stage}/app.yaml": deployment("1.2.0") for stage in ("staging", "production")}
        around.config.commit("main", flux_writes, message="Update from image update automation")
        bridge.wait_for_state("production", "1.2.0", "merged")
        bridge.settle()
        sessions.follow()
        around.config.commit("main", {path: suspended}, message="Suspend image automation")
        sessions.follow()
        bridge.report_build("1.3.0", digest=bridge.push_image("1.3.0"), number=2)
        bridge.wait_for_state("production", "1.3.0", "waiting")
        bridge.settle()
        assert around.config.git("for-each-ref", "refs/heads/fluxbridge") == before == b""
    with around.bridge(mode="propose") as bridge:
        bridge.wait_for_pull("staging", "1.3.0")
        bridge.wait_for_pull("production", "1.3.0")
        bridge.settle()
        sessions.follow()
        around.config.commit("main", {"apps/staging/app.yaml": deployment("1.3.0")}, message="Flux, once more")
        bridge.wait_for("a pull request that is needed no more", lambda: len(_open(bridge)) == 1)
        bridge.settle()
    assert sessions.are_done
    with around.bridge(mode="observe") as bridge:
        bridge.push_image("1.4.0")
        bridge.wait_for_state("staging", "1.4.0", "waiting")
        bridge.settle()
        assert [one.title for one in _open(bridge)] == ["Promote app 1.2.0 to 1.3.0 in production"]


def _open(bridge: Bridge) -> Sequence[PullRequest]:
    return bridge.forge.list_pull_requests(state=PullRequestState.OPEN)
