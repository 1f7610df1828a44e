"""What cannot be found or set for sure is reported with its line, and nothing is edited for it."""

import pytest

from app.core.manifests.editing import edit_file, find_declared
from app.core.manifests.kinds.declared import (
    Containers,
    DeclaredField,
    FieldScan,
    KustomizationImage,
    Selector,
    SourceRef,
    YamlPath,
)
from app.core.manifests.kinds.field_paths import FieldPath, InvalidPath
from app.core.manifests.places import Part
from app.core.manifests.text.setting import CannotSet

APP = KustomizationImage("app")


def _at(path: str, *, part: Part | None = None, pattern: str | None = None, kind: str = "") -> YamlPath:
    return YamlPath(FieldPath.parse(path), part, pattern, kind)


def _find(content: str, selector: Selector) -> FieldScan:
    (scan,) = find_declared("file.yaml", {"file.yaml": content.encode()}, [selector])
    return scan


def _set(content: str, field: DeclaredField, new: str) -> str:
    edited = edit_file("file.yaml", {"file.yaml": content.encode()}, [(field, new)])
    return edited.get("file.yaml", content.encode()).decode()


@pytest.mark.parametrize(
    ("content", "selector", "line", "what"),
    [
        pytest.param("a: 1\n\tb: 2\n", _at("a.tag"), 2, "cannot be parsed", id="broken file"),
        pytest.param("", _at("a.tag"), 1, "the file is empty", id="empty file"),
        pytest.param("# note\n", _at("a.tag"), 1, "nothing stands at a", id="only a comment"),
        pytest.param("b: 1\na: {b: 1}\n", _at("a.tag"), 2, "nothing stands at a.tag", id="missing key"),
        pytest.param("a: 1\n", _at("a.tag"), 1, "a is a single value", id="deeper than the file"),
        pytest.param("a: [1]\n", _at("a.tag"), 1, "nothing stands at a.tag", id="a list where a mapping was meant"),
        pytest.param("a: {x: 1}\n", _at("a"), 1, "neither tag nor digest", id="mapping that is no image"),
        pytest.param("a: {tag: 1}\n", _at("a", part=Part.TAG), 1, "is a mapping", id="mapping where a part was named"),
        pytest.param("\na: [1]\n", _at("a"), 2, "is a list", id="list"),
        pytest.param("\na: {version: 1}\n", _at("a.version"), 2, "declare part", id="part not clear"),
        pytest.param("a: {tag: 1}\na: {tag: 2}\n", _at("a.tag"), 2, "written 2 times", id="duplicate key"),
        pytest.param("b: &x {tag: 1}\na: *x\n", _at("a.tag"), 2, "a is what stands at &x", id="alias"),
        pytest.param("b: &x {tag: 1}\na: {<<: *x}\n", _at("a.tag"), 2, "with << into a", id="merge key"),
        pytest.param("a: {tag: '{{ .tag }}'}\n", _at("a.tag"), 1, "is a template", id="templated value"),
        pytest.param("b: 1\na: {tag: {{ x }}}\n", _at("a.tag"), 2, "is a template", id="template without quotes"),
        pytest.param("a: {tag: !!int 1}\n", _at("a.tag"), 1, "explicit type", id="explicit type"),
        pytest.param("kind: A\n", _at("spec.tag", kind="HelmRelease"), 1, "no HelmRelease", id="no such object"),
        pytest.param(
            "kind: HelmRelease\nspec: {a: {tag: 1}}\n---\nkind: HelmRelease\nspec: {a: {tag: 2}}\n",
            _at("spec.a", kind="HelmRelease"),
            4,
            "2 HelmReleases of the file have spec.a: say which by `name`",
            id="one of several HelmReleases",
        ),
        pytest.param('x: [a:b]\ntag: "\\ud800"\n', _at("tag"), 2, "surrogate", id="half a character"),
        pytest.param("a: b\n", _at("a", pattern="(x)"), 1, "is not found", id="pattern not found"),
        pytest.param("a: b\n", _at("a", pattern="(b)(b)?"), 1, "2 groups", id="two groups"),
        pytest.param("a: b\n", _at("a", pattern="b("), 1, "no regular expression", id="broken pattern"),
        pytest.param("a: b\n", _at("a", pattern="b()"), 1, "matches nothing", id="group of nothing"),
        pytest.param("a: 12\n", _at("a", pattern="1(.)"), 1, "not a string", id="pattern in a number"),
        pytest.param('a: "x\\tv=1"\n', _at("a", pattern="v=(.)"), 1, "escapes", id="pattern in escapes"),
        pytest.param("a: 'it''s v=1'\n", _at("a", pattern="v=(.)"), 1, "escapes", id="pattern beside doubled quotes"),
        pytest.param("a: x\n  v=1\n", _at("a", pattern="v=(.)"), 1, "folded", id="pattern in folded plain text"),
        pytest.param("a: >\n  x\n  v=1\n", _at("a", pattern="v=(.)"), 1, "folded", id="pattern in a folded block"),
        pytest.param("a: |\n  x\n  y\n", _at("a", pattern="(x\ny)"), 1, "more than one line", id="group over lines"),
        pytest.param("kind: A\n---\nkind: B\n", APP, 1, "no kustomization", id="two documents"),
        pytest.param("- a\n", APP, 1, "no kustomization", id="kustomization that is a list"),
        pytest.param("apiVersion: v1\nkind: Pod\n", APP, 1, "no kustomization", id="other kind"),
        pytest.param("images: {a: b}\n", APP, 1, "images is no list", id="images is a mapping"),
        pytest.param("images: null\n", APP, 1, "images is no list", id="images is null"),
        pytest.param("images: []\nimages: []\n", APP, 2, "written 2 times", id="images twice"),
        pytest.param("a: &x {name: b}\nimages: [*x]\n", APP, 2, "not written out", id="aliased entry"),
        pytest.param("images:\n- name: app\n- name: app\n", APP, 3, "2 entries named app", id="entry twice"),
        pytest.param("images: [{name: app, newTag: [1]}]\n", APP, 1, "not a single value", id="newTag is a list"),
        pytest.param("images: [{name: app, newTag: 1, newTag: 2}]\n", APP, 1, "2 times", id="newTag twice"),
        pytest.param("{}\n", APP, 1, "nothing to write images like", id="empty kustomization"),
        pytest.param("data: |+\n  x\n\n\n", APP, 2, "not mean exactly", id="end of the file belongs to a block"),
        pytest.param(
            "kind: GitRepository\n", SourceRef("GitRepository", "a"), 1, "no GitRepository", id="other source"
        ),
        pytest.param(
            "kind: GitRepository\nspec: {ref: {tag: a, commit: b}}\n",
            SourceRef("GitRepository", ""),
            2,
            "spec.ref.commit is set",
            id="source pinned to a commit",
        ),
        pytest.param(
            "kind: OCIRepository\nspec: {ref: {digest: a}}\n",
            SourceRef("OCIRepository", ""),
            2,
            "neither tag nor semver",
            id="source without a tag",
        ),
        pytest.param(
            "kind: Pod\nspec: &x\n  containers: *y\n  y: &y []\n", Containers(), 3, "names no anchor", id="broken alias"
        ),
        pytest.param(
            "a: &a []\n---\nkind: Pod\nx: &y []\nspec:\n  containers: *y\n",
            Containers(),
            6,
            "&y",
            id="aliased containers",
        ),
    ],
)
def test_it_is_reported_with_its_line(content: str, selector: Selector, line: int, what: str) -> None:
    scan = _find(content, selector)
    assert scan.fields == ()
    assert [problem.line for problem in scan.problems][:1] == [line]
    assert what in scan.problems[0].what


def test_a_star_may_meet_what_it_does_not_mean() -> None:
    scan = _find("a: {x: {tag: 1}, y: {z: 1}, w: 3}\n", _at("a.*.tag"))
    assert [field.where for field in scan.fields] == ["a.x.tag"]
    assert scan.problems == ()


def test_arguments_that_a_pattern_does_not_match_are_no_problem() -> None:
    content = "args: [--port, 80, '{{ .x }}', \"--log\\t1\", [--v=1], {a: b}, --v=1]\n"
    scan = _find(content, _at("args.*", pattern="^--v=(.+)"))
    assert [(field.where, field.text) for field in scan.fields] == [("args[6]", "1")]
    assert scan.problems == ()


def test_a_star_may_meet_mappings_that_are_no_images() -> None:
    scan = _find("a: {tag: 1}\nb: {c: 1}\n", _at("*"))
    assert [field.where for field in scan.fields] == ["a.tag"]
    assert scan.problems == ()


def test_one_of_several_helm_releases_needs_no_name_where_only_it_has_the_path() -> None:
    content = "kind: HelmRelease\nspec: {a: {tag: v1}}\n---\nkind: HelmRelease\nspec: {b: 1}\n"
    scan = _find(content, _at("spec.a", kind="HelmRelease"))
    assert [field.text for field in scan.fields] == ["v1"]
    assert scan.problems == ()


def test_any_number_of_blank_values_is_found_without_trying_each() -> None:
    """With one trial of the whole file for each value this takes most of an hour."""
    content = "apps:\n" + "".join(f"  a{number}: {{tag: }}\n" for number in range(10_000))
    assert len(_find(content, _at("apps.*.tag")).fields) == 10_000


def test_an_anchor_on_the_value_itself_changes_all_its_aliases_as_in_flux() -> None:
    content = "a: {tag: &t v1}\nb: *t\n"
    (field,) = _find(content, _at("a.tag")).fields
    assert _set(content, field, "v2") == "a: {tag: &t v2}\nb: *t\n"


@pytest.mark.parametrize(
    ("content", "selector", "new", "why"),
    [
        pytest.param("a: {tag: v1}\n", _at("a.tag"), "v1\nb: 2", "one line", id="a line break"),
        pytest.param("a: v1\n", _at("a", pattern="(v1)"), "1.10", "not mean exactly", id="a number without quotes"),
        pytest.param("a: v1\n", _at("a", pattern="(v1)"), "x: y", "no longer parse", id="a text that is YAML"),
        pytest.param("a: 'v1'\n", _at("a", pattern="(v1)"), "it's", "no longer parse", id="a quote"),
        pytest.param("a: 'v1'\n", _at("a", pattern="(v1)"), "", "one line", id="nothing"),
        pytest.param("a: {? tag}\n", _at("a.tag"), "v1", "line 1 was not edited", id="value that has no place"),
    ],
)
def test_a_text_that_does_not_fit_is_refused(content: str, selector: YamlPath, new: str, why: str) -> None:
    (field,) = _find(content, selector).fields
    with pytest.raises(CannotSet, match=why):
        _set(content, field, new)


def test_a_file_that_has_changed_since_is_refused() -> None:
    (field,) = _find("a: {tag: v1}\n", _at("a.tag")).fields
    for content in ("a: {tag: v3}\n", " a: {tag: v1}\n", "a: ["):
        with pytest.raises(CannotSet):
            _set(content, field, "v2")


def test_fields_that_overlap_are_refused_together() -> None:
    content = "a: v1-x\n"
    (one,) = _find(content, _at("a", pattern="(v1)")).fields
    (other,) = _find(content, _at("a", pattern="(1-x)")).fields
    with pytest.raises(CannotSet, match="overlap"):
        edit_file("file.yaml", {"file.yaml": content.encode()}, [(one, "v2"), (other, "2-y")])


@pytest.mark.parametrize(
    "text",
    ["", ".", "a.", ".a", "a..b", "a.\ud800", "[a=\udfff]", "a[", "a[]", "a[x", "a]", "a[b=]", 'a."b', "*a", "a b[ ]"],
)
def test_a_path_that_leads_nowhere_is_refused(text: str) -> None:
    with pytest.raises(InvalidPath):
        FieldPath.parse(text)


@pytest.mark.parametrize(
    "text", ["a", "a.b-c_d/e", '"a.b"[0].*', "x[name].*.y", "x[id=3].y", "'a b'.c", "*[*]", "[0].a"]
)
def test_a_path_is_the_same_when_it_is_written_out_and_read_again(text: str) -> None:
    path = FieldPath.parse(text)
    assert FieldPath.parse(str(path)) == path
