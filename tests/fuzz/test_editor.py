"""Whatever the bytes are, the editor edits or reports: it never crashes and never changes a byte elsewhere.

A long run: `FLUXBRIDGE_FUZZ_EXAMPLES=100000 uv run pytest -n0 tests/fuzz`.
"""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from app.core.flux.scanning import scan_file
from app.core.manifests.kinds.markers import MarkedField, find_markers, set_fields
from app.core.manifests.text.setting import CannotSet
from app.core.promotion.edit_plans import plan_edits
from app.core.promotion.given_images import InvalidSelections, Selected, read_selections
from tests.fuzz.contents import NEW_TEXTS, fuzz, mutated, pieces, timeout

GOLDEN = sorted(Path(__file__).parents[1].glob("golden/markers/*/before.yaml"))
pytestmark = timeout


def mutations() -> st.SearchStrategy[bytes]:
    """Golden files with some places changed."""
    return st.sampled_from(GOLDEN).flatmap(lambda path: mutated(path.read_bytes()))


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
