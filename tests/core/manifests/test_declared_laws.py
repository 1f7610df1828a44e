"""Laws of setting declared fields, on manifests that nobody thought of."""

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.manifests.editing import edit_file, find_declared
from app.core.manifests.kinds.declared import (
    Containers,
    DeclaredField,
    KustomizationImage,
    Selector,
    SourceRef,
    YamlPath,
)
from app.core.manifests.kinds.field_paths import FieldPath, InvalidPath, Named, Step
from app.core.manifests.places import Part
from app.core.manifests.text.documents import Value, read_documents
from app.core.manifests.text.parsing import decode
from app.core.manifests.text.setting import CannotSet
from tests.core.manifests.test_markers_laws import ONE_LINE, TAGS

untimed = settings(deadline=None)
FILE = "file.yaml"
BLANKS = st.sampled_from(["", "# note\n", "\n", "  # deeper\n"])
OLD = st.sampled_from(["x", "'it''s'", '"q\\t"', "1.5", "null", "~", "é😀", "!!str 5", "a b", "''", "&k x", ""])
COMMENT = st.sampled_from(["", " # c", "\t# 😀", "   "])
KEYS = st.sampled_from(["a", "'b c'", '"d.e"', "é", "f"])
ENDS = st.sampled_from(["\n", "\r\n"])


@dataclass(frozen=True)
class Case:
    """A generated file, what is declared in it, and where a reader finds the fields."""

    content: bytes
    selector: Selector
    fields: int


def _find(content: bytes, selector: Selector) -> tuple[DeclaredField, ...]:
    (scan,) = find_declared(FILE, {FILE: content}, [selector])
    return scan.fields


def _set(content: bytes, selector: Selector, tag: str) -> bytes:
    new = _text(selector, tag)
    return edit_file(FILE, {FILE: content}, [(field, new) for field in _find(content, selector)]).get(FILE, content)


def _text(selector: Selector, tag: str) -> str:
    return f"reg.io/app:{tag}" if isinstance(selector, Containers) else tag


@st.composite
def paths_in_blocks(draw: st.DrawFn) -> tuple[str, Selector, int]:
    """Mappings in mappings, one to three deep, with neighbours around the value."""
    depth = draw(st.integers(1, 3))
    keys = draw(st.lists(KEYS, min_size=depth, max_size=depth))
    indent = draw(st.integers(1, 4))
    text = draw(BLANKS)
    for level, key in enumerate(keys[:-1]):
        text += (
            f"{' ' * indent * level}{key}:{draw(COMMENT)}\n{' ' * indent * (level + 1)}z: &z{level} 1\n{draw(BLANKS)}"
        )
    text += f"{' ' * indent * (depth - 1)}{keys[-1]}: {draw(OLD)}{draw(COMMENT)}\n{draw(BLANKS)}end: [1, {{tag: x}}]\n"
    path = ".".join(key if key[0] in "'\"" else f'"{key}"' for key in keys)
    return text, YamlPath(FieldPath.parse(path), Part.TAG), 1


@st.composite
def items_in_lists(draw: st.DrawFn) -> tuple[str, Selector, int]:
    """Lists in blocks or brackets, whose items are chosen by name, by number or all."""
    names = draw(st.permutations(["app", "web", "job"]))
    old = draw(OLD.filter(lambda old: old not in ("", "&k x")))
    if draw(st.booleans()):
        items = ", ".join(f"{{name: {name}, tag: {old}, x: 1}}" for name in names)
        text = f"list: [ {items} ]{draw(COMMENT)}\n"
    else:
        gap = draw(st.sampled_from(["", "  ", "    "]))
        text = "list:\n" + "".join(f"{gap}- tag:   {old}{draw(COMMENT)}\n{gap}  name: {name}\n" for name in names)
    step, found = draw(st.sampled_from([("[app]", 1), ("[name=web]", 1), ("[2]", 1), ("[*]", 3)]))
    return text, YamlPath(FieldPath.parse(f"list{step}.tag")), found


@st.composite
def parts_of_texts(draw: st.DrawFn) -> tuple[str, Selector, int]:
    """A version inside of a plain, quoted or literal text."""
    before, after = draw(st.sampled_from(["", "é ", "a-"])), draw(st.sampled_from(["", " 😀", " # no comment"]))
    inner = f"{before}V={draw(st.sampled_from(['1', '1.2.3', 'x']))}{after}"
    match draw(st.sampled_from(["'", '"', "|", "|-"])):
        case "'" | '"' as quote:
            text = f"k: {quote}{inner}{quote}{draw(COMMENT)}\n"
        case style:
            text = f"k: {style}{draw(COMMENT)}\n    first\n\n      {inner}\n    last\n"
    return text + "end: 1\n", YamlPath(FieldPath.parse("k"), Part.TAG, r"V=([^ \n]+)"), 1


@st.composite
def kustomizations(draw: st.DrawFn) -> tuple[str, Selector, int]:
    """Kustomizations with and without the list, the entry and the key."""
    quote = draw(st.sampled_from(["", '"', "'"]))
    name, tag = f"{quote}name{quote}: {quote}app{quote}", f"{quote}newTag{quote}: {quote}v1{quote}"
    other = f"{quote}name{quote}: {quote}other{quote}"
    entries = draw(st.sampled_from([[], [[other]], [[name]], [[name, tag]], [[tag, name], [other]], [[other], [name]]]))
    head = f"resources:\n{draw(st.sampled_from(['', '  ']))}- a.yaml\n{draw(BLANKS)}"
    match draw(st.sampled_from(["block", "items", "flow", "missing", "json"])):
        case "block" if entries:
            gap, dash = draw(st.sampled_from(["", "  "])), draw(st.sampled_from(["- ", "-   "]))
            lines = [
                f"{gap}{dash if not number else ' ' * len(dash)}{pair}{draw(COMMENT)}\n"
                for entry in entries
                for number, pair in enumerate(entry)
            ]
            text = f"{head}images:\n{''.join(lines)}"
        case "items" if entries:
            text = f"{head}images:\n" + "".join(f"  - {{ {', '.join(entry)} }}{draw(COMMENT)}\n" for entry in entries)
        case "flow":
            text = f"{head}images: [{', '.join('{' + ', '.join(entry) + '}' for entry in entries)}]{draw(COMMENT)}\n"
        case "json":
            pairs = ",\n".join("    {\n" + ",\n".join(f"      {one}" for one in entry) + "\n    }" for entry in entries)
            text = f'{{\n  "resources": ["a"],\n  "images": [\n{pairs}\n  ]\n}}\n'
        case _:
            text = head + draw(st.sampled_from(["", "images:\n", "images: # none\n"]))
    return text + draw(st.sampled_from(["", "# end\n"])), KustomizationImage("app", (Part.TAG,)), 1


@st.composite
def workloads(draw: st.DrawFn) -> tuple[str, Selector, int]:
    """Objects with and without a pod spec."""
    kinds = {"Pod": "{spec: SPEC}", "Deployment": "{spec: {template: {spec: SPEC}}}", "Other": "{spec: SPEC}"}
    documents, found = [], 0
    for kind in draw(st.lists(st.sampled_from(sorted(kinds)), min_size=1, max_size=3)):
        image = draw(st.sampled_from(["app", "'reg.io/app:1' ", "'reg.io/app:1@sha256:" + "0" * 64 + "'", "$(NO)"]))
        spec = kinds[kind].replace("SPEC", f"{{containers: [{{name: x, image: {image}}}]}}")
        documents.append(f"kind: {kind}{draw(st.sampled_from(['', ' # c']))}\n{draw(BLANKS)}{spec[1:-1]}\n")
        found += kind != "Other" and image != "$(NO)"
    return "---\n".join(documents), Containers(), found


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """One of these, with either line end, with or without a byte order mark and a final newline."""
    text, selector, found = draw(
        st.one_of(paths_in_blocks(), items_in_lists(), parts_of_texts(), kustomizations(), workloads())
    )
    text = draw(st.sampled_from(["", "\ufeff"])) + text.replace("\n", draw(ENDS))
    return Case((text.rstrip("\r\n") if draw(st.booleans()) else text).encode(), selector, found)


@untimed
@given(cases())
def test_every_declared_field_is_found(case: Case) -> None:
    (scan,) = find_declared(FILE, {FILE: case.content}, [case.selector])
    assert (len(scan.fields), scan.problems) == (case.fields, ())


@untimed
@given(cases(), TAGS)
def test_only_the_bytes_of_the_fields_differ(case: Case, new: str) -> None:
    edited = _set(case.content, case.selector, new)
    rest = edited
    done = 0
    for field in _find(case.content, case.selector):
        untouched = case.content[done : field.start]
        assert untouched in rest
        rest = rest[rest.index(untouched) + len(untouched) :]
        done = field.end
    assert rest.endswith(case.content[done:])
    if not any(field.is_missing for field in _find(case.content, case.selector)):
        kept = _find(edited, case.selector)
        assert _without(edited, kept) == _without(case.content, _find(case.content, case.selector))


@untimed
@given(cases(), TAGS)
def test_editing_twice_is_editing_once(case: Case, new: str) -> None:
    once = _set(case.content, case.selector, new)
    assert _set(once, case.selector, new) == once


@untimed
@given(cases(), TAGS)
def test_parsed_documents_differ_only_at_the_declared_places(case: Case, new: str) -> None:
    edited = _set(case.content, case.selector, new)
    fields = _find(edited, case.selector)
    assert all(field.holds(_text(case.selector, new)) for field in fields)
    before, after = _values(case.content), _values(edited)
    if isinstance(case.selector, KustomizationImage):
        assert _besides_tag(edited) == _besides_tag(case.content)
    else:
        assert len(before) == len(after)
        assert sum(one != other for one, other in zip(before, after, strict=True)) <= case.fields


@untimed
@given(cases(), ONE_LINE)
def test_any_line_of_text_is_set_exactly_or_refused(case: Case, new: str) -> None:
    try:
        edited = _set(case.content, case.selector, new)
    except CannotSet:
        return
    if not (isinstance(case.selector, YamlPath) and case.selector.pattern):  # the pattern may end before the text does
        assert all(field.holds(_text(case.selector, new)) for field in _find(edited, case.selector))


@untimed
@given(
    st.one_of(
        st.binary(max_size=120),
        st.text("ab:-[]{},#&*!|>'\"% \n\t\r\\?é\u2028\x85\ufeff01.<", max_size=60).map(str.encode),
        st.text("ab:-[] \n", max_size=60).map(
            lambda text: f"kind: Pod\nspec: {{}}\nimages:\n- name: a\n{text}".encode()
        ),
    ),
    st.sampled_from(
        [
            YamlPath(FieldPath.parse("a")),
            YamlPath(FieldPath.parse("*.*"), Part.TAG),
            YamlPath(FieldPath.parse("a"), Part.TAG, "(a+)"),
            YamlPath(FieldPath.parse("[0].a"), Part.TAG, kind="Pod"),
            KustomizationImage("a"),
            KustomizationImage("b", (Part.NAME,)),
            SourceRef("GitRepository", ""),
            Containers(),
        ]
    ),
)
def test_no_file_makes_the_search_or_an_edit_fail(content: bytes, selector: Selector) -> None:
    for field in _find(content, selector):
        try:
            edited = edit_file(FILE, {FILE: content}, [(field, "v1.2.3")])
        except CannotSet:
            continue
        assert edited.get(FILE, content).startswith(content[: field.start])
        assert edited.get(FILE, content).endswith(content[field.end :])


@untimed
@given(st.text("a.[]'\"*= \n\\é0", max_size=12))
def test_no_path_makes_its_reading_fail(text: str) -> None:
    try:
        path = FieldPath.parse(text)
    except InvalidPath:
        return
    assert all(isinstance(step, Step) for step in path.steps)
    assert Named("") not in path.steps


def _without(content: bytes, fields: tuple[DeclaredField, ...]) -> list[bytes]:
    starts = [0, *(field.end for field in fields)]
    ends = [*(field.start for field in fields), len(content)]
    return [content[start:end].rstrip(b" ") for start, end in zip(starts, ends, strict=True)]


def _values(content: bytes) -> list[str]:
    return [one for document in read_documents(decode(content).characters) for one in _flat(document)]


def _flat(value: Value) -> list[str]:
    match value:
        case list(items):
            return ["[", *(one for item in items for one in _flat(item)), "]"]
        case dict(table):
            return ["{", *(one for key in table for one in (key, *_flat(table[key]))), "}"]
        case _:
            return [repr(value)]


def _besides_tag(content: bytes) -> list[Value]:
    """A kustomization without the tag of app, without an entry that only names it, without an empty list."""
    documents = read_documents(decode(content).characters)
    for document in documents:
        assert isinstance(document, dict)
        images = document.pop("images", None)
        entries = [entry for entry in images if isinstance(entry, dict)] if isinstance(images, list) else []
        for entry in entries:
            if entry["name"] == "app":
                entry.pop("newTag", None)
        if kept := [entry for entry in entries if entry != {"name": "app"}]:
            document["images"] = [*kept]
    return documents
