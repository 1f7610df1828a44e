"""Folders are built as kubectl builds them."""

from pathlib import Path

import pytest

from tests.core.kustomize.kustomized import World, difference
from tests.parts import required_kubectl

# Of a file in UTF-16 kubectl reads the first document alone, which is told.
READ_BY_US_ALONE = {"utf-16-file"}
ESTATES = Path(__file__).parents[2] / "golden" / "estates"


@pytest.fixture(scope="session")
def kubectl() -> Path:
    return required_kubectl()


@pytest.mark.parametrize("name", sorted({one.name for one in ESTATES.iterdir()} - READ_BY_US_ALONE))
def test_golden_estates_are_built_as_kubectl_builds_them(name: str, kubectl: Path, tmp_path: Path) -> None:
    root = ESTATES / name
    files = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    world = World.of(files, tmp_path, kubectl)
    estate = world.estate()
    for folder in world.folders():
        build = estate.builder.build(folder)
        theirs, said = world.built_by_flux(folder)
        if theirs is None:
            assert build.problems or build.refused or any(one.doubt for one in build.objects), f"{folder}: {said}"
        else:
            assert difference(build, theirs) == [], folder
            assert not build.is_whole or build.problems == (), folder


@pytest.mark.parametrize(
    "name",
    [
        *("above", "above-configured", "configured", "generated", "labelled"),
        *("prefixed", "replaced", "suffixed", "transformed"),
    ],
)
def test_what_is_not_followed_is_rendered_by_kubectl(name: str, kubectl: Path, tmp_path: Path) -> None:
    root = ESTATES / "not-followed"
    files = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    world = World.of(files, tmp_path, kubectl)
    build = world.estate(world.rendering()).builder.build(name)
    theirs, _ = world.built(name)
    assert theirs is not None
    assert [one.doubt for one in build.objects if one.doubt] == []
    assert (difference(build, theirs), build.problems, build.is_whole) == ([], (), True)
    assert {one.file for one in build.objects if one.kind == "ImageRepository"} <= {
        "base/repositories.yaml",
        "above-configured/other.yaml",
    }


def test_without_kubectl_the_reason_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    files = {"app/kustomization.yaml": b"resources: [app.yaml]\nnamePrefix: eu-\n", "app/app.yaml": POLICY % b"app"}
    world = World(files, tmp_path, None)
    (one,) = world.estate(world.rendering()).builder.build("app").objects
    assert one.doubt == (
        "namePrefix of app/kustomization.yaml may change it, which is not followed; not rendered: kubectl is not on "
        "the PATH: install it, and what it makes of this folder is read"
    )


ENTRY = b"""apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: flux-system}
spec:
  path: ./apps/eu
  sourceRef: {kind: GitRepository, name: flux-system}
  targetNamespace: eu
  namePrefix: eu-
  commonMetadata: {labels: {region: eu}}
  postBuild: {substitute: {HOST: ghcr.io}}
  components: [../marked]
  patches:
    - target: {kind: ImageRepository}
      patch: '[{"op": "add", "path": "/spec/exclusionList", "value": ["rc"]}]'
    - patch: |
        {apiVersion: image.toolkit.fluxcd.io/v1, kind: ImagePolicy, metadata: {name: app}, spec: {a: "1.10"}}
"""
POLICY = b"""apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {name: %s}
spec: {imageRepositoryRef: {name: app}, policy: {semver: {range: 1.x}}}
"""
REPOSITORY = b"""apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: {name: app}
spec: {image: "${HOST}/acme/app"}
"""


def test_what_a_kustomization_adds_is_rendered_with_its_folder(kubectl: Path, tmp_path: Path) -> None:
    files = {
        "clusters/eu/apps.yaml": ENTRY,
        "apps/eu/app.yaml": POLICY % b"app",
        "apps/eu/more/repository.yaml": REPOSITORY,
        "apps/marked/kustomization.yaml": b"kind: Component\ncommonAnnotations: {marked: 'yes'}\n",
    }
    world = World.of(files, tmp_path, kubectl)
    (cluster,) = world.estate(world.rendering()).clusters
    found = {(one.one.kind, one.one.namespace, one.one.name): one.one for one in cluster.applied}
    assert found.keys() == {("ImagePolicy", "eu", "eu-app"), ("ImageRepository", "eu", "eu-app")}
    assert all(one.doubt is None and one.labels == {"region": "eu"} for one in found.values())
    assert all(one.annotations == {"marked": "yes"} for one in found.values())
    policy, repository = found["ImagePolicy", "eu", "eu-app"], found["ImageRepository", "eu", "eu-app"]
    assert (policy.file, policy.value["spec"]) == (
        "apps/eu/app.yaml",
        {"imageRepositoryRef": {"name": "app"}, "policy": {"semver": {"range": "1.x"}}, "a": "1.10"},
    )
    assert (repository.file, repository.value["spec"]) == (
        "apps/eu/more/repository.yaml",
        {"image": "ghcr.io/acme/app", "exclusionList": ["rc"]},
    )
