"""Which versions of dependencies are set, and that the lock file goes with them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from app.core.images import version_of_tag
from app.core.manifests.kinds.chart_lock import Dependency, lock_digest
from app.core.manifests.kinds.charts import Chart, find_dependencies, lock_path, set_dependencies
from app.core.manifests.kinds.declared import ChartDependency, DeclaredField
from app.core.manifests.places import Part
from app.core.manifests.text.setting import CannotSet

GOLDEN = Path(__file__).parents[2] / "golden" / "charts"
OCI = "oci://registry.acme.example/charts"
BOMB = "  a0: &a0 [x]\n" + "".join(f"  a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]\n" for n in range(20))
PLAIN = f"dependencies:\n- name: web\n  version: 1.0.0\n  repository: {OCI}\n"


def _folders(kind: str) -> list[Path]:
    return sorted(one for one in (GOLDEN / kind).iterdir() if one.is_dir())


def _chart(folder: Path) -> Chart:
    is_of_helm_2 = (folder / "requirements.yaml").exists()
    file = folder / ("requirements.yaml" if is_of_helm_2 else "Chart.yaml")
    lock = Path(lock_path(str(file)) or "")
    return Chart(file.read_bytes(), lock.read_bytes() if lock.exists() else None, is_of_helm_2)


def _in_utf_16(chart: Chart) -> Chart:
    content, lock = (one and one.decode("utf-8-sig").encode("utf-16") for one in (chart.content, chart.lock))
    return replace(chart, content=content or b"", lock=lock)


def _set(chart: Chart, versions: dict[str, str]) -> Chart:
    return set_dependencies(chart, {one: new for name, new in versions.items() for one in _fields(chart, name)})


def _fields(chart: Chart, name: str) -> tuple[DeclaredField, ...]:
    scan = find_dependencies(chart, ChartDependency(name))
    assert scan.problems == ()
    return scan.fields


def _problem(chart: Chart, name: str = "web") -> str:
    scan = find_dependencies(chart, ChartDependency(name))
    assert scan.fields == ()
    (problem,) = scan.problems
    return f"line {problem.line}: {problem.what}"


@pytest.mark.parametrize("folder", _folders("edits"), ids=lambda folder: folder.name)
def test_only_the_bytes_of_versions_and_of_the_digest_change(folder: Path) -> None:
    before, after = _chart(folder / "before"), _chart(folder / "after")
    versions = json.loads((folder / "declared.json").read_text())
    assert _set(before, versions) == after
    assert _set(after, versions) == after


@pytest.mark.parametrize("folder", _folders("edits"), ids=lambda folder: folder.name)
def test_a_chart_in_utf_16_is_edited_as_the_same_one_in_utf_8(folder: Path) -> None:
    before, after = _in_utf_16(_chart(folder / "before")), _in_utf_16(_chart(folder / "after"))
    assert _set(before, json.loads((folder / "declared.json").read_text())) == after


@pytest.mark.parametrize("folder", _folders("written-by-helm"), ids=lambda folder: folder.name)
def test_a_lock_file_that_helm_wrote_is_trusted(folder: Path) -> None:
    chart = _chart(folder)
    scan = find_dependencies(chart, ChartDependency("no such chart"))
    assert [problem.what for problem in scan.problems] == ["no dependency has the name or alias no such chart"]


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        pytest.param("alias-and-oci", "upstream", id="alias"),
        pytest.param("alias-and-oci", "oci://registry1.dso.mil/bigbang/gluon", id="address"),
        pytest.param("condition", "redis", id="condition"),
        pytest.param("seven-charts", "tenant", id="the last of seven"),
        pytest.param("three-conditions", "cert-manager", id="a version with v"),
        pytest.param("helm-2", "postgresql", id="the digest of Helm 2"),
    ],
)
def test_there_and_back_is_what_helm_wrote(folder: str, name: str) -> None:
    chart = _chart(GOLDEN / "written-by-helm" / folder)
    (field,) = _fields(chart, name)
    moved = _set(chart, {name: "999.1.2"})
    assert moved.content != chart.content
    assert moved.lock != chart.lock
    assert _set(moved, {name: field.text}) == chart


def test_a_range_is_locked_there_and_back() -> None:
    chart = _chart(GOLDEN / "written-by-helm" / "ranges-and-tags")
    moved = _set(chart, {"redis": "22.1.0"})
    assert moved.content == chart.content
    assert b"  version: 22.1.0\n" in (moved.lock or b"")
    assert _set(moved, {"redis": "22.0.7"}) == chart


def test_a_field_says_where_it_stands_and_what_is_locked() -> None:
    chart = _chart(GOLDEN / "edits" / "range-that-holds-it" / "before")
    (field,) = _fields(chart, "web")
    assert chart.content[field.start : field.end] == b'"^1.2"'
    assert (field.where, field.line, field.text) == ("dependencies[web].version", 6, "1.4.2")
    assert field.part is Part.VERSION


@pytest.mark.parametrize("repository", ["https://charts.acme.example/stable/", "@acme", "alias:acme"])
def test_a_dependency_is_found_by_the_address_that_its_lock_file_has(repository: str) -> None:
    wanted = Dependency(name="web", version="1.x", repository=repository)
    locked = Dependency(name="web", version="1.4.2", repository="https://charts.acme.example/stable/")
    entry, digest = "- name: web\n  version: {}\n  repository: {}\n", lock_digest([wanted], [locked])
    chart = Chart(
        f"dependencies:\n{entry.format('1.x', json.dumps(repository))}".encode(),
        f"dependencies:\n{entry.format('1.4.2', locked.repository)}digest: {digest}\n".encode(),
    )
    (field,) = _fields(chart, "https://charts.acme.example/stable/web")
    assert field.text == "1.4.2"
    moved = set_dependencies(chart, {field: "1.5.0"})
    assert moved.content == chart.content
    assert _fields(moved, "https://charts.acme.example/stable/web")[0].text == "1.5.0"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(PLAIN.replace(OCI, "file://../web"), "line 2: web comes from no registry", id="folder"),
        pytest.param(PLAIN.replace(f"  repository: {OCI}\n", ""), "line 2: web comes from no registry", id="vendored"),
        pytest.param(PLAIN.replace("web", "api"), "line 1: no dependency has the name or alias web", id="missing"),
        pytest.param(PLAIN.replace("  version: 1.0.0\n", ""), "web has no version of its own", id="no version"),
        pytest.param(PLAIN + "  version: 2.0.0\n", "web has no version of its own", id="two versions"),
        pytest.param("name: web\n", "no list of dependencies", id="no dependencies"),
        pytest.param(PLAIN + PLAIN, "no list of dependencies, or more than one", id="two lists"),
        pytest.param(PLAIN + "---\n" + PLAIN, "not one document", id="two documents"),
        pytest.param("dependencies: [web]\n", "cannot be read: it is no mapping", id="a name only"),
        pytest.param(PLAIN + "  tags: far\n", "its tags are no list", id="tags that are no list"),
        pytest.param(PLAIN + "  import-values: [1]\n", "something else than texts", id="imported number"),
        pytest.param(PLAIN + "  alias: [a]\n", "its alias is no text", id="alias that is a list"),
        pytest.param("dependencies: [\n", "cannot be parsed as YAML", id="broken"),
        pytest.param("- x\n", "not one document", id="a list"),
        pytest.param(
            f"name: &d dependencies\n{PLAIN}*d : []\n", "line 6: *d stands in place of a key", id="an alias as key"
        ),
        pytest.param(
            PLAIN.replace("version:", "&v version:") + "  *v : 2.0.0\n",
            "line 5: *v stands in place of a key",
            id="an alias as a dependency's key",
        ),
        pytest.param(PLAIN + "  import-values: &a [*a]\n", "write no aliases there", id="a list in itself"),
        pytest.param(PLAIN.replace("- name", "- &a\n  import-values: [*a]\n  name"), "no aliases", id="one in itself"),
        pytest.param(PLAIN + BOMB, "write no aliases there", id="aliases without end"),
        pytest.param(PLAIN + f"  import-values: {'[' * 60}{']' * 60}\n", "50 levels", id="deep lists"),
        pytest.param(f"dependencies: [&e {{name: web}}{', *e' * 500}]\n", "more than 500", id="many dependencies"),
        pytest.param("", "not one document", id="empty"),
        pytest.param(PLAIN + PLAIN.removeprefix("dependencies:\n"), "give each an alias of its own", id="twice"),
        pytest.param(
            PLAIN + PLAIN.removeprefix("dependencies:\n").replace(OCI, "https://charts.example"),
            "line 5: web stands for several charts",
            id="of two repositories",
        ),
    ],
)
def test_what_cannot_be_set_is_reported(content: str, says: str) -> None:
    assert says in _problem(Chart(content.encode()))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        pytest.param("version: 1.4.2", "version: 1.4.1", "does not agree", id="another version"),
        pytest.param("sha256:", "sha256:0", "does not agree", id="another digest"),
        pytest.param("digest:", "digests:", "does not agree", id="no digest"),
        pytest.param("- name: web", "- name: other", "does not agree", id="another chart"),
        pytest.param("dependencies:", "dependencies: [", "cannot be used (its line", id="broken"),
    ],
)
def test_a_lock_file_that_does_not_agree_is_reported(old: str, new: str, says: str) -> None:
    chart = _chart(GOLDEN / "edits" / "exact-version" / "before")
    lock = (chart.lock or b"").replace(old.encode(), new.encode(), 1)
    assert says in _problem(Chart(chart.content, lock))


def test_the_digest_of_helm_2_is_for_requirements_only() -> None:
    chart = _chart(GOLDEN / "written-by-helm" / "helm-2")
    assert "does not agree" in _problem(Chart(chart.content, chart.lock), "postgresql")


@pytest.mark.parametrize("new", ["latest", "1.2", "^1.2.3", "", "1.2.3 ", "1.2.3\n", "1.2.3-01"])
def test_what_is_no_version_is_refused(new: str) -> None:
    chart = Chart(PLAIN.encode())
    with pytest.raises(CannotSet, match="is no version of a chart"):
        _set(chart, {"web": new})


def test_a_chart_that_changed_since_is_refused() -> None:
    (field,) = _fields(Chart(PLAIN.encode()), "web")
    with pytest.raises(CannotSet, match="is not what it was"):
        set_dependencies(Chart(PLAIN.replace("1.0.0", "1.0.1").encode()), {field: "2.0.0"})


def test_several_dependencies_move_together() -> None:
    chart = _chart(GOLDEN / "written-by-helm" / "seven-charts")
    versions = {"loki": "4.9.0", "grafana": "6.53.0", "traefik": "10.19.9"}
    moved = _set(chart, versions)
    assert {name: _fields(moved, name)[0].text for name in versions} == versions
    assert b"version: 10.19.*" in moved.content


def test_a_number_becomes_a_version() -> None:
    chart = Chart(PLAIN.replace("1.0.0", "1.10").encode())
    assert _set(chart, {"web": "1.10.0"}).content == PLAIN.replace("1.0.0", "1.10.0").encode()


def test_a_tag_with_an_underscore_is_a_version_with_metadata() -> None:
    assert version_of_tag("1.2.3_build_5") == "1.2.3+build+5"


@pytest.mark.parametrize(
    ("path", "lock"),
    [
        ("Chart.yaml", "Chart.lock"),
        ("a/b/requirements.yaml", "a/b/requirements.lock"),
        ("a/Chart.yml", None),
        ("a/MyChart.yaml", None),
    ],
)
def test_the_lock_file_is_next_to_its_file(path: str, lock: str | None) -> None:
    assert lock_path(path) == lock
