"""What stands beside a chart: lock files and archives that would be left behind, and edits that meet in one file."""

from pathlib import Path

import pytest

from app.core.manifests.editing import edit_file, find_declared
from app.core.manifests.kinds.charts import without_stale_archives
from app.core.manifests.kinds.declared import ChartDependency, FieldScan, Selector, YamlPath
from app.core.manifests.kinds.field_paths import FieldPath
from app.core.manifests.kinds.markers import find_markers
from app.core.manifests.places import Part
from app.core.manifests.text.setting import CannotSet
from app.core.promotion.edit_plans import EditPlan, plan_edits
from app.core.promotion.given_images import Selected
from app.core.promotion.rules_reading import read_rules

BEFORE = Path(__file__).parents[2] / "golden" / "charts" / "edits" / "exact-version" / "before"
CHART, LOCK = ((BEFORE / name).read_bytes() for name in ("Chart.yaml", "Chart.lock"))
FILES = {"shop/Chart.yaml": CHART, "shop/Chart.lock": LOCK}
WEB = ChartDependency("web")
LOCKED = YamlPath(FieldPath.parse("dependencies[web].version"), Part.VERSION)
MARKED = b"""name: shop
version: 1.0.0 # {"$imagepolicy": "ns:shop:tag"}
dependencies:
- name: web
  repository: oci://registry.acme.example/charts
  version: 1.4.2 # {"$imagepolicy": "ns:web:tag"}
"""


def _scan(path: str, selector: Selector, *unreadable: str) -> FieldScan:
    (scan,) = find_declared(path, FILES, [selector], unreadable=unreadable)
    return scan


def _plan(files: dict[str, bytes], fields: str, *paths: str) -> EditPlan:
    rules = read_rules(f"fields:\n{fields}".encode())
    return plan_edits(files, {"ns:web": Selected("registry.acme.example/charts/web", "1.5.0")}, rules, paths=paths)


DEPENDENCY = "  - {policy: ns/web, files: shop/Chart.yaml, dependency: web}\n"


@pytest.mark.parametrize("name", ["Chart.lock", "requirements.lock"])
@pytest.mark.parametrize("selector", [LOCKED, WEB], ids=["yaml", "dependency"])
def test_a_lock_file_changes_only_with_its_chart(name: str, selector: Selector) -> None:
    (scan,) = find_declared(f"a/{name}", {f"a/{name}": LOCK}, [selector])
    assert scan.fields == ()
    assert "a lock file changes only with its chart" in scan.problems[0].what


def test_two_declarations_never_make_the_same_file() -> None:
    plan = _plan(FILES, DEPENDENCY + "  - {policy: ns/web, files: shop/Chart.lock, values: 'dependencies[web]'}\n")
    assert [one.path for one in plan.files] == ["shop/Chart.yaml", "shop/Chart.lock"]
    assert ["lock file changes only with" in one.what for one in plan.reports if one.file == "shop/Chart.lock"] == [
        True
    ]
    assert (
        find_declared("Chart.yaml", {"Chart.yaml": plan.files[0].after, "Chart.lock": plan.files[1].after}, [WEB])[
            0
        ].problems
        == ()
    )


@pytest.mark.parametrize(("path", "lock"), [("Chart.yaml", "Chart.lock"), ("requirements.yaml", "requirements.lock")])
def test_a_lock_file_that_is_no_regular_file_is_reported(path: str, lock: str) -> None:
    (scan,) = find_declared(f"shop/{path}", {f"shop/{path}": CHART}, [WEB], unreadable=[f"shop/{lock}"])
    assert scan.fields == ()
    assert f"{lock} is no regular file" in scan.problems[0].what


def test_a_dependency_is_not_set_while_its_lock_file_cannot_be_read() -> None:
    contents = {"Chart.yaml": CHART}
    ((field,),) = (scan.fields for scan in find_declared("Chart.yaml", contents, [WEB]))
    with pytest.raises(CannotSet):
        edit_file("Chart.yaml", contents, [(field, "1.5.0")], unreadable=["Chart.lock"])


def test_a_marker_moves_no_dependency_while_the_lock_file_cannot_be_read() -> None:
    contents = {"Chart.yaml": MARKED}
    own, dependency = find_markers(MARKED).fields
    with pytest.raises(CannotSet, match="lock file would no longer agree"):
        edit_file("Chart.yaml", contents, [(dependency, "1.5.0")], unreadable=["Chart.lock"])
    edited = edit_file("Chart.yaml", contents, [(own, "1.0.1")], unreadable=["Chart.lock"])
    assert edited["Chart.yaml"] == MARKED.replace(b"1.0.0", b"1.0.1")


def test_a_marker_is_set_in_a_chart_whose_dependencies_have_no_end() -> None:
    endless = MARKED + b"  import-values: &a [*a]\n"
    own, _ = find_markers(endless).fields
    edited = edit_file("Chart.yaml", {"Chart.yaml": endless, "Chart.lock": LOCK}, [(own, "1.0.1")])
    assert edited == {"Chart.yaml": endless.replace(b"1.0.0", b"1.0.1")}


@pytest.mark.parametrize(
    ("path", "archive", "is_stale"),
    [
        ("shop/Chart.yaml", "shop/charts/web-1.4.2.tgz", True),
        ("Chart.yaml", "charts/web-1.4.2.tgz", True),
        ("shop/Chart.yaml", "charts/web-1.4.2.tgz", False),
        ("Chart.yaml", "shop/charts/web-1.4.2.tgz", False),
        ("shop/Chart.yaml", "shop/charts/web/values.yaml", False),
    ],
)
def test_archives_below_charts_would_be_left_behind(path: str, archive: str, is_stale: bool) -> None:  # noqa: FBT001
    scan = without_stale_archives(path, _scan("shop/Chart.yaml", WEB), [path, archive])
    assert (scan.fields == ()) is is_stale
    assert [f"{archive} would be left behind" in one.what for one in scan.problems] == [True] * is_stale


def test_other_fields_of_a_chart_do_not_mind_archives() -> None:
    scan = _scan("shop/Chart.yaml", LOCKED)
    assert scan.fields
    assert without_stale_archives("shop/Chart.yaml", scan, ["shop/charts/web-1.4.2.tgz"]) == scan


@pytest.mark.parametrize(
    ("files", "path", "says", "unset"),
    [
        pytest.param(
            FILES,
            "shop/charts/web-1.4.2.tgz",
            "would be left behind",
            "shop/Chart.yaml:6: shop/charts/web-1.4.2.tgz would be left behind",
            id="archive",
        ),
        pytest.param(
            {"shop/Chart.yaml": CHART},
            "shop/Chart.lock",
            "is no regular file",
            "no field of this policy was found",
            id="lock file",
        ),
    ],
)
def test_what_else_is_in_the_folder_keeps_a_dependency_as_it_is(
    files: dict[str, bytes], path: str, says: str, unset: str
) -> None:
    plan = _plan(files, DEPENDENCY, *files, path)
    assert plan.files == ()
    assert plan.unset["ns:web"].startswith(unset)
    assert [says in one.what for one in plan.reports] == [True]
    assert _plan(files, DEPENDENCY, *files).files


def test_a_policy_that_a_marker_gives_a_locked_dependency_is_not_set_in_part() -> None:
    files = {"shop/Chart.yaml": MARKED, "web.yaml": b'tag: 1.4.2 # {"$imagepolicy": "ns:web:tag"}\n'}
    plan = _plan(files, "  []", *files, "shop/Chart.lock")
    assert plan.files == ()
    assert "lock file would no longer agree" in plan.unset["ns:web"]
    assert len(_plan(files, "  []", *files).files) == 2
