"""Which strings of a JSON file are set, what is written for them, and that no other byte changes."""

import json
from pathlib import Path

import pytest

from app.core.manifests.editing import edit_file, find_declared
from app.core.manifests.kinds.declared import DeclaredField, JsonPath, YamlPath
from app.core.manifests.kinds.field_paths import FieldPath
from app.core.manifests.kinds.json_fields import find_json_fields, set_json_fields
from app.core.manifests.places import Part
from app.core.manifests.text.setting import CannotSet

GOLDEN = Path(__file__).parents[2] / "golden" / "json"
NAME, TAG, DIGEST = "registry.acme.example/web", "2.4.0", "sha256:" + "1b" * 32
TEXTS = {
    Part.REFERENCE: f"{NAME}:{TAG}",
    Part.NAME: NAME,
    Part.TAG: TAG,
    Part.DIGEST: DIGEST,
    Part.VERSION: TAG,
}


def _at(path: str, part: Part | None = Part.TAG, pattern: str | None = None) -> JsonPath:
    return JsonPath(FieldPath.parse(path), part, pattern)


def _declared(case: Path) -> list[JsonPath]:
    return [
        _at(one["path"], Part(one["part"]) if "part" in one else None, one.get("pattern"))
        for one in json.loads((case / "declared.json").read_text())
    ]


def _fields(content: bytes, selectors: list[JsonPath]) -> list[DeclaredField]:
    scans = [find_json_fields(content, selector) for selector in selectors]
    assert [scan.problems for scan in scans] == [()] * len(scans)
    return [field for scan in scans for field in scan.fields]


@pytest.mark.parametrize("case", sorted(GOLDEN.iterdir()), ids=lambda case: case.name)
def test_only_the_bytes_of_declared_strings_change(case: Path) -> None:
    before, after = (case / "before.json").read_bytes(), (case / "after.json").read_bytes()
    selectors = _declared(case)
    assert set_json_fields(before, {field: TEXTS[field.part] for field in _fields(before, selectors)}) == after
    assert set_json_fields(after, {field: TEXTS[field.part] for field in _fields(after, selectors)}) == after


def test_a_field_says_where_it_stands() -> None:
    content = '\ufeff{"é": "😀",\n "list": [{"name": "web", "image": "é:1"}]}'.encode()
    (field,) = find_json_fields(content, _at("list[web].image", None)).fields
    assert content[field.start : field.end] == '"é:1"'.encode()
    assert (field.where, field.line, field.text, field.part) == ("list[web].image", 2, "é:1", Part.REFERENCE)


@pytest.mark.parametrize(
    ("content", "path", "says"),
    [
        pytest.param(b'{"tag": 1', "tag", "cannot be read as JSON", id="broken"),
        pytest.param(b"", "tag", "cannot be read as JSON", id="empty"),
        pytest.param(b'{"tag": "1"} // note', "tag", "cannot be read as JSON", id="a comment"),
        pytest.param(b"{'tag': '1'}", "tag", "cannot be read as JSON", id="single quotes"),
        pytest.param(b'{"tag": NaN}', "tag", "NaN is no number in JSON", id="not a number"),
        pytest.param(b'{"tag": "\xff"}', "tag", "it is not UTF-8", id="not UTF-8"),
        pytest.param('{"tag": "1"}'.encode("utf-16"), "tag", "it is not UTF-8", id="UTF-16"),
        pytest.param(b'{"tag": "\\ud800"}', "tag", "half of a surrogate pair", id="half a character"),
        pytest.param(b'{"x": ' + b"[" * 300 + b"]" * 300 + b"}", "x", "nested more than 200", id="deep"),
        pytest.param(b"[" * 200_000, "x", "nested more than 200", id="deep without end"),
        pytest.param(b'{"tag": "1", "tag": "2"}', "tag", "written 2 times", id="duplicate key"),
        pytest.param(b'{"a": {}}', "a.tag", "nothing stands at a.tag", id="missing"),
        pytest.param(b'{"a": []}', "a", "is a list", id="a list"),
        pytest.param(b'{"tag": "{{ .x }}"}', "tag", "is a template", id="template"),
    ],
)
def test_what_cannot_be_used_is_reported(content: bytes, path: str, says: str) -> None:
    scan = find_json_fields(content, _at(path))
    assert scan.fields == ()
    assert says in scan.problems[0].what


@pytest.mark.parametrize(
    ("content", "pattern", "says"),
    [
        pytest.param(b'{"a": "x-1"}', "y-(.*)", "is not found in the value", id="no match"),
        pytest.param(b'{"a": "x-1"}', "x-.*", "has 0 groups", id="no group"),
        pytest.param(b'{"a": "x-1"}', "(x)-(.*)", "has 2 groups", id="two groups"),
        pytest.param(b'{"a": "x-1"}', "x-(", "is no regular expression", id="no pattern"),
        pytest.param(b'{"a": "x-1"}', "x-1(.*)", "matches nothing", id="empty match"),
        pytest.param(b'{"a": "\\u0078-1"}', "x-(.*)", "not what is written", id="escapes"),
        pytest.param(b'{"a": 1}', "(1)", "not a string", id="number"),
    ],
)
def test_a_pattern_that_picks_nothing_out_is_reported(content: bytes, pattern: str, says: str) -> None:
    scan = find_json_fields(content, _at("a", pattern=pattern))
    assert scan.fields == ()
    assert says in scan.problems[0].what


def test_a_text_with_quotes_is_escaped() -> None:
    content = b'{"a": "x", "b": "v=1;"}'
    whole, part = _fields(content, [_at("a"), _at("b", pattern="v=([^;]+)")])
    edited = set_json_fields(content, {whole: 'a"\\b', part: 'c"\\d'})
    assert json.loads(edited) == {"a": 'a"\\b', "b": 'v=c"\\d;'}


@pytest.mark.parametrize("new", ["", "a\nb", "a\x00"])
def test_what_is_no_line_of_text_is_refused(new: str) -> None:
    (field,) = _fields(b'{"a": "x"}', [_at("a")])
    with pytest.raises(CannotSet, match="is not one line of printable text"):
        set_json_fields(b'{"a": "x"}', {field: new})


def test_a_file_that_changed_since_is_refused() -> None:
    (field,) = _fields(b'{"a": "x"}', [_at("a")])
    with pytest.raises(CannotSet, match="a is not what it was"):
        set_json_fields(b'{"b": "x"}', {field: "1"})


def test_fields_that_overlap_are_refused() -> None:
    whole, part, digest = _fields(b'{"a": "v1"}', [_at("a"), _at("a", pattern="v(.)"), _at("a", Part.DIGEST)])
    for other, new in ((part, "3"), (digest, DIGEST)):
        with pytest.raises(CannotSet, match="overlap"):
            set_json_fields(b'{"a": "v1"}', {whole: "v2", other: new})
    assert set_json_fields(b'{"a": "v1"}', {whole: "v2", digest: "v2"}) == b'{"a": "v2"}'


def test_a_number_is_not_the_text_that_looks_like_it() -> None:
    (field,) = _fields(b'{"a": 1.10}', [_at("a")])
    assert (field.text, field.holds("1.10")) == ("1.10", False)
    assert set_json_fields(b'{"a": 1.10}', {field: "1.10"}) == b'{"a": "1.10"}'


TWINS = b'{"s":[{"name":"web","tag":"1.0.0"},{"name":"web","tag":"1.0.0"}],"tag":"1.0.0"}'


def test_all_fields_at_a_place_that_is_there_twice_are_set() -> None:
    settings = [(field, "2.0.0") for field in _fields(TWINS, [_at("s[web].tag")])]
    assert edit_file("a.json", {"a.json": TWINS}, settings) == {"a.json": TWINS.replace(b"1.0.0", b"2.0.0", 2)}


def test_all_of_them_are_set_after_another_edit_of_the_file() -> None:
    other = YamlPath(FieldPath.parse("tag"), Part.TAG)
    (before,) = find_declared("a.yaml", {"a.yaml": TWINS}, [other])
    twins = _fields(TWINS, [_at("s[web].tag")])
    settings = [(before.fields[0], "4.0.0-long"), *zip(twins, ["2.0.0", "3.0.0"], strict=True)]
    edited = TWINS.replace(b"1.0.0", b"2.0.0", 1).replace(b"1.0.0", b"3.0.0", 1).replace(b"1.0.0", b"4.0.0-long")
    assert edit_file("a.yaml", {"a.yaml": TWINS}, settings) == {"a.yaml": edited}


def test_one_that_another_edit_has_set_is_refused() -> None:
    twins = _fields(TWINS, [_at("s[web].tag")])
    (other,) = find_declared("a.yaml", {"a.yaml": TWINS}, [YamlPath(FieldPath.parse("s[1].name"), Part.NAME)])
    for field in twins:
        with pytest.raises(CannotSet, match="is not what it was"):
            edit_file("a.yaml", {"a.yaml": TWINS}, [(other.fields[0], "api"), (field, "2.0.0")])
