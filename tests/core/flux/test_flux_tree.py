"""Which policy a marker means, and which Kustomization reaches which file, in the trees that teams have."""

from collections.abc import Mapping

import pytest

from app.core.flux.scanning import scan_file
from app.core.flux.tree import FluxTree, assemble
from app.core.images import ImageName

SELF_SYNCED = "https://git.acme.example/fleet"


def _tree(files: Mapping[str, str], *, roots: tuple[str, ...] = ()) -> FluxTree:
    return assemble({path: scan_file(path, text.encode()) for path, text in files.items()}, roots=roots)


def _metadata(name: str, namespace: str | None) -> str:
    return f"metadata:\n  name: {name}\n" + (f"  namespace: {namespace}\n" if namespace else "")


def _repository(name: str = "app", *, namespace: str | None = "flux-system", image: str = "ghcr.io/acme/app") -> str:
    head = "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageRepository\n"
    return head + _metadata(name, namespace) + f"spec: {{image: '{image}', exclusionList: ['^x']}}\n"


def _policy(name: str = "app", *, namespace: str | None = "flux-system", repository: str = "app") -> str:
    head = "apiVersion: image.toolkit.fluxcd.io/v1beta2\nkind: ImagePolicy\n"
    spec = f"spec:\n  imageRepositoryRef: {{name: {repository}}}\n  policy: {{semver: {{range: 1.x}}}}\n"
    return head + _metadata(name, namespace) + spec


def _image(*, namespace: str | None = "flux-system") -> str:
    """A policy and its repository in one file."""
    return _policy(namespace=namespace) + "---\n" + _repository(namespace=namespace)


def _kustomization(name: str, path: str, *, source: str = "flux-system", extra: str = "") -> str:
    return (
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\n"
        + _metadata(name, "flux-system")
        + f"spec:\n  path: {path}\n  sourceRef: {{kind: GitRepository, name: {source}}}\n{extra}"
    )


def _source(name: str, url: str) -> str:
    head = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\n"
    return head + _metadata(name, "flux-system") + f"spec: {{url: '{url}'}}\n"


def _workload(marker: str = "flux-system:app:tag") -> str:
    return f'kind: Deployment\ntag: "1.0.0" # {{"$imagepolicy": "{marker}"}}\n'


def _bootstrap(cluster: str) -> dict[str, str]:
    """What `flux bootstrap` and a team leave in one cluster's folders."""
    sync = _source("flux-system", SELF_SYNCED) + "---\n" + _kustomization("flux-system", f"./clusters/{cluster}")
    return {
        f"clusters/{cluster}/flux-system/gotk-sync.yaml": sync,
        f"clusters/{cluster}/flux-system/kustomization.yaml": "resources: [gotk-sync.yaml]\n",
        f"clusters/{cluster}/apps.yaml": _kustomization("apps", f"./apps/{cluster}"),
        f"clusters/{cluster}/images.yaml": _image(),
        f"apps/{cluster}/app.yaml": _workload(),
    }


MONOREPO = {**_bootstrap("staging"), **_bootstrap("production")}


def _policies(tree: FluxTree) -> list[str]:
    return [str(policy.name) for policy in tree.policies]


def _set_by(tree: FluxTree) -> dict[str, str]:
    return {field.file: str(field.policy) for field in tree.fields}


def _problem(tree: FluxTree) -> str:
    (policy,) = tree.policies
    return policy.problem or ""


def test_without_kustomizations_the_repository_is_the_root() -> None:
    tree = _tree({"images/app.yaml": _image(), "deploy/app.yaml": _workload()})
    assert tree.roots == ("",)
    assert _set_by(tree) == {"deploy/app.yaml": "flux-system/app"}
    (policy,) = tree.policies
    assert policy.image == ImageName("ghcr.io", "acme/app")
    assert (policy.image_text, policy.problem, policy.file) == ("ghcr.io/acme/app", None, "images/app.yaml")
    assert policy.spec is not None
    assert policy.spec.exclusion_list == ("^x",)
    assert tree.reports == ()


def test_the_same_policy_name_in_two_clusters_is_two_policies() -> None:
    tree = _tree(MONOREPO)
    assert tree.roots == ("clusters/production", "clusters/staging")
    assert _policies(tree) == ["clusters/production:flux-system/app", "clusters/staging:flux-system/app"]
    assert _set_by(tree) == {
        "apps/production/app.yaml": "clusters/production:flux-system/app",
        "apps/staging/app.yaml": "clusters/staging:flux-system/app",
    }
    assert tree.reports == ()


def test_a_kustomization_applies_its_own_files_and_not_those_of_others() -> None:
    tree = _tree(MONOREPO)
    apps = tree.find_kustomization(root="clusters/staging", namespace="flux-system", name="apps")
    sync = tree.find_kustomization(root="./clusters/staging/", namespace="flux-system", name="flux-system")
    assert apps is not None
    assert sync is not None
    assert (apps.root, apps.path, apps.file) == ("clusters/staging", "apps/staging", "clusters/staging/apps.yaml")
    assert tree.reaches(apps, "apps/staging/app.yaml")
    assert not tree.reaches(apps, "apps/production/app.yaml")
    assert tree.reaches(sync, "clusters/staging/apps.yaml")
    assert not tree.reaches(sync, "apps/staging/app.yaml")


def test_a_kustomization_is_found_without_root_only_where_its_name_is_unique() -> None:
    tree = _tree({**MONOREPO, "clusters/staging/infra.yaml": _kustomization("infra", "infra")})
    assert tree.find_kustomization(root=None, namespace="flux-system", name="apps") is None
    infra = tree.find_kustomization(root=None, namespace="flux-system", name="infra")
    assert infra is not None
    assert infra.path == "infra"
    assert tree.find_kustomization(root="clusters/production", namespace="flux-system", name="infra") is None


def test_a_base_that_two_roots_share_is_set_by_the_one_policy_that_both_reach() -> None:
    files = {**MONOREPO, "base/app.yaml": _workload("shared:app"), "base/kustomization.yaml": "resources: [app.yaml]\n"}
    files["base/images.yaml"] = _image(namespace="shared")
    for cluster in ("staging", "production"):
        files[f"apps/{cluster}/kustomization.yaml"] = "resources: [../../base, ../../base/images.yaml, app.yaml]\n"
    tree = _tree(files)
    assert "base:shared/app" in _policies(tree)
    assert _set_by(tree)["base/app.yaml"] == "base:shared/app"
    assert tree.reports == ()


def test_a_base_that_two_policies_would_set_is_reported_and_left_alone() -> None:
    files = {**MONOREPO, "base/app.yaml": _workload(), "base/kustomization.yaml": "resources: [app.yaml]\n"}
    for cluster in ("staging", "production"):
        files[f"apps/{cluster}/kustomization.yaml"] = "resources: [../../base]\n"
    tree = _tree(files)
    assert "base/app.yaml" not in _set_by(tree)
    (report,) = tree.reports
    assert (report.file, report.line) == ("base/app.yaml", 2)
    assert "clusters/production, clusters/staging" in report.what


def test_a_policy_in_only_one_of_two_roots_sets_their_shared_base() -> None:
    files = {**MONOREPO, "base/app.yaml": _workload()}
    del files["clusters/production/images.yaml"]
    for cluster in ("staging", "production"):
        files[f"apps/{cluster}/kustomization.yaml"] = "resources: [../../base/app.yaml]\n"
    assert _set_by(_tree(files))["base/app.yaml"] == "clusters/staging:flux-system/app"


def test_a_file_that_no_root_reaches_is_set_by_the_only_policy_of_that_name() -> None:
    files = _bootstrap("staging") | {"elsewhere/app.yaml": _workload()}
    assert _set_by(_tree(files))["elsewhere/app.yaml"] == "clusters/staging:flux-system/app"


def test_a_file_that_no_root_reaches_is_left_alone_where_several_policies_have_the_name() -> None:
    tree = _tree(MONOREPO | {"elsewhere/app.yaml": _workload()})
    assert "elsewhere/app.yaml" not in _set_by(tree)
    assert tree.reports == ()


def test_a_marker_that_names_no_policy_is_reported() -> None:
    tree = _tree({"images.yaml": _image(), "app.yaml": _workload("flux-system:ap")})
    assert tree.fields == ()
    (report,) = tree.reports
    assert (report.file, report.line) == ("app.yaml", 2)
    assert "names flux-system/ap, but no ImagePolicy of that name" in report.what


def test_a_policy_that_is_written_twice_cannot_be_used() -> None:
    tree = _tree({"a.yaml": _image(), "b.yaml": _policy(), "app.yaml": _workload()})
    assert "written more than once: in a.yaml and b.yaml" in _problem(tree)
    assert tree.fields == ()
    assert "several policies are named flux-system/app" in tree.reports[0].what


@pytest.mark.parametrize(
    ("extra", "namespace"),
    [
        pytest.param(
            {"images/kustomization.yaml": "namespace: team\nresources: [app.yaml]\n"},
            "team",
            id="kustomization beside it",
        ),
        pytest.param(
            {
                "images/kustomization.yaml": "resources: [app.yaml]\n",
                "kustomization.yml": "namespace: top\nresources: [images, app.yaml]\n",
            },
            "top",
            id="kustomization above it",
        ),
        pytest.param(
            {"overlay/kustomization.yaml": "namespace: over\nresources: [../images/app.yaml]\n"},
            "over",
            id="overlay that names it",
        ),
        pytest.param(
            {"k.yaml": _kustomization("images", "./images", extra="  targetNamespace: target\n")},
            "target",
            id="targetNamespace",
        ),
        pytest.param(
            {
                "images/kustomization.yaml": "namespace: own\nresources: [app.yaml]\n",
                "k.yaml": _kustomization("images", "./images", extra="  targetNamespace: target\n"),
            },
            "target",
            id="targetNamespace in the place of the kustomization's",
        ),
    ],
)
def test_the_namespace_comes_from_what_applies_the_policy(extra: dict[str, str], namespace: str) -> None:
    tree = _tree({"images/app.yaml": _image(namespace=None), "app.yaml": _workload(f"{namespace}:app"), **extra})
    (policy,) = tree.policies
    assert (policy.name.namespace, policy.problem) == (namespace, None)
    assert [field.file for field in tree.fields] == ["app.yaml"]


@pytest.mark.parametrize(
    ("files", "says"),
    [
        pytest.param({"a.yaml": _image(namespace=None)}, "it has no namespace", id="no namespace"),
        pytest.param({"a.yaml": _image(namespace="${ns}")}, "metadata.namespace is unreadable", id="substituted"),
        pytest.param({"a.yaml": _policy()}, "ImageRepository flux-system/app is not in the", id="no repository"),
        pytest.param(
            {"a.yaml": _policy(), "b.yaml": _repository(namespace="other")},
            "ImageRepository flux-system/app is not in the",
            id="repository of another namespace",
        ),
        pytest.param(
            {"a.yaml": _policy(), "b.yaml": _repository(image="${registry}/app")},
            "spec.image is unreadable",
            id="substituted image",
        ),
        pytest.param(
            {"a.yaml": _policy(), "b.yaml": _repository(image="https://ghcr.io/a/b")},
            "leave the URL scheme out",
            id="image with a scheme",
        ),
        pytest.param(
            {"a.yaml": _policy(), "b.yaml": _repository(image="ghcr.io/a/b:1")},
            "is no image reference",
            id="image with a tag",
        ),
        pytest.param(
            {"a.yaml": _policy(), "b.yaml": _repository(), "c.yaml": _repository(image="ghcr.io/other/app")},
            "is written several ways: in b.yaml and c.yaml",
            id="two repositories of one name",
        ),
    ],
)
def test_a_policy_that_cannot_be_used_says_why(files: dict[str, str], says: str) -> None:
    assert says in _problem(_tree(files))


def test_a_policy_that_two_kustomizations_give_namespaces_is_two() -> None:
    files = {
        "images/app.yaml": _image(namespace=None),
        "hub/one.yaml": _kustomization("one", "./images", extra="  targetNamespace: one\n"),
        "hub/two.yaml": _kustomization("two", "./images", extra="  targetNamespace: two\n"),
    }
    assert [(str(one.name), one.problem) for one in _tree(files).policies] == [
        ("images:one/app", None),
        ("images:two/app", None),
    ]


def test_each_cluster_takes_its_own_repository_object() -> None:
    files = dict(MONOREPO)
    files["clusters/staging/images.yaml"] = _policy() + "---\n" + _repository(image="ghcr.io/acme/app-dev")
    tree = _tree(files)
    assert {policy.name.root: policy.image_text for policy in tree.policies} == {
        "clusters/production": "ghcr.io/acme/app",
        "clusters/staging": "ghcr.io/acme/app-dev",
    }


def test_roots_can_be_given() -> None:
    files = {"live/a/images.yaml": _image(), "live/b/images.yaml": _image(), "live/b/app.yaml": _workload()}
    tree = _tree(files, roots=("./live/a", "live/b/"))
    assert tree.roots == ("live/a", "live/b")
    assert _set_by(tree) == {"live/b/app.yaml": "live/b:flux-system/app"}


def test_kustomizations_that_bring_each_other_in_are_one_root() -> None:
    files = _bootstrap("prod") | {"clusters/prod/all.yaml": _kustomization("all", "./")}
    files["clusters/prod/flux-system/gotk-sync.yaml"] += "---\n" + _kustomization("again", "./clusters/prod")
    assert len(_tree(files).roots) == 1


def test_a_kustomization_of_another_repository_reaches_nothing_here() -> None:
    source = _source("podinfo", "https://github.com/stefanprodan/podinfo")
    podinfo = source + "---\n" + _kustomization("podinfo", "./", source="podinfo")
    tree = _tree(MONOREPO | {"clusters/staging/podinfo.yaml": podinfo})
    assert tree.roots == ("clusters/production", "clusters/staging")
    assert _set_by(tree)["apps/production/app.yaml"] == "clusters/production:flux-system/app"
    found = tree.find_kustomization(root="clusters/staging", namespace="flux-system", name="podinfo")
    assert found is not None
    assert not found.is_here
    assert not tree.reaches(found, "apps/staging/app.yaml")


def test_a_kustomization_whose_path_is_filled_in_by_flux_reaches_nothing() -> None:
    tree = _tree(_bootstrap("staging") | {"clusters/staging/x.yaml": _kustomization("x", "./apps/${env}")})
    found = tree.find_kustomization(root="clusters/staging", namespace="flux-system", name="x")
    assert found is not None
    assert not tree.reaches(found, "apps/staging/app.yaml")


def test_a_cluster_without_its_own_kustomization_in_git_is_found_by_its_path() -> None:
    files = {"hub/sync.yaml": _kustomization("prod", "./clusters/prod"), "clusters/prod/images.yaml": _image()}
    tree = _tree(files)
    assert tree.roots == ("clusters/prod",)
    assert tree.find_kustomization(root="clusters/prod", namespace="flux-system", name="prod") is not None


def test_problems_of_files_become_reports() -> None:
    tree = _tree({"a.yaml": "# {'$imagepolicy': 'a:b'}\n", "kustomization.yaml": "resources: ["})
    assert [(report.file, report.line) for report in tree.reports] == [("a.yaml", 1), ("kustomization.yaml", 1)]


def test_the_order_in_which_files_come_changes_nothing() -> None:
    assert _tree(MONOREPO) == _tree(dict(reversed(MONOREPO.items())))


def test_a_patch_of_a_kustomization_that_is_for_nothing_is_told_with_its_kustomization() -> None:
    patch = _policy("absent").replace("\n", "\n      ")
    files = _bootstrap("staging")
    files["clusters/staging/apps.yaml"] = _kustomization(
        "apps", "./apps/staging", extra=f"  patches:\n  - patch: |\n      {patch}"
    )
    (report,) = [one for one in _tree(files).reports if "patches[0]" in one.what]
    assert report.what == (
        "patches[0] of Kustomization apps: there is no ImagePolicy flux-system/absent that it is for: "
        "kustomize builds nothing"
    )
