"""Laws of editing, on manifests that nobody thought of."""

from dataclasses import dataclass
from typing import TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from app.core.manifests.kinds.markers import find_markers, set_fields
from app.core.manifests.text.documents import NotText, Value, read_documents
from app.core.manifests.text.parsing import Unparsable, decode
from app.core.manifests.text.quoting import reads_as_text, write_plain
from app.core.manifests.text.setting import CannotSet

TAGS = st.one_of(
    st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True),
    st.sampled_from(["1.10", "on", "null", "0777", "1e10", "2024-01-02", "0x1F", "1_000", "v1", "y"]),
)
ONE_LINE = st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" "), min_size=1, max_size=30)
WORDS = st.text("abé😀", min_size=1, max_size=4)
MARKER = '# {"$imagepolicy": "ns:app:tag"}'


@dataclass(frozen=True, slots=True)
class Manifest:
    """A generated file and how many of its values carry a marker."""

    content: bytes
    marked: int


@st.composite
def _lines(draw: st.DrawFn) -> tuple[str, bool]:
    is_marked = draw(st.booleans())
    note = MARKER if is_marked else "# unlike a marker"
    comment = draw(st.sampled_from([" ", "\t", "   "])) + note
    key = draw(WORDS)
    old = draw(st.sampled_from(["x", "'it''s'", '"q\\t"', "1.5", "null", "~", "é😀", "&k{} x", "!!str 5", "a b", "''"]))
    match draw(st.sampled_from(["value", "item", "above", "block", "flow"])):
        case "value":
            return f"{key}: {old}{comment}\n", is_marked
        case "item":
            return f"{key}:\n  - {old}{comment}\n  - other\n", is_marked
        case "above":
            return f"{key}:\n  - other\n  {note}\n  - {old}\n", is_marked
        case "block":
            style = draw(st.sampled_from(["|", "|-", ">", ">-", "|+"]))
            return f"{key}: {style} {note}\n    {key}\n\n", is_marked
        case _:
            return f'{key}: {{"a": [{old},{comment}\n  b], c: d}}\n', is_marked


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    """Files of a few entries and documents, with either line end, with or without a byte order mark."""
    entries = draw(st.lists(_lines(), min_size=1, max_size=6))
    separators = draw(st.lists(st.sampled_from(["", "\n", "# note\n", "---\n", "...\n---\n"]), min_size=7, max_size=7))
    texts = [f"{text.replace('&k{}', f'&k{index}')}" for index, (text, _) in enumerate(entries)]
    content = "".join(text + separator for text, separator in zip(texts, separators, strict=False))
    content = draw(st.sampled_from(["", "\ufeff"])) + content.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))
    if draw(st.booleans()):
        content = content.rstrip("\r\n")
    return Manifest(content.encode(), sum(is_marked for _, is_marked in entries))


@given(manifests())
def test_every_marker_is_found(manifest: Manifest) -> None:
    scan = find_markers(manifest.content)
    assert (len(scan.fields), scan.problems) == (manifest.marked, ())


@given(manifests(), st.data())
def test_only_the_spans_of_fields_that_were_set_differ(manifest: Manifest, data: st.DataObject) -> None:
    fields = find_markers(manifest.content).fields
    chosen = [index for index in range(len(fields)) if data.draw(st.booleans())]
    edited = set_fields(manifest.content, {fields[index].start: data.draw(TAGS) for index in chosen})
    assert _without(edited, chosen) == _without(manifest.content, chosen)


@given(manifests(), st.data())
def test_editing_twice_is_editing_once(manifest: Manifest, data: st.DataObject) -> None:
    new = data.draw(TAGS)
    once = set_fields(manifest.content, {field.start: new for field in find_markers(manifest.content).fields})
    assert set_fields(once, {field.start: new for field in find_markers(once).fields}) == once


@given(manifests(), TAGS)
def test_parsed_documents_differ_only_in_the_fields(manifest: Manifest, new: str) -> None:
    fields = find_markers(manifest.content).fields
    edited = set_fields(manifest.content, {field.start: new for field in fields})
    assert [field.text for field in find_markers(edited).fields] == [new] * len(fields)
    before, after = _values(_parse(manifest.content)), _values(_parse(edited))
    assert len(before) == len(after)
    assert all(one == new for old, one in zip(before, after, strict=True) if old != one)


Tree: TypeAlias = "str | dict[str, Tree] | list[Tree]"
Path: TypeAlias = tuple[str | int, ...]
KEYS = st.sampled_from(["image", "tag", "spec", "é😀", "containers", "a b", "values"])
LEAVES = st.sampled_from(["x", "'it''s'", '"q\\t"', "1.5", "null", "~", "true", "a b", "''", "|-", ">-"])


@st.composite
def trees(draw: st.DrawFn, depth: int = 3) -> Tree:
    """Documents of mappings and lists with leaves as they are written."""
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        return draw(LEAVES)
    if draw(st.booleans()):
        return draw(st.dictionaries(KEYS, trees(depth - 1), min_size=1, max_size=3))
    return draw(st.lists(trees(depth - 1), min_size=1, max_size=3))


def write_tree(tree: Tree, path: Path, indent: str, marked: set[Path]) -> str:
    """What stands behind a key or a dash, with markers at the leaves of these paths."""
    match tree:
        case dict(table):
            lines = (f"{indent}{key}:{write_tree(table[key], (*path, key), f'{indent}  ', marked)}" for key in table)
            return "\n" + "".join(lines)
        case list(items):
            parts = enumerate(items)
            return "\n" + "".join(
                f"{indent}-{write_tree(item, (*path, at), f'{indent}  ', marked)}" for at, item in parts
            )
        case str(leaf):
            comment = f" {MARKER}" if path in marked else ""
            return f" {leaf}{comment}\n" + (f"{indent}text\n" if leaf in ("|-", ">-") else "")


def leaf_paths(tree: Tree, path: Path = ()) -> list[Path]:
    """Where a tree has leaves."""
    match tree:
        case dict(table):
            return [one for key in table for one in leaf_paths(table[key], (*path, key))]
        case list(items):
            return [one for at, item in enumerate(items) for one in leaf_paths(item, (*path, at))]
        case _:
            return [path]


def leaves(value: Value, path: Path = ()) -> dict[Path, Value]:
    """The leaves of a parsed document by their paths."""
    match value:
        case dict(table):
            return {k: v for key in table for k, v in leaves(table[key], (*path, key)).items()}
        case list(items):
            return {k: v for at, item in enumerate(items) for k, v in leaves(item, (*path, at)).items()}
        case _:
            return {path: value}


@given(st.dictionaries(KEYS, trees(), min_size=1, max_size=3), st.data())
def test_a_document_differs_at_exactly_the_marked_paths(tree: dict[str, Tree], data: st.DataObject) -> None:
    paths = leaf_paths(tree)
    marked = set(data.draw(st.lists(st.sampled_from(paths), unique=True))) if paths else set()
    ending = data.draw(st.sampled_from(["\n", "\r\n"]))
    content = write_tree(tree, (), "", marked).replace("\n", ending).encode()
    new = data.draw(TAGS)
    edited = set_fields(content, {field.start: new for field in find_markers(content).fields})
    [before], [after] = _parse(content), _parse(edited)
    old, now = leaves(before), leaves(after)
    assert old.keys() == now.keys()
    assert {path for path in now if now[path] != old[path]} == {path for path in marked if old[path] != new}
    assert all(now[path] == new for path in marked)


@given(manifests(), ONE_LINE)
def test_any_line_of_text_is_set_exactly_or_refused(manifest: Manifest, new: str) -> None:
    fields = find_markers(manifest.content).fields
    try:
        edited = set_fields(manifest.content, {field.start: new for field in fields})
    except CannotSet:
        return
    assert all(field.holds(new) for field in find_markers(edited).fields)


@given(st.binary(max_size=200), st.binary(max_size=40))
def test_no_bytes_make_the_search_fail(before: bytes, after: bytes) -> None:
    _edit_around(before + b'\na: x # {"$imagepolicy": "ns:app"}' + after)


@given(st.text("ab:-[]{},#&*!|>'\"% \n\t\r\\?é\u2028\x85\ufeff01.", max_size=60))
def test_no_punctuation_makes_the_search_fail(before: str) -> None:
    _edit_around((before + '\na: x # {"$imagepolicy": "ns:app"}\n').encode())


@given(TAGS)
def test_a_plain_text_is_read_as_the_same_string(text: str) -> None:
    assert read_documents(f"a: {write_plain(text)}\n") == [{"a": text}]


@given(
    st.one_of(
        st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.dates(), st.datetimes()
    )
)
def test_what_is_no_string_is_never_taken_for_one(value: object) -> None:
    assert not reads_as_text(str(value))


def _edit_around(content: bytes) -> None:
    """Edit a file's fields one by one: each is set, with all around it as it was, or refused."""
    for field in find_markers(content).fields:
        try:
            edited = set_fields(content, {field.start: "v1.2.3"})
        except CannotSet:
            continue
        assert edited.startswith(content[: field.start])
        assert edited.endswith(content[field.end :])


def _without(content: bytes, chosen: list[int]) -> list[bytes]:
    """The stretches of a file around some of its fields, by their numbers."""
    fields = find_markers(content).fields
    starts = [0, *(fields[index].end for index in chosen)]
    ends = [*(fields[index].start for index in chosen), len(content)]
    return [content[start:end] for start, end in zip(starts, ends, strict=True)]


def _parse(content: bytes) -> list[Value]:
    try:
        return read_documents(decode(content).characters)
    except Unparsable as error:  # pragma: no cover - a generated manifest always parses
        raise AssertionError(content) from error


def _values(value: Value) -> list[str]:
    match value:
        case str(text):
            return [text]
        case NotText(written):
            return [f"not text: {written}"]
        case list(items):
            return [one for item in items for one in _values(item)]
        case dict(table):
            return [one for key in table for one in (key, *_values(table[key]))]
