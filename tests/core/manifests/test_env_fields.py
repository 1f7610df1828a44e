"""Which values of a `.env` file are set, what is written for them, and that no other byte changes."""

import json
from pathlib import Path

import pytest

from app.core.manifests.kinds.declared import DeclaredField, EnvKey
from app.core.manifests.kinds.env_fields import find_env_fields, set_env_fields
from app.core.manifests.places import Part
from app.core.manifests.text.setting import CannotSet

GOLDEN = Path(__file__).parents[2] / "golden" / "env"
NAME, TAG, DIGEST = "registry.acme.example/web", "2.4.0", "sha256:" + "1b" * 32
TEXTS = {
    Part.REFERENCE: f"{NAME}:{TAG}",
    Part.NAME: NAME,
    Part.TAG: TAG,
    Part.DIGEST: DIGEST,
    Part.VERSION: TAG,
}


def _declared(case: Path) -> list[EnvKey]:
    return [
        EnvKey(one["key"], Part(one.get("part", "tag")), one.get("pattern"))
        for one in json.loads((case / "declared.json").read_text())
    ]


def _fields(content: bytes, selectors: list[EnvKey]) -> list[DeclaredField]:
    scans = [find_env_fields(content, selector) for selector in selectors]
    assert [scan.problems for scan in scans] == [()] * len(scans)
    return [field for scan in scans for field in scan.fields]


@pytest.mark.parametrize("case", sorted(GOLDEN.iterdir()), ids=lambda case: case.name)
def test_only_the_bytes_of_declared_values_change(case: Path) -> None:
    before, after = (case / "before.env").read_bytes(), (case / "after.env").read_bytes()
    selectors = _declared(case)
    assert set_env_fields(before, {field: TEXTS[field.part] for field in _fields(before, selectors)}) == after
    assert set_env_fields(after, {field: TEXTS[field.part] for field in _fields(after, selectors)}) == after


def test_a_field_says_where_it_stands() -> None:
    content = "\ufeff# 😀\nexport TAG = 'é' # note\n".encode()
    (field,) = _fields(content, [EnvKey("TAG")])
    assert content[field.start : field.end] == "é".encode()
    assert (field.where, field.line, field.text) == ("TAG", 2, "é")


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        pytest.param(b"", 1, "no line sets TAG", id="empty file"),
        pytest.param(b"tag=1\nMY_TAG=1\n#TAG=1\nTAG\nTAG: 1\n", 1, "no line sets TAG", id="only others"),
        pytest.param(b"TAG=1\nA=2\nexport TAG='1'\n", 3, "is set on line 1 already", id="twice"),
        pytest.param(b"A=1\nTAG='1\n", 2, "its quotes are not closed", id="open single quotes"),
        pytest.param(b'TAG="1\\"\n', 1, "its quotes are not closed", id="open double quotes"),
        pytest.param(b"TAG='1'2\n", 1, "more behind its quotes", id="text behind quotes"),
        pytest.param(b"TAG=#1\n", 1, "starts a comment", id="hash behind the equals sign"),
        pytest.param(b"TAG=a\x00b\n", 1, "not printable", id="control character"),
        pytest.param(b"TAG=a\rb\n", 1, "not printable", id="carriage return"),
        pytest.param(b"A=1\nTAG=\xff\n", 2, "not UTF-8", id="not UTF-8"),
    ],
)
def test_what_cannot_be_used_is_reported(content: bytes, line: int, says: str) -> None:
    scan = find_env_fields(content, EnvKey("TAG"))
    assert scan.fields == ()
    (problem,) = scan.problems
    assert problem.line == line
    assert says in problem.what


@pytest.mark.parametrize(
    ("content", "new", "expected"),
    [
        pytest.param("TAG=1 # c\n", "a b", "TAG='a b' # c\n", id="blank"),
        pytest.param("TAG=1\n", "$HOME", "TAG='$HOME'\n", id="dollar"),
        pytest.param("TAG=\n", "#1", "TAG='#1'\n", id="hash"),
        pytest.param("TAG='1'\n", '"$x"', "TAG='\"$x\"'\n", id="double quotes in single ones"),
        pytest.param('TAG="1"\n', "it's 😀", 'TAG="it\'s 😀"\n', id="apostrophe in double quotes"),
    ],
)
def test_what_needs_quotes_gets_them(content: str, new: str, expected: str) -> None:
    (field,) = _fields(content.encode(), [EnvKey("TAG")])
    assert set_env_fields(content.encode(), {field: new}) == expected.encode()


@pytest.mark.parametrize(
    ("content", "pattern", "new", "says"),
    [
        pytest.param("TAG=1", None, "", "is not one line", id="empty"),
        pytest.param("TAG=1", None, "a\nb", "is not one line", id="two lines"),
        pytest.param("TAG='1'", None, "it's", "does not stay as it is within '", id="apostrophe in single quotes"),
        pytest.param('TAG="1"', None, "$x", 'does not stay as it is within "', id="dollar in double quotes"),
        pytest.param("TAG=1", None, "it's so", "needs quotes", id="apostrophe without quotes"),
        pytest.param("TAG=v1-x", "v([0-9])", "2 3", "needs quotes", id="a blank in a part"),
    ],
)
def test_what_a_place_cannot_hold_is_refused(content: str, pattern: str | None, new: str, says: str) -> None:
    (field,) = _fields(content.encode(), [EnvKey("TAG", pattern=pattern)])
    with pytest.raises(CannotSet, match=says):
        set_env_fields(content.encode(), {field: new})


def test_a_pattern_that_is_not_found_is_reported() -> None:
    scan = find_env_fields(b"TAG=1\n", EnvKey("TAG", pattern="v([0-9])"))
    assert "is not found in the value" in scan.problems[0].what


def test_a_file_that_changed_since_is_refused() -> None:
    (field,) = _fields(b"TAG=1\n", [EnvKey("TAG")])
    with pytest.raises(CannotSet, match="TAG is not what it was"):
        set_env_fields(b"TAG=2\n", {field: "3"})


@pytest.mark.parametrize("content", [b"TAG=1\n", b"TAG=\n"])
def test_two_texts_for_one_place_are_refused(content: bytes) -> None:
    tag, digest = _fields(content, [EnvKey("TAG"), EnvKey("TAG", Part.DIGEST)])
    with pytest.raises(CannotSet, match="overlap"):
        set_env_fields(content, {tag: "2.4.0", digest: DIGEST})
