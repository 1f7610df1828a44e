"""deploy/flux and the pages about Flux: the manifests are Flux's, and fit together."""

import base64
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.settings.loading import load
from app.settings.models import Settings
from app.settings.sources.flux import FluxSource
from tests.flux_objects import Manifest, faults, read_manifests
from tests.flux_pages import AUTOMATION_PAGE, CLUSTER, FLUX_PAGE, FOLDER, README, TWICE, blocks, manifests, of_kind
from tests.parts import require_package, require_program, require_shell, required_kubectl
from tests.servers.flux_receiver import ReceiverServer

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
