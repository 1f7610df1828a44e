"""deploy/flux and the pages about Flux: the manifests are Flux's, and what the pages show is what happens."""

import base64
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.core.ports import PullRequest, PullRequestState
from app.demo.registry import DemoRegistry
from app.services.telling.call_receivers import ReceiverCalls
from app.settings.loading import load
from app.settings.models import Settings
from app.settings.sources.flux import FluxSource
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
from tests.flux_objects import Manifest, NotificationController, faults, read_manifests
from tests.parts import require_package, require_program, require_shell, required_kubectl
from tests.servers.bare_repository import BareRepository
from tests.servers.flux_receiver import ReceiverServer
from tests.servers.jenkins import JenkinsServer

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "deploy" / "flux"
README = (FOLDER / "README.md").read_text(encoding="utf-8")
FLUX_PAGE = (ROOT / "docs" / "flux.md").read_text(encoding="utf-8")
AUTOMATION_PAGE = (ROOT / "docs" / "from-image-automation.md").read_text(encoding="utf-8")
CLUSTER = "prod-eu"
TWICE = ("Provider", "Alert")
"""What is there for notification-controller before 1.10 (v1beta3), and for later ones (v1)."""
PROD_EU = (
    "  prod-eu: {kind: flux, cluster: prod-eu, config_repo: fleet, root: clusters/production, secret: {env: FLUX}}\n"
)


def manifests() -> list[Manifest]:
    return [one for file in sorted(FOLDER.glob("cluster/*.yaml")) for one in read_manifests(file.read_text())]


def of_kind(kind: str, version: str = "v1beta3") -> Manifest:
    """The object of that kind; of Provider and Alert the one of that version."""
    found = {one["apiVersion"].rpartition("/")[2]: one for one in manifests() if one["kind"] == kind}
    return found[version] if kind in TWICE else found["v1"]


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.+?)```", page, re.DOTALL)


FLUX_OBJECTS = [
    *(
        pytest.param(one, id=f"deploy: {one['kind']} {one['apiVersion']}")
        for one in manifests()
        if "fluxcd" in one["apiVersion"]
    ),
    *(
        pytest.param(one, id=f"docs: {one['kind']}")
        for page in (FLUX_PAGE, AUTOMATION_PAGE, README)
        for block in blocks(page, "yaml")
        for one in read_manifests(block)
        if "fluxcd" in str(one.get("apiVersion"))
    ),
]


@pytest.mark.parametrize("one", FLUX_OBJECTS)
def test_flux_takes_the_manifest(one: Manifest) -> None:
    assert list(faults(one)) == []


@pytest.mark.parametrize(
    ("kind", "spoil", "told"),
    [
        pytest.param("Provider", {"type": "hmac"}, "'hmac' is not one of", id="value"),
        pytest.param("Alert", {"eventMetaData": {}}, "'eventMetaData' was unexpected", id="key"),
        pytest.param("Receiver", {"resources": [{"name": "x"}]}, "'kind' is a required property", id="required"),
        pytest.param("Receiver", {"interval": "soon"}, "does not match", id="pattern"),
    ],
)
def test_flux_would_not_take_it_otherwise(kind: str, spoil: Manifest, told: str) -> None:
    one = of_kind(kind)
    assert any(told in fault for fault in faults({**one, "spec": {**one["spec"], **spoil}}))


@pytest.mark.parametrize(
    ("kind", "gone"),
    [
        pytest.param("Provider", {"interval": "1m"}, id="interval"),
        pytest.param("Provider", {"proxy": "http://proxy.acme.example"}, id="proxy"),
        pytest.param("Alert", {"summary": "prod"}, id="summary"),
    ],
)
def test_what_v1_has_no_more_the_page_tells(kind: str, gone: Manifest) -> None:
    old, new = ({**one, "spec": {**one["spec"], **gone}} for one in (of_kind(kind), of_kind(kind, "v1")))
    assert list(faults(old)) == []
    assert any("was unexpected" in fault for fault in faults(new))
    assert f"`spec.{next(iter(gone))}`" in README


@pytest.mark.parametrize("kind", TWICE)
def test_both_versions_are_one_object(kind: str) -> None:
    old, new = of_kind(kind), of_kind(kind, "v1")
    assert old["apiVersion"] == "notification.toolkit.fluxcd.io/v1beta3"
    assert new == {**old, "apiVersion": "notification.toolkit.fluxcd.io/v1"}


def test_the_ingress_is_one_that_kubernetes_takes() -> None:
    require_package("kubernetes_validate")
    program = Path(sys.executable).with_name("kubernetes-validate")
    done = subprocess.run(
        [program, "--strict", FOLDER / "cluster" / "ingress.yaml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def kubectl() -> str:
    return str(required_kubectl())


@pytest.mark.parametrize("version", ["v1beta3", "v1"])
def test_kustomize_builds_the_folder_into_one_namespace(kubectl: str, tmp_path: Path, version: str) -> None:
    folder = shutil.copytree(FOLDER / "cluster", tmp_path / "fluxbridge")
    if version == "v1":  # as its comment tells
        file = folder / "kustomization.yaml"
        file.write_text(re.sub(r"^(  - (?:provider|alert))(\.yaml)$", r"\1-v1\2", file.read_text(), flags=re.MULTILINE))
    done = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=True, timeout=60)
    built = read_manifests(done.stdout)
    assert sorted(one["kind"] for one in built) == ["Alert", "Ingress", "Provider", "Receiver"]
    assert {one["metadata"]["namespace"] for one in built} == {"flux-system"}
    versions = {one["kind"]: one["apiVersion"] for one in built}
    assert {versions[kind] for kind in TWICE} == {f"notification.toolkit.fluxcd.io/{version}"}


def test_no_secret_stands_in_the_manifests() -> None:
    assert "Secret" not in {one["kind"] for one in manifests()}


def test_the_commands_make_the_secrets_that_the_manifests_name(kubectl: str, tmp_path: Path) -> None:
    require_program("openssl", "apt-get install -y openssl")
    [script] = blocks(README, "sh")
    dry = script.replace("kubectl ", f"'{kubectl}' --kubeconfig=/dev/null ").replace(
        "--from-file", "--dry-run=client -o json --from-file"
    )
    command = [require_shell(), "-euc", dry]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    made = {one["metadata"]["name"]: one for one in _json_documents(done.stdout)}
    assert {one["metadata"]["namespace"] for one in made.values()} == {"flux-system"}
    for kind, file in (("Provider", f"flux-{CLUSTER}"), ("Receiver", f"receiver-{CLUSTER}")):
        kept = (tmp_path / file).read_bytes()
        token = base64.b64decode(made[of_kind(kind)["spec"]["secretRef"]["name"]]["data"]["token"])
        assert token == kept
        assert re.fullmatch(rb"[0-9a-f]{64}", kept), "a newline would be part of the key"
        assert (tmp_path / file).stat().st_mode & 0o077 == 0


def _json_documents(text: str) -> Iterator[Any]:
    decoder, rest = json.JSONDecoder(), text.strip()
    while rest:
        found, end = decoder.raw_decode(rest)
        yield found
        rest = rest[end:].strip()


def settings_of(page: str, folder: Path) -> Settings:
    """The one block of a page that is server settings, as the program reads it."""
    [text] = [block for block in blocks(page, "yaml") if block.startswith("# fluxbridge.yaml")]
    file = folder / "fluxbridge.yaml"
    file.write_text(text, encoding="utf-8")
    return load(file, {})


def test_settings_and_manifests_are_about_the_same_cluster(tmp_path: Path) -> None:
    settings = settings_of(README, tmp_path)
    [(name, source)] = settings.sources.items()
    assert isinstance(source, FluxSource)
    assert of_kind("Provider")["spec"]["address"].endswith(f"/webhooks/{name}")
    assert of_kind("Alert")["spec"]["eventMetadata"] == {"cluster": source.cluster}
    [receiver] = settings.config_repos["fleet"].receivers.values()
    [rule] = of_kind("Ingress")["spec"]["rules"]
    [path] = rule["http"]["paths"]
    assert receiver.url.startswith(f"https://{rule['host']}{path['path']}")


def test_the_receivers_path_goes_through_the_ingress() -> None:
    meta = of_kind("Receiver")["metadata"]
    [path] = of_kind("Ingress")["spec"]["rules"][0]["http"]["paths"]
    assert ReceiverServer("token", meta["name"], "flux-system").path.startswith(path["path"])


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


def test_the_page_tells_when_a_receiver_is_called_again() -> None:
    first, second = (pause.total_seconds() for pause in ReceiverCalls([]).pauses)
    assert f"made again after {first:g} and after {second:g} seconds" in FLUX_PAGE
