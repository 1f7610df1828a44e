"""Whatever the bytes are, the editor edits or reports: it never crashes and never changes a byte elsewhere.

A long run: `FLUXBRIDGE_FUZZ_EXAMPLES=100000 uv run pytest -n0 tests/fuzz`.
"""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.core.flux.scanning import scan_file
from app.core.manifests.markers import MarkedField, find_markers, set_fields
from app.core.manifests.setting import CannotSet
from app.core.promotion.edit_plans import plan_edits
from app.core.promotion.selections import InvalidSelections, Selected, read_selections

EXAMPLES = int(os.environ.get("FLUXBRIDGE_FUZZ_EXAMPLES", "100"))
GOLDEN = sorted(Path(__file__).parents[1].glob("golden/markers/*/before.yaml"))
fuzz = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
pytestmark = pytest.mark.timeout(120 if EXAMPLES <= 1000 else 0)

MARKERS = [f'# {{"$imagepolicy": "ns:app{suffix}"}}'.encode() for suffix in ("", ":tag", ":name", ":digest")]
SYNTAX = (
    b"\t,  ,\n,\r\n,\r,- ,? ,: ,# ,\",',[,],{,},{{ .x }},&a ,*a,!!str ,! ,|,>-,|2,---\n,...\n,%YAML 1.1\n,<<: ,~,null,"
    b"\xef\xbb\xbf,\xc2\xa0,\xc2\x85,\xe2\x80\xa8,\xf0\x9f\x98\x80,\xff,\x00,\\,@,`,1.10,0x1F"
).split(b",")
TOKENS = st.sampled_from([*SYNTAX, b",", *MARKERS, *(b" " + marker + b"\n" for marker in MARKERS)])
NEW_TEXTS = st.one_of(
    st.sampled_from(
        ["v1.2.3", "1.10", "on", "registry.acme.example/web:1@sha256:" + "0" * 64, "a: b", "it's", '"', "\\", "😀"]
    ),
    st.text(min_size=1, max_size=20),
)


@st.composite
def pieces(draw: st.DrawFn) -> bytes:
    """Bytes that are nearly YAML."""
    parts = draw(st.lists(st.one_of(TOKENS, st.sampled_from([b"a", b"b", b"x"]), st.binary(max_size=4)), max_size=40))
    return b"".join(parts)


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """A golden file in which a few places were cut out, overwritten or filled."""
    content = draw(st.sampled_from([path.read_bytes() for path in GOLDEN]))
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, len(content)))
        cut = draw(st.sampled_from([0, 0, 1, 3, 20]))
        start = draw(st.integers(0, len(content)))
        piece = draw(st.one_of(TOKENS, st.just(content[start : start + 30]), st.binary(max_size=3)))
        content = content[:at] + piece + content[at + cut :]
    return content


@fuzz
@given(st.one_of(pieces(), mutations(), st.binary(max_size=200)), NEW_TEXTS)
def test_any_bytes_are_edited_in_their_fields_only_or_reported(content: bytes, new: str) -> None:
    scan_file("a.yaml", content)
    fields = find_markers(content).fields
    written = {field.start: edit_alone(content, field, new) for field in fields}
    chosen = [field for field in fields if written[field.start] is not None]
    edited = set_fields(content, dict.fromkeys((field.start for field in chosen), new))
    pieces, done = [], 0
    for field in chosen:
        pieces += [content[done : field.start], written[field.start] or b""]
        done = field.end
    assert edited == b"".join([*pieces, content[done:]])
    now = find_markers(edited).fields
    assert len(now) == len(fields)
    assert all(after.holds(new) for before, after in zip(fields, now, strict=True) if before in chosen)
    assert set_fields(edited, {field.start: new for field in now if field.holds(new)}) == edited


def edit_alone(content: bytes, field: MarkedField, new: str) -> bytes | None:
    """What one field is written as, with all around it as it was; None where the edit is refused."""
    try:
        edited = set_fields(content, {field.start: new})
    except CannotSet:
        return None
    assert edited.startswith(content[: field.start])
    assert edited.endswith(content[field.end :])
    return edited[field.start : len(edited) - len(content) + field.end]


@fuzz
@given(st.lists(st.one_of(pieces(), mutations()), max_size=3), NEW_TEXTS)
def test_any_folder_is_planned_with_whole_policies_or_reports(contents: list[bytes], tag: str) -> None:
    files = {f"{number}.yaml": content for number, content in enumerate(contents)}
    chosen = {policy: Selected("registry.acme.example/app", tag) for policy in ("ns:app", "flux-system:web")}
    plan = plan_edits(files, chosen)
    assert all(one.before == files[one.path] != one.after for one in plan.files)
    assert {edit.file for edit in plan.fields} == {one.path for one in plan.files}
    assert not {edit.policy for edit in plan.fields} & plan.unset.keys()
    again = plan_edits(files | {one.path: one.after for one in plan.files}, chosen)
    assert again.files == ()


@fuzz
@given(st.one_of(pieces(), st.binary(max_size=200)))
def test_any_file_of_selections_is_read_or_refused(content: bytes) -> None:
    try:
        selections = read_selections(content)
    except InvalidSelections:
        return
    assert all(selected.image and selected.tag for selected in selections.values())
