"""The Kubernetes manifests are valid, locked down, and say what the image, the program and their page say."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest
from ruamel.yaml import YAML
from sqlalchemy import make_url

from app.settings.loading import load
from app.settings.models import Settings
from app.settings.secrets import named_secrets
from tests.deploy.written import ROOT, instruction, read_yaml
from tests.end_to_end.bridge import fleet, running_bridge
from tests.parts import required, required_kubectl

MANIFESTS = ROOT / "deploy" / "kubernetes"
PAGE = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
BASE, SQLITE = "base", "overlays/sqlite"
VERSIONS = [f"1.{minor}" for minor in range(30, 38)]
LONGEST_END_S = 10
RECEIVER_PORT = 9292
"""Where notification-controller's pod takes calls of Receivers; its Service `webhook-receiver` has port 80."""

Manifest = dict[str, Any]
both = pytest.mark.parametrize("overlay", [BASE, SQLITE])


def build(folder: Path) -> list[Manifest]:
    """What `kubectl kustomize` makes of a folder."""
    done = subprocess.run(
        [required_kubectl(), "kustomize", folder], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return list(YAML(typ="safe", pure=True).load_all(done.stdout))


@cache
def built(overlay: str) -> list[Manifest]:
    return build(MANIFESTS / overlay)


def of_kind(kind: str, overlay: str) -> dict[str, Manifest]:
    """The manifests of a kind by their names."""
    return {one["metadata"]["name"]: one for one in built(overlay) if one["kind"] == kind}


def workloads(overlay: str) -> dict[str, Manifest]:
    return of_kind("Deployment", overlay) | of_kind("Job", overlay)


def pods(overlay: str) -> dict[str, Manifest]:
    """The pod template of each workload."""
    return {name: one["spec"]["template"] for name, one in workloads(overlay).items()}


def container(overlay: str, name: str) -> Manifest:
    [only] = pods(overlay)[name]["spec"]["containers"]
    found: Manifest = only
    return found


def settings(overlay: str, folder: Path) -> Settings:
    """The settings in the ConfigMap that the pods mount."""
    [config] = of_kind("ConfigMap", overlay).values()
    path = folder / "fluxbridge.yaml"
    path.write_text(config["data"]["fluxbridge.yaml"], encoding="utf-8")
    return load(path, {})


def selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return selector.items() <= labels.items()


def page_block(first_line: str) -> str:
    """The YAML block of the page that begins so."""
    [found] = [one for one in re.findall(r"```yaml\n(.+?)```", PAGE, re.DOTALL) if one.startswith(first_line)]
    return str(found)


@both
@pytest.mark.parametrize("kubernetes", VERSIONS)
def test_every_manifest_is_valid(overlay: str, kubernetes: str) -> None:
    for manifest in built(overlay):
        required("kubernetes_validate").validate(manifest, kubernetes, strict=True)


def test_base_has_web_work_and_migration() -> None:
    words = {name: container(BASE, name)["args"] for name in workloads(BASE)}
    assert words == {
        "fluxbridge-web": ["serve", "--no-workers"],
        "fluxbridge-work": ["work"],
        "fluxbridge-migrate": ["migrate"],
    }
    assert of_kind("Deployment", BASE)["fluxbridge-web"]["spec"]["replicas"] == 2


def test_sqlite_is_one_pod_with_one_volume_that_ends_before_the_next() -> None:
    [(name, one)] = workloads(SQLITE).items()
    assert container(SQLITE, name)["args"] == ["serve"]
    assert one["spec"]["replicas"] == 1
    assert one["spec"]["strategy"] == {"type": "Recreate"}
    [claim] = of_kind("PersistentVolumeClaim", SQLITE)
    [data] = [volume for volume in one["spec"]["template"]["spec"]["volumes"] if volume["name"] == "data"]
    assert data == {"name": "data", "persistentVolumeClaim": {"claimName": claim}}
    assert of_kind("PodDisruptionBudget", SQLITE) == {}


@both
def test_the_commands_exist(overlay: str) -> None:
    for name in workloads(overlay):
        words = [Path(sys.executable).with_name("fluxbridge"), *container(overlay, name)["args"], "--help"]
        assert subprocess.run(words, capture_output=True, timeout=60, check=False).returncode == 0


@both
def test_pods_keep_to_the_restricted_standard(overlay: str) -> None:
    [namespace] = of_kind("Namespace", overlay).values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    user, group = map(int, instruction("USER").split(":"))
    for name, pod in pods(overlay).items():
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["serviceAccountName"] in of_kind("ServiceAccount", overlay)
        security = spec["securityContext"]
        assert (security["runAsUser"], security["runAsGroup"], security["fsGroup"]) == (user, group, group)
        assert security["runAsNonRoot"] is True
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container(overlay, name)["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@both
def test_every_mount_has_its_volume_of_one_source_and_only_data_and_tmp_are_written(overlay: str) -> None:
    for name, pod in pods(overlay).items():
        volumes = {one["name"]: one for one in pod["spec"]["volumes"]}
        mounts = {one["mountPath"]: one for one in container(overlay, name)["volumeMounts"]}
        assert {one["name"] for one in mounts.values()} == set(volumes)
        assert all(len(one) == 2 for one in volumes.values()), volumes
        assert {path for path, one in mounts.items() if not one.get("readOnly")} == {"/data", "/tmp"}  # noqa: S108 (the container's own)
        [config] = of_kind("ConfigMap", overlay)
        assert volumes[mounts["/etc/fluxbridge"]["name"]]["configMap"] == {"name": config}
        assert volumes[mounts["/secrets"]["name"]]["secret"] == {"secretName": "fluxbridge", "defaultMode": 0o440}


@both
def test_every_container_says_what_it_needs_and_is_of_this_version(overlay: str) -> None:
    for name in workloads(overlay):
        one = container(overlay, name)
        assert one["image"] == f"fluxbridge:{version('fluxbridge')}"
        assert {"cpu", "memory"} <= set(one["resources"]["requests"])
        assert "memory" in one["resources"]["limits"]


@both
def test_pods_have_the_time_to_end(overlay: str) -> None:
    for name, one in of_kind("Deployment", overlay).items():
        before = container(overlay, name).get("lifecycle", {"preStop": {"exec": {"command": ["sleep", "0"]}}})
        program, seconds = before["preStop"]["exec"]["command"]
        assert program == "sleep"
        grace = one["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        assert grace > int(seconds) + LONGEST_END_S


@both
def test_the_settings_are_read_and_fit_the_pods(overlay: str, tmp_path: Path) -> None:
    read = settings(overlay, tmp_path)
    assert str(read.data_dir) == "/data" == instruction("VOLUME")
    assert read.database.is_sqlite is (overlay == SQLITE)
    assert read.config_repos["fleet"].mode == "observe"
    assert "FLUXBRIDGE_CONFIG=/etc/fluxbridge/fluxbridge.yaml " in instruction("ENV")
    [port] = container(overlay, "fluxbridge-web")["ports"]
    assert port == {"name": "http", "containerPort": read.listen.port}
    assert str(read.listen.port) == instruction("EXPOSE")


@both
def test_secrets_are_named_files_and_never_values(overlay: str, tmp_path: Path) -> None:
    assert of_kind("Secret", overlay) == {}
    secrets = [secret for _, secret in named_secrets(settings(overlay, tmp_path))]
    assert all(secret.file and secret.file.parent == Path("/secrets") for secret in secrets)
    names = {secret.file.name for secret in secrets if secret.file}
    told = set(re.findall(r"--from-file=([\w-]+)", PAGE))
    assert names == (told if overlay == BASE else told - {"database"})
    assert all(f"`{name}`" in PAGE or name in {"jenkins", "registry", "github"} for name in names)


@both
def test_selectors_find_the_pods_that_they_mean(overlay: str) -> None:
    labels = {name: pod["metadata"]["labels"] for name, pod in pods(overlay).items()}
    for name, one in of_kind("Deployment", overlay).items():
        assert selects(one["spec"]["selector"]["matchLabels"], labels[name])
        for spread in one["spec"]["template"]["spec"].get("topologySpreadConstraints", []):
            assert selects(spread["labelSelector"]["matchLabels"], labels[name])
    [service] = of_kind("Service", overlay).values()
    meant = [one["spec"]["selector"]["matchLabels"] for one in of_kind("PodDisruptionBudget", overlay).values()]
    meant += [
        service["spec"]["selector"],
        of_kind("NetworkPolicy", overlay)["fluxbridge-web"]["spec"]["podSelector"]["matchLabels"],
    ]
    for selector in meant:
        assert [name for name in labels if selects(selector, labels[name])] == ["fluxbridge-web"]
    [port] = service["spec"]["ports"]
    assert port["targetPort"] == container(overlay, "fluxbridge-web")["ports"][0]["name"]


@both
def test_the_network_is_closed_but_for_what_is_needed(overlay: str, tmp_path: Path) -> None:
    policies = of_kind("NetworkPolicy", overlay)
    everywhere, web = policies["fluxbridge"]["spec"], policies["fluxbridge-web"]["spec"]
    assert everywhere["podSelector"] == {}
    assert set(everywhere["policyTypes"]) == {"Ingress", "Egress"}
    assert "ingress" not in everywhere
    ports = {port["port"] for rule in everywhere["egress"] for port in rule["ports"]}
    database = settings(overlay, tmp_path).database
    assert ports == {53, 443, RECEIVER_PORT} | ({make_url(database.url).port} if not database.is_sqlite else set())
    [rule] = web["ingress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": "http"}]
    [peer] = rule["from"]
    [expression] = peer["namespaceSelector"]["matchExpressions"]
    assert all(f"`{name}`" in PAGE for name in expression["values"])


@both
def test_a_receiver_in_the_same_cluster_may_be_called(overlay: str) -> None:
    text = (ROOT / "deploy" / "flux" / "cluster" / "ingress.yaml").read_text(encoding="utf-8")
    told = re.search(r"http://webhook-receiver\.([\w-]+)\.svc", text)
    assert told
    egress = of_kind("NetworkPolicy", overlay)["fluxbridge"]["spec"]["egress"]
    [rule] = [one for one in egress if {"protocol": "TCP", "port": RECEIVER_PORT} in one["ports"]]
    namespace = {"matchLabels": {"kubernetes.io/metadata.name": told[1]}}
    assert rule["to"] == [{"namespaceSelector": namespace}]
    assert f"`{told[1]}`, port {RECEIVER_PORT}" in PAGE


def test_secrets_are_written_where_only_their_maker_reads_them_and_are_removed() -> None:
    step = PAGE.partition("**3. Make the Secret**")[2].partition("**4.")[0]
    parts = ["umask 077", 'folder=$(mktemp -d) && cd "$folder"', "openssl rand", "create secret", 'rm -r "$folder"']
    places = [step.index(part) for part in parts]
    assert places == sorted(places)


def test_the_page_gives_sqlite_only_what_it_has() -> None:
    told = PAGE.partition("\n## One pod with SQLite\n")[2]
    assert set(re.findall(r"deploy(?:ment)?/(fluxbridge-\w+)", told)) == set(workloads(SQLITE))
    assert "job/" not in told


@pytest.fixture(scope="module")
def component(tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    """What the page's own kustomization makes, with the component for Prometheus."""
    folder = tmp_path_factory.mktemp("own")
    shutil.copytree(MANIFESTS, folder / "kubernetes")
    shutil.copyfile(MANIFESTS / BASE / "fluxbridge.yaml", folder / "fluxbridge.yaml")
    written = page_block("# kustomization.yaml\n")
    (folder / "kustomization.yaml").write_text(
        re.sub(r"^# (components: \[.+?\]).*$", r"\1", written, flags=re.MULTILINE)
    )
    return build(folder)


def test_the_kustomization_of_the_page_builds_with_its_image(component: list[Manifest]) -> None:
    images = {
        one["image"]
        for manifest in component
        if manifest["kind"] in {"Deployment", "Job"}
        for one in manifest["spec"]["template"]["spec"]["containers"]
    }
    assert images == {f"registry.acme.example/platform/fluxbridge:{version('fluxbridge')}"}
    assert {one["metadata"].get("namespace", "fluxbridge") for one in component} == {"fluxbridge"}


def test_the_service_monitor_finds_the_service_and_its_metrics(component: list[Manifest]) -> None:
    [monitor] = [one for one in component if one["kind"] == "ServiceMonitor"]
    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    assert set(monitor) == {"apiVersion", "kind", "metadata", "spec"}
    assert set(monitor["spec"]) == {"selector", "endpoints"}
    [service] = [one for one in component if one["kind"] == "Service"]
    assert selects(monitor["spec"]["selector"]["matchLabels"], service["metadata"]["labels"])
    [endpoint] = monitor["spec"]["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    seconds = [int(endpoint[name].removesuffix("s")) for name in ("scrapeTimeout", "interval")]
    assert seconds == sorted(seconds)
    assert endpoint["path"] == "/metrics"


@pytest.mark.parametrize("kubernetes", VERSIONS)
def test_the_ingress_of_the_page_shows_webhooks_and_nothing_else(kubernetes: str) -> None:
    ingress = read_yaml(page_block("# ingress.yaml\n"))
    required("kubernetes_validate").validate(ingress, kubernetes, strict=True)
    [rule] = ingress["spec"]["rules"]
    [path] = rule["http"]["paths"]
    assert (path["path"], path["pathType"]) == ("/webhooks", "Prefix")
    [service] = of_kind("Service", BASE).values()
    backend = path["backend"]["service"]
    assert backend["name"] == service["metadata"]["name"]
    assert backend["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A running server."""
    with running_bridge(tmp_path_factory.mktemp("probed"), "sqlite", files=fleet()) as bridge:
        with httpx.Client(base_url=bridge.url, trust_env=False, timeout=10) as client:
            yield client
        code = re.search(r'python -c "(import sqlite3.+?)"\n', PAGE)
        assert code
        words = code[1].replace('\\"', '"').replace("/data/", f"{bridge.folder}/data/")
        subprocess.run([sys.executable, "-c", words], check=True, timeout=60)
        assert (bridge.folder / "data" / "backup.sqlite3").stat().st_size > 0


@both
def test_every_path_that_is_probed_or_scraped_answers(overlay: str, answers: httpx.Client) -> None:
    for name in of_kind("Deployment", overlay):
        probes = {key: one["httpGet"] for key, one in container(overlay, name).items() if key.endswith("Probe")}
        assert {key: one["path"] for key, one in probes.items()} in (
            {},
            {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"},
        )
        assert all(answers.get(one["path"]).status_code == 200 for one in probes.values())
        assert bool(probes) is (container(overlay, name)["args"][0] == "serve")
    assert answers.get("/metrics").status_code == 200
    assert answers.post("/webhooks/ci").status_code == 401
