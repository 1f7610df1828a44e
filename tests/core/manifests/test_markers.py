"""Which comments are markers, what is written for them, and that no other byte changes."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from app.core.manifests.kinds.markers import MarkedField, find_markers, set_fields
from app.core.manifests.places import Part
from app.core.manifests.text.setting import CannotSet

GOLDEN = Path(__file__).parents[2] / "golden" / "markers"
DIGEST = "sha256:" + "1b" * 32
M = '{"$imagepolicy": "ns:app:tag"}'


class Selected(NamedTuple):
    """What a policy of the golden cases selected."""

    image: str
    tag: str
    digest: str | None = None


def _tagged(tag: str) -> Selected:
    return Selected("registry.acme.example/web", tag)


SELECTED: Mapping[str, Selected] = {
    "web": _tagged("2.4.0"),
    "pinned": Selected("registry.acme.example/pinned", "1.2.3", DIGEST),
    "decimal": _tagged("1.10"),
    "dated": _tagged("2024-01-02"),
    "compact": _tagged("20240102"),
    "octal": _tagged("0777"),
    "power": _tagged("1e10"),
    "switch": _tagged("on"),
}


def _text_for(field: MarkedField) -> str:
    chosen = SELECTED[field.marker.policy]
    match field.marker.part:
        case Part.NAME:
            return chosen.image
        case Part.TAG | Part.TAG_DIGEST | Part.VERSION:
            return chosen.tag
        case Part.DIGEST:
            assert chosen.digest is not None
            return chosen.digest
        case Part.REFERENCE:
            return f"{chosen.image}:{chosen.tag}" + (f"@{chosen.digest}" if chosen.digest else "")


def _edit(content: bytes) -> bytes:
    return set_fields(content, {field.start: _text_for(field) for field in find_markers(content).fields})


def _applied(content: str) -> list[str]:
    return [field.text for field in find_markers(content.encode()).fields]


@pytest.mark.parametrize("case", sorted(GOLDEN.iterdir()), ids=lambda case: case.name)
def test_only_the_bytes_of_marked_scalars_change(case: Path) -> None:
    before, after = (case / "before.yaml").read_bytes(), (case / "after.yaml").read_bytes()
    assert _edit(before) == after
    assert _edit(after) == after


@pytest.mark.parametrize(
    "comment",
    [
        pytest.param('# {"$imagepolicy": "ns:app:tag"}', id="as documented"),
        pytest.param('#{"$imagepolicy":"ns:app:tag"}', id="no spaces"),
        pytest.param('### {"$imagepolicy": "ns:app:tag"}', id="many hashes"),
        pytest.param('# {"$imagepolicy" : "ns:app:tag"}', id="space before the colon"),
        pytest.param('# {"$imagepolicy": "ns:app:tag", "other": "y"}', id="another string key"),
        pytest.param('# {"$imagepolicy": "other:one", "$imagepolicy": "ns:app:tag"}', id="the last of two keys wins"),
    ],
)
def test_a_marker_is_read(comment: str) -> None:
    (field,) = find_markers(f"a: x {comment}\n".encode()).fields
    assert str(field.marker) == "ns:app:tag"


@pytest.mark.parametrize(
    "comment",
    [
        pytest.param('# {"$imagepolicy": "ns:app:tag", "other": 1}', id="an extra value that is no string"),
        pytest.param('# note {"$imagepolicy": "ns:app:tag"}', id="text before"),
        pytest.param('# {"$imagepolicy": "ns:app:tag"} trailing', id="text after"),
        pytest.param('# {"$imagepolicy": "ns:app:tag"} {"$imagepolicy": "ns:app"}', id="two markers on a line"),
        pytest.param('# # {"$imagepolicy": "ns:app:tag"}', id="a hash after a space"),
        pytest.param("# {'$imagepolicy': 'ns:app:tag'}", id="single quotes"),
        pytest.param('# {"$ImagePolicy": "ns:app:tag"}', id="other case"),
        pytest.param('# {"imagepolicy": "ns:app:tag"}', id="no dollar"),
        pytest.param('# {"$imagepolicy": " ns:app:tag"}', id="leading space in the value"),
        pytest.param('# {"$imagepolicy": "ns:app:version"}', id="unknown suffix"),
        pytest.param('# {"$imagepolicy": "ns:app:reference"}', id="a suffix that only we know"),
        pytest.param('# {"$imagepolicy": "app"}', id="no namespace"),
        pytest.param('# {"$imagepolicy": "ns:app:tag:x"}', id="too many parts"),
        pytest.param('# {"$imagepolicy": "ns:"}', id="no policy"),
        pytest.param('# {"$imagepolicy": ["ns:app"]}', id="a list"),
        pytest.param("# $imagepolicy: ns:app:tag", id="no object"),
        pytest.param('# {"$imagepolicy": ' + "[" * 50_000, id="nested without end"),
    ],
)
def test_what_is_nearly_a_marker_is_reported_and_not_used(comment: str) -> None:
    scan = find_markers(f"kind: A\na: x {comment}\n".encode())
    assert scan.fields == ()
    (problem,) = scan.problems
    assert problem.line == 2
    assert "this is no marker that Flux reads" in problem.what


@pytest.mark.parametrize(
    ("content", "applied"),
    [
        pytest.param(f"a: x # {M}\n", ["x"], id="plain value"),
        pytest.param(f"a: 'x' # {M}\n", ["x"], id="single-quoted value"),
        pytest.param(f'a: "x" # {M}\n', ["x"], id="double-quoted value"),
        pytest.param(f"a: 'x'# {M}\n", ["x"], id="no space after a quoted value"),
        pytest.param(f'a: "x"\t# {M}\n', ["x"], id="tab before the comment"),
        pytest.param(f"a: | # {M}\n  x\n", ["x\n"], id="block scalar's header"),
        pytest.param(f"a: >- # {M}\n  x\n", ["x"], id="folded block's header"),
        pytest.param(f"? a\n: x # {M}\n", ["x"], id="explicit key"),
        pytest.param(f"a:\n  - x # {M}\n", ["x"], id="list item"),
        pytest.param(f"a:\n  - | # {M}\n    x\n", ["x\n"], id="block scalar as list item"),
        pytest.param(f"a:\n  # {M}\n  - x\n", ["x"], id="above the first list item"),
        pytest.param(f"a:\n# {M}\n- x\n", ["x"], id="above a compact list item"),
        pytest.param(f"a:\n  - x\n# {M}\n  - y\n", ["y"], id="above an item, less indented"),
        pytest.param(f"a:\n  - x\n  # {M}\n  - &k 'y'\n", ["y"], id="above an item with anchor and quotes"),
        pytest.param(f"a:\n  - x # c\n  # {M}\n  - y\n", ["y"], id="above an item, another comment at the one before"),
        pytest.param(f"a:\n  - x\n  # c\n\n  # {M}\n  - y\n", ["y"], id="above an item, another paragraph before"),
        pytest.param(f"a:\n  - # {M}\n    x\n", ["x"], id="behind the dash"),
        pytest.param(f"a: [\n  # {M}\n  x,\n  y]\n", ["x"], id="above an item of a flow list"),
        pytest.param(f"a: [x, # {M}\n  y]\n", ["x"], id="behind a flow item and its comma"),
        pytest.param(f"a: [x # {M}\n  ]\n", ["x"], id="behind the last flow item"),
        pytest.param(f'{{"a": "x", "b": "y", # {M}\n "c": "z"}}\n', ["y"], id="behind the last of two JSON values"),
        pytest.param(f"a: &k x # {M}\nb: *k\n", ["x"], id="anchor"),
        pytest.param(f"a: &k # {M}\n  x\n", ["x"], id="between anchor and value"),
        pytest.param(f"a: x # {M}\na: y # {M}\n", ["x", "y"], id="duplicate keys"),
        pytest.param(f"a: '' # {M}\n", [""], id="empty quotes"),
        pytest.param(f"a: null # {M}\n", ["null"], id="null"),
        pytest.param(f"a: one\n  two # {M}\n", ["one two"], id="plain value of two lines"),
        pytest.param(f"a: [b, 'http://x', c:1]\nd: x # {M}\n", ["x"], id="colons within a flow list"),
        pytest.param(f"a: x # {M}\r\nb: y\r\n", ["x"], id="windows line ends"),
        pytest.param(f"a:\n  # {M}\n  x\n", ["x"], id="between key and value"),
        pytest.param(f"a: # c\n\n  # {M}\n\n  &k 'x'\n", ["x"], id="between key and value, spaced"),
        pytest.param(f'a: {{"b":\n # {M}\n "x"}}\n', ["x"], id="between key and value in a flow mapping"),
        pytest.param(f"? a\n# {M}\n: x\n", ["x"], id="between an explicit key and its value"),
        pytest.param(f"a: [x\n , # {M}\n y]\n", ["x"], id="behind a comma on the next line"),
        pytest.param(f"a: x # {M}\n--- # c\nnull\n---\n", ["x"], id="documents of nothing"),
        pytest.param(f"--- {{a: x, # {M}\n b: y}}\n", ["x"], id="on the line of the first separator"),
    ],
)
def test_a_marker_counts_where_flux_lets_it(content: str, applied: list[str]) -> None:
    assert _applied(content) == applied
    assert find_markers(content.encode()).problems == ()


@pytest.mark.parametrize(
    ("content", "line"),
    [
        pytest.param(f"# {M}\na: x\n", 1, id="above a mapping's entry"),
        pytest.param(f"a: x\n# {M}\n", 2, id="below"),
        pytest.param(f"a: [x, y] # {M}\n", 1, id="behind a flow list"),
        pytest.param(f"a: {{b: x}} # {M}\n", 1, id="behind a flow mapping"),
        pytest.param(f"a: [ # {M}\n x]\n", 1, id="behind the opening bracket"),
        pytest.param(f"a: # {M}\n  x\n", 1, id="behind the key, value below"),
        pytest.param(f"a: # {M}\n  - x\n", 1, id="behind the key of a list"),
        pytest.param(f"a: # {M}\nb: y\n", 1, id="behind the key of nothing"),
        pytest.param(f"? a # {M}\n: x\n", 1, id="behind a key"),
        pytest.param(f"a: &k x\nb: *k # {M}\n", 2, id="behind an alias"),
        pytest.param(f"a:\n  # {M}\n  - x # hides it\n", 2, id="above an item with a comment of its own"),
        pytest.param(f"a:\n  - x\n  # c\n  # {M}\n  - y\n", 4, id="second line of a comment"),
        pytest.param(f"a:\n  - x\n  # {M}\n\n  - y\n", 3, id="an empty line between"),
        pytest.param(f"a:\n  - x\n  # {M}\n  - b: y\n", 3, id="above an item that is a mapping"),
        pytest.param(f"a:\n  - x\n  # {M}\nb: y\n", 3, id="below the last item"),
        pytest.param(f"a:\n  # {M}\n  # c\n  x\n", 2, id="one of two between key and value"),
        pytest.param(f"a:\n  # {M}\n  x # c\n", 2, id="between key and value with a comment of its own"),
        pytest.param(f"a:\n  # {M}\n  b: y\n", 2, id="above a mapping that is the value"),
        pytest.param(f"--- # {M}\na: x\n", 1, id="behind a separator"),
        pytest.param(f"a: x # c\n---\n# {M}\n", 3, id="in a document of comments"),
    ],
)
def test_a_marker_that_belongs_to_no_value_is_reported(content: str, line: int) -> None:
    scan = find_markers(content.encode())
    assert scan.fields == ()
    (problem,) = scan.problems
    assert problem.line == line
    assert "this marker belongs to no value" in problem.what


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(f"{{{{- if .x }}}}\na: x # {M}\n{{{{- end }}}}\n", "the file is a template", id="template"),
        pytest.param(f"other: y\na: {{{{ .x }}}} # {M}\n", "its value is a template", id="template without quotes"),
        pytest.param(f"other: y\na: x-{{{{ .x }}}} # {M}\n", "its value is a template", id="template in plain text"),
        pytest.param(f'other: y\na: "{{{{ .x }}}}" # {M}\n', "its value is a template", id="template as the value"),
        pytest.param(f"b: y\n\t- a: x # {M}\n", "not valid YAML; line 2", id="tab as indentation"),
        pytest.param(f"b: [\na: x # {M}\n", "not valid YAML", id="unclosed bracket"),
        pytest.param(f"- y\n- x # {M}\n", "a document that is no mapping", id="document that is a list"),
        pytest.param(f"b: y\nx: !!int 15 # {M}\n", "explicit type", id="explicit type"),
        pytest.param(f"b: {'[' * 300}\na: x # {M}\n", "nested more than 200", id="deeper than any manifest"),
        pytest.param(f"b: *k\na: x # {M}\n", "the alias *k names no anchor", id="alias of nothing"),
        pytest.param(f"b: y\na: x # {M}\n--- # c\nb: &k y\n---\nb: *k\n", "the alias *k", id="alias across documents"),
        pytest.param(f"---\na: x # {M}\n--- {{b: y}}\n", "more than a comment behind `---`", id="value behind ---"),
        pytest.param(f"b: y\na: x # {M}\n...\nc: z\n", "not valid YAML", id="document without ---"),
        pytest.param(f"%TAG ! tag:x,1:\n--- {{a: x}} # {M}\n", "% directive", id="TAG directive"),
        pytest.param(f"%YAML 1.1\n--- {{a: x}} # {M}\n", "% directive", id="YAML directive"),
        pytest.param(f"%YAML 1.0\n--- {{a: x}} # {M}\n", "not valid YAML", id="directive of a version of long ago"),
    ],
)
def test_a_marker_in_a_file_that_is_not_edited_is_reported(content: str, says: str) -> None:
    scan = find_markers(content.encode())
    assert scan.fields == ()
    (problem,) = scan.problems
    assert problem.line == 2
    assert says in problem.what


@pytest.mark.parametrize("other", ["other: {{ .Values.x }}", "other: x-{{ .y }}", 'other: "{{ .y }}"'])
def test_only_the_value_that_is_a_template_is_refused_and_not_its_file(other: str) -> None:
    scan = find_markers(f"{other}\na: x # {M}\n".encode())
    assert [(field.line, field.text) for field in scan.fields] == [(2, "x")]
    assert scan.problems == ()


def test_a_file_that_is_not_utf_8_is_reported() -> None:
    scan = find_markers(f"a: x # {M}\n".encode() + b"b: \xff\n")
    assert scan.fields == ()
    assert "it is not UTF-8" in scan.problems[0].what


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"a: {{ .x }}\n", id="template"),
        pytest.param(b"kind: ImagePolicy\na: [\n", id="broken"),
        pytest.param(b"# Markers are explained at $imagepolicy\na: x\n", id="prose"),
        pytest.param(b"", id="empty"),
    ],
)
def test_a_file_without_markers_is_silent(content: bytes) -> None:
    scan = find_markers(content)
    assert (scan.fields, scan.problems) == ((), ())


def test_a_field_says_where_it_stands() -> None:
    content = f'\ufeffname: "😀"\nimage: "é:1" # {M}\n'.encode()
    (field,) = find_markers(content).fields
    assert content[field.start : field.end] == '"é:1"'.encode()
    assert (field.line, field.text) == (2, "é:1")


# fmt: off
NO_STRINGS = [
    "1.10", "0777", "1e10", "1E3", "1.", ".5", "+1", "-0", "0x1F", "0o17", "0b11", "0b-1", "1_000", "1e1_0", "08",
    ".inf", "-.INF", ".nan", "12:30:45", "190:20:30.15", "~", "null", "Null", "NULL", "true", "False", "y", "N",
    "yes", "NO", "on", "Off", "2024-01-02", "2024-1-2", "2024-01-02T03:04:05Z", "<<", "=",
]
UNQUOTED = [
    "1.2.3", "v1", "1.10.0", "latest", "2024-01-02-3", "0x1G", "1e", "on-2", "nullable", "12:30:45x", "sha-1e10",
    "_1", "1-2", "e10", "0b12", "main-1700000000",
]
# fmt: on


@pytest.mark.parametrize("text", NO_STRINGS)
@pytest.mark.parametrize("old", ["x", "1.5", "null", "~", "true", "&k x", "!!str 5"])
def test_a_text_that_some_yaml_reads_as_no_string_is_quoted(old: str, text: str) -> None:
    content = f"a: {old} # {M}\n".encode()
    [field] = find_markers(content).fields
    prefix = old.rpartition(" ")[0] + " " if " " in old else ""
    assert set_fields(content, {field.start: text}) == f'a: {prefix}"{text}" # {M}\n'.encode()


@pytest.mark.parametrize("text", UNQUOTED)
@pytest.mark.parametrize("old", ["x", "1.5", "null", "~", "true"])
def test_a_text_that_every_yaml_reads_as_a_string_is_not_quoted(old: str, text: str) -> None:
    content = f"a: {old} # {M}\n".encode()
    [field] = find_markers(content).fields
    assert set_fields(content, {field.start: text}) == f"a: {text} # {M}\n".encode()


@pytest.mark.parametrize("suffix", ["", ":tag", ":name", ":digest"])
@pytest.mark.parametrize(
    "place",
    [
        pytest.param("a: OLD # MARKER\n", id="value"),
        pytest.param("a: 'OLD' # MARKER\n", id="single quotes"),
        pytest.param('a: "OLD"\t# MARKER\n', id="double quotes"),
        pytest.param("a: |- # MARKER\n  OLD\n", id="literal block"),
        pytest.param("a: >- # MARKER\n  OLD\n", id="folded block"),
        pytest.param("a:\n- OLD # MARKER\n", id="list item"),
        pytest.param("a:\n- x\n# MARKER\n- OLD\n", id="above a list item"),
        pytest.param("a: [OLD, # MARKER\n b]\n", id="flow list"),
        pytest.param('{"a": "OLD" # MARKER\n}\n', id="JSON style"),
        pytest.param("a: &k OLD # MARKER\nb: *k\n", id="anchor"),
    ],
)
def test_each_form_is_set_in_each_place(place: str, suffix: str) -> None:
    written = place.replace("MARKER", f'{{"$imagepolicy": "ns:app{suffix}"}}')
    [field] = find_markers(written.replace("OLD", "old").encode()).fields
    assert str(field.marker) == f"ns:app{suffix}"
    edited = set_fields(written.replace("OLD", "old").encode(), {field.start: f"web:1.2.3@{DIGEST}"})
    assert edited == written.replace("OLD", f"web:1.2.3@{DIGEST}").encode()


def test_a_number_is_not_the_text_that_looks_like_it() -> None:
    (field,) = find_markers(f"a: 1.10 # {M}\n".encode()).fields
    assert field.text == "1.10"
    assert not field.holds("1.10")
    assert set_fields(f"a: 1.10 # {M}\n".encode(), {field.start: "1.10"}) == f'a: "1.10" # {M}\n'.encode()


@pytest.mark.parametrize(
    ("content", "new", "says"),
    [
        pytest.param(f"a: x # {M}\n", "", "is not one line of printable text", id="empty text"),
        pytest.param(f"a: x # {M}\n", "a\nb", "is not one line of printable text", id="two lines"),
        pytest.param(f"a: x # {M}\n", "a\x00", "is not one line of printable text", id="control character"),
        pytest.param(f"a: | # {M}\nb: x\n", "v1", "its block is empty", id="empty block"),
        pytest.param(f"b: x # {M}\n", "v1", "no marked field starts there", id="no such field"),
    ],
)
def test_what_cannot_be_set_is_refused(content: str, new: str, says: str) -> None:
    written = content.encode()
    start = written.index(b"a: ") + 3 if b"a: " in written else 1
    with pytest.raises(CannotSet, match=says):
        set_fields(written, {start: new})


@pytest.mark.parametrize(
    ("content", "new", "expected"),
    [
        pytest.param("a: x # {}\n", "a: b", 'a: "a: b" # {}\n', id="colon and space"),
        pytest.param("a: x # {}\n", "- a", 'a: "- a" # {}\n', id="dash"),
        pytest.param("a: x # {}\n", "a #b", 'a: "a #b" # {}\n', id="hash"),
        pytest.param("a: x # {}\n", 'say "hi"\\', 'a: "say \\"hi\\"\\\\" # {}\n', id="quotes and backslash"),
        pytest.param("a: 'x' # {}\n", "it's", "a: 'it''s' # {}\n", id="apostrophe in single quotes"),
        pytest.param("a: [x # {}\n ]\n", "b, c", 'a: ["b, c" # {}\n ]\n', id="comma in a flow list"),
    ],
)
def test_any_printable_text_can_be_set(content: str, new: str, expected: str) -> None:
    before, after = (text.replace("{}", M) for text in (content, expected))
    (field,) = find_markers(before.encode()).fields
    assert set_fields(before.encode(), {field.start: new}) == after.encode()


def test_nothing_to_set_changes_nothing() -> None:
    assert set_fields(b"a: [ broken", {}) == b"a: [ broken"


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param(lambda m: f"a: {'[' * 100_000} # {m}\n", id="brackets without end"),
        pytest.param(lambda m: "".join(" " * depth + "a:\n" for depth in range(400)) + f"# {m}\n", id="deep mapping"),
        pytest.param(lambda m: f"a: &a [*a, *a]\nb: *zz # {m}\n", id="aliases of themselves and of nothing"),
        pytest.param(lambda m: f"%YAML 9.9\n---\na: x # {m}\n", id="directive of a version to come"),
        pytest.param(lambda m: f"a: \u2028 x # {m}\x85b: y\n", id="line separators"),
        pytest.param(lambda m: f"a: \x07 # {m}\n", id="control character"),
        pytest.param(lambda m: f"\ufeff\ufeffa: x # {m}\n", id="two byte order marks"),
    ],
)
def test_a_hostile_file_is_read_or_reported(hostile: Callable[[str], str]) -> None:
    scan = find_markers(hostile(M).encode())
    assert scan.fields or scan.problems


def test_a_marker_is_a_json_object_of_strings() -> None:
    marker = json.dumps({"$imagepolicy": "team.a:web.v2:name"})
    (field,) = find_markers(f"a: x # {marker}\n".encode()).fields
    assert (field.marker.namespace, field.marker.policy, field.marker.part) == ("team.a", "web.v2", Part.NAME)
