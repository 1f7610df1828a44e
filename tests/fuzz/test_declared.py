"""Whatever the bytes are and whatever is declared in them: fields are set or refused, and no byte changes elsewhere."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from app.core.manifests.editing import edit_file, find_declared
from app.core.manifests.kinds.charts import LOCK_FILES
from app.core.manifests.kinds.declared import (
    ChartDependency,
    Containers,
    DeclaredField,
    EnvKey,
    JsonPath,
    KustomizationImage,
    Selector,
    SourceRef,
    YamlPath,
)
from app.core.manifests.kinds.field_paths import FieldPath
from app.core.manifests.places import Part
from app.core.manifests.text.setting import CannotSet
from tests.core.manifests.declared import rules_with
from tests.fuzz.contents import NEW_TEXTS, TOKENS, fuzz, mutated, pieces, timeout

GOLDEN = Path(__file__).parents[1] / "golden"
pytestmark = timeout


@dataclass(frozen=True)
class Case:
    """A file, the lock file beside it where it has one, and what is declared in it."""

    path: str
    contents: Mapping[str, bytes]
    selectors: Sequence[Selector]

    def found(self) -> list[DeclaredField]:
        """The fields, each once."""
        scans = find_declared(self.path, self.contents, self.selectors)
        assert all(problem.line >= 1 and problem.what for scan in scans for problem in scan.problems)
        return list(dict.fromkeys(field for scan in scans for field in scan.fields))

    def edited(self, settings: Sequence[tuple[DeclaredField, str]]) -> "Case | None":
        """The same with new texts; None where they are refused."""
        try:
            edited = edit_file(self.path, self.contents, settings)
        except CannotSet:
            return None
        assert all(content != self.contents[name] for name, content in edited.items())
        return replace(self, contents={**self.contents, **edited})


def _golden() -> Iterator[Case]:
    for folder in sorted((GOLDEN / "declared").iterdir()):
        declarations = rules_with((folder / "fields.yaml").read_text()).declarations
        yield Case("a.yaml", {"a.yaml": (folder / "before.yaml").read_bytes()}, [one.selector for one in declarations])
    for folder in sorted((GOLDEN / "env").iterdir()):
        keys = [EnvKey(one["key"], Part.TAG, one.get("pattern")) for one in _declared(folder)]
        yield Case(".env", {".env": (folder / "before.env").read_bytes()}, keys)
    for folder in sorted((GOLDEN / "json").iterdir()):
        paths = [
            JsonPath(FieldPath.parse(one["path"]), pattern=one.get("pattern"), part=Part.TAG if "part" in one else None)
            for one in _declared(folder)
        ]
        yield Case("a.json", {"a.json": (folder / "before.json").read_bytes()}, paths)
    for folder in sorted((GOLDEN / "charts" / "edits").iterdir()):
        contents = {path.name: path.read_bytes() for path in (folder / "before").iterdir()}
        (path,) = contents.keys() & LOCK_FILES.keys()
        names = [ChartDependency(name) for name in json.loads((folder / "declared.json").read_text())]
        yield Case(path, contents, names)


def _declared(folder: Path) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads((folder / "declared.json").read_text())
    return found


CASES = tuple(_golden())
FILES = ("a.yaml", "a.json", ".env", *LOCK_FILES)
PATHS = st.sampled_from(["a", "a.b", "*", "*.*", "*[*]", "[0]", "a[b=x]", "a.tag", "'a'.*.tag", "*.*.*.*"]).map(
    FieldPath.parse
)
PATTERNS = st.sampled_from([None, None, "(.+)", "(?m)^(.*)$", "([a-z])", "=([^ ]+)", r"(\S)\S", "(?s)(.+)"])
PARTS = st.one_of(st.none(), st.sampled_from(Part))
NAMES = st.sampled_from(["a", "b", "app", "web", "redis", ""])
SELECTORS: st.SearchStrategy[Selector] = st.one_of(
    st.builds(KustomizationImage, NAMES, st.sampled_from([(), (Part.TAG,), (Part.DIGEST, Part.NAME)])),
    st.builds(YamlPath, PATHS, PARTS, PATTERNS, st.sampled_from(["", "Pod", "HelmRelease"]), NAMES),
    st.builds(SourceRef, st.sampled_from(["OCIRepository", "GitRepository"]), NAMES),
    st.just(Containers()),
    st.builds(ChartDependency, NAMES),
    st.builds(JsonPath, PATHS, PARTS, PATTERNS),
    st.builds(EnvKey, NAMES, st.sampled_from(Part), PATTERNS),
    st.sampled_from([selector for case in CASES for selector in case.selectors]),
)
WORDS = (
    b"a: ,b: ,tag: ,repository: ,digest: ,image: ,name: app\n,images:\n,- name: ,newTag: ,version: 1.2.3\n,"
    b'dependencies:\n,kind: Pod\n,kind: HelmRelease\n,spec:\n,  containers:\n,\n  ,a=,export b=,{"a": ,"\\ud800",[a:b]'
).split(b",")


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A golden file with what is declared there, or bytes of any kind, with selectors of any kind as well."""
    more = draw(st.lists(SELECTORS, max_size=3))
    if draw(st.booleans()):
        case = draw(st.sampled_from(CASES))
        changed = draw(st.lists(st.sampled_from(sorted(case.contents)), max_size=2, unique=True))
        contents = {name: draw(mutated(case.contents[name])) for name in changed}
        return Case(case.path, {**case.contents, **contents}, [*case.selectors, *more])
    path = draw(st.sampled_from(FILES))
    words = st.lists(st.one_of(TOKENS, st.sampled_from(WORDS)), max_size=30).map(b"".join)
    content = st.one_of(words, pieces(), st.binary(max_size=200))
    beside = [LOCK_FILES[path]] if path in LOCK_FILES and draw(st.booleans()) else []
    return Case(path, {name: draw(content) for name in [path, *beside]}, more)


@fuzz
@given(cases(), NEW_TEXTS | st.sampled_from(["1.2.4", "2.0.0"]))
def test_any_field_of_any_file_is_set_alone_or_refused(case: Case, new: str) -> None:
    for field in case.found():
        after = case.edited([(field, new)])
        if after is None:
            continue
        _check_bytes(case, after, [field])
        if getattr(field.selector, "pattern", None) is None:
            assert after.edited([(one, new) for one in after.found() if _name(one) == _name(field)]) == after


@fuzz
@given(cases(), NEW_TEXTS | st.sampled_from(["1.2.4", "2.0.0"]))
def test_all_fields_of_any_file_are_set_together_or_refused(case: Case, new: str) -> None:
    fields = case.found()
    after = case.edited([(field, new) for field in fields])
    if after is not None:
        _check_bytes(case, after, fields)


def _name(field: DeclaredField) -> tuple[Selector, str, Part, int]:
    """What a field is known by that was set; one whose key was added stands elsewhere then."""
    return field.selector, field.where, field.part, field.start


def _check_bytes(before: Case, after: Case, fields: Sequence[DeclaredField]) -> None:
    """What stands between the fields is there still, in order, from the first byte to the last."""
    content, edited = before.contents[before.path], after.contents[before.path]
    _check_gaps(content, edited, sorted({(field.start, field.end) for field in fields}))
    for name in before.contents.keys() - {before.path}:
        if before.contents[name] != after.contents[name]:
            _check_gaps(before.contents[name], after.contents[name], _places_in_lock(before.contents[name]))


def _check_gaps(content: bytes, edited: bytes, places: Sequence[tuple[int, int]]) -> None:
    gaps, done = [], 0
    for start, end in places:
        gaps.append(content[done : max(start, done)])
        done = max(done, end)
    last = content[done:]
    assert edited.startswith(gaps[0] if gaps else content)
    assert edited.endswith(last)
    position = 0
    for gap in gaps:
        position = edited.find(gap, position)
        assert position >= 0
        position += len(gap)
    assert position + len(last) <= len(edited)


def _places_in_lock(content: bytes) -> list[tuple[int, int]]:
    paths = [YamlPath(FieldPath.parse(path), Part.TAG) for path in ("dependencies.*.version", "digest")]
    scans = find_declared("a.yaml", {"a.yaml": content}, paths)
    return sorted((field.start, field.end) for scan in scans for field in scan.fields)
