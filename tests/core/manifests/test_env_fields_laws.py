"""Laws of editing `.env` files, on files that nobody thought of."""

from hypothesis import given
from hypothesis import strategies as st

from app.core.manifests.kinds.declared import EnvKey
from app.core.manifests.kinds.env_fields import find_env_fields, set_env_fields
from app.core.manifests.text.setting import CannotSet

TAGS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)
ONE_LINE = st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" "), min_size=1, max_size=20)
TAG = EnvKey("TAG")


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Files that set TAG once, among other keys, comments and values of several lines."""
    others = ["A=1", "# TAG=2", "", "export B='x # y'", "TAGS=é😀", 'C="one\nTAG=two\n"', "MY_TAG = 3 # note", "D="]
    value = draw(st.sampled_from(["1", "'1'", '"1"', "", "a'b", "x=y", '"a\nb"', "''"]))
    line = draw(st.sampled_from(["", "export ", "  "])) + "TAG" + draw(st.sampled_from(["=", " = "])) + value
    lines = [*draw(st.lists(st.sampled_from(others), max_size=3)), line + draw(st.sampled_from(["", " ", " # note"]))]
    lines += draw(st.lists(st.sampled_from(others), max_size=3))
    text = "\n".join(lines).replace("\n", draw(st.sampled_from(["\n", "\r\n"])))
    return (draw(st.sampled_from(["", "\ufeff"])) + text + draw(st.sampled_from(["", "\n"]))).encode()


@given(files(), ONE_LINE)
def test_only_the_bytes_of_the_value_differ(content: bytes, new: str) -> None:
    (field,) = find_env_fields(content, TAG).fields
    try:
        edited = set_env_fields(content, {field: new})
    except CannotSet:
        return
    assert edited.startswith(content[: field.start])
    assert edited.endswith(content[field.end :])
    (after,) = find_env_fields(edited, TAG).fields
    assert after.text == new
    for key in ("A", "B", "C", "D", "TAGS", "MY_TAG"):
        assert _texts(edited, key) == _texts(content, key)


@given(files(), TAGS)
def test_a_tag_is_set_without_quotes_of_its_own_and_twice_is_once(content: bytes, new: str) -> None:
    (field,) = find_env_fields(content, TAG).fields
    once = set_env_fields(content, {field: new})
    assert once == content[: field.start] + new.encode() + content[field.end :]
    assert set_env_fields(once, dict.fromkeys(find_env_fields(once, TAG).fields, new)) == once


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_no_bytes_make_the_editor_fail(before: bytes, after: bytes) -> None:
    _edit(before + b"\nTAG=1" + after, TAG)


@given(st.text("TAG=='\"\\# \t\r\n$\ufeffé\u2028\x00export ", max_size=60))
def test_no_punctuation_makes_the_editor_fail(text: str) -> None:
    _edit(text.encode(), TAG)
    _edit(text.encode(), EnvKey("TAG", pattern="(.)"))


def _texts(content: bytes, key: str) -> list[str]:
    return [field.text for field in find_env_fields(content, EnvKey(key)).fields]


def _edit(content: bytes, selector: EnvKey) -> None:
    """Edit a file's field: it is set, with all around it as it was, or refused."""
    for field in find_env_fields(content, selector).fields:
        try:
            edited = set_env_fields(content, {field: "v1.2.3"})
        except CannotSet:
            continue
        assert edited == content[: field.start] + b"v1.2.3" + content[field.end :]
