"""Laws of editing JSON files, on files that nobody thought of."""

import json
from typing import TypeAlias

from hypothesis import example, given
from hypothesis import strategies as st

from app.core.manifests.kinds.declared import JsonPath
from app.core.manifests.kinds.field_paths import FieldPath
from app.core.manifests.kinds.json_fields import find_json_fields, set_json_fields
from app.core.manifests.places import Part
from app.core.manifests.text.setting import CannotSet

Value: TypeAlias = "str | int | float | bool | list[Value] | dict[str, Value] | None"

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUES: st.SearchStrategy[Value] = st.recursive(
    st.one_of(TEXTS, st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none()),
    lambda children: st.one_of(st.lists(children, max_size=3), st.dictionaries(TEXTS, children, max_size=3)),
    max_leaves=8,
)
TAGS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)
ONE_LINE = st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" "), min_size=1, max_size=20)
PATH = JsonPath(FieldPath.parse("top.list[web].tag"), Part.TAG)


@st.composite
def files(draw: st.DrawFn) -> tuple[bytes, Value]:
    """JSON with one place at PATH, with or without white space, escapes and a byte order mark."""
    old = draw(st.one_of(TEXTS.filter(lambda text: "{{" not in text), st.integers(), st.none(), st.booleans()))
    item = {"before": draw(VALUES), "name": "web", "tag": old, "after": draw(VALUES)}
    value: Value = {"a": draw(VALUES), "top": {"list": [draw(VALUES), item, draw(VALUES)]}, "z": draw(VALUES)}
    indent = draw(st.sampled_from([None, 2, "\t"]))
    written = json.dumps(value, indent=indent, ensure_ascii=draw(st.booleans()))
    # A line break stands only between tokens: within strings it is escaped.
    written = written.replace("\n", draw(st.sampled_from(["\n", "\r\n"]))) + draw(st.sampled_from(["", "\n", "\r\n "]))
    return (draw(st.sampled_from(["", "\ufeff"])) + written).encode(), value


@given(files(), ONE_LINE)
def test_only_the_bytes_and_the_value_at_the_path_differ(file: tuple[bytes, Value], new: str) -> None:
    content, value = file
    (field,) = [one for one in find_json_fields(content, PATH).fields if one.where.endswith(".tag")]
    edited = set_json_fields(content, {field: new})
    assert edited.startswith(content[: field.start])
    assert edited.endswith(content[field.end :])
    assert isinstance(value, dict)
    value["top"]["list"][1]["tag"] = new  # type: ignore[index,call-overload]
    assert json.loads(edited.decode("utf-8-sig")) == value


@given(files(), TAGS)
def test_editing_twice_is_editing_once(file: tuple[bytes, Value], new: str) -> None:
    content, _ = file
    once = set_json_fields(content, dict.fromkeys(find_json_fields(content, PATH).fields, new))
    fields = find_json_fields(once, PATH).fields
    assert [field.text for field in fields] == [new]
    assert set_json_fields(once, dict.fromkeys(fields, new)) == once


@given(st.binary(max_size=60), st.binary(max_size=60))
@example(b'{"a":', b"")
def test_no_bytes_make_the_editor_fail(before: bytes, after: bytes) -> None:
    _edit(before + b'{"top": {"list": [{"name": "web", "tag": "1"}]}}' + after, PATH)


@given(st.text('{}[],:"\\ \n\t\ufeff\u2028truefalsn01.eE+-é😀{u', max_size=60))
def test_no_punctuation_makes_the_editor_fail(text: str) -> None:
    _edit(text.encode(), JsonPath(FieldPath.parse("*"), Part.TAG))
    _edit(('{"a": ' + text + "}").encode(), JsonPath(FieldPath.parse("a.*"), Part.TAG, "(.)"))


def _edit(content: bytes, selector: JsonPath) -> None:
    """Edit a file's fields one by one: each is set, with all around it as it was, or refused."""
    for field in find_json_fields(content, selector).fields:
        try:
            edited = set_json_fields(content, {field: "v1.2.3"})
        except CannotSet:
            continue
        assert edited.startswith(content[: field.start])
        assert edited.endswith(content[field.end :])
