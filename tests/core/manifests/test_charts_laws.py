"""Laws of editing charts, on charts that nobody thought of."""

from hypothesis import given
from hypothesis import strategies as st

from app.core.manifests.kinds.chart_lock import Dependency, lock_digest
from app.core.manifests.kinds.charts import Chart, find_dependencies, set_dependencies
from app.core.manifests.kinds.declared import ChartDependency
from app.core.manifests.text.documents import Value, read_documents
from app.core.manifests.text.parsing import decode
from app.core.manifests.text.quoting import write_double_quoted, write_plain, write_single_quoted
from app.core.manifests.text.setting import CannotSet

VERSIONS = st.from_regex(r"v?[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{1,2}(-rc\.[1-9])?(\+b[0-9])?", fullmatch=True)
RANGES = st.sampled_from(["^1.2", "~2", "1.x.x", ">= 0.0.1", "*", "1.2 - 3"])
WORDS = st.text("ab<&>é😀' ", min_size=1, max_size=5).map(lambda word: f"w{word}w")
WRITERS = st.sampled_from([write_plain, write_double_quoted, write_single_quoted])
LINE_ENDS = st.sampled_from(["\n", "\r\n"])


@st.composite
def charts(draw: st.DrawFn) -> Chart:
    """Charts of a few dependencies `d0`, `d1` … with a lock file that agrees."""
    required, locked, lines, lock_lines = [], [], ["name: x # é", "dependencies:"], ["dependencies:"]
    for number in range(draw(st.integers(1, 4))):
        write = draw(WRITERS)
        repository, condition, tag = draw(WORDS), draw(WORDS), draw(WORDS)
        written, version = draw(st.one_of(VERSIONS, RANGES)), draw(VERSIONS)
        required.append(Dependency(f"d{number}", written, repository, condition=condition, tags=(tag,)))
        locked.append(Dependency(f"d{number}", version, repository))
        lines += [f"- version: {write(written)} # note", f"  name: d{number}", f"  repository: {write(repository)}"]
        lines += [f"  condition: {write(condition)}", "  tags:", f"  - {write(tag)}"]
        lock_lines += [f"- name: d{number}", f"  version: {write(version)}", f"  repository: {write(repository)}"]
    lock_lines += [f"digest: {lock_digest(required, locked)}", 'generated: "2025-03-04T10:20:30Z"']
    line_end = draw(LINE_ENDS)
    return Chart(line_end.join(lines).encode(), (line_end.join(lock_lines) + line_end).encode())


@given(charts(), VERSIONS)
def test_helm_would_accept_the_chart_again(chart: Chart, new: str) -> None:
    (field,) = find_dependencies(chart, ChartDependency("d0")).fields
    edited = set_dependencies(chart, {field: new})
    scan = find_dependencies(edited, ChartDependency("d0"))
    assert [field.text for field in scan.fields] == [new]
    assert set_dependencies(edited, dict.fromkeys(scan.fields, new)) == edited


@given(charts(), VERSIONS)
def test_only_the_version_and_the_digest_differ(chart: Chart, new: str) -> None:
    (field,) = find_dependencies(chart, ChartDependency("d0")).fields
    edited = set_dependencies(chart, {field: new})
    assert edited.content.startswith(chart.content[: field.start])
    assert edited.content.endswith(chart.content[field.end :])
    before, after = _read(chart.lock), _read(edited.lock)
    (first, *others), (new_first, *new_others) = _entries(before), _entries(after)
    assert (new_first, new_others) == ({**first, "version": new}, others)
    assert after.keys() == before.keys()
    assert after["generated"] == before["generated"]
    assert len((edited.lock or b"").splitlines()) == len((chart.lock or b"").splitlines())


@given(charts(), st.binary(max_size=30), st.integers(0, 300), st.booleans())
def test_no_bytes_make_the_editor_fail(chart: Chart, noise: bytes, position: int, in_lock: bool) -> None:  # noqa: FBT001
    content, lock = chart.content, chart.lock or b""
    if in_lock:
        lock = lock[:position] + noise + lock[position:]
    else:
        content = content[:position] + noise + content[position:]
    broken = Chart(content, lock)
    for field in find_dependencies(broken, ChartDependency("d0")).fields:
        try:
            edited = set_dependencies(broken, {field: "9.8.7"})
        except CannotSet:
            continue
        assert edited.content.startswith(content[: field.start])
        assert edited.content.endswith(content[field.end :])


def _read(content: bytes | None) -> dict[str, Value]:
    (document,) = read_documents(decode(content or b"").characters)
    assert isinstance(document, dict)
    return document


def _entries(lock: dict[str, Value]) -> list[dict[str, Value]]:
    entries = lock["dependencies"]
    assert isinstance(entries, list)
    return [one for one in entries if isinstance(one, dict)]
