"""Folders are rendered by the real kubectl, of the files that are given and of nothing else."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from app.clients.flux.kubectl import BuildDidNotEnd, Kubectl
from app.clients.flux.kustomize_renderer import CannotRenderHere, KustomizeRenderer, NoKubectlToRender
from app.core.ports import ManifestRenderer, RenderedManifests
from tests.parts import required_kubectl

OBJECT = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"


@pytest.fixture(scope="session")
def kubectl() -> Path:
    return required_kubectl()


def render(kubectl: Path, files: Mapping[str, bytes], folder: str = "a/b") -> RenderedManifests:
    renderer: ManifestRenderer = KustomizeRenderer(kubectl)
    return renderer.render(folder, files)


def test_a_folder_takes_files_from_all_of_the_repository_as_flux_lets_it(kubectl: Path) -> None:
    files = {
        "a/b/kustomization.yaml": b"resources: [../../shared/a.yaml]\nnamePrefix: eu-\n",
        "shared/a.yaml": OBJECT,
    }
    assert render(kubectl, files) == RenderedManifests(b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: eu-a\n")


def test_a_folder_that_does_not_build_is_told_in_kustomizes_words(kubectl: Path) -> None:
    found = render(kubectl, {"a/b/kustomization.yaml": b"resources: [absent.yaml]\n"})
    assert found.text == b""
    assert "absent.yaml" in (found.problem or "")
    assert tempfile.gettempdir() not in (found.problem or "")


PLUGIN = "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: x}\npath: %s\ntarget: {kind: ConfigMap}\n"


@pytest.mark.parametrize(
    ("kustomization", "says"),
    [
        pytest.param("resources: ['http://HOST/a.yaml']", "a remote resource", id="a file of the web"),
        pytest.param("resources: ['http://HOST/base?ref=v1']", "a remote resource", id="a base of the web"),
        pytest.param("resources: ['ssh://git@HOST/base']", "a remote resource", id="a base by ssh"),
        pytest.param("resources: ['git@HOST:acme/base.git']", "a remote resource", id="a base of git"),
        pytest.param("resources: ['me@localhost:acme/base.git']", "a remote resource", id="a base of another user"),
        pytest.param("resources: [github.com/acme/base]", "a remote resource", id="a base without a scheme"),
        pytest.param("components: ['file://SECRET']", "a remote resource", id="a base by file"),
        pytest.param("resources: [../../UP/SECRET]", "outside of the repository", id="a resource above"),
        pytest.param("resources: [SECRET]", "outside of the repository", id="a resource by its whole path"),
        pytest.param("bases: [../../UP/FOLDER]", "outside of the repository", id="a base above"),
        pytest.param("patches: [{path: ../../UP/SECRET}]", "outside of the repository", id="a patch above"),
        pytest.param("configMapGenerator: [{name: x, files: [../../UP/SECRET]}]", "outside of", id="a file above"),
        pytest.param("configMapGenerator: [{name: x, files: [SECRET]}]", "outside of", id="a file by its whole path"),
        pytest.param("configMapGenerator: [{name: x, files: [k=SECRET]}]", "outside of", id="a file behind a key"),
        pytest.param("configMapGenerator: [{name: x, files: [k=../../UP/SECRET]}]", "outside", id="above, with a key"),
        pytest.param("configMapGenerator: [{name: x, files: [../../../secret]}]", "outside of", id="a file beside"),
        pytest.param("configMapGenerator: [{name: x, files: [k=../../../secret]}]", "outside", id="beside, with a key"),
        pytest.param("secretGenerator: [{name: x, envs: [SECRET]}]", "outside of", id="a secret of a file"),
        pytest.param("replacements: [{path: SECRET}]", "outside of the repository", id="replacements"),
        pytest.param("openapi: {path: SECRET}", "outside of the repository", id="openapi"),
        pytest.param("configurations: [../../UP/SECRET]", "outside of the repository", id="configurations"),
        pytest.param("helmCharts: [{name: x, version: '1'}]", "must specify --enable-helm", id="helm"),
        pytest.param("transformers: [exec.yaml]", "without plugins", id="an exec transformer"),
        pytest.param("generators: [container.yaml]", "without plugins", id="a container"),
        pytest.param("transformers: [list.yaml]", "without plugins", id="in a list"),
        pytest.param("generators: [helm.yaml]", "without plugins", id="helm as a generator"),
        pytest.param("validators: [built-in.yaml]", "without plugins", id="a validator"),
        pytest.param("transformers: [../plugins]", "without plugins", id="a folder of plugins"),
        pytest.param("transformers: [built-in.yaml]", "outside of the repository", id="a built-in one that reads"),
        pytest.param("transformers: [fetching.yaml]", "a remote resource", id="a built-in one that fetches"),
        pytest.param("transformers: ['{apiVersion: v1, kind: X}']", "without plugins", id="an inline one"),
    ],
)
def test_nothing_is_fetched_run_or_read_from_elsewhere(
    kubectl: Path, tmp_path: Path, asked: tuple[str, list[str]], kustomization: str, says: str
) -> None:
    url, paths = asked
    host = url.split("/")[2]
    secret, ran = tmp_path / "there" / "kustomization.yaml", tmp_path / "ran"
    secret.parent.mkdir()
    secret.write_text("commonLabels: {never: to-be-seen}\n", encoding="utf-8")
    up = "../" * 20
    words = {"HOST": host, "UP/SECRET": f"{up}{secret}", "UP/FOLDER": f"{up}{secret.parent}", "SECRET": str(secret)}
    for word, text in words.items():
        kustomization = kustomization.replace(word, text)
    runs = {"config.kubernetes.io/function": json.dumps({"exec": {"path": f"/usr/bin/touch {ran}"}})}
    plugin = {"apiVersion": "v1", "kind": "Exec", "metadata": {"name": "x", "annotations": runs}}
    chart = {"apiVersion": "builtin", "kind": "HelmChartInflationGenerator", "metadata": {"name": "x"}, "name": "x"}
    container = {"config.kubernetes.io/function": "container: {image: x}"}
    files = {
        "a/b/kustomization.yaml": f"resources: [a.yaml]\n{kustomization}\n".replace(
            "resources: [a.yaml]\nresources", "resources"
        ),
        "a/b/exec.yaml": json.dumps(plugin),
        "a/b/list.yaml": json.dumps({"apiVersion": "v1", "kind": "List", "items": [plugin]}),
        "a/b/container.yaml": json.dumps({**plugin, "metadata": {"name": "x", "annotations": container}}),
        "a/b/helm.yaml": json.dumps(chart),
        "a/b/built-in.yaml": PLUGIN % secret,
        "a/b/fetching.yaml": PLUGIN % f"http://{host}/patch.yaml",
        "a/b/a.yaml": OBJECT.decode(),
        "a/plugins/kustomization.yaml": "resources: [../b/exec.yaml]\n",
    }
    found = render(kubectl, {path: text.encode() for path, text in files.items()})
    assert (says in (found.problem or ""), found.text) == (True, b""), found
    assert (paths, ran.exists()) == ([], False)
    assert "never" not in str(found)


@pytest.mark.parametrize("path", ["../out.yaml", "/etc/out.yaml", "a/../../out.yaml", "a//b.yaml"])
def test_no_file_is_laid_out_elsewhere(kubectl: Path, path: str) -> None:
    found = render(kubectl, {"a/b/kustomization.yaml": b"resources: []\n", path: b""})
    assert found.problem == f"{path!r} is no path below the repository"
    assert "is no path below" in (render(kubectl, {"a/b/x.yaml": b""}, folder="a/../../b").problem or "")


def test_names_that_look_like_options_are_names(kubectl: Path) -> None:
    files = {"--enable-helm/kustomization.yaml": b"resources: [--help.yaml]\n", "--enable-helm/--help.yaml": OBJECT}
    assert b"name: a" in render(kubectl, files, folder="--enable-helm").text


def test_what_is_built_in_is_rendered(kubectl: Path) -> None:
    files = {
        "a/b/kustomization.yaml": b"resources: [a.yaml]\ntransformers: [prefix.yaml]\n",
        "a/b/prefix.yaml": b"apiVersion: builtin\nkind: PrefixTransformer\nmetadata: {name: any}\nprefix: eu-\n"
        b"fieldSpecs: [{path: metadata/name}]\n",
        "a/b/a.yaml": OBJECT,
    }
    assert b"name: eu-a" in render(kubectl, files).text


def test_what_would_be_too_much_is_not_written(kubectl: Path, tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_bytes(b"resources: [a.yaml]\n")
    (tmp_path / "a.yaml").write_bytes(OBJECT + b"data: {x: %s}\n" % (b"y" * 100_000))
    found = Kubectl(kubectl, timeout_s=60, most_written=10_000).render(tmp_path, "")
    assert (found.text, found.problem is not None) == (b"", True)
    assert len(Kubectl(kubectl, timeout_s=60).render(tmp_path, "").text) > 100_000


def test_a_rendering_that_does_not_end_is_stopped(tmp_path: Path) -> None:
    program = tmp_path / "kubectl"
    program.write_text("#!/bin/sh\nexec /bin/cat /dev/zero > /dev/null\n", encoding="utf-8")
    program.chmod(0o755)
    with pytest.raises(BuildDidNotEnd):
        KustomizeRenderer(program, timeout_s=0.2).render("", {"kustomization.yaml": b""})


def test_a_folder_for_temporary_files_that_is_full_or_gone_is_told(
    kubectl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(CannotRenderHere, match="could not be laid out for kubectl: No such file"):
        render(kubectl, {"kustomization.yaml": b""}, folder="")


def test_without_kubectl_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoKubectlToRender, match="kubectl is not on the PATH: install it"):
        KustomizeRenderer().render("", {"kustomization.yaml": b""})
    (tmp_path / "kubectl").symlink_to(required_kubectl())
    assert KustomizeRenderer().render("", {"kustomization.yaml": b"resources: [a.yaml]\n", "a.yaml": OBJECT}).text
