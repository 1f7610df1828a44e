"""What clusters get: patches, variables, bases for each environment, and what no root brings in."""

import time
from collections.abc import Mapping

import pytest

from app.core.flux.clusters import Cluster, Walk
from app.core.flux.estate import read_estate
from app.core.flux.origins import Origins
from app.core.flux.scanning import scan_file
from app.core.flux.tree import FluxTree, assemble

SOURCE = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: flux-system, namespace: flux-system}
spec: {url: 'https://git.acme.example/fleet'}
---
"""
NO_VARIABLES: Mapping[str, Mapping[str, str]] = {}


def _tree(files: Mapping[str, str], variables: Mapping[str, Mapping[str, str]] = NO_VARIABLES) -> FluxTree:
    scanned = {path: scan_file(path, text.encode()) for path, text in files.items() if path.endswith(".yaml")}
    read = {path: text.encode() for path, text in files.items()}.get
    return assemble(scanned, estate=read_estate(scanned, variables=variables, read=read))


def _kustomization(
    name: str, path: str, extra: str = "", *, source: str = "{kind: GitRepository, name: flux-system}"
) -> str:
    return (
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\n"
        f"metadata: {{name: {name}, namespace: flux-system}}\nspec:\n  path: {path}\n  sourceRef: {source}\n{extra}"
    )


def _image(name: str = "app", *, image: str = "ghcr.io/acme/app", spec: str = "policy: {semver: {range: 1.x}}") -> str:
    return f"""\
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: {{name: '{name}', namespace: flux-system}}
spec: {{image: '{image}'}}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {{name: '{name}', namespace: flux-system}}
spec: {{imageRepositoryRef: {{name: '{name}'}}, {spec}}}
"""


def _cluster(name: str, *kustomizations: str, extra: str = "") -> dict[str, str]:
    """What `flux bootstrap` leaves, and what a team adds."""
    sync = SOURCE + _kustomization("flux-system", f"./clusters/{name}", extra)
    return {f"clusters/{name}/sync.yaml": sync, f"clusters/{name}/more.yaml": "---\n".join(kustomizations)}


def _marked(policy: str = "app") -> str:
    return f'image: ghcr.io/acme/app:1.0.0 # {{"$imagepolicy": "flux-system:{policy}"}}\n'


def _said(tree: FluxTree) -> list[tuple[str, str, str | None]]:
    return [(str(one.name), one.image_text, one.problem) for one in tree.policies]


APP = "flux-system/app"


def test_a_patch_in_a_cluster_s_folder_makes_no_root_and_no_policy() -> None:
    files = {**_cluster("prod"), **_cluster("staging"), "clusters/prod/images.yaml": _image()}
    files["clusters/prod/kustomization.yaml"] = "resources: [sync.yaml, images.yaml]\npatches: [{path: more.yaml}]\n"
    files["clusters/prod/more.yaml"] = (
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\n"
        "metadata: {name: flux-system, namespace: flux-system}\nspec: {timeout: 2m}\n"
    )
    tree = _tree(files)
    assert tree.roots == ("clusters/prod", "clusters/staging")
    assert _said(tree) == [(f"clusters/prod:{APP}", "ghcr.io/acme/app", None)]


def test_one_patch_gives_every_policy_its_range() -> None:
    files = {**_cluster("prod"), "clusters/prod/images.yaml": _image(spec="interval: null")}
    files["clusters/prod/kustomization.yaml"] = (
        "resources: [sync.yaml, images.yaml]\npatches: [{path: default.yaml, target: {kind: ImagePolicy}}]\n"
    )
    files["clusters/prod/default.yaml"] = (
        "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImagePolicy\nmetadata: {name: all}\n"
        "spec: {policy: {semver: {range: 2.x}}}\n"
    )
    (policy,) = _tree(files).policies
    assert (str(policy.name), policy.problem) == (f"clusters/prod:{APP}", None)
    assert policy.spec is not None
    assert "2.x" in policy.spec.as_json()


def test_an_object_that_two_roots_get_alike_is_one_policy_and_otherwise_each_has_its_own() -> None:
    shared = {"base/images.yaml": _image(), "base/kustomization.yaml": "resources: [images.yaml]\n"}
    alike = {
        **_cluster("a", _kustomization("base", "./base")),
        **_cluster("b", _kustomization("base", "./base")),
        **shared,
    }
    assert _said(_tree(alike)) == [(f"base:{APP}", "ghcr.io/acme/app", None)]
    operation = '[{"op": "replace", "path": "/spec/policy/semver/range", "value": "2.x"}]'
    patch = f"  patches: [{{target: {{kind: ImagePolicy}}, patch: '{operation}'}}]\n"
    otherwise = alike | _cluster("b", _kustomization("base", "./base", patch))
    otherwise |= {f"clusters/{name}/app.yaml": _marked() for name in ("a", "b")}
    otherwise["base/app.yaml"] = _marked()
    otherwise["base/kustomization.yaml"] = "resources: [images.yaml, app.yaml]\n"
    tree = _tree(otherwise)
    assert [name for name, _, _ in _said(tree)] == [f"clusters/a:{APP}", f"clusters/b:{APP}"]
    assert {one.file: str(one.policy) for one in tree.fields} == {
        "clusters/a/app.yaml": f"clusters/a:{APP}",
        "clusters/b/app.yaml": f"clusters/b:{APP}",
    }
    assert [(one.file, "several policies are named" in one.what) for one in tree.reports] == [("base/app.yaml", True)]


@pytest.mark.parametrize(
    "given",
    [
        pytest.param("  postBuild: {substitute: {REGISTRY: ghcr.io/acme}}\n", id="inline"),
        pytest.param("  postBuild: {substituteFrom: [{kind: ConfigMap, name: vars}]}\n", id="from a ConfigMap in Git"),
        pytest.param(
            "  postBuild: {substituteFrom: [{kind: ConfigMap, name: made}]}\n", id="from a generated ConfigMap"
        ),
        pytest.param("  postBuild: {substituteFrom: [{kind: Secret, name: hidden}]}\n", id="given with the root"),
        pytest.param("  postBuild: {substitute: {OTHER: x}}\n", id="by its default"),
    ],
)
def test_variables_are_filled_in(given: str) -> None:
    files = {**_cluster("prod", _kustomization("apps", "./apps", given), _kustomization("vars", "./vars"))}
    files["apps/images.yaml"] = _image(image="${REGISTRY:=ghcr.io/acme}/app")
    files["vars/kustomization.yaml"] = (
        "resources: [vars.yaml]\nnamespace: flux-system\ngeneratorOptions: {disableNameSuffixHash: true}\n"
        "configMapGenerator: [{name: made, envs: [made.env]}]\n"
    )
    files["vars/vars.yaml"] = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: vars}\ndata: {REGISTRY: ghcr.io/acme}\n"
    )
    files["vars/made.env"] = "# of all\nREGISTRY=ghcr.io/acme\n"
    variables = {"clusters/prod": {"REGISTRY": "ghcr.io/acme"}} if "Secret" in given else NO_VARIABLES
    assert _said(_tree(files, variables)) == [(f"clusters/prod:{APP}", "ghcr.io/acme/app", None)]


def test_a_base_is_applied_once_for_each_environment() -> None:
    substitute = "  postBuild: {substitute: {ENV: %s}}\n"
    files = _cluster(
        "prod",
        _kustomization("blue", "./base/${ENV}", substitute % "blue"),
        _kustomization("all", "./all", substitute % "green"),
        extra="  postBuild: {substitute: {ENV: blue}}\n",
    )
    files["all/next.yaml"] = _kustomization("green", "./base/${ENV}", substitute % "green")
    for env in ("blue", "green"):
        files[f"base/{env}/kustomization.yaml"] = "resources: [../images.yaml]\n"
    files["base/images.yaml"] = _image("app-${ENV}")
    tree = _tree(files)
    assert [name for name, _, _ in _said(tree)] == [
        "clusters/prod:flux-system/app-blue",
        "clusters/prod:flux-system/app-green",
    ]
    assert tree.reports == ()


def test_a_missing_variable_is_reported_once_with_all_that_waits_for_it() -> None:
    from_cluster = "  postBuild: {substituteFrom: [{kind: ConfigMap, name: only-there}]}\n"
    files = _cluster(
        "prod",
        _kustomization("apps", "./apps", from_cluster),
        _kustomization("env", "./env/${ENV}"),
        extra=from_cluster,
    )
    files["apps/images.yaml"] = _image(image="${REGISTRY}/app") + "---\n" + _image("web", image="${REGISTRY}/web")
    files["env/one/app.yaml"] = _marked()
    tree = _tree(files)
    assert {
        problem
        for _, _, problem in _said(tree)
        if "the variable REGISTRY, which only the cluster knows" in (problem or "")
    }
    about = {one.what.split(" ")[2]: one.what for one in tree.reports}
    assert about.keys() == {"REGISTRY", "ENV"}
    assert "2 objects wait for it: ImageRepository app, ImageRepository web" in about["REGISTRY"]
    assert "1 object waits for it: Kustomization env (./env/${ENV})" in about["ENV"]
    variables = {"clusters/prod": {"REGISTRY": "ghcr.io/acme", "ENV": "one"}}
    assert [problem for _, _, problem in _said(_tree(files, variables))] == [None, None]
    assert _tree(files, variables).reports == ()


def test_substitution_that_is_disabled_leaves_an_object_as_it_is() -> None:
    files = _cluster("prod", _kustomization("apps", "./apps", "  postBuild: {substitute: {REGISTRY: ghcr.io/acme}}\n"))
    disabled = "annotations: {kustomize.toolkit.fluxcd.io/substitute: disabled}, "
    files["apps/images.yaml"] = _image(image="${REGISTRY}/app").replace("metadata: {", "metadata: {" + disabled, 1)
    ((_, text, problem),) = _said(_tree(files))
    assert (text, "spec.image is unreadable" in (problem or "")) == ("${REGISTRY}/app", True)


def test_what_no_kustomization_yaml_lists_is_no_object() -> None:
    files = {**_cluster("prod", _kustomization("apps", "./apps"), _kustomization("images", "./images"))}
    files["images/app.yaml"] = _image()
    files["apps/kustomization.yaml"] = "resources: [app.yaml]\n"
    files |= {"apps/app.yaml": _marked(), "apps/policy.yaml": _image(), "apps/broken.yaml": _image() + "\t: ["}
    tree = _tree(files)
    assert _said(tree) == [(f"clusters/prod:{APP}", "ghcr.io/acme/app", None)]
    assert (len(tree.fields), tree.reports) == (1, ())


def test_a_marker_of_a_policy_that_is_not_listed_says_where_it_is() -> None:
    files = {
        **_cluster("prod", _kustomization("apps", "./apps")),
        "apps/app.yaml": _marked(),
        "apps/policy.yaml": _image(),
    }
    files["apps/kustomization.yaml"] = "resources: [app.yaml]\n"
    (report,) = _tree(files).reports
    assert "whose ImagePolicy in apps/policy.yaml no kustomization.yaml lists" in report.what


def test_examples_that_nothing_reaches_give_no_reports() -> None:
    files = {**_cluster("prod"), "clusters/prod/images.yaml": _image()}
    files["charts/web/templates/policy.yaml"] = _image().replace("name: 'app'", "name: {{ .Release.Name }}")
    files["docs/example.yaml"] = _marked("nowhere") + "# {'$imagepolicy': 'a:b'}\n"
    files["examples/kustomization.yaml"] = "resources: ["
    tree = _tree(files)
    assert ([name for name, _, _ in _said(tree)], tree.reports) == ([f"clusters/prod:{APP}"], ())


def test_where_clusters_sync_themselves_a_kustomization_that_nothing_brings_in_makes_no_root() -> None:
    files = {**_cluster("prod"), "old/apps.yaml": _kustomization("apps", "./apps"), "apps/images.yaml": _image()}
    assert _tree(files).roots == ("clusters/prod",)


def test_a_generated_artifact_leads_to_the_repository_that_it_is_made_of() -> None:
    generator = """\
apiVersion: source.extensions.fluxcd.io/v1beta1
kind: ArtifactGenerator
metadata: {name: parts, namespace: flux-system}
spec:
  sources: [{alias: fleet, kind: GitRepository, name: flux-system}]
  artifacts:
    - name: shop
      copy: [{from: "@fleet/teams/shop/**", to: "@artifact/"}]
"""
    artifact = _kustomization("shop", "./deploy", source="{kind: ExternalArtifact, name: shop}")
    files = {**_cluster("prod", artifact), "clusters/prod/parts.yaml": generator}
    files |= {"teams/shop/deploy/images.yaml": _image(), "teams/shop/deploy/app.yaml": _marked()}
    tree = _tree(files)
    assert _said(tree) == [(f"clusters/prod:{APP}", "ghcr.io/acme/app", None)]
    found = tree.find_kustomization(root="clusters/prod", namespace="flux-system", name="shop")
    assert found is not None
    assert (found.path, found.is_here) == ("teams/shop/deploy", True)
    assert tree.reaches(found, "teams/shop/deploy/app.yaml")


def test_what_is_not_followed_keeps_a_policy_from_being_used() -> None:
    files = {**_cluster("prod"), "clusters/prod/images.yaml": _image()}
    files["clusters/prod/kustomization.yaml"] = "resources: [sync.yaml, images.yaml]\nnamePrefix: eu-\n"
    ((_, _, problem),) = _said(_tree(files))
    assert problem == "namePrefix of clusters/prod/kustomization.yaml may change it, which is not followed"


def _walk(files: Mapping[str, str], *, most: int) -> Cluster:
    scanned = {path: scan_file(path, text.encode()) for path, text in files.items()}
    builder = read_estate(scanned).builder
    entry = builder.build("0").objects
    return Walk(builder, "0", {}, Origins(()), most=most).run(entry, lambda: builder.build("0"))


def _chain(length: int) -> dict[str, str]:
    """Folders that each bring the next one in."""
    return {f"{n}/next.yaml": _kustomization(f"n{n + 1}", f"./{n + 1}") for n in range(length)}


@pytest.mark.parametrize(("length", "is_whole"), [(4, True), (5, True), (6, False)])
def test_kustomizations_that_bring_each_other_in_are_followed_so_far_and_no_further(
    length: int, *, is_whole: bool
) -> None:
    cluster = _walk(_chain(length) | {f"{length}/images.yaml": _image()}, most=5)
    assert any(one.one.kind == "ImagePolicy" for one in cluster.applied) == is_whole
    said = "more than 5 Kustomizations bring each other in: the rest is not read"
    assert cluster.problems == (() if is_whole else (("5/next.yaml", said),))


def test_many_kustomizations_that_wait_for_each_other_take_no_long_time() -> None:
    count = 1_500
    data = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: vars-%d, namespace: flux-system}\ndata: {N: '%d'}\n"
    given = "  postBuild: {substituteFrom: [{kind: ConfigMap, name: vars-%d}]}\n"
    waiting = [_kustomization(f"n{n}", f"./n/{n}", given % (n - 1)) for n in reversed(range(1, count))]
    files = {"0/all.yaml": "---\n".join(waiting) + data % (0, 0)}
    files |= {f"n/{n}/vars.yaml": data % (n, n) for n in range(1, count)}
    scanned = {path: scan_file(path, text.encode()) for path, text in files.items()}
    builder = read_estate(scanned, roots=["nowhere"]).builder
    entry = builder.build("0")
    start = time.process_time()
    cluster = Walk(builder, "0", {}, Origins(())).run((), lambda: entry)
    assert time.process_time() - start < 1.5
    assert [one.one.name for one in cluster.kustomizations] == [f"n{n}" for n in range(1, count)]
