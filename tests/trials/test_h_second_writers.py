"""Trials: an ImageUpdateAutomation is told once, and only where it writes what a policy of its chooses."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from app.core.flux.from_rules import RULES_FILE
from app.core.flux.scanning import scan_file
from app.core.flux.tree import assemble
from app.core.flux.warnings import warn_of_tree
from app.core.policies.telling.warnings import WarningKind
from tests.cli.console import Console
from tests.end_to_end.bridge import deployment, policy
from tests.servers.bare_repository import BareRepository

FILES = {
    "images/app.yaml": policy(),
    "images/api.yaml": policy("api").replace("name: api, ", "name: api, labels: {team: shop, stage: prod}, "),
    "apps/a.yaml": deployment("1.0.0"),
    "apps/b.yaml": deployment("1.0.0", name="api"),
    "apps/c.yaml": deployment("1.0.0", name="api"),
}


def automation(name: str = "all", *, selector: str | None = None, path: str = "./apps", more: str = "") -> str:
    chosen = "" if selector is None else f"policySelector: {selector}, "
    return f"""\
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageUpdateAutomation
metadata: {{name: {name}, namespace: flux-system}}
spec: {{{chosen}{more}update: {{path: {path}}}}}
"""


def told(files: Mapping[str, str]) -> list[tuple[str, str]]:
    """Where second writers are told of, and what of them up to the advice."""
    tree = assemble({path: scan_file(path, text.encode()) for path, text in files.items()})
    second = [one for one in warn_of_tree(tree) if one.kind is WarningKind.SECOND_WRITER]
    assert all("spec.suspend" in one.message and "spec.policySelector" in one.message for one in second)
    return [
        (one.place, one.message.partition(" is active and writes ")[2].partition(": set its ")[0]) for one in second
    ]


def test_an_automation_is_told_once_with_its_fields_and_policies() -> None:
    assert told({**FILES, "flux/auto.yaml": automation()}) == [
        ("flux/auto.yaml", "3 fields of 2 policies too (apps/a.yaml:6 and 2 more)")
    ]


def test_each_automation_is_told() -> None:
    files = {**FILES, "flux/auto.yaml": automation(), "flux/more.yaml": automation("more", path="./apps/c.yaml")}
    assert told(files) == [
        ("flux/auto.yaml", "3 fields of 2 policies too (apps/a.yaml:6 and 2 more)"),
        ("flux/more.yaml", "fields of flux-system/api too (apps/c.yaml:6)"),
    ]


API = [("flux/auto.yaml", "fields of flux-system/api too (apps/b.yaml:6 and 1 more)")]
APP = [("flux/auto.yaml", "fields of flux-system/app too (apps/a.yaml:6)")]
BOTH = [("flux/auto.yaml", "3 fields of 2 policies too (apps/a.yaml:6 and 2 more)")]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        pytest.param("{}", BOTH, id="an empty one selects all"),
        pytest.param("null", BOTH, id="null is none"),
        pytest.param("{matchLabels: {team: shop}}", API, id="a label"),
        pytest.param("{matchLabels: {team: shop, stage: dev}}", [], id="two labels of which one differs"),
        pytest.param("{matchLabels: {team: other}}", [], id="another value"),
        pytest.param("{matchExpressions: [{key: team, operator: In, values: [x, shop]}]}", API, id="in"),
        pytest.param("{matchExpressions: [{key: team, operator: NotIn, values: [shop]}]}", APP, id="not in"),
        pytest.param("{matchExpressions: [{key: team, operator: NotIn, values: [x]}]}", BOTH, id="not in, nor absent"),
        pytest.param("{matchExpressions: [{key: team, operator: Exists}]}", API, id="exists"),
        pytest.param("{matchExpressions: [{key: team, operator: DoesNotExist}]}", APP, id="does not exist"),
        pytest.param(
            "{matchLabels: {team: shop}, matchExpressions: [{key: stage, operator: In, values: [dev]}]}",
            [],
            id="both must hold",
        ),
        pytest.param("{matchExpressions: [{key: team, operator: Like, values: [shop]}]}", [], id="Flux stalls"),
        pytest.param("{matchExpressions: [{key: team, operator: In}]}", [], id="Flux stalls without values"),
        pytest.param(
            "{matchExpressions: [{key: team, operator: Exists, values: [a]}]}", [], id="Flux stalls with some"
        ),
        pytest.param('{matchLabels: {team: "${TEAM}"}}', BOTH, id="what is filled in later may be anything"),
    ],
)
def test_only_what_its_selector_selects_counts(selector: str, expected: list[tuple[str, str]]) -> None:
    assert told({**FILES, "flux/auto.yaml": automation(selector=selector)}) == expected


def kustomization(name: str, path: str) -> str:
    return f"""\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: {name}, namespace: flux-system}}
spec: {{path: {path}, sourceRef: {{kind: GitRepository, name: flux-system}}}}
"""


CLUSTERS = {
    "clusters/a/flux.yaml": kustomization("a", "./clusters/a"),
    "clusters/b/flux.yaml": kustomization("b", "./clusters/b"),
    "clusters/a/images/app.yaml": policy(),
    "clusters/a/apps/app.yaml": deployment("1.0.0"),
}


def test_the_automation_of_a_cluster_without_the_policy_is_not_told() -> None:
    assert told({**CLUSTERS, "clusters/b/auto.yaml": automation(path="./")}) == []
    [(place, _)] = told({**CLUSTERS, "clusters/a/auto.yaml": automation(path="./")})
    assert place == "clusters/a/auto.yaml"


def test_an_automation_that_no_root_reaches_writes_nothing() -> None:
    assert told({**CLUSTERS, "elsewhere/auto.yaml": automation(path="./")}) == []


def test_markers_go_by_name_so_a_twin_in_another_cluster_writes_them_too() -> None:
    twins = {
        **CLUSTERS,
        "clusters/b/images/app.yaml": policy(),
        "clusters/b/apps/app.yaml": deployment("1.0.0"),
    }
    own = told({**twins, "clusters/b/auto.yaml": automation(path="./clusters/b")})
    assert own == [("clusters/b/auto.yaml", "fields of clusters/b:flux-system/app too (clusters/b/apps/app.yaml:6)")]
    every = told({**twins, "clusters/b/auto.yaml": automation(path="./")})
    assert every == [("clusters/b/auto.yaml", "2 fields of 2 policies too (clusters/a/apps/app.yaml:6 and 1 more)")]


RULES = """\
policies:
  - {name: web, image: registry.acme.example/web, policy: {semver: {range: "1.x"}}}
fields:
  - {files: apps/web.yaml, policy: flux-system/web, yaml: image}
"""


def check(folder: Path, console: Console, files: Mapping[str, str]) -> list[str]:
    """What `fluxbridge check` prints of a config repository."""
    BareRepository.create(folder / "fleet.git").commit("main", files)
    settings = folder / "fluxbridge.yaml"
    settings.write_text("config_repos: {fleet: {url: ./fleet.git, branch: main, forge: {kind: local}}}\n")
    console.use(settings)
    return [line.strip() for line in console.run("check").out.splitlines()]


def test_check_tells_an_automation_once_and_not_of_what_flux_does_not_write(tmp_path: Path, console: Console) -> None:
    files = {
        **FILES,
        "flux/auto.yaml": automation(path="./"),
        "apps/web.yaml": "image: registry.acme.example/web:1.0.0\n",
        RULES_FILE: RULES,
    }
    [line] = [line for line in check(tmp_path, console, files) if line.endswith("(second_writer)")]
    said = "ImageUpdateAutomation flux-system/all is active and writes 3 fields of 2 policies too"
    assert line.startswith(f"flux/auto.yaml: {said} (apps/a.yaml:6 and 2 more): ")


def test_a_policy_whose_fields_are_all_refused_is_not_called_unused(tmp_path: Path, console: Console) -> None:
    files = {
        **FILES,
        "apps/a.yaml": deployment("1.0.0").replace(":1.0.0", ":{{ .Values.tag }}"),
        "apps/web.yaml": 'image: "registry.acme.example/web:{{ .Values.tag }}"\n',
        RULES_FILE: RULES,
    }
    lines = check(tmp_path, console, files)
    assert [line for line in lines if "unused_policy" in line or "nothing uses" in line] == []
    assert [line for line in lines if line.startswith("apps/a.yaml:6: ")] != []
    assert [line for line in lines if line.startswith("apps/web.yaml:1: ")] != []
