"""What one file says about Flux, in every version and style that users write."""

import pickle
from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.flux.image_objects import read_automation, read_policy, read_repository
from app.core.flux.kustomize_objects import read_kustomization, read_source
from app.core.flux.paths import is_manifest
from app.core.flux.scanning import scan_file
from app.core.flux.written import WrittenPolicy
from app.core.manifests.text.documents import Value
from app.core.manifests.text.values import written_at
from app.core.policies.spec import Alphabetical, Choice, Numerical, PolicySpec, SemVer, TagFilter

POLICY = """\
apiVersion: image.toolkit.fluxcd.io/{version}
kind: ImagePolicy
metadata:
  name: app
  namespace: flux-system
spec:
  imageRepositoryRef:
    name: app
{spec}
"""
SEMVER = "  policy: {semver: {range: 1.x}}"


Read = TypeVar("Read")


def _read(read: Callable[[Value], Read], content: str) -> list[Read]:
    """Every object of a file by a reader of its kind."""
    return [read(one) for one in scan_file("app.yaml", content.encode()).flux.objects]


def _policy(spec: str, *, version: str = "v1") -> WrittenPolicy:
    (policy,) = _read(read_policy, POLICY.replace("{version}", version).replace("{spec}", spec))
    return policy


@pytest.mark.parametrize("version", ["v1", "v1beta2", "v1beta1"])
def test_policies_of_every_version_are_read(version: str) -> None:
    policy = _policy(SEMVER, version=version)
    assert (policy.namespace, policy.name, policy.repository_name) == ("flux-system", "app", "app")
    assert policy.spec == PolicySpec(SemVer("1.x"))
    assert policy.problem is None


def test_a_policy_of_an_unknown_version_is_reported() -> None:
    content = POLICY.replace("{version}", "v1alpha1").replace("{spec}", SEMVER)
    scanned = scan_file("app.yaml", content.encode())
    assert "'v1alpha1' is not read" in scanned.problems[0].what


@pytest.mark.parametrize(
    ("policy", "choice"),
    [
        pytest.param("{semver: {range: '>=1.0.0'}}", SemVer(">=1.0.0"), id="semver"),
        pytest.param("{alphabetical: {order: desc}}", Alphabetical("desc"), id="alphabetical"),
        pytest.param("{alphabetical: {}}", Alphabetical(), id="alphabetical without order"),
        pytest.param("{numerical: {order: asc}}", Numerical("asc"), id="numerical"),
        pytest.param("{numerical: {}, semver: {range: '1'}}", SemVer("1"), id="semver goes before numerical"),
        pytest.param("{numerical: {}, alphabetical: {}}", Alphabetical(), id="alphabetical goes before numerical"),
        pytest.param("{semver: null, numerical: {}}", Numerical(), id="null is not set"),
    ],
)
def test_the_choice_is_read(policy: str, choice: Choice) -> None:
    spec = _policy(f"  policy: {policy}").spec
    assert spec is not None
    assert spec.choice == choice


def test_the_filter_is_read_with_its_own_template_syntax() -> None:
    spec = _policy(SEMVER + "\n  filterTags: {pattern: '^v(?P<n>.*)$', extract: '${n}'}").spec
    assert spec is not None
    assert spec.filter == TagFilter("^v(?P<n>.*)$", "${n}")


@pytest.mark.parametrize(
    ("spec", "reflection"),
    [
        pytest.param("", "Never", id="not said"),
        pytest.param("  digestReflectionPolicy: Never", "Never", id="Never"),
        pytest.param("  digestReflectionPolicy: IfNotPresent", "IfNotPresent", id="IfNotPresent"),
        pytest.param("  digestReflectionPolicy: Always\n  interval: 10m", "Always", id="Always"),
    ],
)
def test_digest_reflection_is_read(spec: str, reflection: str) -> None:
    policy = _policy(f"{SEMVER}\n{spec}")
    assert (policy.digest_reflection, policy.problem) == (reflection, None)


@pytest.mark.parametrize(
    ("interval", "seconds"),
    [("10m", 600), ("1h30m", 5400), ("1.5m", 90), ("500ms", 0.5), ("0s", 600), ("99999999999h", 10 * 366 * 86400)],
)
def test_how_often_a_digest_is_followed_is_read(interval: str, seconds: float) -> None:
    policy = _policy(f"{SEMVER}\n  digestReflectionPolicy: Always\n  interval: {interval}")
    assert (policy.digest_interval.total_seconds(), policy.problem) == (seconds, None)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        pytest.param(
            SEMVER + "\n  digestReflectionPolicy: Always\n  interval: 10 minutes", "is no duration", id="no duration"
        ),
        pytest.param("  policy: {}", "spec.policy chooses nothing", id="no choice"),
        pytest.param("  policy: {semver: {range: 1.0}}", "put quotes around 1.0", id="range that is a number"),
        pytest.param("  policy: {semver: {range: [1]}}", "range is not a string", id="range that is a list"),
        pytest.param("  policy: {semver: {range: '${range}'}}", "range is unreadable", id="substituted range"),
        pytest.param(SEMVER + "\n  filterTags: {pattern: '${p}'}", "pattern is unreadable", id="substituted pattern"),
        pytest.param(SEMVER + "\n  digestReflectionPolicy: Always", "needs spec.interval", id="Always, no interval"),
        pytest.param(SEMVER + "\n  interval: 5m", "only allowed with", id="interval without Always"),
        pytest.param(SEMVER + "\n  digestReflectionPolicy: Sometimes", "is none of Never", id="unknown reflection"),
    ],
)
def test_a_policy_that_cannot_be_used_says_why(spec: str, says: str) -> None:
    policy = _policy(spec)
    assert policy.spec is None
    assert says in (policy.problem or "")


def test_a_policy_without_a_repository_says_so() -> None:
    content = "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImagePolicy\nmetadata: {name: a, namespace: b}\n"
    (policy,) = _read(read_policy, content)
    assert "imageRepositoryRef.name is missing" in (policy.problem or "")


def test_objects_in_lists_json_and_many_documents_are_found() -> None:
    content = """\
# only a comment
---
apiVersion: v1
kind: List
items:
  - {apiVersion: image.toolkit.fluxcd.io/v1, kind: ImageRepository, metadata: {name: a}, spec: {image: ghcr.io/a/a}}
  - apiVersion: v1
    kind: List
    items:
      - {"apiVersion": "image.toolkit.fluxcd.io/v1", "kind": "ImageRepository", "metadata": {"name": "b"}}
---
apiVersion: image.toolkit.fluxcd.io/v1beta2
kind: ImageRepository
metadata: {name: c}
spec: {image: ghcr.io/a/c, exclusionList: ['^x$', "^y$"]}
"""
    repositories = _read(read_repository, content)
    assert [one.name for one in repositories] == ["a", "b", "c"]
    assert repositories[0].image == "ghcr.io/a/a"
    assert repositories[2].exclusion_list == ("^x$", "^y$")


def test_anchors_and_merge_keys_are_followed() -> None:
    content = """\
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: &meta {name: a, namespace: &ns team}
spec: {image: ghcr.io/a/a}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata:
  namespace: own
  <<: &more {name: b, namespace: other}
spec: &spec {image: ghcr.io/a/b}
"""
    repositories = _read(read_repository, content)
    assert [(one.namespace, one.name) for one in repositories] == [("team", "a"), ("own", "b")]


def test_a_kustomization_of_flux_is_read() -> None:
    content = """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: flux-system}
spec:
  path: ./apps/prod
  suspend: true
  targetNamespace: apps
  sourceRef: {kind: GitRepository, name: flux-system}
"""
    (found,) = _read(read_kustomization, content)
    assert (found.namespace, found.name, found.path) == ("flux-system", "apps", "./apps/prod")
    assert (found.is_suspended, found.target_namespace, found.source_name) == (True, "apps", "flux-system")


def test_a_kustomization_file_tells_what_it_says_and_every_path() -> None:
    content = """\
namespace: apps
resources: [../base, deploy.yaml]
components: [../extra]
patches: [{path: patch.yaml}, {patch: "- op: add\\n"}]
patchesStrategicMerge: ["merge.yaml", "a: 1\\nb: 2\\n"]
configMapGenerator: [{name: c, files: [key=app.properties], envs: [x.env]}]
helmCharts: [{name: web, valuesFile: values.yaml}]
"""
    found = scan_file("apps/kustomization.yaml", content.encode()).flux.kustomize
    assert found is not None
    assert written_at(found.content, "namespace") == "apps"
    assert set(found.names) == {
        *("../base", "deploy.yaml", "../extra", "patch.yaml", "merge.yaml", "app.properties", "x.env", "values.yaml")
    }


@pytest.mark.parametrize(
    ("path", "content", "says"),
    [
        pytest.param("kustomization.yaml", "resources: [", "a kustomization file is not used", id="kustomization"),
        pytest.param("a.yaml", POLICY + "\t: [", "a file with objects of Flux is not used", id="objects"),
    ],
)
def test_a_broken_file_that_matters_is_reported(path: str, content: str, says: str) -> None:
    (problem,) = scan_file(path, content.encode()).problems
    assert says in problem.what


def test_other_broken_files_are_none_of_our_business() -> None:
    scanned = scan_file("chart/templates/a.yaml", b"{{ if }}\napiVersion: v1\n")
    assert (scanned.problems, scanned.markers.problems) == ((), ())


def test_a_scanned_file_can_be_kept() -> None:
    scanned = scan_file("app.yaml", POLICY.replace("{version}", "v1").replace("{spec}", SEMVER).encode())
    assert pickle.loads(pickle.dumps(scanned)) == scanned  # noqa: S301 - our own bytes


def test_files_are_chosen_by_name_as_flux_does() -> None:
    names = ["a.yaml", "x/.hidden/b.yml", "Kustomization", "a.YAML", "kustomization", "a.json", "a.yaml.tmpl", "yaml"]
    assert [name for name in names if is_manifest(name)] == ["a.yaml", "x/.hidden/b.yml", "Kustomization"]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("kind: &a List\nitems: &b [{kind: List, items: *b}]\n", id="list of itself"),
        pytest.param("a: &a {<<: *a}\nb: {<<: [*a, *a, 1]}\n? [x]\n: y\n? {z: 1}\n: 2\n", id="merges and odd keys"),
        pytest.param("metadata: [1]\nspec: 5\nkind: ImagePolicy\n", id="wrong types"),
        pytest.param("kind: ImagePolicy\nmetadata: &m {name: *m}\n", id="name of itself"),
        pytest.param("kind: ImageRepository\nspec: {exclusionList: x, image: [a]}\n", id="wrong types in a repository"),
        pytest.param("x: " + "[" * 5000, id="deep"),
        pytest.param("- just\n- a list\n", id="list"),
    ],
)
def test_a_hostile_file_never_stops_the_scan(content: str) -> None:
    for name in ("a.yaml", "kustomization.yaml"):
        scan_file(name, f"apiVersion: image.toolkit.fluxcd.io/v1\n{content}".encode())


@given(st.binary(max_size=120), st.integers(0, 200))
def test_no_bytes_stop_the_scan(noise: bytes, at: int) -> None:
    content = POLICY.replace("{version}", "v1").replace("{spec}", SEMVER).encode()
    scan_file("kustomization.yaml", content[:at] + noise + content[at:])


@pytest.mark.parametrize(
    ("ref", "branch", "pinned"),
    [
        pytest.param("{branch: main}", "main", "", id="branch"),
        pytest.param("{}", "", "", id="nothing"),
        pytest.param("{branch: main, tag: v1}", "main", "tag v1", id="tag before branch"),
        pytest.param("{tag: v1, semver: 1.x}", "", "semver 1.x", id="range before tag"),
        pytest.param(f"{{semver: 1.x, commit: {'a' * 40}}}", "", "commit aaaaaaaaaaaa", id="commit before all"),
        pytest.param("{branch: next, name: refs/heads/main}", "main", "", id="a name that is a branch"),
        pytest.param("{branch: main, name: refs/tags/v1}", "main", "refs/tags/v1", id="a name that is none"),
    ],
)
def test_what_a_git_repository_follows_is_read(ref: str, branch: str, pinned: str) -> None:
    content = (
        f"apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {{name: a}}\nspec: {{ref: {ref}}}"
    )
    [source] = _read(read_source, content)
    assert (source.branch, source.pinned, source.is_suspended) == (branch, pinned, False)


def test_other_sources_follow_no_branch() -> None:
    content = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: OCIRepository\nspec: {ref: {tag: latest}, suspend: true}"
    [source] = _read(read_source, content)
    assert (source.branch, source.pinned, source.is_suspended) == ("", "", True)


@pytest.mark.parametrize(
    ("selector", "written"),
    [
        pytest.param("{}", "", id="all policies"),
        pytest.param("{matchLabels: {team: shop, tier: '1'}}", "team=shop,tier=1", id="labels"),
        pytest.param("{matchExpressions: [{key: a, operator: In, values: [x, y]}]}", "a in (x,y)", id="in"),
        pytest.param("{matchExpressions: [{key: a, operator: NotIn, values: [x]}]}", "a notin (x)", id="not in"),
        pytest.param(
            "{matchExpressions: [{key: a, operator: Exists}, {key: b, operator: DoesNotExist}]}",
            "a,!b",
            id="there or not",
        ),
        pytest.param("[1, {matchLabels: x}]", "", id="not a selector"),
    ],
)
def test_an_automation_tells_its_policies_as_kubectl_takes_them(selector: str, written: str) -> None:
    content = "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageUpdateAutomation\nspec:\n"
    git = "  git: {checkout: {ref: {branch: main}}, push: {branch: images}}\n"
    [automation] = _read(read_automation, f"{content}{git}  policySelector: {selector}\n")
    assert (",".join(map(str, automation.selector)), automation.branch, automation.push_branch) == (
        written,
        "main",
        "images",
    )
