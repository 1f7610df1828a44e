"""What `.fluxbridge.yaml` may declare, and what its mistakes are called."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.flux.from_rules import declared_files
from app.core.flux.globs import PathList, compile_globs
from app.core.images import ImageName
from app.core.manifests.kinds.declared import (
    ChartDependency,
    Containers,
    EnvKey,
    JsonPath,
    KustomizationImage,
    Selector,
    SourceRef,
    YamlPath,
)
from app.core.manifests.kinds.field_paths import FieldPath
from app.core.manifests.places import Part
from app.core.policies.spec import Numerical, PolicySpec, SemVer, TagFilter
from app.core.promotion.rules_document import InvalidRules
from app.core.promotion.rules_reading import read_rules
from tests.core.manifests.declared import rules_with

PATH = FieldPath.parse("image.tag")


@pytest.mark.parametrize(
    ("written", "selector"),
    [
        pytest.param("kustomization: reg/app", KustomizationImage("reg/app"), id="kustomization"),
        pytest.param(
            "kustomization: {image: app, set: [digest, newTag, newName]}",
            KustomizationImage("app", (Part.DIGEST, Part.TAG, Part.NAME)),
            id="kustomization with its keys",
        ),
        pytest.param("values: image.tag", YamlPath(PATH), id="values"),
        pytest.param("values: {path: image.tag, part: digest}", YamlPath(PATH, Part.DIGEST), id="part"),
        pytest.param("yaml: {path: image.tag, pattern: 'v(.*)'}", YamlPath(PATH, None, "v(.*)"), id="pattern"),
        pytest.param(
            "yaml: {path: image.tag, kind: ConfigMap, name: a}", YamlPath(PATH, None, None, "ConfigMap", "a"), id="yaml"
        ),
        pytest.param(
            "helm_release: {name: app, path: spec.values.image}",
            YamlPath(FieldPath.parse("spec.values.image"), None, None, "HelmRelease", "app"),
            id="values of a HelmRelease",
        ),
        pytest.param(
            "helm_release: spec.chart.spec.version",
            YamlPath(FieldPath.parse("spec.chart.spec.version"), Part.VERSION, None, "HelmRelease"),
            id="chart of a HelmRelease",
        ),
        pytest.param("source: {kind: OCIRepository, name: a}", SourceRef("OCIRepository", "a"), id="source"),
        pytest.param("containers: true", Containers(), id="containers"),
        pytest.param("json: image.tag", JsonPath(PATH), id="json"),
        pytest.param("env: APP_VERSION", EnvKey("APP_VERSION"), id="env"),
        pytest.param("dependency: redis", ChartDependency("redis"), id="dependency of a chart"),
    ],
)
def test_a_field_is_declared(written: str, selector: Selector) -> None:
    rules = rules_with(f"fields:\n  - {{policy: flux-system/app, files: 'apps/**', {written}}}")
    (one,) = rules.declarations
    assert (one.key, one.namespace, one.policy, one.files) == ("fields.0", "flux-system", "app", ("apps/**",))
    assert one.selector == selector


@pytest.mark.parametrize(
    ("written", "key"),
    [
        pytest.param("policy: app, files: a, env: A", "fields.0.policy", id="policy without namespace"),
        pytest.param("policy: a/b, files: /a, env: A", "fields.0.files.0", id="files from the root"),
        pytest.param("policy: a/b, files: ../a, env: A", "fields.0.files.0", id="files outside"),
        pytest.param("policy: a/b, files: [a, ./b], env: A", "fields.0.files.1", id="files with a dot"),
        pytest.param("policy: a/b, files: [], env: A", "fields.0.files", id="no files"),
        pytest.param(f"policy: a/b, files: '{'*a' * 21}', env: A", "fields.0.files.0", id="too many wildcards"),
        pytest.param("policy: a/b, files: a", "fields.0", id="no kind"),
        pytest.param("policy: a/b, files: a, env: A, values: b", "fields.0", id="two kinds"),
        pytest.param("policy: a/b, files: a, image: A", "fields.0.image", id="unknown kind"),
        pytest.param("policy: a/b, files: a, containers: false", "fields.0.containers", id="containers: false"),
        pytest.param("policy: a/b, files: a, values: a..b", "fields.0.values.path", id="path"),
        pytest.param('policy: a/b, files: a, values: "a.\\ud800"', "fields.0.values.path", id="half a character"),
        pytest.param('policy: a/b, files: "\\ud800", values: a', "fields.0.files.0", id="half a character in a path"),
        pytest.param("policy: a/b, files: a, values: 5", "fields.0.values", id="number for a path"),
        pytest.param("policy: a/b, files: a, values: {path: [a]}", "fields.0.values.path", id="list for a path"),
        pytest.param("policy: a/b, files: a, values: {path: a, part: b}", "fields.0.values.part", id="part"),
        pytest.param("policy: a/b, files: a, json: {path: a, pattern: '('}", "fields.0.json.pattern", id="pattern"),
        pytest.param("policy: a/b, files: a, yaml: {path: a, pattern: a}", "fields.0.yaml.pattern", id="no group"),
        pytest.param("policy: a/b, files: a, yaml: {path: a, pattern: 5}", "fields.0.yaml.pattern", id="number"),
        pytest.param("policy: a/b, files: a, helm_release: spec.a", "fields.0.helm_release", id="HelmRelease's path"),
        pytest.param("policy: a/b, files: a, source: {kind: Bucket, name: a}", "fields.0.source.kind", id="source"),
        pytest.param("policy: a/b, files: a, kustomization: {image: a, set: [tag]}", "kustomization.set.0", id="set"),
    ],
)
def test_a_mistake_in_a_field_is_named_by_its_key(written: str, key: str) -> None:
    with pytest.raises(InvalidRules) as error:
        read_rules(f"fields:\n  - {{{written}}}\n".encode())
    assert f"{key}: " in str(error.value)


def test_policies_are_written_in_the_schema_of_flux() -> None:
    rules = rules_with(
        "",
        """
policies:
  - name: app
    namespace: apps
    image: nginx
    policy: {numerical: {order: asc}}
    filterTags: {pattern: '^main-([0-9]+)$', extract: $1}
    digestReflectionPolicy: IfNotPresent
    exclusionList: ['-debug$']
  - {name: redis, chart: oci://charts/redis, policy: {semver: {range: ^20}}}
""",
    )
    app, redis = rules.policies
    assert (str(app.name), app.file, app.problem) == ("apps/app", ".fluxbridge.yaml", None)
    assert (app.image, app.image_text) == (ImageName("docker.io", "library/nginx"), "nginx")
    assert app.spec == PolicySpec(Numerical("asc"), TagFilter("^main-([0-9]+)$", "$1"), ("-debug$",))
    assert app.digest_reflection == "IfNotPresent"
    assert (str(redis.name), redis.image, redis.image_text) == (
        "flux-system/redis",
        ImageName("charts", "redis"),
        "charts/redis",
    )
    assert redis.spec == PolicySpec(SemVer("^20"), is_chart=True)


def test_a_chart_of_a_classic_repository_is_named_by_its_address() -> None:
    written = "name: shop, chart: 'https://Charts.acme.example/stable//Shop/', policy: {semver: {range: 1.x}}"
    (policy,) = read_rules(f"policies:\n  - {{{written}}}\n".encode()).policies
    assert policy.image == ImageName("https://charts.acme.example", "stable/Shop")
    assert policy.image_text == "https://charts.acme.example/stable/Shop"
    assert policy.spec == PolicySpec(SemVer("1.x"), is_chart=True)


def test_a_policy_that_follows_digests_says_how_often() -> None:
    written = "image: a, policy: {numerical: {}}, digestReflectionPolicy: Always, interval: 1h30m"
    (policy,) = read_rules(f"policies:\n  - {{name: app, {written}}}\n".encode()).policies
    assert (policy.digest_reflection, policy.digest_interval) == ("Always", timedelta(minutes=90))


@pytest.mark.parametrize(
    "written",
    [
        pytest.param("image: a, chart: oci://a/b, policy: {numerical: {}}", id="image and chart"),
        pytest.param("policy: {numerical: {}}", id="neither"),
        pytest.param("chart: ftp://a/b, policy: {numerical: {}}", id="chart that is not in a registry"),
        pytest.param("chart: 'https://a', policy: {numerical: {}}", id="chart without a name"),
        pytest.param("chart: 'https://u:p@a/b', policy: {numerical: {}}", id="chart with a password"),
        pytest.param("image: 'https://a/b', policy: {numerical: {}}", id="image with a scheme"),
        pytest.param("chart: oci://a, policy: {numerical: {}}", id="chart without a path"),
        pytest.param("image: a/b:1, policy: {numerical: {}}", id="image with a tag"),
        pytest.param("image: a, policy: {}", id="no choice"),
        pytest.param("image: a, policy: {numerical: {}, alphabetical: {}}", id="two choices"),
        pytest.param("image: a, policy: {semver: {range: x y}}", id="range"),
        pytest.param("image: a, policy: {numerical: {order: up}}", id="order"),
        pytest.param("image: a, policy: {numerical: {}}, filterTags: {pattern: '('}", id="pattern"),
        pytest.param("image: a, policy: {numerical: {}}, digestReflectionPolicy: Often", id="digests"),
        pytest.param("image: a, policy: {numerical: {}}, digestReflectionPolicy: Always", id="no interval"),
        pytest.param("image: a, policy: {numerical: {}}, interval: 5m", id="interval without Always"),
        pytest.param(
            "image: a, policy: {numerical: {}}, digestReflectionPolicy: Always, interval: soon", id="interval"
        ),
    ],
)
def test_a_mistake_in_a_policy_is_named_by_its_key(written: str) -> None:
    with pytest.raises(InvalidRules, match=r"policies\.0"):
        read_rules(f"policies:\n  - {{name: app, {written}}}\n".encode())


@pytest.mark.parametrize(
    ("glob", "matched"),
    [
        pytest.param("a/values.yaml", ["a/values.yaml"], id="one file"),
        pytest.param("**/values.yaml", ["a/b/values.yaml", "a/values.yaml", "values.yaml"], id="at any depth"),
        pytest.param("a/**", ["a/b/values.yaml", "a/values.yaml", "a/x1.yml", "a/xa/1.yml"], id="all below"),
        pytest.param("a/**/*.yaml", ["a/b/values.yaml", "a/values.yaml"], id="any depth below"),
        pytest.param("*/values.yaml", ["a/values.yaml"], id="one folder"),
        pytest.param("a/x?.yml", ["a/x1.yml"], id="one character"),
        pytest.param("a/x.yml", [], id="a dot is a dot"),
        pytest.param(".*", [".env"], id="hidden files, but not the rules"),
        pytest.param("é/[x]{y}+$", ["é/[x]{y}+$"], id="every other character is itself"),
    ],
)
def test_files_are_matched_from_the_top_of_the_repository(glob: str, matched: list[str]) -> None:
    rules = rules_with(f"fields:\n  - {{policy: a/b, files: '{glob}', values: image}}")
    paths = ["values.yaml", "a/values.yaml", "a/b/values.yaml", "a/x1.yml", "a/xa/1.yml", ".env", ".fluxbridge.yaml"]
    assert list(declared_files(rules.declarations, [*paths, "é/[x]{y}+$", "a\nb/values.yaml", "\udcff"])) == matched


SEGMENTS = st.sampled_from(["a", "ab", "b.yaml", "é", "\udcff", "x"])
PATHS = st.lists(st.lists(SEGMENTS, min_size=1, max_size=4).map("/".join), max_size=12)
GLOBS = st.lists(SEGMENTS | st.sampled_from(["*", "**", "a*", "?", "*.yaml", "a?"]), min_size=1, max_size=4)


@given(PATHS, GLOBS.map("/".join).filter(str.isprintable))
def test_a_list_of_paths_is_searched_as_each_path_is_tested(paths: list[str], glob: str) -> None:
    assert PathList(paths).matching(glob) == set(filter(compile_globs([glob]), paths))
